//! Restores missing shards: the repair queue, heal on read, and slots that wait for their shards.
//!
//! The queue is the metadata's repair index, ordered by spare shards, then by age. A repaired stripe leaves it in the
//! command that says so ([`meta::command::RepairDone`]). Each node restores the shards that belong on its own disks. Many
//! stripes are under repair at once, so that their commands share entries of the log and their shards share syncs; a budget
//! of its own bounds the memory that all of them hold ([`Store::repair_budget`]).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use env::{Buffers, Bug, Moment};
use erasure::{Codec, FramedShard};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, stream};
use meta::command::{RepairDone, RepairedStripe, ReportMissing};
use meta::query::{self, RepairEntry};
use meta::record::{Segment, WriteId};
use meta::{Command, Refusal, View};

use crate::error::{Error, ProposeError, Result};
use crate::layout::Layout;
use crate::progress::{Reason, Tally};
use crate::shards::{FaultyStripe, Stripe};
use crate::store::Store;
use crate::stripe_reader::reconstruct;
use crate::throttle::Throttle;

/// Entries of the repair index read at a time.
const PAGE_SIZE: usize = 256;

/// Stripes repaired at once, as far as the memory for repairs suffices. Twice as many make short stripes a quarter cheaper,
/// others not at all (`docs/performance.md`), and stand longer in front of reads.
const STRIPES_AT_ONCE: usize = 8;

/// Shards of a stripe that are computed and framed on the reactor up to this size in all; it takes less than 30 µs.
const INLINE_SIZE_MAX: usize = 64 << 10;

/// What became of the stripes that a repair went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RepairProgress {
    /// Shards restored, or found to be there after all.
    pub repaired_shards: u64,
    /// Stripes that nobody names any more.
    pub gone_stripes: u64,
    /// Stripes that cannot be repaired now: too few shards answer, or the disk for the shard does not.
    pub waiting_stripes: u64,
}

impl RepairProgress {
    /// Carries out `repairs`, many at once and beginning in their order, and counts what becomes of them.
    pub(crate) async fn follow(&mut self, repairs: impl Iterator<Item = Repair> + Send) {
        let mut repairs = stream::iter(repairs).buffer_unordered(STRIPES_AT_ONCE);
        while let Some(repaired) = repairs.next().await {
            match repaired {
                Ok(Repaired::Restored(shards)) => self.repaired_shards += shards.len() as u64,
                Ok(Repaired::Elsewhere) => {}
                Ok(Repaired::Waiting(_)) | Err(_) => self.waiting_stripes += 1,
            }
        }
    }
}

/// The repair of one stripe.
pub(crate) type Repair = BoxFuture<'static, Result<Repaired>>;

/// What became of one stripe.
pub(crate) enum Repaired {
    /// All that was asked for.
    Restored(BTreeSet<u8>),
    /// Only these.
    Waiting(BTreeSet<u8>),
    /// Other nodes care for what it lacks.
    Elsewhere,
}

impl Repaired {
    /// What was restored of a stripe of `segment`.
    pub(crate) fn tally(&self, segment: &Segment, number: u32) -> Tally {
        let shards = match self {
            Self::Restored(shards) | Self::Waiting(shards) => shards.len(),
            Self::Elsewhere => 0,
        };
        let size = Layout::of(segment).shard_size(number);
        Tally { shards: shards as u64, bytes: (shards * size) as u64 }
    }
}

/// What lost shards of a stripe are made of.
struct Sources {
    /// Lost shards that lie elsewhere.
    payloads: Vec<(u8, Bytes)>,
    /// `k` shards, when any is absent; among them may be absent ones.
    present: Vec<(u8, Bytes)>,
    /// Lost shards that lie nowhere that they are expected.
    absent: Vec<u8>,
}

impl Sources {
    /// The lost shards. Takes long.
    fn compute(self, codec: &Codec, buffers: &Buffers, size: usize) -> Result<Vec<(u8, Bytes)>> {
        let Self { mut payloads, present, absent } = self;
        let is_absent = |(index, _): &&(u8, Bytes)| absent.contains(index);
        let found: Vec<(u8, Bytes)> = present.iter().filter(is_absent).cloned().collect();
        let missing: Vec<u8> =
            absent.iter().copied().filter(|index| found.iter().all(|(other, _)| other != index)).collect();
        payloads.extend(found);
        if !missing.is_empty() {
            payloads.extend(reconstruct(codec, buffers, &present, &missing, size)?);
        }
        Ok(payloads)
    }
}

/// Entries of the repair index after `after`, and the manifests that they are about, as far as there are any.
fn repair_page(view: &dyn View, after: Option<&RepairEntry>) -> meta::Result<(Vec<RepairEntry>, Segments)> {
    let page = query::repair_queue(view, after, PAGE_SIZE)?;
    let mut segments = Segments::new();
    for entry in &page {
        if let Entry::Vacant(vacant) = segments.entry(entry.write_id)
            && let Some(segment) = query::segment_of(view, entry.write_id)?
        {
            vacant.insert(Arc::new(segment));
        }
    }
    Ok((page, segments))
}

