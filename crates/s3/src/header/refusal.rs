//! Headers that ask for what this server does not do. They are refused: keeping and ignoring them would break a promise
//! that the client believes in.

use http::HeaderMap;

use crate::error::{Error, Result};

/// Headers that only a PutObject can have: of its relatives none appends.
const UNSUPPORTED: [&str; 1] = ["x-amz-write-offset-bytes"];

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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn promises_that_cannot_be_kept_are_refused() {
        for (name, value, expected) in [
            ("x-amz-acl", "public-read", None),
            ("x-amz-write-offset-bytes", "5", Some(ErrorCode::NotImplemented)),
            ("x-amz-meta-color", "red", None),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            let found = check_object_headers(&headers).err().map(|error| error.code());
            assert_eq!(found, expected, "{name}: {value}");
        }
    }
}
