//! The disk: its public operations, and the workers behind them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use env::{Env, Work, Worker};
use erasure::{FramedShard, ShardIdentity};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::batch::{Job, Task};
use crate::commit::Writer;
use crate::compact::Compactor;
use crate::config::{DiskConfig, Sizes};
use crate::device::Device;
use crate::health::{Counters, Health};
use crate::queue::{Gate, Queue};
use crate::record::{Layout, PAYLOAD_SIZE_MAX};
use crate::recover::recover;
use crate::report::{DiskState, InventoryEntry, Recovery, ScrubCursor, ScrubStep, ShardEntry, Stats, Usage};
use crate::scrub::scrub;
use crate::superblock::{self, DiskIdentity, Superblock};
use crate::upkeep::{Caretaker, Chore, Nudge};
use crate::{Error, Result};

/// Jobs that may wait to be written.
const WRITE_QUEUE_JOBS: usize = 1024;
/// Reads that may wait or run.
const READ_QUEUE_JOBS: usize = 1024;
/// Tombstones of one job: they go into one batch.
const DELETE_CHUNK: usize = 128;

/// A shard on its way to the disk.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Identity, payload and checksums.
    pub framed: FramedShard,
    /// Placement group.
    pub group: u32,
    /// Epoch of the group's row.
    pub epoch: u32,
    /// Intent epoch of the write.
    pub intent_epoch: u64,
}

/// One storage directory, open.
///
/// Dropped without [`Disk::close`], it stops as if the process had been killed: the next open recovers.
pub struct Disk {
    device: Arc<Device>,
    writes: Arc<Queue<Job>>,
    write_gate: Gate,
    reads: Arc<Queue<Work>>,
    read_gate: Gate,
    chores: Arc<Queue<Chore>>,
    workers: Mutex<Vec<Worker>>,
}

impl Disk {
    /// Prepares the empty directory `path` (created if missing) as a disk. Blocks.
    ///
    /// # Errors
    ///
    /// `NotEmpty`, `AlreadyFormatted`, `InUse`, `Io`.
    pub fn format(env: &Env, path: &Path, identity: DiskIdentity) -> Result<()> {
        superblock::format(&*env.files, path, identity)
    }

    /// Reads what the disk at `path` says of itself, whether or not it is open. Blocks.
    ///
    /// # Errors
    ///
    /// `Missing`, `NotFormatted`, `DamagedSuperblock`, `UnknownVersion`, `Unmounted`, `Io`.
    pub fn inspect(env: &Env, path: &Path) -> Result<Superblock> {
        superblock::read(&*env.files, path)
    }

    /// Opens the disk at `path`, recovers its index and starts its workers. Blocks; no runtime is needed.
    ///
    /// # Errors
    ///
    /// As `inspect`, and `AnotherCluster`, `InUse`.
    pub fn open(env: &Env, path: &Path, config: &DiskConfig) -> Result<(Self, Recovery)> {
        let superblock = superblock::read(&*env.files, path)?;
        let (found, expected) = (superblock.identity.cluster_id, config.cluster_id);
        if found != expected {
            return Err(Error::AnotherCluster { path: path.to_path_buf(), found, expected });
        }
        let lock = superblock::lock(&*env.files, path)?;
        superblock::repair(&*env.files, path, &superblock)?;
        let directory = superblock::require_extents(&*env.files, path)?;
        let space = env.files.space(path).map_err(|error| Error::io("statfs", path, error))?;
        let recovered = recover(&env.files, &directory, superblock.identity.disk_id)?;
        let device = Arc::new(Device {
            files: env.files.clone(),
            entropy: env.entropy.clone(),
            identity: superblock.identity,
            path: path.to_path_buf(),
            directory,
            sizes: Sizes::new(config, space),
            index: recovered.index,
            extents: recovered.extents,
            roots: Mutex::new(recovered.roots),
            health: Health::new(path.to_path_buf()),
            counters: Counters::default(),
            is_full: false.into(),
            lock: Mutex::new(Some(lock)),
        });
        let report = recovered.report;
        tracing::info!(
            disk = %path.display(), shards = report.shards, scanned = report.records_scanned,
            used_checkpoint = report.used_checkpoint, findings = report.findings.len(), "disk opened"
        );
        Ok((Self::start(env, device, config, recovered.next_extent), report))
    }

