//! Checks a body that is held in memory against the digests its headers, or its trailers, declare.

use http::HeaderMap;
use md5::{Digest, Md5};
use store::{Body, checksum_of};
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
        Some(declared) if checksum_of(declared.algorithm(), content).value() != declared.value() => {
            Err(checksum::unmatchable(declared.algorithm()))
        }
        _ => Ok(()),
    }
}
