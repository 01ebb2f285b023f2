//! Group commit: one thread takes all records that wait, writes them as one batch, syncs once, and answers them all.
//!
//! Only this thread appends, so the order of records in the log is the order in which it takes them. It is also where
//! the rules about trouble live: a failed write or sync retires the extent and is never retried, its waiters fail, and
//! the next batch goes to a new extent.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use env::File;
use erasure::ShardIdentity;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::device::Device;
use crate::disk::Shard;
use crate::extent::{self, Extent, ExtentHeader, RECORDS_START};
use crate::index::{Change, Position, State};
use crate::queue::{EndWithThread, Queue};
use crate::record::{BATCH_ALIGNMENT, HEADER_SIZE, Header, Kind, Layout, Place, encode_head, encode_tail};
use crate::roots::Event;
use crate::upkeep::Nudge;
use crate::{Error, Result};

/// Bytes after which a batch takes no more records: waiters should not wait for too many others.
const BATCH_SIZE_MAX: u64 = 16 << 20;

/// Something to be made durable.
pub(crate) enum Task {
    Put(Shard),
    Delete(Vec<ShardIdentity>),
    /// Compaction: writes a shard again if its record is still the one at `source`.
    Move {
        shard: Shard,
        source: Position,
    },
    /// Compaction: writes a tombstone again if it is still the one at `source`.
    Bury {
        identity: ShardIdentity,
        source: Position,
    },
    /// Seals the open extent and ends the writer.
    Close,
}

/// A task and who waits for it.
pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) done: oneshot::Sender<Result<()>>,
    /// Room in the queue, given back with the answer.
    pub(crate) permits: Vec<OwnedSemaphorePermit>,
}

/// Who may use what room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Shard,
    Copy,
    Tombstone,
}

impl Task {
    /// The most bytes its records take, and what for. `None` for one without records.
    fn need(&self) -> Option<(u64, Purpose)> {
        let shard_size = |shard: &Shard| Layout::shard(shard.framed.payload().len()).size as u64;
        let tombstone_size = Layout::tombstone().size as u64;
        match self {
            Self::Put(shard) => Some((shard_size(shard), Purpose::Shard)),
            Self::Move { shard, .. } => Some((shard_size(shard), Purpose::Copy)),
            Self::Delete(identities) => Some((identities.len() as u64 * tombstone_size, Purpose::Tombstone)),
            Self::Bury { .. } => Some((tombstone_size, Purpose::Tombstone)),
            Self::Close => None,
        }
    }
}

/// The extent that takes records.
struct Active {
    extent: Extent,
    file: Arc<dyn File>,
    /// Where the next batch starts.
    next: u64,
    allocated: u64,
}

/// The disk's only writer.
pub(crate) struct Writer {
    device: Arc<Device>,
    queue: Arc<Queue<Job>>,
    nudge: Nudge,
    active: Option<Active>,
    next_extent: u32,
}

impl Writer {
    pub(crate) fn new(device: Arc<Device>, queue: Arc<Queue<Job>>, nudge: Nudge, next_extent: u32) -> Self {
        Self { device, queue, nudge, active: None, next_extent }
    }

    /// Works until the queue ends.
    pub(crate) fn run(mut self) {
        let _end = EndWithThread(self.queue.clone());
        let mut waiting = VecDeque::new();
        while self.queue.take_all(&mut waiting) {
            while let Some(job) = waiting.front() {
                let Some((size, purpose)) = job.task.need() else {
                    let closed = self.close();
                    answer(waiting.pop_front(), closed);
                    return;
                };
                match self.device.health.require_service().and_then(|()| self.make_room(size, purpose)) {
                    Ok(()) => self.commit(&mut waiting),
                    Err(error) => answer(waiting.pop_front(), Err(error)),
                }
            }
        }
    }

