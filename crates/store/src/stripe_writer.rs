//! Writes one stripe: all its shards in parallel, substitutes for disks that fail or are slow, enough of them durable.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cluster::Destination;
use disk::Shard;
use env::{Buffers, Bug, Moment};
use erasure::{Codec, FramedShard, ShardIdentity};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use placement::{DiskId, Epoch, GroupId};

use crate::error::{Error, Result};
use crate::row::Row;
use crate::shards::{AppendFault, Shards, WriteTicket};

/// How often a stripe is begun again because the placement changed meanwhile.
const ATTEMPTS_MAX: usize = 4;

/// How a stripe came to lie.
#[derive(Clone, Debug)]
pub(crate) struct WrittenStripe {
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    /// Shards that were not durable in time.
    pub(crate) missing: BTreeSet<u8>,
    /// Shards that lie elsewhere than on their slot's disk.
    pub(crate) overrides: BTreeMap<u8, DiskId>,
    /// The disk of each slot.
    pub(crate) holders: Vec<Option<DiskId>>,
}

impl WrittenStripe {
    /// Whether every shard is where its slot says.
    pub(crate) fn is_regular(&self) -> bool {
        self.missing.is_empty() && self.overrides.is_empty()
    }
}

/// Encodes `data` as stripe `number` of a write and stores its shards. `data`, which is asked off the reactor, gives the
/// stripe's bytes, padded to a multiple of the number of data shards.
///
/// On return at least `k + ⌈m/2⌉` shards are durable on distinct disks (`distributed.md` §2.1 step 3, I4).
///
/// # Errors
///
/// `DiskFull` when space is what lacks, else `Unavailable`. Some shards may be stored then.
pub(crate) async fn write_stripe(
    shards: &Shards,
    ticket: &WriteTicket,
    number: u32,
    data: impl FnOnce() -> Bytes + Send + 'static,
) -> Result<WrittenStripe> {
    let mut row = shards.choose_row(ticket, number)?;
    let codec = shards.codec(ticket.geometry);
    let write_id = ticket.write_id.0;
    let buffers = shards.env().buffers.clone();
    let framed = shards.env().blocking(move || frame(&codec, &buffers, write_id, number, &data())).await?;
    for _ in 0..ATTEMPTS_MAX {
        match StripeWrite::new(shards, ticket, row, &framed).run().await? {
            Attempt::Written(written) => return Ok(written),
            Attempt::Stale(version) => {
                shards.wait_for_topology(|topology| version <= topology.table().version()).await;
                row = shards.choose_row(ticket, number)?;
            }
        }
    }
    Err(Error::Unavailable { reason: "the placement changes faster than a stripe can be written".to_owned() })
}

/// Computes the parity of a stripe and the checksums of all its shards.
fn frame(codec: &Codec, buffers: &Buffers, write_id: u128, stripe: u32, data: &Bytes) -> Result<Vec<FramedShard>> {
    let geometry = codec.geometry();
    let shard_size = data.len() / geometry.data_count();
    assert!(shard_size * geometry.data_count() == data.len(), "the caller padded the stripe");
    let data_shards: Vec<Bytes> =
        (0..geometry.data_count()).map(|index| data.slice(index * shard_size..(index + 1) * shard_size)).collect();
    let parity_size = shard_size * geometry.parity_count();
    let mut parity = buffers.take(parity_size);
    {
        let sources: Vec<&[u8]> = data_shards.iter().map(AsRef::as_ref).collect();
        let mut targets: Vec<&mut [u8]> = parity.as_mut().chunks_exact_mut(shard_size).collect();
        codec.encode(&sources, &mut targets).map_err(|error| Error::Unavailable { reason: error.to_string() })?;
    }
    if is_sampled(write_id, stripe) {
        check_decodes(codec, &data_shards, &parity.as_ref().chunks_exact(shard_size).collect::<Vec<_>>())?;
    }
    let parity = parity.into_bytes(0..parity_size);
    let parity_shards =
        (0..geometry.parity_count()).map(|index| parity.slice(index * shard_size..(index + 1) * shard_size));
    let payloads = data_shards.into_iter().chain(parity_shards);
    let framed =
        payloads.zip(0..).map(|(payload, index)| FramedShard::new(ShardIdentity { write_id, stripe, index }, payload));
    Ok(framed.collect())
}

/// One stripe in so many is decoded again before it is written.
const SAMPLE_PERIOD: u128 = 64;

