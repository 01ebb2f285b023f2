//! What S3 puts into HTTP headers, decoded into the store's terms and encoded back.

pub(crate) mod acl;
pub(crate) mod checksum;
pub(crate) mod condition;
pub(crate) mod encryption;
pub(crate) mod lock;
pub(crate) mod metadata;
pub(crate) mod range;
pub(crate) mod refusal;

use http::HeaderMap;

use crate::error::{Error, Result};

/// The value of a header that may occur once; `None` when it is missing.
///
/// # Errors
///
/// `InvalidArgument` when it is repeated or holds characters beyond ASCII.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid_argument("A header that may occur once is repeated", name, ""));
    }
    let value = value.to_str().map_err(|_| Error::invalid_argument("A header is not visible ASCII", name, ""))?;
    Ok(Some(value.trim()))
}
