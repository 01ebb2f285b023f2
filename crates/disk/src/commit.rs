//! Group commit: one worker takes all records that wait, writes them as one batch, syncs once, and answers them all.
//!
//! Only this worker appends, so the order of records in the log is the order in which it takes them. It is also where
//! the rules about trouble live: a failed write or sync retires the extent and is never retried, its waiters fail, and
//! the next batch goes to a new extent.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use env::{Bug, File};

use crate::batch::{Batch, Job, Purpose, Task};
use crate::device::Device;
use crate::extent::{self, Extent, ExtentHeader, RECORDS_START};
use crate::index::Position;
use crate::queue::{EndWithWorker, Queue};
use crate::record::BATCH_ALIGNMENT;
use crate::roots::Event;
use crate::upkeep::Nudge;
use crate::{Error, Result};

/// Bytes after which a batch takes no more records: waiters should not wait for too many others.
const BATCH_SIZE_MAX: u64 = 16 << 20;

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
    pub(crate) async fn run(mut self) {
        let _end = EndWithWorker(self.queue.clone());
        let mut waiting = VecDeque::new();
        while self.queue.take_all(&mut waiting).await {
            while let Some(job) = waiting.front() {
                let Some((size, purpose)) = job.task.need() else {
                    let ends = matches!(job.task, Task::Close);
                    let sealed = match job.task {
                        Task::Seal { extent } => self.seal_if_open(extent),
                        _ => self.close(),
                    };
                    answer(waiting.pop_front(), sealed);
                    if ends {
                        return;
                    }
                    continue;
                };
                match self.device.health.require_service().and_then(|()| self.make_room(size, purpose)) {
                    Ok(()) => self.commit(&mut waiting),
                    Err(error) => self.refuse(waiting.pop_front(), error),
                }
            }
        }
    }

    /// Refuses one job. A full disk is a reason to compact.
    fn refuse(&self, job: Option<Job>, error: Error) {
        if matches!(error, Error::Full { .. }) {
            self.nudge.now();
        }
        answer(job, Err(error));
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
            Err(error) => {
                device.counters.io_errors.add(1);
                device.check()?;
                return Err(device.trouble(error));
            }
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
        let mut batch = self.assemble(waiting);
        batch.pad();
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
            if Bug::DiskSkipsSync.is_planted() { Ok(()) } else { active.file.sync_data() }
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

    fn seal_if_open(&mut self, extent: u32) -> Result<()> {
        let is_open = self.active.as_ref().is_some_and(|active| active.extent.id == extent);
        if is_open { self.seal() } else { Ok(()) }
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
