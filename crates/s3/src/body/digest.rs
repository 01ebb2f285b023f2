//! Checks a body that is held in memory against the digests its headers, or its trailers, declare.

use crc_fast::{CrcAlgorithm, checksum as crc};
use http::HeaderMap;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use store::{Body, ChecksumAlgorithm};
use subtle::ConstantTimeEq;

use crate::body::RequestBody;
use crate::error::{Error, ErrorCode, Result};
use crate::header::checksum;

/// Checks `content`, which `body` brought, against every digest declared for it, of which there must be one.
///
/// # Errors
///
/// `InvalidRequest` when there is none, `InvalidDigest` or `BadDigest` when one is wrong.
pub(crate) fn check_required(headers: &HeaderMap, body: &mut RequestBody, content: &[u8]) -> Result<()> {
    let md5 = checksum::content_md5(headers)?;
    let declared = checksum::header_value(headers)?.or_else(|| body.trailer());
    if md5.is_none() && declared.is_none() {
        let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(Error::with_message(ErrorCode::InvalidRequest, message));
    }
    check_declared(headers, body, content)
}

/// Checks `content`, which `body` brought, against every digest declared for it, if any is.
///
/// # Errors
///
/// `InvalidDigest` or `BadDigest` when one is wrong.
pub(crate) fn check_declared(headers: &HeaderMap, body: &mut RequestBody, content: &[u8]) -> Result<()> {
    let md5 = checksum::content_md5(headers)?;
    let declared = checksum::header_value(headers)?.or_else(|| body.trailer());
    if md5.is_some_and(|md5| !bool::from(Md5::digest(content).as_slice().ct_eq(&md5))) {
        return Err(ErrorCode::BadDigest.into());
    }
    match declared {
        Some(declared) if compute(declared.algorithm(), content) != declared.value() => {
            Err(checksum::unmatchable(declared.algorithm()))
        }
        _ => Ok(()),
    }
}

fn compute(algorithm: ChecksumAlgorithm, content: &[u8]) -> Vec<u8> {
    let crc_bytes = |kind, size: usize| crc(kind, content).to_be_bytes()[8 - size..].to_vec();
    match algorithm {
        ChecksumAlgorithm::Crc32 => crc_bytes(CrcAlgorithm::Crc32IsoHdlc, 4),
        ChecksumAlgorithm::Crc32c => crc_bytes(CrcAlgorithm::Crc32Iscsi, 4),
        ChecksumAlgorithm::Crc64Nvme => crc_bytes(CrcAlgorithm::Crc64Nvme, 8),
        ChecksumAlgorithm::Sha1 => Sha1::digest(content).to_vec(),
        ChecksumAlgorithm::Sha256 => Sha256::digest(content).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        // The check values of the CRC catalogue and of FIPS 180-4.
        let check = |algorithm, content: &[u8]| hex::encode(compute(algorithm, content));
        assert_eq!(check(ChecksumAlgorithm::Crc32, b"123456789"), "cbf43926");
        assert_eq!(check(ChecksumAlgorithm::Crc32c, b"123456789"), "e3069283");
        assert_eq!(check(ChecksumAlgorithm::Crc64Nvme, b"123456789"), "ae8b14860a799888");
        assert_eq!(check(ChecksumAlgorithm::Sha1, b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check(ChecksumAlgorithm::Sha256, b"abc"), sha256);
    }
}