    fn start(env: &Env, device: Arc<Device>, config: &DiskConfig, next_extent: u32) -> Self {
        let (writes, reads, chores) = (Arc::new(Queue::new()), Arc::new(Queue::new()), Arc::new(Queue::new()));
        let nudge = Nudge::new(chores.clone(), config.upkeep);
        let garbage_percent_max = config.garbage_percent_max;
        let compactor = Compactor { device: device.clone(), writer: writes.clone(), garbage_percent_max };
        let caretaker = Caretaker::new(device.clone(), chores.clone(), compactor, nudge.clone(), config);
        let writer = Writer::new(device.clone(), writes.clone(), nudge, next_extent);

        let name = |part: &str| format!("disk-{part} {}", device.path.display());
        let mut workers = vec![
            env.spawn.worker(name("writer"), Box::pin(writer.run())),
            env.spawn.worker(name("upkeep"), Box::pin(caretaker.run())),
        ];
        for number in 0..config.reader_count.max(1) {
            let queue: Arc<Queue<Work>> = reads.clone();
            let read_on = async move {
                while let Some(reading) = queue.take().await {
                    reading.await;
                }
            };
            workers.push(env.spawn.worker(name(&format!("reader-{number}")), Box::pin(read_on)));
        }
        Self {
            device,
            writes,
            write_gate: Gate::new(WRITE_QUEUE_JOBS, config.write_queue_bytes),
            reads,
            read_gate: Gate::new(READ_QUEUE_JOBS, config.read_queue_bytes),
            chores,
            workers: Mutex::new(workers),
        }
    }

    /// Who the disk is.
    pub fn identity(&self) -> DiskIdentity {
        self.device.identity
    }

    /// The storage directory.
    pub fn path(&self) -> &Path {
        &self.device.path
    }

    /// Stores `shard`, in place of an earlier one of the same identity. Durable on return.
    ///
    /// Concurrent callers share one sync. Dropped before it resolves, the shard may or may not be stored.
    ///
    /// # Errors
    ///
    /// `Full`, `TooLarge`, `Io` (the disk goes on, do not count this shard), `Failed`, `Closed`.
    pub async fn append(&self, shard: Shard) -> Result<()> {
        let waiting = self.submit(Task::Put(shard)).await?;
        self.outcome(waiting).await
    }

    /// Stores `shards`, each as [`Disk::append`] does. On an error some may be stored.
    ///
    /// # Errors
    ///
    /// As [`Disk::append`]; the first error met.
    pub async fn append_all(&self, shards: Vec<Shard>) -> Result<()> {
        self.submit_all(shards.into_iter().map(Task::Put)).await
    }

    /// Deletes shards; unknown ones are skipped. Durable on return. Works on a full disk.
    ///
    /// # Errors
    ///
    /// `Full` (only when not even the reserve is left), `Io`, `Failed`, `Closed`. Some may be deleted then.
    pub async fn delete(&self, identities: Vec<ShardIdentity>) -> Result<()> {
        self.submit_all(identities.chunks(DELETE_CHUNK).map(|chunk| Task::Delete(chunk.to_vec()))).await
    }

