//! How a disk is run, and the sizes that follow from its file system.

use env::Space;

use crate::record::BATCH_ALIGNMENT;

const MIB: u64 = 1 << 20;
/// A file system should hold at least this many extents.
const EXTENTS_MIN: u64 = 64;
/// The reserve is at most as large as this many extents.
const RESERVE_EXTENTS_MAX: u64 = 16;
/// Smallest extent chosen for a small file system.
const EXTENT_SIZE_MIN: u64 = 4 * MIB;
/// Largest extent that 32-bit places in units of 8 bytes can address comfortably.
const EXTENT_SIZE_LIMIT: u64 = 1 << 30;
/// Extents grow by this much, so that a fresh disk takes little.
const STEP_MAX: u64 = 16 * MIB;
/// Room for some hundred batches of tombstones on a disk without a free byte.
const MARGIN_MAX: u64 = 2 * MIB;

/// How a disk is run.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// The cluster the disk must belong to.
    pub cluster_id: u128,
    /// Extents are sealed at this size, in bytes. Small file systems get smaller ones.
    pub extent_size_max: u64,
    /// Share of garbage in an extent from which on it is compacted, in percent.
    pub garbage_percent_max: u64,
    /// Records written after which a checkpoint is due; a quarter of all entries, if that is more, so that writing
    /// checkpoints stays a small share of all writing.
    pub checkpoint_records_min: u64,
    /// When compaction and checkpoints run.
    pub upkeep: Upkeep,
    /// Threads that read.
    pub reader_count: u32,
    /// Payload bytes that may wait to be written.
    pub write_queue_bytes: u32,
    /// Bytes of reads that may wait or run.
    pub read_queue_bytes: u32,
}

/// When compaction and checkpoints run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// As needed, on the disk's own thread.
    Background,
    /// When asked for: by `compact`, and at `close`. For tests, which repeat the same calls in the same order.
    OnDemand,
}

impl DiskConfig {
    /// The usual values, for a disk of cluster `cluster_id`.
    pub fn new(cluster_id: u128) -> Self {
        Self {
            cluster_id,
            extent_size_max: 256 * MIB,
            garbage_percent_max: 50,
            checkpoint_records_min: 65_536,
            upkeep: Upkeep::Background,
            reader_count: 4,
            write_queue_bytes: 64 << 20,
            read_queue_bytes: 64 << 20,
        }
    }
}

/// Sizes in bytes that follow from the configuration and the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// An extent is sealed when the next record would pass this.
    pub(crate) extent: u64,
    /// Extents grow by this.
    pub(crate) step: u64,
    /// Allocated room of the open extent that only tombstones may take.
    pub(crate) margin: u64,
    /// Free room of the file system that only tombstones and compaction may take.
    pub(crate) reserve: u64,
}

impl Sizes {
    pub(crate) fn new(config: &DiskConfig, space: Space) -> Self {
        let fitting = (space.total / EXTENTS_MIN).max(EXTENT_SIZE_MIN);
        let extent = config.extent_size_max.min(fitting).min(EXTENT_SIZE_LIMIT).next_multiple_of(BATCH_ALIGNMENT);
        let step = STEP_MAX.min(extent);
        let margin = (step / 8).min(MARGIN_MAX).next_multiple_of(BATCH_ALIGNMENT);
        // A hundredth, but enough to compact with, and no more than compaction and deletes can use: file systems are shared,
        // and nobody should be refused because of a tenth of a laptop's disk.
        let reserve = (space.total / 100).clamp(2 * extent, RESERVE_EXTENTS_MAX * extent);
        Self { extent, step, margin, reserve }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_follow_the_file_system() {
        let config = DiskConfig::new(1);
        let sizes = |total: u64| Sizes::new(&config, Space { total, available: total });
        assert_eq!(sizes(10 << 40).extent, 256 * MIB);
        assert_eq!(sizes(10 << 40).reserve, 4 << 30);
        assert_eq!(sizes(100 << 30).reserve, 1 << 30);
        assert_eq!(sizes(64 * MIB), Sizes { extent: 4 * MIB, step: 4 * MIB, margin: MIB / 2, reserve: 8 * MIB });
    }
}
