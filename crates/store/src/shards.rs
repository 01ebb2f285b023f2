//! Reaches the shards of a stripe on the disks that hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Cluster, Destination, DiskHandle, NoGroup, ShardError, Topology};
use disk::Shard;
use env::{Env, Moment};
use erasure::{Codec, FramedShard, Geometry, ShardIdentity};
use meta::record::{IntentEpoch, Segment, StripeException, WriteId};
use parking_lot::Mutex;
use placement::{DiskId, Epoch, GroupId, Slot, StripeId, Table};
use tokio::sync::mpsc;

use crate::active::ActiveWrite;
use crate::error::{Error, Result};
use crate::hedge::HedgeBudget;
use crate::latency::Latency;
use crate::row::Row;

/// Hedging starts no earlier than this: below, the scheduler's noise would trigger it.
const HEDGE_DELAY_MIN: Duration = Duration::from_millis(20);

/// A shard goes to another disk no earlier than this because its own is slow: it is written twice then.
const WRITE_HEDGE_DELAY_MIN: Duration = Duration::from_millis(200);

/// How long the last shards of a stripe may take after a write quorum is durable, at least.
const STRAGGLER_PATIENCE_MIN: Duration = Duration::from_millis(50);

/// A disk slower than this is hedged whatever the others do.
const HEDGE_DELAY_MAX: Duration = Duration::from_secs(1);

/// A stripe that cannot be read or written within this time is given up.
const STRIPE_DEADLINE: Duration = Duration::from_secs(30);

/// How long a node may take to learn of a placement table that another one knows.
const TABLE_PATIENCE: Duration = Duration::from_secs(2);

/// Resolves at some time.
pub(crate) type Timer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One stripe as its manifest describes it.
#[derive(Clone, Debug)]
pub(crate) struct Stripe {
    pub(crate) write_id: WriteId,
    pub(crate) number: u32,
    pub(crate) geometry: Geometry,
    group: GroupId,
    epoch: Epoch,
    exception: StripeException,
}

/// What all stripes of one write have in common.
#[derive(Clone, Debug)]
pub(crate) struct WriteTicket {
    pub(crate) write_id: WriteId,
    pub(crate) intent_epoch: IntentEpoch,
    pub(crate) geometry: Geometry,
    pub(crate) quorum: usize,
}

/// Why a shard cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardFault {
    /// Its disk answers and does not have it.
    Absent,
    /// Its disk has it, damaged.
    Corrupt,
    /// No disk that may hold it answers.
    Unreachable,
}

/// Why a shard could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendFault {
    /// The disk has no room.
    Full,
    /// The disk does not work, or there is none.
    Unavailable,
    /// The disk has lost the slot in the placement table of this version.
    Stale(Epoch),
}

/// A stripe that a read found shards of to be missing or damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultyStripe {
    pub(crate) write_id: WriteId,
    pub(crate) number: u32,
    pub(crate) indices: BTreeSet<u8>,
}

/// The shards of all stripes.
pub(crate) struct Shards {
    env: Env,
    cluster: Arc<Cluster>,
    codecs: Mutex<BTreeMap<Geometry, Codec>>,
    reads: Latency,
    appends: Latency,
    read_hedges: HedgeBudget,
    write_hedges: HedgeBudget,
    faults: mpsc::Sender<FaultyStripe>,
}

impl Stripe {
    /// Stripe `number` of `segment`.
    pub(crate) fn of(segment: &Segment, number: u32) -> Self {
        let slot = segment.slots[number as usize];
        Self {
            write_id: segment.write_id,
            number,
            geometry: Geometry::new(segment.data, segment.parity).expect("the metadata checked the manifest"),
            group: slot.group,
            epoch: slot.epoch,
            exception: segment.exceptions.get(&number).cloned().unwrap_or_default(),
        }
    }

