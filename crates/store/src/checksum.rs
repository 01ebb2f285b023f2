//! The checksums that S3 clients ask for, beside the MD5 of the ETag.

use crc_fast::{CrcAlgorithm, Digest};
use sha2::Digest as _;

/// A checksum algorithm of the S3 API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME, what S3 computes when the client names none.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// The object's bytes.
    FullObject,
    /// The concatenated checksums of a multipart object's parts.
    Composite,
}

/// The value of a checksum. `value` has the algorithm's length, big-endian as S3 encodes it in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: ChecksumAlgorithm,
    /// Over what it was computed.
    pub kind: ChecksumKind,
    /// The bytes of the checksum.
    pub value: Vec<u8>,
}

/// What the client said about the checksum of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChecksumRequest {
    /// Nothing: compute and store CRC64NVME.
    #[default]
    Unspecified,
    /// An algorithm without a value: compute and store it.
    Compute(ChecksumAlgorithm),
    /// A value in the head of the request: compute, compare, store.
    Expect(Checksum),
    /// An algorithm whose value [`crate::Body::trailer`] supplies: compute, compare, store. A missing trailer is
    /// [`crate::BodyError::Malformed`].
    Trailer(ChecksumAlgorithm),
}

impl ChecksumAlgorithm {
    /// Length of a value, in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Computes the checksum of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(self);
        hasher.update(bytes);
        hasher.finish()
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }
}

impl ChecksumRequest {
    /// The algorithm that the client chose.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Unspecified => None,
            Self::Compute(algorithm) | Self::Trailer(algorithm) => Some(*algorithm),
            Self::Expect(checksum) => Some(checksum.algorithm),
        }
    }
}

/// Computes one checksum over a stream of bytes.
pub(crate) enum Hasher {
    Crc(ChecksumAlgorithm, Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
}

impl Hasher {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm.crc() {
            Some(crc) => Self::Crc(algorithm, Digest::new(crc)),
            None if algorithm == ChecksumAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            None => Self::Sha256(sha2::Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(algorithm, digest) => crc_bytes(algorithm, digest.finalize()),
            Self::Sha1(hasher) => hasher.finalize().to_vec(),
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// The checksum of a multipart object from those of its parts: `(checksum value, size)` each, in order.
///
/// `None` for a full-object SHA, which cannot be had without the bytes.
pub(crate) fn combine(algorithm: ChecksumAlgorithm, kind: ChecksumKind, parts: &[(&[u8], u64)]) -> Option<Checksum> {
    let value = match kind {
        ChecksumKind::Composite => {
            let mut hasher = Hasher::new(algorithm);
            parts.iter().for_each(|(value, _)| hasher.update(value));
            hasher.finish()
        }
        ChecksumKind::FullObject => {
            let crc = algorithm.crc()?;
            let empty = Digest::new(crc).finalize();
            let joined = parts
                .iter()
                .fold(empty, |joined, (value, size)| crc_fast::checksum_combine(crc, joined, crc_number(value), *size));
            crc_bytes(algorithm, joined)
        }
    };
    Some(Checksum { algorithm, kind, value })
}

fn crc_bytes(algorithm: ChecksumAlgorithm, crc: u64) -> Vec<u8> {
    crc.to_be_bytes()[8 - algorithm.size()..].to_vec()
}

fn crc_number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [ChecksumAlgorithm; 5] = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];

    #[test]
    fn values_are_the_published_check_values() {
        let hex = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected = [
            "cbf43926",
            "e3069283",
            "ae8b14860a799888",
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        ];
        for (algorithm, expected) in ALL.into_iter().zip(expected) {
            assert_eq!(hex(&algorithm.digest(b"123456789")), expected, "{algorithm:?}");
        }
    }

    proptest! {
        #[test]
        fn combining_parts_gives_the_checksum_of_the_whole(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
        ) {
            for algorithm in ALL {
                let digests: Vec<_> = parts.iter().map(|part| (algorithm.digest(part), part.len() as u64)).collect();
                let pairs: Vec<_> = digests.iter().map(|(value, size)| (value.as_slice(), *size)).collect();
                let full = combine(algorithm, ChecksumKind::FullObject, &pairs);
                let expected = algorithm.crc().map(|_| algorithm.digest(&parts.concat()));
                prop_assert_eq!(full.map(|checksum| checksum.value), expected);

                let concatenated: Vec<u8> = digests.iter().flat_map(|(value, _)| value.clone()).collect();
                let composite = combine(algorithm, ChecksumKind::Composite, &pairs).unwrap();
                prop_assert_eq!(composite.value, algorithm.digest(&concatenated));
            }
        }
    }
}