type Segments = BTreeMap<WriteId, Arc<Segment>>;

/// Bytes that are read and written, and held in memory, to restore `lost_count` shards of a stripe.
pub(crate) fn repair_size(segment: &Segment, number: u32, lost_count: usize) -> usize {
    (usize::from(segment.data) + lost_count) * Layout::of(segment).shard_size(number)
}

impl Store {
    /// Notes in the metadata that shards are absent, so that no restart forgets them.
    pub(crate) async fn report_missing(&self, write_id: WriteId, stripes: BTreeMap<u32, BTreeSet<u8>>) -> Result<()> {
        let reported = self.propose(Command::ReportMissing(ReportMissing { write_id, stripes })).await;
        match reported {
            // Deleted in the meantime: nothing is missing any more.
            Ok(_) | Err(ProposeError::Refused(Refusal::NoSuchWrite)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Enters a stripe that a read or a scrub found damaged into the repair index.
    pub(crate) async fn report_faulty(&self, faulty: &FaultyStripe) -> Result<()> {
        let stripes = BTreeMap::from([(faulty.number, faulty.indices.clone())]);
        self.report_missing(faulty.write_id, stripes).await
    }

    /// Enters a stripe that a read found damaged into the repair index, and repairs it at once.
    pub(crate) async fn heal(&self, faulty: &FaultyStripe) -> Result<()> {
        self.report_faulty(faulty).await?;
        let write_id = faulty.write_id;
        if self.cluster().halts().repair {
            return Ok(());
        }
        if let Some(segment) = self.query(move |view| query::segment_of(view, write_id)).await? {
            self.repair_noted(&segment, faulty.number, &faulty.indices).await?;
        }
        Ok(())
    }

    /// Counts what was restored just now.
    pub(crate) fn note_restored(&self, reason: Reason, restored: Tally) {
        if 0 < restored.shards {
            self.journal().add_restored(reason, self.env().clock.monotonic(), restored);
        }
    }

    /// Goes once through the repair index, most urgent first, and repairs what can be repaired; ends early when operators
    /// halt it.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn repair(&self) -> Result<RepairProgress> {
        let throttle = Arc::new(Throttle::new(self.env().clock.clone(), self.config().repair_rate));
        let mut progress = RepairProgress::default();
        let mut after: Option<RepairEntry> = None;
        loop {
            if self.cluster().halts().repair {
                return Ok(progress);
            }
            let from = after.clone();
            let (page, segments) = self.query(move |view| repair_page(view, from.as_ref())).await?;
            let Some(last) = page.last() else {
                self.journal().end_repair(&progress);
                return Ok(progress);
            };
            after = Some(last.clone());
            let (known, gone): (Vec<_>, Vec<_>) =
                page.into_iter().partition(|entry| segments.contains_key(&entry.write_id));
            progress.gone_stripes += gone.len() as u64;
            let is_halted = || self.cluster().halts().repair;
            let repairs = known.into_iter().take_while(|_| !is_halted()).filter_map(|entry| {
                let segment = segments.get(&entry.write_id)?;
                let is_own = !self.own_among(segment, entry.stripe, &entry.missing).is_empty();
                is_own.then(|| self.clone().repair_entry(entry, segment.clone(), throttle.clone()).boxed())
            });
            progress.follow(repairs).await;
        }
    }

    async fn repair_entry(
        self,
        entry: RepairEntry,
        segment: Arc<Segment>,
        throttle: Arc<Throttle>,
    ) -> Result<Repaired> {
        // With no shard to spare, the next loss is data: do not dawdle.
        if 0 < entry.spare_shards {
            throttle.pass(repair_size(&segment, entry.stripe, entry.missing.len()) as u64).await;
        }
        self.repair_noted(&segment, entry.stripe, &entry.missing).await
    }

    /// As [`Store::repair_stripe`], and counts what was restored.
    pub(crate) async fn repair_noted(&self, segment: &Segment, number: u32, lost: &BTreeSet<u8>) -> Result<Repaired> {
        let repaired = self.repair_stripe(segment, number, lost).await?;
        self.note_restored(Reason::Repair, repaired.tally(segment, number));
        Ok(repaired)
    }

    /// Those of the shards `lost` of a stripe that this node cares for.
    fn own_among(&self, segment: &Segment, number: u32, lost: &BTreeSet<u8>) -> BTreeSet<u8> {
        let topology = self.cluster().topology();
        let stripe = Stripe::of(segment, number);
        let is_own = |index: &u8| self.shards().cares_for(&topology, stripe.target(topology.table(), *index));
        lost.iter().copied().filter(is_own).collect()
    }

    /// Restores those of the shards `lost` of one stripe that belong on disks of this node.
    pub(crate) async fn repair_stripe(&self, segment: &Segment, number: u32, lost: &BTreeSet<u8>) -> Result<Repaired> {
        let lost = self.own_among(segment, number, lost);
        if lost.is_empty() {
            return Ok(Repaired::Elsewhere);
        }
        let _memory = self.repair_budget().reserve_more(repair_size(segment, number, lost.len())).await?;
        self.outlast_stray_deletion().await;
        let stripe = Stripe::of(segment, number);
        let size = Layout::of(segment).shard_size(number);
        let mut restored = BTreeSet::new();
        let mut payloads = Vec::new();
        let mut absent = Vec::new();
        for &index in &lost {
            // A shard that was late for its commit may have arrived since; it counts once it has been read.
            if self.shards().read_at_slot(&stripe, index, size).await.is_ok() {
                restored.insert(index);
            } else if self.shards().can_write_at_slot(&stripe, index) {
                match self.shards().read(&stripe, index, 0..size).await {
                    Ok(payload) => payloads.push((index, payload)),
                    Err(_) => absent.push(index),
                }
            }
        }
        let present = match absent.is_empty() {
            true => Vec::new(),
            false => self.gather(&stripe, size, &absent).await?,
        };
        for framed in self.frame_lost(&stripe, size, Sources { payloads, present, absent }).await? {
            let index = framed.identity().index;
            let forgets = Bug::RepairedUnrestored.is_planted();
            if forgets || self.shards().restore(&stripe, framed, self.writes().epoch()).await.is_ok() {
                restored.insert(index);
            }
        }
        self.report_repaired(&stripe, &restored).await?;
        Ok(if restored.len() == lost.len() { Repaired::Restored(restored) } else { Repaired::Waiting(restored) })
    }

    /// Reads `k` shards of a stripe other than `absent`. Where those do not answer, they, and the absent ones themselves, are
    /// looked for on all disks: one that was given up and has come back holds what nobody expects there.
    async fn gather(&self, stripe: &Stripe, size: usize, absent: &[u8]) -> Result<Vec<(u8, Bytes)>> {
        let needed = stripe.geometry.data_count();
        let topology = self.cluster().topology();
        let mut sources: Vec<u8> = stripe.indices().filter(|index| !absent.contains(index)).collect();
        sources.sort_by_key(|index| !self.shards().is_near(&topology, stripe, *index));
        let mut sources = sources.into_iter();
        let mut present: Vec<(u8, Bytes)> = Vec::with_capacity(needed);
        let mut pending = FuturesUnordered::new();
        while present.len() < needed {
            while present.len() + pending.len() < needed {
                let Some(index) = sources.next() else { break };
                pending.push(async move { (index, self.shards().read(stripe, index, 0..size).await) });
            }
            match pending.next().await {
                Some((index, Ok(payload))) => present.push((index, payload)),
                Some((_, Err(_))) => {}
                None => break,
            }
        }
        for index in stripe.indices() {
            let has = |present: &[(u8, Bytes)]| present.iter().any(|(other, _)| *other == index);
            if present.len() < needed && !has(&present) {
                let found = self.shards().read_anywhere(stripe, index, size).await;
                present.extend(found.map(|payload| (index, payload)));
            }
        }
        if present.len() < needed {
            return Err(Error::Unavailable { reason: "too few shards to repair the stripe".to_owned() });
        }
        Ok(present)
    }

    /// The lost shards of a stripe, ready for their disks.
    async fn frame_lost(&self, stripe: &Stripe, size: usize, sources: Sources) -> Result<Vec<FramedShard>> {
        let is_short = (sources.payloads.len() + sources.absent.len()) * size <= INLINE_SIZE_MAX;
        let (codec, buffers) = (self.shards().codec(stripe.geometry), self.env().buffers.clone());
        let identities = stripe.clone();
        let framed = move || {
            let payloads = sources.compute(&codec, &buffers, size)?;
            let framed =
                payloads.into_iter().map(|(index, payload)| FramedShard::new(identities.identity(index), payload));
            Ok(framed.collect())
        };
        if is_short { framed() } else { self.env().blocking(framed).await }
    }

    async fn report_repaired(&self, stripe: &Stripe, restored: &BTreeSet<u8>) -> Result<()> {
        if !restored.iter().any(|index| stripe.is_missing(*index) || stripe.is_elsewhere(*index)) {
            return Ok(());
        }
        Moment::StripeRepaired.note();
        let repaired = RepairedStripe { at_slot: restored.clone(), elsewhere: BTreeMap::new() };
        let stripes = BTreeMap::from([(stripe.number, repaired)]);
        match self.propose(Command::RepairDone(RepairDone { write_id: stripe.write_id, stripes })).await {
            Ok(_) | Err(ProposeError::Refused(Refusal::NoSuchWrite)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
