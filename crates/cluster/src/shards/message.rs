//! The heads of the calls about shards: postcard values, described in `docs/formats/shard-calls.md`.

use disk::ShardEntry;
use erasure::{BlockChecksum, ShardIdentity, block_count};
use placement::{DiskId, Epoch, GroupId};
use serde::{Deserialize, Serialize};

use crate::handle::{Destination, ShardError};

/// Most shards that one call looks up.
pub(crate) const LOOKUP_MAX: usize = 4096;

/// Most writes whose shards one call deletes.
pub(crate) const DELETE_MAX: usize = 1024;

/// Size of a block's checksum, in bytes.
const CHECKSUM_SIZE: usize = size_of::<BlockChecksum>();

/// Names a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardName {
    write_id: u128,
    stripe: u32,
    index: u8,
}

impl From<ShardIdentity> for ShardName {
    fn from(identity: ShardIdentity) -> Self {
        let ShardIdentity { write_id, stripe, index } = identity;
        Self { write_id, stripe, index }
    }
}

impl From<ShardName> for ShardIdentity {
    fn from(name: ShardName) -> Self {
        let ShardName { write_id, stripe, index } = name;
        Self { write_id, stripe, index }
    }
}

/// Store a shard. The body is the checksums of its blocks, then its payload. Answered with `Result<(), ShardError>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Append {
    pub(crate) disk: DiskId,
    pub(crate) shard: ShardName,
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    pub(crate) intent_epoch: u64,
    pub(crate) destination: Destination,
}

/// Read bytes of a shard. Answered with `Result<u64, ShardError>`: the CRC-64/NVME of the bytes, which are the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) disk: DiskId,
    pub(crate) shard: ShardName,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Look shards up. Answered with `Result<Vec<Option<Entry>>, ShardError>`, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lookup {
    pub(crate) disk: DiskId,
    pub(crate) shards: Vec<ShardName>,
}

/// What a disk knows of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    size: u32,
    group: u32,
    intent_epoch: u64,
    damaged: bool,
}

impl From<ShardEntry> for Entry {
    fn from(entry: ShardEntry) -> Self {
        let ShardEntry { size, group, intent_epoch, damaged } = entry;
        Self { size, group, intent_epoch, damaged }
    }
}

impl From<Entry> for ShardEntry {
    fn from(entry: Entry) -> Self {
        let Entry { size, group, intent_epoch, damaged } = entry;
        Self { size, group, intent_epoch, damaged }
    }
}

/// Delete all shards of writes. Answered with `Result<u64, ShardError>`: how many there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delete {
    pub(crate) disk: DiskId,
    pub(crate) writes: Vec<u128>,
}

/// An answer's head.
pub(crate) type Outcome<T> = Result<T, ShardError>;

/// Where the payload begins in the body of an [`Append`] of this size; `None` when no shard makes such a body.
pub(crate) fn payload_offset(body_size: usize) -> Option<usize> {
    // Each started block adds its checksum: the number of checksums follows from the whole.
    let blocks = body_size.div_ceil(erasure::BLOCK_SIZE + CHECKSUM_SIZE);
    let offset = blocks * CHECKSUM_SIZE;
    let payload_size = body_size.checked_sub(offset)?;
    (block_count(payload_size) == blocks).then_some(offset)
}

/// The checksums as they travel.
pub(crate) fn encode_checksums(checksums: &[BlockChecksum]) -> Vec<u8> {
    checksums.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_found_behind_as_many_checksums_as_it_has_blocks() {
        let block = erasure::BLOCK_SIZE;
        for payload in [0, 1, block - 1, block, block + 1, 2 * block, 2 * block + 1, 16 * block, 1024 * block] {
            let checksums = block_count(payload) * CHECKSUM_SIZE;
            assert_eq!(payload_offset(checksums + payload), Some(checksums), "{payload} bytes");
        }
        for impossible in [1, 15, 16, block + CHECKSUM_SIZE + 1, block + 2 * CHECKSUM_SIZE] {
            assert_eq!(payload_offset(impossible), None, "a body of {impossible} bytes");
        }
    }
}
