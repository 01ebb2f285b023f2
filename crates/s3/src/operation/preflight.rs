//! OPTIONS: what a browser asks before a request to another origin, and what actual requests from there are told.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::access_log::Notes;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::response::{self, Response};
use crate::settings::{Allowed, Crossing};
use crate::target::Target;

/// Answers a preflight request. It carries no credentials, so the rules of the bucket are all that decides.
///
/// # Errors
///
/// `BadRequest` for an incomplete one, `AccessForbidden` when no rule fits.
pub(crate) async fn preflight(frontend: &Frontend, head: &Parts, target: &Target, notes: &Notes) -> Result<Response> {
    if !head.headers.contains_key(ORIGIN) {
        return Err(ErrorCode::BadRequest.into());
    }
    if !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return Err(Error::with_message(ErrorCode::BadRequest, "Invalid Access-Control-Request-Method: null"));
    }
    let crossing = Crossing::of(&head.headers, &head.method).ok_or(ErrorCode::BadRequest)?;
    let Some(bucket) = target.bucket() else { return Err(ErrorCode::AccessForbidden.into()) };
    let access = frontend.bucket_access(bucket).await.map_err(|error| match error.code() {
        ErrorCode::NoSuchBucket => Error::with_message(ErrorCode::AccessForbidden, "CORSResponse: Bucket not found"),
        _ => error,
    })?;
    notes.bucket(&access);
    let cors = access.settings.cors.as_ref().ok_or(ErrorCode::AccessForbidden)?;
    let allowed = cors.allow(&crossing).ok_or_else(|| {
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of \
                       Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are \
                       not whitelisted by the resource's CORS spec.";
        Error::with_message(ErrorCode::AccessForbidden, message)
    })?;
    let mut answer = response::empty(StatusCode::OK);
    if !crossing.headers.is_empty() {
        set(answer.headers_mut(), ACCESS_CONTROL_ALLOW_HEADERS, &crossing.headers.join(", ").to_ascii_lowercase());
    }
    write(answer.headers_mut(), &allowed);
    Ok(answer)
}

/// Tells a page of another origin what it may see of an answer.
pub(crate) fn write(headers: &mut HeaderMap, allowed: &Allowed) {
    set(headers, ACCESS_CONTROL_ALLOW_ORIGIN, &allowed.origin);
    set(headers, ACCESS_CONTROL_ALLOW_METHODS, &allowed.methods);
    if let Some(exposed) = &allowed.exposed {
        set(headers, ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    if let Some(seconds) = allowed.max_age_seconds {
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
    // With credentials no page may be told that every origin is allowed.
    if allowed.origin != "*" {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    headers.insert(VARY, HeaderValue::from_static(vary));
}

/// Sets a header that repeats what the client sent, which is ASCII.
fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
