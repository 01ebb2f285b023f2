//! Local disk engine: keeps erasure-coded shards in append-only extents on one device.
//!
//! A write passes through [`Disk::append`] and waits in `commit` for a shared sync. A read asks `index` for the
//! record's place, and verifies what it reads. `scrub` rereads everything slowly; `compact` copies what is live out of
//! extents that are mostly garbage; `recover` rebuilds the index from a checkpoint and the records after it.
//!
//! Invariant: an acknowledged shard survives power loss, or it is reported damaged; never neither. This crate knows
//! nothing of objects, buckets or other disks.

mod batch;
mod checkpoint;
mod commit;
mod compact;
mod config;
mod device;
mod disk;
mod error;
mod extent;
mod frame;
mod health;
mod index;
mod queue;
mod read;
mod record;
mod recover;
mod report;
mod roots;
mod scan;
mod scrub;
mod superblock;
mod upkeep;

pub use config::{DiskConfig, Upkeep};
pub use disk::{Disk, Shard};
pub use error::{Error, Result};
pub use report::{
    Damage, DiskState, Finding, InventoryEntry, Recovery, ScrubCursor, ScrubStep, ShardEntry, Stats, Usage,
};
pub use superblock::{DiskIdentity, Superblock};