    /// Sees to it that the open extent has room for a record of `size` bytes.
    fn make_room(&mut self, size: u64, purpose: Purpose) -> Result<()> {
        let sizes = self.device.sizes;
        let Some(active) = &self.active else { return self.start_extent(size, purpose) };
        let end = active.next + size + self.margin(purpose);
        if end <= active.allocated {
            return Ok(());
        }
        if end <= sizes.extent { self.grow(end, purpose) } else { self.start_extent(size, purpose) }
    }

    /// What the record must leave for tombstones, which must find room on a full disk.
    fn margin(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Shard | Purpose::Copy => self.device.sizes.margin,
            Purpose::Tombstone => 0,
        }
    }

    /// Allocates more of the open extent, durably, before any record is there.
    fn grow(&mut self, end: u64, purpose: Purpose) -> Result<()> {
        let device = self.device.clone();
        let active = self.active.as_mut().expect("the caller found it too small");
        let generous = end.next_multiple_of(device.sizes.step).min(device.sizes.extent);
        device.admit(generous - active.allocated, purpose)?;
        let allocated = match extent::allocate(&*active.file, generous) {
            Err(error) if is_full(&error) && purpose != Purpose::Shard => {
                let modest = end.next_multiple_of(BATCH_ALIGNMENT);
                extent::allocate(&*active.file, modest).map(|()| modest)
            }
            result => result.map(|()| generous),
        };
        match allocated.and_then(|size| active.file.sync_data().map(|()| size)) {
            Ok(size) => {
                active.allocated = size;
                Ok(())
            }
            Err(error) => Err(self.give_up_extent("grow", error)),
        }
    }

    /// Starts a new extent with room for a record of `size` bytes, then seals the one before.
    fn start_extent(&mut self, size: u64, purpose: Purpose) -> Result<()> {
        let device = self.device.clone();
        let end = RECORDS_START + size + self.margin(purpose);
        let (generous, modest) = (end.next_multiple_of(device.sizes.step), end.next_multiple_of(BATCH_ALIGNMENT));
        device.admit(generous, purpose)?;
        let mut nonce = [0; 8];
        device.entropy.fill(&mut nonce);
        let nonce = u64::from_le_bytes(nonce);
        let id = self.next_extent;
        self.next_extent += 1;
        let header = ExtentHeader { id, nonce, disk_id: device.identity.disk_id };
        let create = |allocated| {
            extent::create(&*device.files, &device.directory, header, allocated).map(|file| (file, allocated))
        };
        let created = match create(generous) {
            Err(Error::Io { source, .. }) if is_full(&source) && purpose != Purpose::Shard => create(modest),
            result => result,
        };
        let (file, allocated) = match created {
            Ok(created) => created,
            Err(Error::Io { source, .. }) if is_full(&source) => return Err(device.refuse()),
            Err(error) => return Err(device.trouble(error)),
        };
        device.roots.lock().append(Event::Created { extent: id, nonce }).map_err(|error| device.lost_roots(&error))?;
        self.seal()?;
        let extent = Extent { id, nonce, end: RECORDS_START, is_sealed: false };
        device.extents.insert_open(extent, file.clone());
        self.active = Some(Active { extent, file, next: RECORDS_START, allocated });
        Ok(())
    }

    /// Seals the open extent, if there is one. Its unused room goes back to the file system.
    fn seal(&mut self) -> Result<()> {
        let Some(active) = self.active.take() else { return Ok(()) };
        let Extent { id: extent, nonce, end, .. } = active.extent;
        let event = Event::Sealed { extent, nonce, end };
        self.device.roots.lock().append(event).map_err(|error| self.device.lost_roots(&error))?;
        self.device.extents.set_sealed(extent);
        if let Err(error) = active.file.set_size(end) {
            tracing::debug!(%error, extent, "cannot give unused room back");
        }
        active.file.drop_cache();
        self.nudge.now();
        Ok(())
    }

    /// Retires the open extent after a failed call: what it took since the last sync does not count, and it takes
    /// nothing more. Never retries.
    fn give_up_extent(&mut self, operation: &'static str, error: io::Error) -> Error {
        let path = self.active.as_ref().map(|active| self.device.extents.path(active.extent.id)).unwrap_or_default();
        // The end is that of the last synced batch, so sealing is the same as after success. If even the roots log
        // fails, `seal` takes the disk out of service.
        let sealed = self.seal();
        if is_full(&error) {
            return self.device.refuse();
        }
        let error = self.device.io_error(operation, path, error);
        sealed.err().unwrap_or_else(|| self.device.trouble(error))
    }

    /// Writes one batch from the front of `waiting`, whose first job has room.
    fn commit(&mut self, waiting: &mut VecDeque<Job>) {
        let batch = self.assemble(waiting);
        let result = if batch.buffers.is_empty() { Ok(()) } else { self.write(&batch) };
        if result.is_ok() {
            self.device.counters.appends.add(batch.appends);
            self.device.counters.appended_bytes.add(batch.appended_bytes);
            self.device.counters.deletes.add(batch.deletes);
            self.device.counters.records.add(batch.changes.len() as u64);
            if batch.deletes != 0 {
                self.nudge.now();
            }
        }
        for job in batch.jobs {
            answer(Some(job), result.clone());
        }
    }

    /// Takes jobs as long as they fit the open extent and the batch.
    fn assemble(&mut self, waiting: &mut VecDeque<Job>) -> Batch {
        let active = self.active.as_ref().expect("the caller made room");
        let mut batch = Batch::new(active.next, active.extent);
        while let Some((size, purpose)) = waiting.front().and_then(|job| job.task.need()) {
            let fits = batch.end + size + self.margin(purpose) <= active.allocated;
            let is_long = !batch.jobs.is_empty() && BATCH_SIZE_MAX < batch.end + size - batch.start;
            if !fits || is_long {
                break;
            }
            let Some(job) = waiting.pop_front() else { break };
            batch.add(&self.device, &job.task);
            batch.jobs.push(job);
        }
        batch
    }

    /// Makes the batch durable, then visible.
    fn write(&mut self, batch: &Batch) -> Result<()> {
        let device = self.device.clone();
        let active = self.active.as_mut().expect("the batch was assembled for it");
        let buffers: Vec<&[u8]> = batch.buffers.iter().map(|buffer| &buffer[..]).collect();
        let written = active.file.write_all_at(&buffers, batch.start).and_then(|()| {
            device.counters.syncs.add(1);
            active.file.sync_data()
        });
        // An open file outlives its name. Where the name is gone, so is the data at the next start.
        let is_in_place = written.and_then(|()| device.extents.exists(active.extent.id));
        match is_in_place {
            Ok(true) => {}
            Ok(false) => return Err(device.disappeared()),
            Err(error) => return Err(self.give_up_extent("write", error)),
        }
        active.extent.end = batch.end;
        active.next = batch.end.next_multiple_of(BATCH_ALIGNMENT);
        device.extents.set_end(active.extent.id, batch.end);
        device.index.apply(&batch.changes, Position { extent: active.extent.id, offset: active.next });
        device.health.clear();
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        self.device.health.require_service()?;
        self.seal()
    }
}

