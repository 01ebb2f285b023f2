//! Credentials in the query of a presigned URL.

use std::time::Duration;

use crate::auth::algorithm::Algorithm;
use crate::auth::authorization::parse_signed_headers;
use crate::auth::scope::{self, Scope};
use crate::auth::{Location, Version4, unsupported_version};
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp;
use crate::uri::Query;

/// Longest time for which a URL may be presigned.
const EXPIRES_MAX_SECONDS: i64 = 7 * 24 * 60 * 60;

/// Whether the query claims to carry credentials, of this or of the older kind.
pub(super) fn is_presigned(query: &Query) -> bool {
    let version_4 = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"].iter().any(|name| query.has(name));
    version_4 || is_version_2(query)
}

fn is_version_2(query: &Query) -> bool {
    query.has("AWSAccessKeyId") && query.has("Signature")
}

/// Reads the claim that the query makes.
pub(super) fn claim(query: &Query) -> Result<Version4> {
    if is_version_2(query) {
        return Err(unsupported_version());
    }
    let [algorithm, credential, signature, date, signed_headers, expires] = parameters(query)?;
    let message = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"";
    let algorithm = Algorithm::parse(algorithm).ok_or_else(|| refuse(message))?;
    let expires = parse_expires(expires)?;
    let location = Location::Query { expires };
    let region_set = query.get_single("X-Amz-Region-Set").filter(|_| algorithm == Algorithm::Ecdsa);
    let scope = Scope::parse(algorithm, credential, region_set).ok_or_else(|| {
        let expected = format!("the Credential is mal-formed; expecting \"{}\".", algorithm.credential_form());
        scope::refuse(location, &expected)
    })?;
    let signed_at = timestamp::parse_iso_8601_basic(date)
        .ok_or_else(|| refuse("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
    if !date.starts_with(&scope.date) {
        let reason = format!(
            "Invalid credential date \"{}\". This date is not the same as X-Amz-Date: \"{}\".",
            scope.date,
            &date[..8]
        );
        return Err(scope::refuse(location, &reason));
    }
    let signed_headers = parse_signed_headers(signed_headers);
    Ok(Version4 { scope, signed_headers, signature: signature.to_owned(), signed_at, location })
}

/// The six parameters, each of which must occur exactly once.
fn parameters(query: &Query) -> Result<[&str; 6]> {
    let names = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-Date",
        "X-Amz-SignedHeaders",
        "X-Amz-Expires",
    ];
    let values = names.map(|name| query.get_single(name).filter(|value| !value.is_empty()));
    if values.iter().any(Option::is_none) {
        return Err(refuse(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ));
    }
    Ok(values.map(Option::unwrap_or_default))
}

/// A time that no link may have is refused as an expired link is, which the conformance suite wants; AWS words it the
/// same but answers 400.
fn parse_expires(text: &str) -> Result<Duration> {
    let seconds: i64 = text.parse().map_err(|_| refuse("X-Amz-Expires should be a number"))?;
    let refuse = |message: &'static str| Err(Error::with_message(ErrorCode::AccessDenied, message));
    if seconds < 0 {
        return refuse("X-Amz-Expires must be non-negative");
    }
    if EXPIRES_MAX_SECONDS < seconds {
        return refuse(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        );
    }
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

fn refuse(message: &'static str) -> Error {
    Error::with_message(ErrorCode::AuthorizationQueryParametersError, message)
}
