//! Why an operation on the disk failed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use erasure::ShardIdentity;

/// Why an operation on the disk failed, and by that what to do next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Create the directory or mount the device, then start again.
    #[error("{path:?} does not exist: create the directory, or mount the disk that belongs there")]
    Missing {
        /// The storage directory.
        path: PathBuf,
    },
    /// Name a directory.
    #[error("{path:?} is not a directory: name a directory")]
    NotADirectory {
        /// What was named.
        path: PathBuf,
    },
    /// Format the directory, if it is the right one.
    #[error("{path:?} holds no storage: it was never formatted, or the disk that belongs there is not mounted")]
    NotFormatted {
        /// The storage directory.
        path: PathBuf,
    },
    /// Choose another directory.
    #[error("{path:?} is not empty and not ours (it holds {name:?}): choose an empty directory")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// The first foreign name in it.
        name: String,
    },
    /// Open the directory instead of formatting it.
    #[error("{path:?} holds storage already: remove its contents by hand if they are no longer wanted")]
    AlreadyFormatted {
        /// The storage directory.
        path: PathBuf,
    },
    /// Give each cluster its own directories.
    #[error("{path:?} belongs to cluster {found:032x}, not to {expected:032x}: remove it from this command line")]
    AnotherCluster {
        /// The storage directory.
        path: PathBuf,
        /// Cluster named in the superblock.
        found: u128,
        /// Cluster that opened the directory.
        expected: u128,
    },
    /// Run the version of the program that wrote the directory, or a newer one.
    #[error("{path:?} has format version {found}, this program reads {supported}: run the version that wrote it")]
    UnknownVersion {
        /// The file that carries the version.
        path: PathBuf,
        /// Version found.
        found: u32,
        /// Version that this program reads and writes.
        supported: u32,
    },
    /// Stop the other process.
    #[error("{path:?} is in use by another process: stop it, or choose another directory")]
    InUse {
        /// The storage directory.
        path: PathBuf,
    },
    /// Mount the device.
    #[error("{path:?} was the root of a mounted file system and is now a plain directory: mount the disk")]
    Unmounted {
        /// The storage directory.
        path: PathBuf,
    },
    /// Replace the disk by an empty one and let repair fill it.
    #[error("both superblocks of {path:?} are damaged: empty the directory and let repair fill it again")]
    DamagedSuperblock {
        /// The storage directory.
        path: PathBuf,
    },
    /// The disk does not hold the shard: take others.
    #[error("no shard {identity} on this disk")]
    NotFound {
        /// The shard.
        identity: ShardIdentity,
    },
    /// Take other shards of the stripe and write this one again.
    #[error("shard {identity} is damaged on this disk")]
    Corrupt {
        /// The shard.
        identity: ShardIdentity,
    },
    /// The caller's mistake: ask for bytes that the shard has.
    #[error("bytes up to {end} of shard {identity} were asked for, which has {size}")]
    OutOfRange {
        /// The shard.
        identity: ShardIdentity,
        /// End of the range asked for.
        end: u64,
        /// Size of the shard, in bytes.
        size: u64,
    },
    /// The caller's mistake: cut shards smaller.
    #[error("a shard of {size} bytes is larger than a record may be")]
    TooLarge {
        /// Size of the shard, in bytes.
        size: u64,
    },
    /// Write elsewhere until room returns. Reads and deletes go on.
    #[error("the disk at {path:?} is full")]
    Full {
        /// The storage directory.
        path: PathBuf,
    },
    /// The disk is out of service until it is opened again: use others.
    #[error("the disk at {path:?} is out of service: {reason}")]
    Failed {
        /// The storage directory.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// This call failed; the disk may go on. Use other disks for what it was to do.
    #[error("{operation} failed on {path:?}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The disk was closed by its owner.
    #[error("the disk is closed")]
    Closed,
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { operation, path: path.into(), source: Arc::new(source) }
    }
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
