//! `Content-MD5`, `x-amz-checksum-*` and the headers around them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use store::{Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest};

use crate::error::{Error, ErrorCode, Result};
use crate::header::single;

/// Every algorithm.
pub(crate) const ALGORITHMS: [ChecksumAlgorithm; 10] = ChecksumAlgorithm::ALL;

/// The algorithm's name as `x-amz-checksum-algorithm` and XML bodies write it.
pub(crate) fn name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
        ChecksumAlgorithm::Md5 => "MD5",
        ChecksumAlgorithm::Sha512 => "SHA512",
        ChecksumAlgorithm::Xxhash64 => "XXHASH64",
        ChecksumAlgorithm::Xxhash3 => "XXHASH3",
        ChecksumAlgorithm::Xxhash128 => "XXHASH128",
    }
}

/// The header, or trailer, that carries the algorithm's value.
pub(crate) fn header_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
        ChecksumAlgorithm::Md5 => "x-amz-checksum-md5",
        ChecksumAlgorithm::Sha512 => "x-amz-checksum-sha512",
        ChecksumAlgorithm::Xxhash64 => "x-amz-checksum-xxhash64",
        ChecksumAlgorithm::Xxhash3 => "x-amz-checksum-xxhash3",
        ChecksumAlgorithm::Xxhash128 => "x-amz-checksum-xxhash128",
    }
}

/// The element of an XML body that carries the algorithm's value.
pub(crate) fn element_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
        ChecksumAlgorithm::Md5 => "ChecksumMD5",
        ChecksumAlgorithm::Sha512 => "ChecksumSHA512",
        ChecksumAlgorithm::Xxhash64 => "ChecksumXXHASH64",
        ChecksumAlgorithm::Xxhash3 => "ChecksumXXHASH3",
        ChecksumAlgorithm::Xxhash128 => "ChecksumXXHASH128",
    }
}

/// The algorithm called `text`, in any case.
pub(crate) fn parse_name(text: &str) -> Option<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|algorithm| name(*algorithm).eq_ignore_ascii_case(text))
}

/// Reads a base64 value, with the `-<parts>` of a composite one; `None` when it is not of the algorithm's length.
pub(crate) fn parse_value(algorithm: ChecksumAlgorithm, text: &str) -> Option<Checksum> {
    let (value, kind) = match text.split_once('-') {
        Some((value, parts)) if parts.parse::<u16>().is_ok() => (value, ChecksumKind::Composite),
        Some(_) => return None,
        None => (text, ChecksumKind::FullObject),
    };
    Checksum::new(algorithm, kind, STANDARD.decode(value).ok()?.into())
}

/// Writes a value as headers and XML bodies carry it; `part_count` is that of the object it belongs to.
pub(crate) fn encode_value(checksum: &Checksum, part_count: Option<u16>) -> String {
    let value = STANDARD.encode(checksum.value());
    match (checksum.kind(), part_count) {
        (ChecksumKind::Composite, Some(parts)) => format!("{value}-{parts}"),
        _ => value,
    }
}

/// The kind's name as `x-amz-checksum-type` and XML bodies write it.
pub(crate) fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// Reads `Content-MD5`.
///
/// # Errors
///
/// `InvalidDigest` unless it is the base64 of 16 bytes.
pub(crate) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>> {
    let Some(text) = single(headers, "content-md5")? else { return Ok(None) };
    let digest = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    digest.map(Some).ok_or_else(|| ErrorCode::InvalidDigest.into())
}

