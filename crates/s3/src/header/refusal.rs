//! Headers that ask for what this server does not do. They are refused: keeping and ignoring them would break a promise
//! that the client believes in.

use http::HeaderMap;

use crate::error::{Error, Result};
use crate::header::single;

/// Headers of writes that ask for encryption, tags, locks or appending.
const UNSUPPORTED: [&str; 14] = [
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-context",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
    "x-amz-copy-source-server-side-encryption-customer-algorithm",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key-md5",
    "x-amz-tagging",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-write-offset-bytes",
];

/// Canned ACLs that leave everything to the owner of the bucket, who is the owner of its objects as well.
const CANNED_PRIVATE: [&str; 3] = ["private", "bucket-owner-read", "bucket-owner-full-control"];

/// Canned ACLs that would let others in.
const CANNED_SHARED: [&str; 5] =
    ["public-read", "public-read-write", "authenticated-read", "aws-exec-read", "log-delivery-write"];

/// Refuses what a request on an object cannot have.
///
/// # Errors
///
/// `NotImplemented` naming the header.
pub(crate) fn check_object_headers(headers: &HeaderMap) -> Result<()> {
    for name in UNSUPPORTED {
        if headers.contains_key(name) {
            return Err(Error::header_not_implemented(name));
        }
    }
    match single(headers, "x-amz-object-lock-legal-hold")? {
        None | Some("OFF") => {}
        Some(_) => return Err(Error::header_not_implemented("x-amz-object-lock-legal-hold")),
    }
    check_acl(headers)
}

/// Accepts the canned ACLs that change nothing.
///
/// # Errors
///
/// `InvalidArgument` for an unknown canned ACL, `NotImplemented` for one that shares, and for grants.
pub(crate) fn check_acl(headers: &HeaderMap) -> Result<()> {
    let grant = headers.keys().find(|name| name.as_str().starts_with("x-amz-grant-"));
    if let Some(grant) = grant {
        return Err(Error::header_not_implemented(grant.as_str()));
    }
    match single(headers, "x-amz-acl")? {
        None => Ok(()),
        Some(acl) if CANNED_PRIVATE.contains(&acl) => Ok(()),
        Some(acl) if CANNED_SHARED.contains(&acl) => Err(Error::header_not_implemented("x-amz-acl")),
        Some(acl) => Err(Error::invalid_argument("Invalid canned ACL", "x-amz-acl", acl)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn promises_that_cannot_be_kept_are_refused() {
        for (name, value, expected) in [
            ("x-amz-acl", "private", None),
            ("x-amz-acl", "public-read", Some(ErrorCode::NotImplemented)),
            ("x-amz-acl", "public-ready", Some(ErrorCode::InvalidArgument)),
            ("x-amz-grant-read", "id=1", Some(ErrorCode::NotImplemented)),
            ("x-amz-tagging", "a=b", Some(ErrorCode::NotImplemented)),
            ("x-amz-server-side-encryption", "AES256", Some(ErrorCode::NotImplemented)),
            ("x-amz-object-lock-legal-hold", "ON", Some(ErrorCode::NotImplemented)),
            ("x-amz-object-lock-legal-hold", "OFF", None),
            ("x-amz-meta-color", "red", None),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            let found = check_object_headers(&headers).err().map(|error| error.code());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}
