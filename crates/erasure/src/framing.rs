//! Shards as checksummed blocks. The format is described in `docs/formats/shard-blocks.md`.

use bytes::Bytes;

use crate::{Error, Result, ShardIdentity};

/// Size of every block of a shard but the last, in bytes.
pub const BLOCK_SIZE: usize = 64 * 1024;

/// The first 128 bits of a block's keyed BLAKE3 hash.
pub type BlockChecksum = [u8; 16];

/// First bytes of every checksum's key: the format and its version.
const KEY_PREFIX: [u8; 3] = *b"SB\x01";

/// A shard with the checksums of its blocks: what is sent to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FramedShard {
    identity: ShardIdentity,
    payload: Bytes,
    checksums: Vec<BlockChecksum>,
}

impl FramedShard {
    /// Computes the checksums of `payload`'s blocks; about a microsecond for 6 KiB, so large shards want a thread
    /// where that is allowed.
    ///
    /// # Panics
    ///
    /// Panics if `payload` has 2^32 blocks or more, 256 TiB.
    pub fn new(identity: ShardIdentity, payload: Bytes) -> Self {
        let checksums = payload
            .chunks(BLOCK_SIZE)
            .zip(0..)
            .map(|(bytes, number)| block_checksum(identity, number, bytes))
            .collect();
        Self { identity, payload, checksums }
    }

    /// Which shard this is.
    pub fn identity(&self) -> ShardIdentity {
        self.identity
    }

    /// The shard's bytes.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// One checksum a block, in order; none if the payload is empty.
    pub fn checksums(&self) -> &[BlockChecksum] {
        &self.checksums
    }

    /// The blocks in order, each with its checksum. They share the payload's memory.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (Bytes, BlockChecksum)> {
        self.checksums.iter().enumerate().map(|(number, &checksum)| {
            let start = number * BLOCK_SIZE;
            let end = self.payload.len().min(start + BLOCK_SIZE);
            (self.payload.slice(start..end), checksum)
        })
    }
}

/// Number of blocks of a shard of `payload_size` bytes.
pub fn block_count(payload_size: usize) -> usize {
    payload_size.div_ceil(BLOCK_SIZE)
}

/// Computes the checksum of block `block_number` of shard `identity`.
///
/// The identity, the block's number and its length are the key of BLAKE3's keyed mode. They fill it exactly, so that
/// binding them costs nothing beside the hash of the bytes. The key is no secret: it tells blocks apart, and
/// finds a right block in a wrong place.
///
/// # Panics
///
/// Panics if `bytes` is longer than [`BLOCK_SIZE`].
pub fn block_checksum(identity: ShardIdentity, block_number: u32, bytes: &[u8]) -> BlockChecksum {
    assert!(bytes.len() <= BLOCK_SIZE, "a block of {} bytes", bytes.len());
    let block_size = u32::try_from(bytes.len()).expect("checked above");
    let mut key = [0; blake3::KEY_LEN];
    key[..3].copy_from_slice(&KEY_PREFIX);
    key[3..24].copy_from_slice(&identity.encode());
    key[24..28].copy_from_slice(&block_number.to_be_bytes());
    key[28..].copy_from_slice(&block_size.to_be_bytes());
    let hash = blake3::keyed_hash(&key, bytes);
    *hash.as_bytes().first_chunk().expect("a BLAKE3 hash has 32 bytes")
}

/// Checks that `bytes` are block `block_number` of shard `identity`, as it was when `checksum` was computed.
///
/// # Errors
///
/// [`Error::CorruptBlock`] if bytes, length, number or identity differ. A run of bytes longer than [`BLOCK_SIZE`] is
/// no block and differs too.
pub fn verify_block(identity: ShardIdentity, block_number: u32, bytes: &[u8], checksum: &BlockChecksum) -> Result<()> {
    let intact = bytes.len() <= BLOCK_SIZE && block_checksum(identity, block_number, bytes) == *checksum;
    if intact { Ok(()) } else { Err(Error::CorruptBlock { identity, block_number }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: ShardIdentity = ShardIdentity { write_id: 0x5eed, stripe: 7, index: 3 };

    fn payload(size: usize) -> Bytes {
        (0..251_u8).cycle().take(size).collect()
    }

    #[test]
    fn every_block_of_a_framed_shard_verifies() {
        for size in [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE, 3 * BLOCK_SIZE + 17] {
            let shard = FramedShard::new(IDENTITY, payload(size));
            assert_eq!(shard.blocks().len(), block_count(size));
            let mut joined = Vec::new();
            for ((bytes, checksum), number) in shard.blocks().zip(0..) {
                assert_eq!(verify_block(IDENTITY, number, &bytes, &checksum), Ok(()), "block {number} of {size} bytes");
                joined.extend_from_slice(&bytes);
            }
            assert_eq!(joined, **shard.payload());
        }
    }

    #[test]
    fn the_checksum_is_the_documented_one() {
        let identity =
            ShardIdentity { write_id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, stripe: 0x1112_1314, index: 0x15 };
        let key = b"SB\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\0\0\x01\x02\0\0\0\x03";
        let found = block_checksum(identity, 258, b"abc");
        assert_eq!(found, blake3::keyed_hash(key, b"abc").as_bytes()[..16]);
        assert_eq!(
            u128::from_be_bytes(found),
            0x9687_caef_5a35_da9b_e419_9239_5302_ef35,
            "the test vector of shard-blocks.md"
        );
    }

    #[test]
    fn an_empty_payload_has_no_block() {
        assert!(FramedShard::new(IDENTITY, Bytes::new()).checksums().is_empty());
    }

    #[test]
    fn any_other_block_is_corrupt() {
        let bytes = payload(1000);
        let checksum = block_checksum(IDENTITY, 5, &bytes);
        let corrupt = |identity, number, bytes: &[u8]| {
            let error = Error::CorruptBlock { identity, block_number: number };
            assert_eq!(verify_block(identity, number, bytes, &checksum), Err(error));
        };
        assert_eq!(verify_block(IDENTITY, 5, &bytes, &checksum), Ok(()));
        corrupt(ShardIdentity { write_id: 0x5eee, ..IDENTITY }, 5, &bytes);
        corrupt(ShardIdentity { stripe: 8, ..IDENTITY }, 5, &bytes);
        corrupt(ShardIdentity { index: 4, ..IDENTITY }, 5, &bytes);
        corrupt(IDENTITY, 4, &bytes);
        corrupt(IDENTITY, 5, &bytes[..999]);
        corrupt(IDENTITY, 5, &[]);
        corrupt(IDENTITY, 5, &payload(BLOCK_SIZE + 1));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            corrupt(IDENTITY, 5, &flipped);
        }
    }
}