impl Device {
    /// Refuses shards that would take the reserve.
    fn admit(&self, growth: u64, purpose: Purpose) -> Result<()> {
        if purpose != Purpose::Shard {
            return Ok(());
        }
        let space = self.files.space(&self.directory);
        let space = space.map_err(|error| self.io_error("statfs", self.directory.clone(), error))?;
        if space.available < growth + self.sizes.reserve {
            return Err(self.refuse());
        }
        self.set_full(false);
        Ok(())
    }

    fn refuse(&self) -> Error {
        self.set_full(true);
        self.full()
    }

    /// Counts a batch that could not be made durable against the disk.
    fn trouble(&self, error: Error) -> Error {
        self.health.strike(&error.to_string());
        error
    }

    /// Without the log of extents nothing can be promised any more.
    pub(crate) fn lost_roots(&self, error: &Error) -> Error {
        self.counters.io_errors.add(1);
        self.health.fail(&format!("the log of extents cannot be written: {error}"))
    }
}

/// Records on their way to the disk together.
struct Batch {
    start: u64,
    end: u64,
    extent: Extent,
    buffers: Vec<Bytes>,
    changes: Vec<Change>,
    jobs: Vec<Job>,
    /// Shards with a change in this batch, which the index does not know yet.
    touched: BTreeSet<ShardIdentity>,
    appends: u64,
    appended_bytes: u64,
    deletes: u64,
}

