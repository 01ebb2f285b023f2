//! The checksums that S3 clients ask for, beside the MD5 of the Etag.

use std::hash::Hasher as _;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
pub use meta::record::{Checksum, ChecksumAlgorithm, ChecksumKind};
use sha2::Digest as _;
use twox_hash::{XxHash3_64, XxHash3_128, XxHash64};

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

/// The CRC that an algorithm is; `None` for the others, which nobody can combine.
fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        _ => None,
    }
}

impl ChecksumRequest {
    /// The algorithm that the client chose.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Unspecified => None,
            Self::Compute(algorithm) | Self::Trailer(algorithm) => Some(*algorithm),
            Self::Expect(checksum) => Some(checksum.algorithm()),
        }
    }
}

/// The checksum of bytes that are all there.
pub fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    let value = hasher.finish();
    Checksum::new(algorithm, ChecksumKind::FullObject, value).expect("a hasher's value has its length")
}

/// Computes one checksum over a stream of bytes.
pub(crate) enum Hasher {
    Crc(ChecksumAlgorithm, Digest),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Md5(md5::Md5),
    Sha512(Box<sha2::Sha512>),
    Xxhash64(Box<XxHash64>),
    Xxhash3(Box<XxHash3_64>),
    Xxhash128(Box<XxHash3_128>),
}

impl Hasher {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        if let Some(crc) = crc(algorithm) {
            return Self::Crc(algorithm, Digest::new(crc));
        }
        match algorithm {
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Crc64Nvme => {
                unreachable!("CRCs were told apart above")
            }
            ChecksumAlgorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            ChecksumAlgorithm::Md5 => Self::Md5(md5::Md5::new()),
            ChecksumAlgorithm::Sha512 => Self::Sha512(Box::new(sha2::Sha512::new())),
            ChecksumAlgorithm::Xxhash64 => Self::Xxhash64(Box::new(XxHash64::with_seed(0))),
            ChecksumAlgorithm::Xxhash3 => Self::Xxhash3(Box::new(XxHash3_64::new())),
            ChecksumAlgorithm::Xxhash128 => Self::Xxhash128(Box::new(XxHash3_128::new())),
        }
    }

    /// Whether it is of the fast kind: some 20 GB/s.
    pub(crate) fn is_crc(&self) -> bool {
        matches!(self, Self::Crc(..))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, digest) => digest.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
            Self::Xxhash64(hasher) => hasher.write(bytes),
            Self::Xxhash3(hasher) => hasher.write(bytes),
            Self::Xxhash128(hasher) => hasher.write(bytes),
        }
    }

    pub(crate) fn finish(self) -> Bytes {
        match self {
            Self::Crc(algorithm, digest) => crc_bytes(algorithm, digest.finalize()),
            Self::Sha1(hasher) => Bytes::copy_from_slice(&hasher.finalize()),
            Self::Sha256(hasher) => Bytes::copy_from_slice(&hasher.finalize()),
            Self::Md5(hasher) => Bytes::copy_from_slice(&hasher.finalize()),
            Self::Sha512(hasher) => Bytes::copy_from_slice(&hasher.finalize()),
            Self::Xxhash64(hasher) => Bytes::copy_from_slice(&hasher.finish().to_be_bytes()),
            Self::Xxhash3(hasher) => Bytes::copy_from_slice(&hasher.finish().to_be_bytes()),
            Self::Xxhash128(hasher) => Bytes::copy_from_slice(&hasher.finish_128().to_be_bytes()),
        }
    }
}

/// The checksum of a multipart object from those of its parts: `(checksum value, size)` each, in order.
///
/// `None` for one of the full object that is no CRC, which cannot be had without the bytes.
pub(crate) fn combine(algorithm: ChecksumAlgorithm, kind: ChecksumKind, parts: &[(&[u8], u64)]) -> Option<Checksum> {
    let value = match kind {
        ChecksumKind::Composite => {
            let mut hasher = Hasher::new(algorithm);
            parts.iter().for_each(|(value, _)| hasher.update(value));
            hasher.finish()
        }
        ChecksumKind::FullObject => {
            let crc = crc(algorithm)?;
            let empty = Digest::new(crc).finalize();
            let joined = parts
                .iter()
                .fold(empty, |joined, (value, size)| crc_fast::checksum_combine(crc, joined, crc_number(value), *size));
            crc_bytes(algorithm, joined)
        }
    };
    Checksum::new(algorithm, kind, value)
}

fn crc_bytes(algorithm: ChecksumAlgorithm, crc: u64) -> Bytes {
    Bytes::copy_from_slice(&crc.to_be_bytes()[8 - algorithm.value_size()..])
}

fn crc_number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [ChecksumAlgorithm; 10] = ChecksumAlgorithm::ALL;

    fn digest(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Bytes {
        Bytes::copy_from_slice(checksum_of(algorithm, bytes).value())
    }

    #[test]
    fn values_are_the_published_check_values() {
        let hex = |value: &[u8]| value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected = [
            "cbf43926",
            "e3069283",
            "ae8b14860a799888",
            "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            "25f9e794323b453885f5181f1b624d0b",
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a\
             d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
            "8cb841db40e6ae83",
            "72dcb18b67a17dff",
            "33119477ede5dcd5e9716427681d5860",
        ];
        for (algorithm, expected) in ALL.into_iter().zip(expected) {
            assert_eq!(hex(&digest(algorithm, b"123456789")), expected, "{algorithm:?}");
        }
    }

    proptest! {
        #[test]
        fn combining_parts_gives_the_checksum_of_the_whole(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
        ) {
            for algorithm in ALL {
                let digests: Vec<_> = parts.iter().map(|part| (digest(algorithm, part), part.len() as u64)).collect();
                let pairs: Vec<_> = digests.iter().map(|(value, size)| (value.as_ref(), *size)).collect();
                let full = combine(algorithm, ChecksumKind::FullObject, &pairs);
                let expected = crc(algorithm).map(|_| digest(algorithm, &parts.concat()));
                prop_assert_eq!(full.as_ref().map(Checksum::value), expected.as_deref());

                let concatenated: Vec<u8> = digests.iter().flat_map(|(value, _)| value.to_vec()).collect();
                let composite = combine(algorithm, ChecksumKind::Composite, &pairs).unwrap();
                prop_assert_eq!(composite.value(), digest(algorithm, &concatenated));
            }
        }
    }
}