fn is_sampled(write_id: u128, stripe: u32) -> bool {
    (write_id ^ u128::from(stripe)).is_multiple_of(SAMPLE_PERIOD)
}

/// Decodes the data from as much parity as possible and compares: a CPU or a kernel that computes wrongly would
/// otherwise be noticed only when disks have been lost.
fn check_decodes(codec: &Codec, data: &[Bytes], parity: &[&[u8]]) -> Result<()> {
    let replaced = data.len().min(parity.len());
    let data_present = data.iter().zip(0..).skip(replaced).map(|(shard, index)| (index, shard.as_ref()));
    let parity_indices = (data.len()..).map(|index| u8::try_from(index).expect("at most 256 shards"));
    let parity_present = parity.iter().zip(parity_indices).take(replaced).map(|(shard, index)| (index, *shard));
    let present: Vec<(u8, &[u8])> = data_present.chain(parity_present).collect();
    let mut decoded: Vec<Vec<u8>> = data[..replaced].iter().map(|shard| vec![0; shard.len()]).collect();
    let mut wanted: Vec<(u8, &mut [u8])> = (0..).zip(decoded.iter_mut().map(Vec::as_mut_slice)).collect();
    codec.reconstruct(&present, &mut wanted).map_err(|error| Error::Unavailable { reason: error.to_string() })?;
    let equal = decoded.iter().zip(data).all(|(decoded, shard)| decoded == shard);
    if equal {
        Ok(())
    } else {
        tracing::error!("a stripe does not decode to what was encoded: suspect this machine's CPU or memory");
        Err(Error::Unavailable { reason: "a stripe does not decode to what was encoded".to_owned() })
    }
}

/// What became of one shard.
enum Settled {
    Durable(DiskId),
    Failed(AppendFault),
}

/// A shard, the disk it was sent to, and what that disk answered.
type Appended = (u8, DiskId, Result<(), AppendFault>);

/// What became of an attempt to write a stripe.
enum Attempt {
    Written(WrittenStripe),
    /// The placement has changed: write the stripe by the table of this version.
    Stale(Epoch),
}

struct StripeWrite<'a> {
    shards: &'a Shards,
    ticket: &'a WriteTicket,
    row: Row,
    framed: &'a [FramedShard],
    pending: FuturesUnordered<BoxFuture<'a, Appended>>,
    /// Where each shard is being written: on one disk, or on more when the first was slow.
    running: BTreeSet<(u8, DiskId)>,
    /// Disks that were slow, and for whose shards another was asked.
    slow: BTreeSet<DiskId>,
    settled: BTreeMap<u8, Settled>,
    /// The newest version of the placement table that a disk refused a shard for.
    stale: Option<Epoch>,
}

impl<'a> StripeWrite<'a> {
    fn new(shards: &'a Shards, ticket: &'a WriteTicket, row: Row, framed: &'a [FramedShard]) -> Self {
        Self {
            shards,
            ticket,
            row,
            framed,
            pending: FuturesUnordered::new(),
            running: BTreeSet::new(),
            slow: BTreeSet::new(),
            settled: BTreeMap::new(),
            stale: None,
        }
    }

    async fn run(mut self) -> Result<Attempt> {
        let quorum = self.ticket.quorum;
        self.shards.write_hedges().earn(self.framed.len());
        for index in self.row.indices() {
            match self.row.write_target(index) {
                Some(disk) => self.start(index, disk, Destination::Slot),
                None => self.substitute(index, None, AppendFault::Unavailable),
            }
        }
        if Bug::WritesUnawaited.is_planted() {
            return Ok(Attempt::Written(WrittenStripe { missing: BTreeSet::new(), ..self.written() }));
        }
        let mut deadline = self.shards.stripe_deadline();
        let mut hedge = self.shards.write_hedge_delay();
        while self.durable() < quorum {
            if let Some(version) = self.stale {
                return Ok(Attempt::Stale(version));
            }
            tokio::select! {
                biased;
                appended = self.pending.next() => match appended {
                    Some(appended) => self.settle(appended),
                    None => return Err(self.failure()),
                },
                () = &mut hedge => {
                    self.hedge();
                    hedge = self.shards.write_hedge_delay();
                }
                () = &mut deadline => return Err(self.failure()),
            }
        }
        let mut straggling = self.shards.straggler_patience();
        while self.settled.len() < self.framed.len() && self.stale.is_none() {
            tokio::select! {
                biased;
                Some(appended) = self.pending.next() => self.settle(appended),
                () = &mut straggling => break,
            }
        }
        Ok(self.stale.map_or_else(|| Attempt::Written(self.written()), Attempt::Stale))
    }

