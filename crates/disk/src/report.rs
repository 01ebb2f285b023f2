//! What the disk tells about itself.

use erasure::ShardIdentity;

/// Whether the disk takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskState {
    /// Reads and writes work.
    InService,
    /// The last write failed; the disk goes on with a new extent. Prefer others for writing.
    Suspect {
        /// What happened.
        reason: String,
    },
    /// Every call is refused until the disk is opened again.
    Failed {
        /// What happened.
        reason: String,
    },
    /// Closed by its owner.
    Closed,
}

/// What a disk knows of a shard without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardEntry {
    /// Size of the payload, in bytes.
    pub size: u32,
    /// Placement group the shard was written for.
    pub group: u32,
    /// Intent epoch of its write.
    pub intent_epoch: u64,
    /// Found damaged: reads fail until the shard is appended again.
    pub damaged: bool,
}

/// One shard of an inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InventoryEntry {
    /// The shard.
    pub identity: ShardIdentity,
    /// What is known of it.
    pub entry: ShardEntry,
}

/// What is wrong with a place on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes do not match their checksum.
    Corrupt,
    /// The device cannot read the place.
    Unreadable,
    /// The extent's file is gone.
    ExtentMissing,
}

/// Damage in a place that must hold data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The shard that is lost on this disk; `None` when nobody can tell, or when the place held tombstones only,
    /// or entries of the log of extents.
    pub identity: Option<ShardIdentity>,
    /// Number of the extent.
    pub extent: u32,
    /// Byte offset in the extent.
    pub offset: u64,
    /// What is wrong there.
    pub damage: Damage,
}

/// What opening a disk found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Shards in the index.
    pub shards: u64,
    /// Records read to bring the index up to date (all of them, if the checkpoint was missing or unusable).
    pub records_scanned: u64,
    /// Whether a checkpoint spared the scan of older records.
    pub used_checkpoint: bool,
    /// Extents that were still open, and were sealed at the end of what is whole. More than none after a crash.
    pub open_extents: u64,
    /// Damage found; every named shard reads as damaged or missing, so that repair writes it again.
    pub findings: Vec<Finding>,
}

/// Where a scrub goes on. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScrubCursor {
    /// Number of the extent.
    pub extent: u32,
    /// Byte offset in it.
    pub offset: u64,
}

/// What one step of a scrub did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubStep {
    /// Damage found and not known before; the named shards read as damaged from now on.
    pub findings: Vec<Finding>,
    /// Bytes read.
    pub bytes: u64,
    /// Where to go on; `None` once everything has been read.
    pub next: Option<ScrubCursor>,
}

/// Room, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Size of the file system.
    pub total: u64,
    /// Free on the file system.
    pub available: u64,
    /// Kept free for deletions and compaction.
    pub reserve: u64,
    /// Taken by the records in extents, whatever they hold.
    pub extents: u64,
    /// Taken by records of shards that exist.
    pub live: u64,
    /// Shards that exist, damaged ones included.
    pub shards: u64,
    /// New shards are refused.
    pub full: bool,
}

/// Counters since the disk was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Shards appended and acknowledged.
    pub appends: u64,
    /// Payload bytes of those.
    pub appended_bytes: u64,
    /// Shards deleted.
    pub deletes: u64,
    /// `fdatasync` calls of the commit path, failed ones included.
    pub syncs: u64,
    /// Successful reads.
    pub reads: u64,
    /// Payload bytes returned by reads.
    pub read_bytes: u64,
    /// Shards, tombstones and entries of the log of extents that were found damaged, each once.
    pub corrupt_blocks: u64,
    /// Calls to the file system that failed.
    pub io_errors: u64,
    /// Extents in existence.
    pub extents: u64,
    /// Extents emptied and removed by compaction.
    pub compacted_extents: u64,
    /// Bytes read by scrubbing.
    pub scrubbed_bytes: u64,
}
