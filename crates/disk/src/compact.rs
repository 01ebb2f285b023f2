//! Gives the room of dead records back: copies what is live out of an extent, then retires and removes it.

use std::ops::Range;
use std::sync::Arc;

use env::Moment;
use tokio::sync::oneshot;

use crate::batch::{Job, Task};
use crate::device::Device;
use crate::disk::Shard;
use crate::extent::{Access, Extent, RECORDS_START};
use crate::index::{Position, State};
use crate::queue::Queue;
use crate::read::read_whole;
use crate::record::{Header, Kind};
use crate::report::{Damage, Finding};
use crate::roots::Event;
use crate::scan::{Item, Scanner};
use crate::{Error, Result};

/// Payload bytes that may be on their way to the writer at once.
const IN_FLIGHT_BYTES_MAX: u64 = 8 << 20;
/// Records that may be on their way to the writer at once.
const IN_FLIGHT_RECORDS_MAX: usize = 256;
/// Identities counted down under one lock.
const RELEASE_BATCH: usize = 1024;
/// Garbage that is worth a copy when the disk is full, in percent.
const GARBAGE_PERCENT_WHEN_FULL: u64 = 10;
/// Extents below a quarter of the usual size, as restarts leave them, that are merged once there are this many.
const SMALL_EXTENTS_MAX: usize = 8;

/// Copies live records out of extents.
pub(crate) struct Compactor {
    pub(crate) device: Arc<Device>,
    pub(crate) writer: Arc<Queue<Job>>,
    pub(crate) garbage_percent_max: u64,
}