impl Batch {
    fn new(start: u64, extent: Extent) -> Self {
        Self {
            start,
            end: start,
            extent,
            buffers: Vec::new(),
            changes: Vec::new(),
            jobs: Vec::new(),
            touched: BTreeSet::new(),
            appends: 0,
            appended_bytes: 0,
            deletes: 0,
        }
    }

    fn add(&mut self, device: &Device, task: &Task) {
        let holds = |identity: &ShardIdentity, state: State, source: Position| {
            let entry = device.index.get(identity);
            entry.is_some_and(|entry| entry.state == state && entry.position == source)
        };
        match task {
            Task::Put(shard) => {
                self.add_shard(shard);
                self.appends += 1;
                self.appended_bytes += shard.framed.payload().len() as u64;
            }
            Task::Move { shard, source } => {
                let identity = shard.framed.identity();
                if !self.touched.contains(&identity) && holds(&identity, State::Live, *source) {
                    self.add_shard(shard);
                }
            }
            Task::Delete(identities) => {
                for identity in identities {
                    let exists = device.index.get(identity).is_some_and(|entry| entry.state != State::Deleted);
                    if exists || self.touched.contains(identity) {
                        self.add_tombstone(*identity);
                        self.deletes += 1;
                    }
                }
            }
            Task::Bury { identity, source } => {
                if !self.touched.contains(identity) && holds(identity, State::Deleted, *source) {
                    self.add_tombstone(*identity);
                }
            }
            Task::Close => unreachable!("it has no need of room"),
        }
    }

    fn place(&self) -> Place {
        Place { nonce: self.extent.nonce, offset: self.end, batch: self.start }
    }

    fn position(&self) -> Position {
        Position { extent: self.extent.id, offset: self.end }
    }

    fn add_shard(&mut self, shard: &Shard) {
        let payload = shard.framed.payload();
        let header = Header {
            kind: Kind::Shard,
            place: self.place(),
            identity: shard.framed.identity(),
            group: shard.group,
            epoch: shard.epoch,
            intent_epoch: shard.intent_epoch,
            payload_size: u32::try_from(payload.len()).expect("larger ones were refused at the door"),
        };
        self.changes.push(Change::Put {
            identity: header.identity,
            position: self.position(),
            size: header.payload_size,
            group: header.group,
            intent_epoch: header.intent_epoch,
        });
        self.touched.insert(header.identity);
        let layout = header.layout();
        let head = encode_head(&header, &shard.framed);
        let tail = encode_tail(&head, &layout, payload.len());
        self.buffers.extend([Bytes::from(head), payload.clone(), Bytes::from(tail)]);
        self.end += layout.size as u64;
    }

    fn add_tombstone(&mut self, identity: ShardIdentity) {
        let header = Header::tombstone(identity, self.place());
        self.changes.push(Change::Delete { identity, position: self.position() });
        self.touched.insert(identity);
        self.buffers.push(Bytes::copy_from_slice(&header.encode()));
        self.end += HEADER_SIZE as u64;
    }
}

fn answer(job: Option<Job>, result: Result<()>) {
    if let Some(job) = job {
        drop(job.permits);
        // A caller that went away needs no answer.
        let _ = job.done.send(result);
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