    fn start(&mut self, index: u8, disk: DiskId, destination: Destination) {
        let shard = Shard {
            framed: self.framed[usize::from(index)].clone(),
            group: self.row.group.0,
            epoch: self.row.epoch.0,
            intent_epoch: self.ticket.intent_epoch.0,
        };
        let shards = self.shards;
        self.running.insert((index, disk));
        self.pending.push(Box::pin(async move {
            let result = shards.append(disk, shard, destination).await;
            (index, disk, result)
        }));
    }

    fn settle(&mut self, (index, disk, result): Appended) {
        self.running.remove(&(index, disk));
        match result {
            // Of two disks that have it, its slot's is the one to name: the other's is an orphan.
            Ok(()) if !self.is_durable(index) || self.row.write_target(index) == Some(disk) => {
                self.settled.insert(index, Settled::Durable(disk));
            }
            Ok(()) => {}
            Err(AppendFault::Stale(version)) => self.stale = self.stale.max(Some(version)),
            Err(_) if self.is_durable(index) || self.is_running(index) => {}
            Err(fault) => {
                // A slow one was counted as failed when another was asked.
                let failed = (!self.slow.contains(&disk)).then_some(disk);
                self.substitute(index, failed, fault);
            }
        }
    }

    /// Sends the shards that have not come in good time to other disks as well, as far as there are any and the budget
    /// allows it: a node that hangs would hold the write up until its calls expire.
    fn hedge(&mut self) {
        let late = self.running.iter().filter(|(index, disk)| !self.is_durable(*index) && !self.slow.contains(disk));
        let late: Vec<(u8, DiskId)> = late.copied().collect();
        if late.is_empty() {
            return;
        }
        if !self.shards.write_hedges().spend(late.len()) {
            metrics::counter!("stonecrop_write_hedges_denied_total").increment(1);
            return;
        }
        Moment::WriteHedged.note();
        metrics::counter!("stonecrop_hedged_writes_total").increment(1);
        for (index, disk) in late {
            self.slow.insert(disk);
            if let Some(other) = self.row.take_substitute(Some(disk)) {
                self.start(index, other, Destination::Substitute);
            }
        }
    }

    /// Sends a shard to a disk outside of the group in place of `failed`; if there is none, it stays missing.
    fn substitute(&mut self, index: u8, failed: Option<DiskId>, fault: AppendFault) {
        match self.row.take_substitute(failed) {
            Some(disk) => {
                Moment::Substituted.note();
                self.start(index, disk, Destination::Substitute);
            }
            None => {
                self.settled.insert(index, Settled::Failed(fault));
            }
        }
    }

    fn is_running(&self, index: u8) -> bool {
        self.running.range((index, DiskId(0))..).next().is_some_and(|(running, _)| *running == index)
    }

    fn is_durable(&self, index: u8) -> bool {
        matches!(self.settled.get(&index), Some(Settled::Durable(_)))
    }

    fn durable(&self) -> usize {
        self.settled.values().filter(|settled| matches!(settled, Settled::Durable(_))).count()
    }

    fn written(self) -> WrittenStripe {
        let mut missing: BTreeSet<u8> = self.row.indices().collect();
        let mut overrides = BTreeMap::new();
        for (index, settled) in self.settled {
            let Settled::Durable(disk) = settled else { continue };
            missing.remove(&index);
            if self.row.write_target(index) != Some(disk) {
                overrides.insert(index, disk);
            }
        }
        let (group, epoch) = (self.row.group, self.row.epoch);
        WrittenStripe { group, epoch, missing, overrides, holders: self.row.holders() }
    }

    fn failure(&self) -> Error {
        let full = |settled: &Settled| matches!(settled, Settled::Failed(AppendFault::Full));
        let full_count = self.settled.values().filter(|settled| full(settled)).count();
        if self.ticket.quorum <= self.durable() + full_count {
            return Error::DiskFull;
        }
        let reason = format!(
            "{} of {} shards could be written, {} are needed",
            self.durable(),
            self.framed.len(),
            self.ticket.quorum
        );
        Error::Unavailable { reason }
    }
}
