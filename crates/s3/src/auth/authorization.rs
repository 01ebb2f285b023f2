//! Credentials in the `Authorization` header.

use env::UnixMillis;
use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;

use crate::auth::algorithm::Algorithm;
use crate::auth::scope::{self, Scope};
use crate::auth::{Location, Version4, unsupported_version};
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp;

/// For which regions a signature of version 4A holds.
pub(super) const REGION_SET: &str = "x-amz-region-set";

/// The `Authorization` header; an empty one counts as none, as AWS treats it.
pub(super) fn header(head: &Parts) -> Result<Option<&str>> {
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::invalid_argument("Only one Authorization header is allowed", "Authorization", ""));
    }
    let value = first.to_str().map_err(|_| scope::refuse(Location::Header, "it holds characters beyond ASCII."))?;
    Ok(Some(value.trim()).filter(|value| !value.is_empty()))
}

/// Reads the claim that the header makes.
pub(super) fn claim(value: &str, head: &Parts) -> Result<Version4> {
    let malformed = |reason: &str| scope::refuse(Location::Header, reason);
    let (algorithm, fields) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let algorithm = Algorithm::parse(algorithm).ok_or_else(|| refuse_algorithm(algorithm, value))?;
    let field = |name: &str| {
        let mut found = fields.split(',').filter_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        let value = found.next().filter(|value| !value.is_empty())?;
        found.next().is_none().then_some(value)
    };
    let credential = field("Credential")
        .ok_or_else(|| malformed("the authorization component \"Credential\" is missing or repeated."))?;
    let signed_headers = field("SignedHeaders")
        .ok_or_else(|| malformed("the authorization component \"SignedHeaders\" is missing or repeated."))?;
    let signature = field("Signature")
        .ok_or_else(|| malformed("the authorization component \"Signature\" is missing or repeated."))?;
    let region_set = single(&head.headers, REGION_SET).filter(|_| algorithm == Algorithm::Ecdsa);
    let scope = Scope::parse(algorithm, credential, region_set).ok_or_else(|| {
        malformed(&format!("the Credential is mal-formed; expecting \"{}\".", algorithm.credential_form()))
    })?;
    let signed_at = signing_time(&head.headers)?;
    if !timestamp::iso_8601_basic(signed_at).starts_with(&scope.date) {
        let reason = format!("Invalid credential date \"{}\". This date is not the same as X-Amz-Date.", scope.date);
        return Err(malformed(&reason));
    }
    let signature = signature.to_owned();
    let signed_headers = parse_signed_headers(signed_headers);
    Ok(Version4 { scope, signed_headers, signature, signed_at, location: Location::Header })
}

/// The list of signed headers, sorted: the order in which it must have been signed.
pub(super) fn parse_signed_headers(list: &str) -> Vec<String> {
    let mut names: Vec<String> = list.split(';').map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn refuse_algorithm(algorithm: &str, value: &str) -> Error {
    if algorithm == "AWS" || algorithm.starts_with("AWS4-") {
        return unsupported_version();
    }
    Error::invalid_argument("Unsupported Authorization Type", "Authorization", value)
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// `x-amz-date`, else `Date`.
fn signing_time(headers: &HeaderMap) -> Result<UnixMillis> {
    let text = single(headers, "x-amz-date").or_else(|| single(headers, DATE.as_str()));
    text.and_then(|text| timestamp::parse_iso_8601_basic(text).or_else(|| timestamp::parse_http_date(text))).ok_or_else(
        || {
            Error::with_message(
                ErrorCode::AccessDenied,
                "AWS authentication requires a valid Date or x-amz-date header",
            )
        },
    )
}
