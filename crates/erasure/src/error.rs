//! Why an operation of this crate failed.

use crate::ShardIdentity;

/// Why coding, decoding or checking failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Correct the text: `data+parity`, with 1 to 255 data shards and at most 256 shards in all.
    #[error("{text:?} is no erasure geometry: expected data+parity, such as 4+2, with at most 256 shards in all")]
    Geometry {
        /// What was to be parsed.
        text: String,
    },
    /// The caller's mistake: pass as many shards as the geometry has.
    #[error("expected {expected} {kind} shards, found {found}")]
    ShardCount {
        /// Which shards: "data" or "parity".
        kind: &'static str,
        /// What the geometry says.
        expected: usize,
        /// What was passed.
        found: usize,
    },
    /// The caller's mistake: pass shards of equal length.
    #[error("shards of {expected} and of {found} bytes in one stripe")]
    ShardSize {
        /// Length of the first shard, in bytes.
        expected: usize,
        /// Length of the shard that differs, in bytes.
        found: usize,
    },
    /// The caller's mistake: name each shard of the geometry at most once.
    #[error("shard index {index} is outside the geometry or named twice")]
    ShardIndex {
        /// The index.
        index: u8,
    },
    /// The stripe is lost for now: find more shards.
    #[error("{needed} shards are needed, {found} are present")]
    TooFewShards {
        /// How many shards reconstruction needs.
        needed: usize,
        /// How many are present.
        found: usize,
    },
    /// Count the shard as missing and heal it from others.
    #[error("corrupt block {block_number} of shard {identity}")]
    CorruptBlock {
        /// The shard the block was read as.
        identity: ShardIdentity,
        /// Position of the block in the shard, from 0.
        block_number: u32,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
