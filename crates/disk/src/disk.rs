//! The disk: its public operations.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use env::Env;
use erasure::{FramedShard, ShardIdentity};

use crate::Result;
use crate::report::{DiskState, InventoryEntry, Recovery, ScrubCursor, ScrubStep, ShardEntry, Stats, Usage};

/// Who a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskIdentity {
    /// The cluster it belongs to.
    pub cluster_id: u128,
    /// The disk.
    pub disk_id: u128,
}

/// How a disk is run.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// The cluster the disk must belong to.
    pub cluster_id: u128,
    /// Size at which an extent is sealed, in bytes; `None` chooses up to 256 MiB by the size of the file system.
    pub extent_size: Option<u64>,
}

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
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Prepares the empty directory `path` (created if missing) as a disk. Blocks.
    ///
    /// # Errors
    ///
    /// `NotEmpty`, `AlreadyFormatted`, `InUse`, `Io`.
    pub fn format(env: &Env, path: &Path, identity: DiskIdentity) -> Result<()> {
        todo!()
    }

    /// Reads who the disk at `path` is, whether or not it is open. Blocks.
    ///
    /// # Errors
    ///
    /// `Missing`, `NotFormatted`, `DamagedSuperblock`, `UnknownVersion`, `Unmounted`, `Io`.
    pub fn inspect(env: &Env, path: &Path) -> Result<DiskIdentity> {
        todo!()
    }

    /// Opens the disk at `path`, recovers its index and starts its threads. Blocks; no runtime is needed.
    ///
    /// # Errors
    ///
    /// As `inspect`, and `AnotherCluster`, `InUse`.
    pub fn open(env: &Env, path: &Path, config: DiskConfig) -> Result<(Self, Recovery)> {
        todo!()
    }

    /// Who the disk is.
    pub fn identity(&self) -> DiskIdentity {
        todo!()
    }

    /// The storage directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores `shard`, in place of an earlier one of the same identity. Durable on return.
    ///
    /// Concurrent callers share one sync. Dropped before it resolves, the shard may or may not be stored.
    ///
    /// # Errors
    ///
    /// `Full`, `TooLarge`, `Io` (the disk goes on, do not count this shard), `Failed`, `Closed`.
    pub async fn append(&self, shard: Shard) -> Result<()> {
        todo!()
    }

    /// Stores `shards`, each as [`Disk::append`] does. On an error some may be stored.
    ///
    /// # Errors
    ///
    /// As [`Disk::append`]; the first error met.
    pub async fn append_all(&self, shards: Vec<Shard>) -> Result<()> {
        todo!()
    }

    /// Reads bytes `range` of a shard. Every touched block has been verified, others were not read.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Corrupt`, `OutOfRange`, `Io`, `Failed`, `Closed`.
    pub async fn read(&self, identity: &ShardIdentity, range: Range<u64>) -> Result<Bytes> {
        todo!()
    }

    /// Reads a whole shard.
    ///
    /// # Errors
    ///
    /// As [`Disk::read`].
    pub async fn read_all(&self, identity: &ShardIdentity) -> Result<Bytes> {
        todo!()
    }

    /// Deletes shards; unknown ones are skipped. Durable on return. Works on a full disk.
    ///
    /// # Errors
    ///
    /// `Full` (only when not even the reserve is left), `Io`, `Failed`, `Closed`. Some may be deleted then.
    pub async fn delete(&self, identities: Vec<ShardIdentity>) -> Result<()> {
        todo!()
    }

    /// What the index knows of a shard. Does no I/O.
    pub fn lookup(&self, identity: &ShardIdentity) -> Option<ShardEntry> {
        todo!()
    }

    /// Up to `limit` shards in order of identity, those after `after`. Does no I/O. Pages are not one snapshot.
    pub fn inventory(&self, after: Option<ShardIdentity>, limit: usize) -> Vec<InventoryEntry> {
        todo!()
    }

    /// Rereads about `budget` bytes of records from `cursor` on, and quarantines what is damaged.
    ///
    /// # Errors
    ///
    /// `Failed`, `Closed`. A place that cannot be read is a finding, not an error.
    pub async fn scrub_next(&self, cursor: ScrubCursor, budget: u64) -> Result<ScrubStep> {
        todo!()
    }

    /// Empties and removes extents that are mostly garbage; how many. Also runs in the background by itself.
    ///
    /// # Errors
    ///
    /// `Io`, `Full`, `Failed`, `Closed`.
    pub async fn compact(&self) -> Result<u64> {
        todo!()
    }

    /// Looks whether the directory is still there and takes the disk out of service if not. Call it now and then.
    pub async fn check(&self) -> DiskState {
        todo!()
    }

    /// Room taken and left.
    ///
    /// # Errors
    ///
    /// `Io`, `Failed`, `Closed`.
    pub async fn usage(&self) -> Result<Usage> {
        todo!()
    }

    /// Counters since the disk was opened.
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Whether the disk takes part. Does no I/O.
    pub fn state(&self) -> DiskState {
        todo!()
    }

    /// Finishes what is queued, seals the open extent, writes a checkpoint and stops the threads.
    ///
    /// # Errors
    ///
    /// `Io`, `Failed`: nothing acknowledged is lost, the next open scans more.
    pub async fn close(&self) -> Result<()> {
        todo!()
    }
}
