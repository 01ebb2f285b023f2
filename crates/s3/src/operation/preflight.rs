//! OPTIONS: what a browser asks before a request to another origin. No bucket allows any.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::request::Parts;

use crate::error::{Error, ErrorCode, Result};
use crate::response::Response;

/// Answers a preflight request. It carries no credentials, so the answer must not depend on the bucket.
///
/// # Errors
///
/// Always: `BadRequest` for an incomplete one, `AccessForbidden` otherwise.
pub(crate) fn preflight(head: &Parts) -> Result<Response> {
    if !head.headers.contains_key(ORIGIN) {
        return Err(ErrorCode::BadRequest.into());
    }
    if !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return Err(Error::with_message(ErrorCode::BadRequest, "Invalid Access-Control-Request-Method: null"));
    }
    Err(ErrorCode::AccessForbidden.into())
}
