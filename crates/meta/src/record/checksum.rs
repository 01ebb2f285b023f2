//! The checksums that S3 clients ask for, beside the MD5 of the entity tag.

use bytes::Bytes;

use crate::codec::{Input, Value};
use crate::error::CodecError;

/// A checksum algorithm of the S3 API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// MD5, 16 bytes.
    Md5,
    /// SHA-512, 64 bytes.
    Sha512,
    /// XXH64 without a seed, 8 bytes.
    Xxhash64,
    /// The 64 bits of XXH3 without a seed, 8 bytes.
    Xxhash3,
    /// The 128 bits of XXH3 without a seed, 16 bytes.
    Xxhash128,
}

impl ChecksumAlgorithm {
    /// Every algorithm, in the order of the numbers that records have for them.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Md5,
        Self::Sha512,
        Self::Xxhash64,
        Self::Xxhash3,
        Self::Xxhash128,
    ];

    /// Length of the algorithm's value, in bytes.
    pub const fn value_size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::Xxhash64 | Self::Xxhash3 => 8,
            Self::Md5 | Self::Xxhash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumKind {
    /// The bytes themselves.
    FullObject,
    /// The concatenated checksums of a multipart object's parts.
    Composite,
}

/// A checksum. Only `new` makes one, so its value has the algorithm's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    value: Bytes,
}

impl Checksum {
    /// Returns `None` when `value` does not have the algorithm's length.
    pub fn new(algorithm: ChecksumAlgorithm, kind: ChecksumKind, value: Bytes) -> Option<Self> {
        (value.len() == algorithm.value_size()).then_some(Self { algorithm, kind, value })
    }

    /// How it was computed.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Over what it was computed.
    pub const fn kind(&self) -> ChecksumKind {
        self.kind
    }

    /// Its bytes, big-endian, as S3 encodes them in base64.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl Value for ChecksumAlgorithm {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Crc32 => 1,
            Self::Crc32c => 2,
            Self::Crc64Nvme => 3,
            Self::Sha1 => 4,
            Self::Sha256 => 5,
            Self::Md5 => 6,
            Self::Sha512 => 7,
            Self::Xxhash64 => 8,
            Self::Xxhash3 => 9,
            Self::Xxhash128 => 10,
        });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            1 => Ok(Self::Crc32),
            2 => Ok(Self::Crc32c),
            3 => Ok(Self::Crc64Nvme),
            4 => Ok(Self::Sha1),
            5 => Ok(Self::Sha256),
            6 => Ok(Self::Md5),
            7 => Ok(Self::Sha512),
            8 => Ok(Self::Xxhash64),
            9 => Ok(Self::Xxhash3),
            10 => Ok(Self::Xxhash128),
            _ => Err(CodecError::Invalid("checksum algorithm")),
        }
    }
}

impl Value for ChecksumKind {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::FullObject => 1,
            Self::Composite => 2,
        });
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        match input.u8()? {
            1 => Ok(Self::FullObject),
            2 => Ok(Self::Composite),
            _ => Err(CodecError::Invalid("checksum kind")),
        }
    }
}

impl Value for Checksum {
    fn write(&self, out: &mut Vec<u8>) {
        self.algorithm.write(out);
        self.kind.write(out);
        out.extend_from_slice(&self.value);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let algorithm = ChecksumAlgorithm::read(input)?;
        let kind = ChecksumKind::read(input)?;
        let value = Bytes::copy_from_slice(input.take(algorithm.value_size())?);
        Ok(Self { algorithm, kind, value })
    }
}
