//! Restores missing shards: the repair queue, heal on read, and slots that wait for their shards.
//!
//! The queue is the metadata's repair index, ordered by spare shards, then by age. A repaired stripe leaves it in the
//! command that says so ([`meta::command::RepairDone`]). Each node restores the shards that belong on its own disks.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use env::{Bug, Moment};
use erasure::FramedShard;
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
const PAGE_SIZE: usize = 64;

/// Stripes repaired at once; each holds `k` shards in memory.
const STRIPES_AT_ONCE: usize = 2;

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
    /// Carries out `repairs`, a few at once, and counts what becomes of them.
    pub(crate) async fn follow(&mut self, repairs: Vec<BoxFuture<'static, Result<Repaired>>>) {
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
            let repaired = self.repair_stripe(&segment, faulty.number, &faulty.indices).await?;
            self.note_restored(Reason::Repair, repaired.tally(&segment, faulty.number));
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
            let mut repairs = Vec::new();
            for entry in page {
                match segments.get(&entry.write_id) {
                    None => progress.gone_stripes += 1,
                    Some(segment) if self.own_among(segment, entry.stripe, &entry.missing).is_empty() => {}
                    Some(segment) => {
                        repairs.push(self.clone().repair_entry(entry, segment.clone(), throttle.clone()).boxed());
                    }
                }
            }
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
            let shards = u64::from(segment.data) + entry.missing.len() as u64;
            throttle.pass(shards * u64::from(segment.shard_size)).await;
        }
        let repaired = self.repair_stripe(&segment, entry.stripe, &entry.missing).await?;
        self.note_restored(Reason::Repair, repaired.tally(&segment, entry.stripe));
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
        if !absent.is_empty() {
            payloads.extend(self.rebuild_shards(&stripe, size, &absent).await?);
        }
        for (index, payload) in payloads {
            let identity = stripe.identity(index);
            let framed = self.env().blocking(move || FramedShard::new(identity, payload)).await;
            let forgets = Bug::RepairedUnrestored.is_planted();
            if forgets || self.shards().restore(&stripe, framed, self.writes().epoch()).await.is_ok() {
                restored.insert(index);
            }
        }
        self.report_repaired(&stripe, &restored).await?;
        Ok(if restored.len() == lost.len() { Repaired::Restored(restored) } else { Repaired::Waiting(restored) })
    }

    /// Computes the shards `absent` of a stripe from any `k` others. Where those do not answer, they, and the absent ones
    /// themselves, are looked for on all disks: one that was given up and has come back holds what nobody expects there.
    async fn rebuild_shards(&self, stripe: &Stripe, size: usize, absent: &[u8]) -> Result<Vec<(u8, Bytes)>> {
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
        let codec = self.shards().codec(stripe.geometry);
        let absent: BTreeSet<u8> = absent.iter().copied().collect();
        let buffers = self.env().buffers.clone();
        let restored = move || {
            let found: Vec<(u8, Bytes)> = present.iter().filter(|(index, _)| absent.contains(index)).cloned().collect();
            let missing: Vec<u8> =
                absent.into_iter().filter(|index| found.iter().all(|(other, _)| other != index)).collect();
            let computed = reconstruct(&codec, &buffers, &present, &missing, size)?;
            Ok(found.into_iter().chain(computed).collect())
        };
        self.env().blocking(restored).await
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