impl Compactor {
    /// Removes extents until none is worth it; how many.
    pub(crate) async fn run(&self) -> Result<u64> {
        let mut removed = 0;
        let merges_small = SMALL_EXTENTS_MAX <= self.small_extents().len();
        while let Some(extent) = self.worst_extent().or_else(|| self.small_extents().pop().filter(|_| merges_small)) {
            self.device.health.require_service()?;
            if self.empty(&extent).await? {
                self.retire(&extent)?;
                self.device.counters.compacted_extents.add(1);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The sealed extent with the largest share of garbage, if that is worth a copy. Extents with damaged shards wait
    /// for repair: what is still whole in them may be all that is left.
    fn worst_extent(&self) -> Option<Extent> {
        let threshold = if self.device.is_full() { GARBAGE_PERCENT_WHEN_FULL } else { self.garbage_percent_max };
        let candidates = self.intact_extents().map(|(extent, live)| {
            let size = (extent.end - RECORDS_START).max(1);
            (100 * size.saturating_sub(live) / size, extent)
        });
        let worst = candidates.max_by_key(|(percent, extent)| (*percent, std::cmp::Reverse(extent.id)));
        worst.filter(|(percent, _)| threshold <= *percent).map(|(_, extent)| extent)
    }

    fn small_extents(&self) -> Vec<Extent> {
        let is_small = |extent: &Extent| extent.end < self.device.sizes.extent / 4;
        self.intact_extents().map(|(extent, _)| extent).filter(is_small).collect()
    }

    /// Sealed extents without damaged shards, with their live bytes.
    fn intact_extents(&self) -> impl Iterator<Item = (Extent, u64)> {
        let sealed = self.device.extents.all().into_iter().filter(|extent| extent.is_sealed);
        sealed.filter_map(|extent| {
            let tally = self.device.index.tally(extent.id);
            (tally.damaged == 0).then_some((extent, tally.bytes))
        })
    }

    /// Copies what is live out of `extent`. `false` if damage was found, which the index knows now.
    async fn empty(&self, extent: &Extent) -> Result<bool> {
        if !self.device.extents.exists(extent.id).map_err(|error| self.read_error(extent, error))? {
            self.device.check()?;
            self.bury_unseen(extent).await?;
            return Ok(self.device.index.tally(extent.id).records == 0);
        }
        let file = self.device.extent_file(extent.id)?;
        let mut scanner = Scanner::sealed(file.clone(), extent, RECORDS_START);
        let mut copies = Copies::new(&self.writer);
        while let Some(item) = scanner.next().map_err(|error| self.read_error(extent, error))? {
            let header = match item {
                Item::Record(header) => header,
                Item::Damage { range, .. } => {
                    self.device.quarantine_range(extent.id, &range, Damage::Corrupt);
                    continue;
                }
            };
            let source = Position { extent: extent.id, offset: header.place.offset };
            let entry = self.device.index.get(&header.identity).filter(|entry| entry.position == source);
            match entry.map(|entry| entry.state) {
                Some(State::Live) => {
                    match read_whole(&*file, &header).map_err(|error| self.read_error(extent, error))? {
                        Some(framed) => copies.submit(Task::Move { shard: shard_of(framed, &header), source }).await?,
                        None => {
                            self.device.quarantine(&header.identity, source);
                        }
                    }
                }
                Some(State::Deleted) => copies.submit(Task::Bury { identity: header.identity, source }).await?,
                Some(State::Damaged) | None => {}
            }
        }
        copies.finish().await?;
        self.bury_unseen(extent).await?;
        Ok(self.device.index.tally(extent.id).records == 0)
    }

    /// Deals with entries whose records the scan did not meet, because their place is damaged: tombstones are written
    /// again from the index, shards are lost here.
    async fn bury_unseen(&self, extent: &Extent) -> Result<()> {
        if self.device.index.tally(extent.id).records == 0 {
            return Ok(());
        }
        self.device.quarantine_range(extent.id, &(0..u64::MAX), Damage::Corrupt);
        self.device.rebury(&self.writer, extent.id, &(0..u64::MAX)).await
    }

    /// Removes an extent that nothing points to any more: first durably retired, then counted down, then unlinked.
    fn retire(&self, extent: &Extent) -> Result<()> {
        let device = &self.device;
        let event = Event::Retired { extent: extent.id, nonce: extent.nonce };
        device.roots.lock().append(event).map_err(|error| device.lost_roots(&error))?;
        if !device.extents.exists(extent.id).map_err(|error| self.read_error(extent, error))? {
            // As with what is damaged: nothing is counted down.
            return device.extents.remove(extent.id);
        }
        let file = device.extent_file(extent.id)?;
        let mut scanner = Scanner::sealed(file, extent, RECORDS_START);
        let mut gone = Vec::with_capacity(RELEASE_BATCH);
        while let Some(item) = scanner.next().map_err(|error| self.read_error(extent, error))? {
            // What is damaged is not counted down, so a tombstone may outlive its cause: that is safe.
            if let Item::Record(Header { kind: Kind::Shard, identity, .. }) = item {
                gone.push(identity);
            }
            if gone.len() == RELEASE_BATCH {
                device.index.release(&gone);
                gone.clear();
            }
        }
        device.index.release(&gone);
        Moment::ExtentCompacted.note();
        device.extents.remove(extent.id)
    }

    fn read_error(&self, extent: &Extent, error: std::io::Error) -> Error {
        self.device.io_error("read", self.device.extents.path(extent.id), error)
    }
}

impl Device {
    pub(crate) fn extent_file(&self, id: u32) -> Result<Arc<dyn env::File>> {
        self.extents.file(id, Access::Direct).map_err(|error| self.io_error("open", self.extents.path(id), error))
    }

    /// Quarantines every live shard with a record in bytes `range` of an extent: one finding each. One without a name
    /// where there are tombstones instead; none where all is dead, or known to be damaged: what is lost is reported once.
    pub(crate) fn quarantine_range(&self, extent: u32, range: &Range<u64>, damage: Damage) -> Vec<Finding> {
        let entries = self.index.in_range(extent, range);
        let mut findings: Vec<Finding> = Vec::new();
        for (identity, entry) in &entries {
            if self.quarantine(identity, entry.position) {
                let offset = entry.position.offset;
                findings.push(Finding { identity: Some(*identity), extent, offset, damage });
            }
        }
        let has_tombstones = entries.iter().any(|(_, entry)| entry.state == State::Deleted);
        if findings.is_empty() && has_tombstones {
            self.counters.corrupt_blocks.add(1);
            findings.push(Finding { identity: None, extent, offset: range.start, damage });
        }
        findings
    }

    /// Has an extent sealed in which damage was found, if it is open: when the process dies, nobody shall take the damage
    /// for the torn end of the log, and drop the records behind it. Durable on return.
    pub(crate) async fn seal_damaged(&self, writer: &Queue<Job>, extent: &Extent) -> Result<()> {
        let mut copies = Copies::new(writer);
        if !extent.is_sealed {
            copies.submit(Task::Seal { extent: extent.id }).await?;
        }
        copies.finish().await
    }

    /// Writes the tombstones that the index expects in bytes `range` of an extent again. Durable on return.
    pub(crate) async fn rebury(&self, writer: &Queue<Job>, extent: u32, range: &Range<u64>) -> Result<()> {
        let mut copies = Copies::new(writer);
        for (identity, entry) in self.index.in_range(extent, range) {
            if entry.state == State::Deleted {
                copies.submit(Task::Bury { identity, source: entry.position }).await?;
            }
        }
        copies.finish().await
    }
}

pub(crate) fn shard_of(framed: erasure::FramedShard, header: &Header) -> Shard {
    Shard { framed, group: header.group, epoch: header.epoch, intent_epoch: header.intent_epoch }
}

/// Tasks on their way to the writer, from another worker. Few at a time, so that memory stays bounded.
struct Copies<'a> {
    writer: &'a Queue<Job>,
    waiting: Vec<oneshot::Receiver<Result<()>>>,
    bytes: u64,
}

impl<'a> Copies<'a> {
    fn new(writer: &'a Queue<Job>) -> Self {
        Self { writer, waiting: Vec::new(), bytes: 0 }
    }

    async fn submit(&mut self, task: Task) -> Result<()> {
        self.bytes += match &task {
            Task::Move { shard, .. } => shard.framed.payload().len() as u64,
            _ => 0,
        };
        let (done, receiver) = oneshot::channel();
        let job = Job { task, done, permits: Vec::new() };
        self.writer.push(job).map_err(|_| Error::Closed)?;
        self.waiting.push(receiver);
        if IN_FLIGHT_RECORDS_MAX <= self.waiting.len() || IN_FLIGHT_BYTES_MAX <= self.bytes {
            self.wait().await?;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<()> {
        self.bytes = 0;
        for receiver in self.waiting.drain(..) {
            receiver.await.map_err(|_| Error::Closed)??;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<()> {
        self.wait().await
    }
}
