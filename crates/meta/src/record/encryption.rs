//! What the metadata knows about the encryption of an object: how much room it takes.

use bytes::Bytes;

use crate::codec::{Input, Value, write_prefixed};
use crate::error::CodecError;

/// How an object is encrypted. Its record, its parts and its digests are about the plain bytes; segments and inline bodies
/// hold the encrypted ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionRecord {
    /// How often each chunk is sealed, once or twice.
    pub layers: u8,
    /// The wrapped keys; the format is their owner's.
    pub envelope: Bytes,
}

impl EncryptionRecord {
    /// Bytes that are sealed at once (`docs/formats/encryption.md`).
    pub const CHUNK_SIZE: u64 = 64 * 1024;

    /// Bytes that one layer adds to a chunk.
    pub const TAG_SIZE: u64 = 16;

    /// What `size` plain bytes become.
    pub fn sealed_size(&self, size: u64) -> u64 {
        size.saturating_add(size.div_ceil(Self::CHUNK_SIZE) * Self::TAG_SIZE * u64::from(self.layers))
    }
}

impl Value for EncryptionRecord {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.layers);
        write_prefixed(&self.envelope, out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        Ok(Self { layers: input.u8()?, envelope: Bytes::read(input)? })
    }
}
