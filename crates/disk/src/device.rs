//! What the workers of one open disk share.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use env::{Entropy, FileLock, Files};
use erasure::ShardIdentity;
use parking_lot::Mutex;

use crate::config::Sizes;
use crate::extent::Extents;
use crate::health::{Counters, Health};
use crate::index::{Index, Position};
use crate::report::Stats;
use crate::roots::Roots;
use crate::superblock::{self, DiskIdentity};
use crate::{Error, Result};

/// The shared parts of an open disk. Locks in them are short; none is held during I/O but that of `roots`.
pub(crate) struct Device {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) identity: DiskIdentity,
    pub(crate) path: PathBuf,
    /// Where the extents are.
    pub(crate) directory: PathBuf,
    pub(crate) sizes: Sizes,
    pub(crate) index: Index,
    pub(crate) extents: Extents,
    pub(crate) roots: Mutex<Roots>,
    pub(crate) health: Health,
    pub(crate) counters: Counters,
    /// The last shard was refused for lack of room.
    pub(crate) is_full: AtomicBool,
    /// Held until the disk is closed, or its last worker is gone.
    pub(crate) lock: Mutex<Option<Box<dyn FileLock>>>,
}

impl Device {
    /// Counts a failed call and makes an error of it. A directory that is gone takes the disk out of service.
    pub(crate) fn io_error(&self, operation: &'static str, path: PathBuf, error: io::Error) -> Error {
        self.counters.io_errors.add(1);
        match self.check() {
            Ok(()) => Error::io(operation, path, error),
            Err(failed) => failed,
        }
    }

    /// Looks whether the disk is still in its place.
    pub(crate) fn check(&self) -> Result<()> {
        self.health.require_service()?;
        for witness in [superblock::witness(&self.path), self.directory.clone()] {
            match self.files.exists(&witness) {
                Ok(true) => {}
                Ok(false) => return Err(self.disappeared()),
                Err(error) => {
                    return Err(self.health.fail(&format!("{} cannot be reached: {error}", witness.display())));
                }
            }
        }
        Ok(())
    }

    /// Takes the disk out of service because its files are gone.
    pub(crate) fn disappeared(&self) -> Error {
        self.health.fail("its directory has disappeared")
    }

    /// Quarantines a record in which damage was found; whether it was live until now.
    pub(crate) fn quarantine(&self, identity: &ShardIdentity, position: Position) -> bool {
        let is_new = self.index.mark_damaged(identity, position);
        if is_new {
            self.counters.corrupt_blocks.add(1);
            let extent = self.extents.path(position.extent);
            tracing::warn!(shard = %identity, extent = %extent.display(), offset = position.offset, "shard is damaged");
        }
        is_new
    }

    pub(crate) fn full(&self) -> Error {
        Error::Full { path: self.path.clone() }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counters = &self.counters;
        Stats {
            appends: counters.appends.value(),
            appended_bytes: counters.appended_bytes.value(),
            deletes: counters.deletes.value(),
            syncs: counters.syncs.value(),
            reads: counters.reads.value(),
            read_bytes: counters.read_bytes.value(),
            corrupt_blocks: counters.corrupt_blocks.value(),
            io_errors: counters.io_errors.value(),
            extents: self.extents.count(),
            compacted_extents: counters.compacted_extents.value(),
            scrubbed_bytes: counters.scrubbed_bytes.value(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        if self.is_full.swap(is_full, Ordering::Relaxed) != is_full {
            tracing::warn!(disk = %self.path.display(), is_full, "room for new shards");
        }
    }
}
