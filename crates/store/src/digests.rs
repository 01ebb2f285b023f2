//! What is computed over a body while it passes: MD5 for the entity tag, and the checksums.

use bytes::Bytes;
use env::Env;

use crate::body::BodyError;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest, Hasher};
use crate::error::{Error, Result};
use crate::etag_hasher::EtagStream;
use crate::put::ExpectedBody;

/// Larger chunks are summed off the reactor: SHA-256 takes 100 µs for 128 KiB, a CRC for 2 MiB.
const INLINE_SIZE_MAX: usize = 128 * 1024;
const INLINE_CRC_SIZE_MAX: usize = 2 * 1024 * 1024;

/// Digests in the making.
pub(crate) struct BodyDigests {
    md5: EtagStream,
    /// All but MD5, which is computed in any case.
    checksums: Vec<(ChecksumAlgorithm, Hasher)>,
}

/// Digests of a whole body.
#[derive(Clone, Debug)]
pub(crate) struct Digests {
    pub(crate) md5: [u8; 16],
    checksums: Vec<Checksum>,
}

impl BodyDigests {
    /// Starts to compute MD5 by `md5` and the checksums of `algorithms`, each once.
    pub(crate) fn new(md5: EtagStream, algorithms: &[ChecksumAlgorithm]) -> Self {
        let mut algorithms = algorithms.to_vec();
        algorithms.sort_unstable();
        algorithms.dedup();
        algorithms.retain(|algorithm| *algorithm != ChecksumAlgorithm::Md5);
        let checksums = algorithms.into_iter().map(|algorithm| (algorithm, Hasher::new(algorithm))).collect();
        Self { md5, checksums }
    }

    /// Adds the body's next bytes, off the reactor if they are many.
    pub(crate) async fn update(mut self, env: &Env, bytes: Bytes) -> Self {
        self.md5.update(bytes.clone()).await;
        let all_crcs = self.checksums.iter().all(|(_, hasher)| hasher.is_crc());
        let few = bytes.len() <= if all_crcs { INLINE_CRC_SIZE_MAX } else { INLINE_SIZE_MAX };
        let mut checksums = std::mem::take(&mut self.checksums);
        let sum = move || {
            checksums.iter_mut().for_each(|(_, hasher)| hasher.update(&bytes));
            checksums
        };
        self.checksums = if few { sum() } else { env.blocking(sum).await };
        self
    }

    /// The digests of all bytes added.
    pub(crate) async fn finish(self) -> Digests {
        let checksum = |(algorithm, hasher): (ChecksumAlgorithm, Hasher)| {
            Checksum::new(algorithm, ChecksumKind::FullObject, hasher.finish())
                .expect("a hasher's value has its length")
        };
        let checksums = self.checksums.into_iter().map(checksum).collect();
        Digests { md5: self.md5.finish().await, checksums }
    }
}

impl Digests {
    /// The checksum of `algorithm`, one of those it was started with.
    pub(crate) fn checksum(&self, algorithm: ChecksumAlgorithm) -> Checksum {
        if algorithm == ChecksumAlgorithm::Md5 {
            let md5 = Bytes::copy_from_slice(&self.md5);
            return Checksum::new(algorithm, ChecksumKind::FullObject, md5).expect("MD5 has 16 bytes");
        }
        let found = self.checksums.iter().find(|checksum| checksum.algorithm() == algorithm);
        found.expect("computed from the start").clone()
    }

    /// Compares the digests with what the client declared; `trailer` is what came with the body's end.
    ///
    /// # Errors
    ///
    /// `BadDigest`, `ChecksumMismatch`, and `Body` for a missing trailer.
    pub(crate) fn check(&self, expected: &ExpectedBody, trailer: Option<Checksum>) -> Result<()> {
        if expected.md5.is_some_and(|md5| md5 != self.md5) {
            return Err(Error::BadDigest);
        }
        let declared = match &expected.checksum {
            ChecksumRequest::Unspecified | ChecksumRequest::Compute(_) => return Ok(()),
            ChecksumRequest::Expect(checksum) => checksum.clone(),
            ChecksumRequest::Trailer(algorithm) => trailer
                .filter(|checksum| checksum.algorithm() == *algorithm)
                .ok_or(BodyError::Malformed("the declared checksum trailer is missing"))?,
        };
        let algorithm = declared.algorithm();
        let equal = self.checksum(algorithm).value() == declared.value();
        if equal { Ok(()) } else { Err(Error::ChecksumMismatch { algorithm }) }
    }
}