/// Reads the one `x-amz-checksum-<algorithm>` header, if there is one.
///
/// # Errors
///
/// `InvalidRequest` for two of them, `BadDigest` for a value that cannot be one of the algorithm.
pub(crate) fn header_value(headers: &HeaderMap) -> Result<Option<Checksum>> {
    let mut found = None;
    for algorithm in ALGORITHMS {
        let Some(text) = single(headers, header_name(algorithm))? else { continue };
        let value = parse_value(algorithm, text).ok_or_else(|| unmatchable(algorithm))?;
        if found.replace(value).is_some() {
            return Err(Error::with_message(
                ErrorCode::InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    Ok(found)
}

/// A value of the wrong form matches no body at all.
pub(crate) fn unmatchable(algorithm: ChecksumAlgorithm) -> Error {
    let message = format!("The {} you specified did not match the calculated checksum.", name(algorithm));
    Error::with_message(ErrorCode::BadDigest, message)
}

/// The algorithm whose value `x-amz-trailer` announces.
///
/// # Errors
///
/// `InvalidRequest` for a trailer that is not a checksum.
pub(crate) fn announced_trailer(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>> {
    let Some(text) = single(headers, "x-amz-trailer")? else { return Ok(None) };
    let algorithm = ALGORITHMS.into_iter().find(|algorithm| header_name(*algorithm).eq_ignore_ascii_case(text));
    let refused = || {
        Error::with_message(
            ErrorCode::InvalidRequest,
            "The value specified in the x-amz-trailer header is not supported",
        )
    };
    algorithm.map(Some).ok_or_else(refused)
}

/// What the client wants of the checksum of a body.
///
/// # Errors
///
/// `InvalidRequest` when the headers contradict each other.
pub(crate) fn request(headers: &HeaderMap) -> Result<ChecksumRequest> {
    let value = header_value(headers)?;
    let trailer = announced_trailer(headers)?;
    let request = match (value, trailer) {
        (Some(_), Some(_)) => {
            return Err(Error::with_message(
                ErrorCode::InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        (Some(checksum), None) => ChecksumRequest::Expect(checksum),
        (None, Some(algorithm)) => ChecksumRequest::Trailer(algorithm),
        (None, None) => ChecksumRequest::Unspecified,
    };
    let Some(declared) = sdk_algorithm(headers)? else { return Ok(request) };
    let contradicts = match &request {
        ChecksumRequest::Expect(checksum) => checksum.algorithm() != declared,
        ChecksumRequest::Trailer(algorithm) => *algorithm != declared,
        ChecksumRequest::Compute(_) | ChecksumRequest::Unspecified => return Ok(ChecksumRequest::Compute(declared)),
    };
    if contradicts { Err(refuse_sdk_algorithm()) } else { Ok(request) }
}

fn sdk_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>> {
    let Some(text) = single(headers, "x-amz-sdk-checksum-algorithm")? else { return Ok(None) };
    parse_name(text).map(Some).ok_or_else(refuse_sdk_algorithm)
}

fn refuse_sdk_algorithm() -> Error {
    Error::with_message(ErrorCode::InvalidRequest, "Value for x-amz-sdk-checksum-algorithm header is invalid.")
}

/// Reads `x-amz-checksum-algorithm`, which CreateMultipartUpload and CopyObject take.
///
/// # Errors
///
/// `InvalidRequest` for an unknown algorithm.
pub(crate) fn requested_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>> {
    let Some(text) = single(headers, "x-amz-checksum-algorithm")? else { return Ok(None) };
    let refused = || {
        Error::with_message(
            ErrorCode::InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
             [CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]",
        )
    };
    parse_name(text).map(Some).ok_or_else(refused)
}

/// Reads `x-amz-checksum-type`.
///
/// # Errors
///
/// `InvalidRequest` for an unknown type.
pub(crate) fn requested_kind(headers: &HeaderMap) -> Result<Option<ChecksumKind>> {
    match single(headers, "x-amz-checksum-type")? {
        None => Ok(None),
        Some("FULL_OBJECT") => Ok(Some(ChecksumKind::FullObject)),
        Some("COMPOSITE") => Ok(Some(ChecksumKind::Composite)),
        Some(_) => {
            let message = "Value for x-amz-checksum-type header is invalid.";
            Err(Error::with_message(ErrorCode::InvalidRequest, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn values_survive_a_round_trip() {
        let full = parse_value(ChecksumAlgorithm::Crc32, "DUoRhQ==").unwrap();
        assert_eq!((full.kind(), encode_value(&full, Some(3)).as_str()), (ChecksumKind::FullObject, "DUoRhQ=="));
        let composite = parse_value(ChecksumAlgorithm::Crc32, "DUoRhQ==-3").unwrap();
        assert_eq!(
            (composite.kind(), encode_value(&composite, Some(3)).as_str()),
            (ChecksumKind::Composite, "DUoRhQ==-3")
        );
        for wrong in ["", "bad", "DUoRhQ", "DUoRhQ==-", "DUoRhQ==-x", "AAAAAAAAAAA="] {
            assert_eq!(parse_value(ChecksumAlgorithm::Crc32, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_request_names_one_algorithm_in_one_way() {
        assert_eq!(request(&headers(&[])).unwrap(), ChecksumRequest::Unspecified);
        let crc32 = ("x-amz-checksum-crc32", "DUoRhQ==");
        let sdk = ("x-amz-sdk-checksum-algorithm", "CRC32");
        let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
        assert!(matches!(request(&headers(&[crc32, sdk])).unwrap(), ChecksumRequest::Expect(_)));
        assert_eq!(request(&headers(&[trailer, sdk])).unwrap(), ChecksumRequest::Trailer(ChecksumAlgorithm::Crc32));
        assert_eq!(request(&headers(&[sdk])).unwrap(), ChecksumRequest::Compute(ChecksumAlgorithm::Crc32));
        let refused = [
            headers(&[crc32, trailer]),
            headers(&[crc32, ("x-amz-checksum-crc32c", "DUoRhQ==")]),
            headers(&[crc32, ("x-amz-sdk-checksum-algorithm", "SHA1")]),
            headers(&[("x-amz-sdk-checksum-algorithm", "MD4")]),
            headers(&[("x-amz-trailer", "x-amz-meta-color")]),
        ];
        for headers in refused {
            assert_eq!(request(&headers).unwrap_err().code(), ErrorCode::InvalidRequest, "{headers:?}");
        }
        assert_eq!(request(&headers(&[("x-amz-checksum-crc32", "bad")])).unwrap_err().code(), ErrorCode::BadDigest);
    }

    #[test]
    fn content_md5_is_sixteen_bytes_or_refused() {
        assert!(content_md5(&headers(&[("content-md5", "rL0Y20xC+Fzt72VPzMSk2A==")])).unwrap().is_some());
        for wrong in ["", "YWJyYWNhZGFicmE=", "not base64"] {
            let error = content_md5(&headers(&[("content-md5", wrong)])).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidDigest, "{wrong:?}");
        }
    }
}