    /// The indices of its shards.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u8> + use<> {
        indices(self.geometry.shard_count())
    }

    /// Whether the manifest says that the shard is absent.
    pub(crate) fn is_missing(&self, index: u8) -> bool {
        self.exception.missing.contains(&index)
    }

    /// Names a shard.
    pub(crate) fn identity(&self, index: u8) -> ShardIdentity {
        ShardIdentity { write_id: self.write_id.0, stripe: self.number, index }
    }

    /// The group that holds the stripe now.
    pub(crate) fn group(&self, table: &Table) -> GroupId {
        let stripe = StripeId { write_id: self.write_id.0, number: self.number };
        table.resolve(stripe, self.group, self.epoch)
    }

    /// Whether the manifest says that the shard lies elsewhere than on its slot's disk.
    pub(crate) fn is_elsewhere(&self, index: u8) -> bool {
        self.exception.overrides.contains_key(&index)
    }

    /// Whether the manifest says that the shard lies on `disk`, whatever its slot is.
    pub(crate) fn is_at(&self, index: u8, disk: DiskId) -> bool {
        self.exception.overrides.get(&index) == Some(&disk)
    }

    /// The slot of a shard.
    pub(crate) fn slot(&self, table: &Table, index: u8) -> Option<Slot> {
        table.group(self.group(table))?.slots.get(usize::from(index)).copied()
    }

    /// Whether whoever holds the slot of a shard looks for what it lacks there: then nobody else needs to note it.
    pub(crate) fn is_being_rebuilt(&self, table: &Table, index: u8) -> bool {
        matches!(self.slot(table, index), Some(Slot::Rebuilding(_)))
    }

    /// The disk that a shard's slot names.
    pub(crate) fn target(&self, table: &Table, index: u8) -> Option<DiskId> {
        self.slot(table, index)?.write_target()
    }

    /// The disks that may hold a shard, in the order in which to ask them.
    pub(crate) fn locations(&self, table: &Table, index: u8) -> Vec<DiskId> {
        let elsewhere = self.exception.overrides.get(&index).copied();
        let at_slot = self.slot(table, index).into_iter().flat_map(Slot::read_sources);
        elsewhere.into_iter().chain(at_slot).collect()
    }
}

fn indices(count: usize) -> impl Iterator<Item = u8> {
    (0..count).map(|index| u8::try_from(index).expect("a stripe has at most 256 shards"))
}