    async fn submit_all(&self, tasks: impl Iterator<Item = Task>) -> Result<()> {
        let mut waiting = Vec::new();
        let mut result = Ok(());
        for task in tasks {
            match self.submit(task).await {
                Ok(receiver) => waiting.push(receiver),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        for receiver in waiting {
            let outcome = self.outcome(receiver).await;
            result = result.and(outcome);
        }
        result
    }

    /// Queues a task once there is room for it.
    async fn submit(&self, task: Task) -> Result<oneshot::Receiver<Result<()>>> {
        self.device.health.require_service()?;
        let size = match &task {
            Task::Put(shard) => shard.framed.payload().len(),
            _ => 0,
        };
        if PAYLOAD_SIZE_MAX < size {
            return Err(Error::TooLarge { size: size as u64 });
        }
        let permits = self.write_gate.enter(size).await?;
        let (done, receiver) = oneshot::channel();
        self.writes.push(Job { task, done, permits }).map_err(|_| self.stopped())?;
        Ok(receiver)
    }

    async fn outcome(&self, waiting: oneshot::Receiver<Result<()>>) -> Result<()> {
        waiting.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Why a worker does not answer.
    fn stopped(&self) -> Error {
        match self.device.health.require_service() {
            Err(error) => error,
            Ok(()) => self.device.health.fail("one of its workers has stopped"),
        }
    }

    /// Reads bytes `range` of a shard. Every touched block has been verified, others were not read.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Corrupt`, `OutOfRange`, `Io`, `Failed`, `Closed`.
    pub async fn read(&self, identity: &ShardIdentity, range: Range<u64>) -> Result<Bytes> {
        self.device.health.require_service()?;
        // What is known not to be there needs no reader.
        self.device.locate(identity, &range)?;
        let identity = *identity;
        let layout = Layout::shard(usize::try_from(range.end - range.start).unwrap_or(PAYLOAD_SIZE_MAX));
        self.on_reader(layout.size, move |device| device.read(&identity, &range)).await
    }

    /// Reads a whole shard.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`].
    pub async fn read_all(&self, identity: &ShardIdentity) -> Result<Bytes> {
        let entry = self.lookup(identity).ok_or(Error::NotFound { identity: *identity })?;
        self.read(identity, 0..u64::from(entry.size)).await
    }

    /// Runs `work` on one of the readers, which may block for the device; `size` is the memory it needs, in bytes.
    async fn on_reader<T: Send + 'static>(
        &self,
        size: usize,
        work: impl FnOnce(&Device) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let device = self.device.clone();
        self.run_on_reader(size, async move { work(&device) }).await
    }

    /// As `on_reader`, for work that awaits the writer.
    async fn run_on_reader<T: Send + 'static>(
        &self,
        size: usize,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.device.health.require_service()?;
        let permits = self.read_gate.enter(size).await?;
        let (done, receiver) = oneshot::channel();
        let reading = Box::pin(async move {
            let result = if done.is_closed() { Err(Error::Closed) } else { work.await };
            drop(permits);
            // A caller that went away needs no answer.
            let _ = done.send(result);
        });
        self.reads.push(reading).map_err(|_| self.stopped())?;
        receiver.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// What the index knows of a shard. Does no I/O.
    pub fn lookup(&self, identity: &ShardIdentity) -> Option<ShardEntry> {
        self.device.index.get(identity)?.summary()
    }

    /// Up to `limit` shards in order of identity, those after `after`. Does no I/O. Pages are not one snapshot.
    pub fn inventory(&self, after: Option<ShardIdentity>, limit: usize) -> Vec<InventoryEntry> {
        self.device.index.inventory(after, limit)
    }

    /// How many shards are known to be damaged and wait to be appended again. Does no I/O.
    pub fn damaged(&self) -> u64 {
        self.device.index.damaged()
    }

    /// Rereads about `budget` bytes of records from `cursor` on, and quarantines what is damaged.
    ///
    /// # Errors
    ///
    /// `Failed`, `Closed`, `Io` when an extent cannot be opened. A place that cannot be read is a finding, no error.
    pub async fn scrub_next(&self, cursor: ScrubCursor, budget: u64) -> Result<ScrubStep> {
        let (device, writes) = (self.device.clone(), self.writes.clone());
        let step = async move { scrub(&device, &writes, cursor, budget).await };
        self.run_on_reader(Layout::shard(PAYLOAD_SIZE_MAX).size, step).await
    }

    /// Empties and removes extents that are mostly garbage; how many. Also runs in the background by itself.
    ///
    /// # Errors
    ///
    /// `Io`, `Full`, `Failed`, `Closed`.
    pub async fn compact(&self) -> Result<u64> {
        self.device.health.require_service()?;
        let (done, receiver) = oneshot::channel();
        self.chores.push(Chore::Compact(done)).map_err(|_| self.stopped())?;
        receiver.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    /// Looks whether the directory is still there and takes the disk out of service if not. Call it now and then.
    pub async fn check(&self) -> DiskState {
        // The state tells what the look found.
        let _ = self.on_reader(0, Device::check).await;
        self.state()
    }

    /// Room taken and left.
    ///
    /// # Errors
    ///
    /// `Io`, `Failed`, `Closed`.
    pub async fn usage(&self) -> Result<Usage> {
        self.on_reader(0, |device| {
            // A shard may be refused while the space is looked up: that is news.
            let was_full = device.is_full();
            let space = device.files.space(&device.path);
            let space = space.map_err(|error| device.io_error("statfs", device.path.clone(), error))?;
            if was_full && device.sizes.reserve + device.sizes.step <= space.available {
                device.set_full(false);
            }
            Ok(Usage {
                total: space.total,
                available: space.available,
                reserve: device.sizes.reserve,
                extents: device.extents.all().iter().map(|extent| extent.end).sum(),
                live: device.index.live_bytes(),
                shards: device.index.counts().0,
                full: device.is_full(),
            })
        })
        .await
    }

    /// Counters since the disk was opened.
    pub fn stats(&self) -> Stats {
        self.device.stats()
    }

    /// Whether the disk takes part. Does no I/O.
    pub fn state(&self) -> DiskState {
        self.device.health.state()
    }

    /// Finishes what is queued, seals the open extent, writes a checkpoint and stops the workers.
    ///
    /// # Errors
    ///
    /// `Io`, `Failed`: nothing acknowledged is lost, the next open scans more.
    pub async fn close(&self) -> Result<()> {
        let sealed = async { self.outcome(self.submit(Task::Close).await?).await }.await;
        let (done, receiver) = oneshot::channel();
        let checkpointed = match self.chores.push(Chore::Close(done)) {
            Ok(()) if sealed.is_ok() => receiver.await.unwrap_or_else(|_| Err(self.stopped())),
            _ => Ok(()),
        };
        self.device.health.close();
        self.stop();
        let workers = std::mem::take(&mut *self.workers.lock());
        for worker in workers {
            worker.join().await;
        }
        self.device.lock.lock().take();
        sealed.and(checkpointed)
    }

    fn stop(&self) {
        self.writes.abandon();
        self.reads.abandon();
        self.chores.abandon();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.device.health.close();
        self.stop();
    }
}