impl Shards {
    /// Reaches the shards on the disks of `cluster`. Faults that reads find are sent to `faults`, as far as it has room;
    /// scrubbing and the census find the others again.
    pub(crate) fn new(env: Env, cluster: Arc<Cluster>, faults: mpsc::Sender<FaultyStripe>) -> Self {
        Self {
            env,
            cluster,
            codecs: Mutex::default(),
            reads: Latency::new(0.95, HEDGE_DELAY_MIN),
            appends: Latency::new(0.99, Duration::from_millis(10)),
            read_hedges: HedgeBudget::default(),
            write_hedges: HedgeBudget::default(),
            faults,
        }
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The codec of a geometry; cheap.
    pub(crate) fn codec(&self, geometry: Geometry) -> Codec {
        self.codecs.lock().entry(geometry).or_insert_with(|| Codec::new(geometry)).clone()
    }

    /// Resolves when a stripe has taken longer than any working disks need.
    pub(crate) fn stripe_deadline(&self) -> Timer {
        self.env.clock.sleep(STRIPE_DEADLINE)
    }

    /// Resolves when reads should have come by now: in twice the 95th percentile of late.
    pub(crate) fn hedge_delay(&self) -> Timer {
        let delay = (self.reads.quantile() * 2).clamp(HEDGE_DELAY_MIN, HEDGE_DELAY_MAX);
        self.env.clock.sleep(delay)
    }

    /// What may be read in place of slow shards.
    pub(crate) fn read_hedges(&self) -> &HedgeBudget {
        &self.read_hedges
    }

    /// Shards that may be written to other disks because theirs are slow.
    pub(crate) fn write_hedges(&self) -> &HedgeBudget {
        &self.write_hedges
    }

    /// Resolves when writes should have come by now: in four times the 99th percentile of late.
    pub(crate) fn write_hedge_delay(&self) -> Timer {
        let delay = (self.appends.quantile() * 4).clamp(WRITE_HEDGE_DELAY_MIN, HEDGE_DELAY_MAX);
        self.env.clock.sleep(delay)
    }

    /// How long the last shards of a stripe may take once enough of them are durable: twice the 99th percentile of late.
    pub(crate) fn straggler_patience(&self) -> Timer {
        self.env.clock.sleep((self.appends.quantile() * 2).max(STRAGGLER_PATIENCE_MIN))
    }

    /// Picks the group of a new stripe by jump hash over the groups that can be written to.
    ///
    /// # Errors
    ///
    /// `DiskFull` or `Unavailable` when there is none.
    pub(crate) fn choose_row(&self, ticket: &WriteTicket, number: u32) -> Result<Row> {
        let topology = self.cluster.topology();
        let stripe = StripeId { write_id: ticket.write_id.0, number };
        let (id, _) = topology.choose(stripe).map_err(|reason| match reason {
            NoGroup::DisksFull => Error::DiskFull,
            NoGroup::TooFewDisks => Error::Unavailable { reason: "no group has enough working disks".to_owned() },
        })?;
        Row::new(topology.clone(), id, stripe)
            .ok_or_else(|| Error::Unavailable { reason: "the placement table lacks a group".to_owned() })
    }

    /// Waits for a while until this node's topology is as `wanted`: another node knows a newer placement table.
    pub(crate) async fn wait_for_topology(&self, wanted: impl Fn(&Topology) -> bool) {
        let mut topologies = self.cluster.subscribe();
        tokio::select! {
            biased;
            // Closed only when the node stops.
            _ = topologies.wait_for(|topology| wanted(topology)) => {}
            () = self.env.clock.sleep(TABLE_PATIENCE) => {}
        }
    }

    /// Stores a shard on one disk. Durable on return.
    pub(crate) async fn append(&self, disk: DiskId, shard: Shard, destination: Destination) -> Result<(), AppendFault> {
        let disk = self.cluster.topology().disk(disk).cloned().ok_or(AppendFault::Unavailable)?;
        let begun = self.env.clock.monotonic();
        match disk.append(shard, destination).await {
            Ok(()) => {
                self.appends.record(self.env.clock.monotonic().saturating_sub(begun));
                Ok(())
            }
            Err(ShardError::Full) => Err(AppendFault::Full),
            Err(ShardError::StaleEpoch { epoch }) => Err(AppendFault::Stale(epoch)),
            Err(error) => {
                // Whoever watches disks and nodes says once what is wrong with them; this is once a shard.
                tracing::debug!(%error, "a shard could not be written");
                metrics::counter!("stonecrop_shard_writes_failed_total").increment(1);
                Err(AppendFault::Unavailable)
            }
        }
    }

    /// Reads bytes of a shard from whichever disk has it. They have been verified.
    pub(crate) async fn read(&self, stripe: &Stripe, index: u8, bytes: Range<usize>) -> Result<Bytes, ShardFault> {
        let topology = self.cluster.topology();
        match self.read_by(&topology, stripe, index, &bytes).await {
            Err(ShardFault::Absent) => {
                // It may have been moved meanwhile, and deleted where it was.
                let newer = self.cluster.topology();
                let moved = newer.table().version() != topology.table().version();
                if moved { self.read_by(&newer, stripe, index, &bytes).await } else { Err(ShardFault::Absent) }
            }
            read => read,
        }
    }

    async fn read_by(
        &self,
        topology: &Topology,
        stripe: &Stripe,
        index: u8,
        bytes: &Range<usize>,
    ) -> Result<Bytes, ShardFault> {
        let mut fault = ShardFault::Unreachable;
        for disk in stripe.locations(topology.table(), index) {
            let Some(disk) = topology.disk(disk) else { continue };
            let begun = self.env.clock.monotonic();
            match disk.read(&stripe.identity(index), bytes.start as u64..bytes.end as u64).await {
                Ok(payload) => {
                    self.reads.record(self.env.clock.monotonic().saturating_sub(begun));
                    return Ok(payload);
                }
                Err(ShardError::NotFound) if fault == ShardFault::Unreachable => fault = ShardFault::Absent,
                Err(ShardError::Corrupt) => fault = ShardFault::Corrupt,
                Err(_) => {}
            }
        }
        Err(fault)
    }

    /// Reads a whole shard from any disk of the cluster that has it, though nobody expects it there. Asks them all: for when
    /// the stripe is lost otherwise.
    pub(crate) async fn read_anywhere(&self, stripe: &Stripe, index: u8, size: usize) -> Option<Bytes> {
        let topology = self.cluster.topology();
        for disk in topology.members().values().filter_map(|member| member.disk.as_ref()) {
            if let Ok(payload) = disk.read(&stripe.identity(index), 0..size as u64).await {
                Moment::FoundElsewhere.note();
                return Some(payload);
            }
        }
        None
    }

    /// Reads a whole shard from the disk that its slot names, and from no other.
    pub(crate) async fn read_at_slot(&self, stripe: &Stripe, index: u8, size: usize) -> Result<Bytes, ShardFault> {
        let disk = self.disk_at_slot(stripe, index).ok_or(ShardFault::Unreachable)?;
        match disk.read(&stripe.identity(index), 0..size as u64).await {
            Ok(payload) => Ok(payload),
            Err(ShardError::NotFound) => Err(ShardFault::Absent),
            Err(ShardError::Corrupt) => Err(ShardFault::Corrupt),
            Err(_) => Err(ShardFault::Unreachable),
        }
    }

    /// Whether a shard could be written to the disk that its slot names.
    pub(crate) fn can_write_at_slot(&self, stripe: &Stripe, index: u8) -> bool {
        let topology = self.cluster.topology();
        stripe.target(topology.table(), index).is_some_and(|disk| topology.is_writable(disk))
    }

    /// Stores a rebuilt shard on the disk that its slot names. Durable on return.
    pub(crate) async fn restore(
        &self,
        stripe: &Stripe,
        framed: FramedShard,
        intent_epoch: IntentEpoch,
    ) -> Result<(), AppendFault> {
        let topology = self.cluster.topology();
        let target = stripe.target(topology.table(), framed.identity().index);
        let disk = target.and_then(|disk| topology.disk(disk)).ok_or(AppendFault::Unavailable)?;
        let id = stripe.group(topology.table());
        let epoch = topology.table().group(id).map_or(stripe.epoch, |group| group.epoch);
        let shard = Shard { framed, group: id.0, epoch: epoch.0, intent_epoch: intent_epoch.0 };
        disk.append(shard, Destination::Slot).await.map_err(|error| match error {
            ShardError::Full => AppendFault::Full,
            _ => AppendFault::Unavailable,
        })
    }

    fn disk_at_slot(&self, stripe: &Stripe, index: u8) -> Option<DiskHandle> {
        let topology = self.cluster.topology();
        topology.disk(stripe.target(topology.table(), index)?).cloned()
    }

    /// What the stripes of a write that begins now have in common.
    pub(crate) fn ticket(&self, write: &ActiveWrite) -> WriteTicket {
        let profile = self.cluster.topology().table().profile();
        WriteTicket {
            write_id: write.write_id(),
            intent_epoch: write.intent_epoch(),
            geometry: Geometry::new(profile.data(), profile.parity()).expect("a profile is a geometry"),
            quorum: profile.write_quorum(),
        }
    }

    /// Tells the repair of what a read found out.
    pub(crate) fn report_faults(&self, stripe: &Stripe, faults: &[(u8, ShardFault)]) {
        let topology = self.cluster.topology();
        let new = faults.iter().filter(|(index, fault)| {
            let known = stripe.is_missing(*index) || stripe.is_being_rebuilt(topology.table(), *index);
            *fault == ShardFault::Corrupt || (*fault == ShardFault::Absent && !known)
        });
        let indices: BTreeSet<u8> = new.map(|(index, _)| *index).collect();
        if indices.is_empty() {
            return;
        }
        metrics::counter!("stonecrop_faulty_shards_read_total").increment(indices.len() as u64);
        let faulty = FaultyStripe { write_id: stripe.write_id, number: stripe.number, indices };
        if self.faults.try_send(faulty).is_err() {
            metrics::counter!("stonecrop_heal_requests_dropped_total").increment(1);
        }
    }
}
