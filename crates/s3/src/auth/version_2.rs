//! Signature Version 2, which older clients speak: HMAC-SHA1 over the method, a few headers, the path and some of the query
//! (Amazon S3 developer guide, "Signing and authenticating REST requests"). Off unless the server is told otherwise.
//!
//! It covers no body and not the whole query. A parameter that it does not cover and that could change what is asked is
//! refused, so that whoever holds a link cannot turn it into another request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::UnixMillis;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, DATE};
use http::request::Parts;
use iam::SecretKey;
use sha1::Sha1;

use super::{SKEW_MAX, authorization, payload};
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp;
use crate::uri::Query;

/// Query parameters that the signature covers, in the order in which it does.
const COVERED: [&str; 33] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Parameters that it need not cover: they only say which part of a listing is wanted, or are those of the signature.
const HARMLESS: [&str; 20] = [
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "allow-unordered",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "x-id",
];

/// What a request says about its sender, not yet believed.
pub(super) struct Claim<'a> {
    pub(super) access_key: &'a str,
    signature: &'a str,
    /// When a link ends, in seconds since 1970 as the client wrote it; `None` when the claim is in a header.
    expires: Option<&'a str>,
}

/// Reads the claim of this version, if the request makes one.
///
/// # Errors
///
/// `InvalidArgument` for a malformed header.
pub(super) fn claim<'a>(head: &'a Parts, query: &'a Query) -> Result<Option<Claim<'a>>> {
    if let Some(value) = authorization::header(head)? {
        let Some(("AWS", credential)) = value.split_once(' ') else { return Ok(None) };
        let malformed = || {
            Error::invalid_argument(
                "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
                "Authorization",
                value,
            )
        };
        let (access_key, signature) = credential.trim().rsplit_once(':').ok_or_else(malformed)?;
        return Ok(Some(Claim { access_key, signature, expires: None }));
    }
    let parameters = ["AWSAccessKeyId", "Signature", "Expires"].map(|name| query.get_single(name));
    match parameters {
        [Some(access_key), Some(signature), Some(expires)] => {
            Ok(Some(Claim { access_key, signature, expires: Some(expires) }))
        }
        [None, None, _] => Ok(None),
        _ => Err(Error::with_message(
            ErrorCode::AccessDenied,
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )),
    }
}

impl Claim<'_> {
    /// Checks that the request is of now, and holds nothing that its signature could not cover.
    ///
    /// # Errors
    ///
    /// `AccessDenied`, for bodies in chunks too; `RequestTimeTooSkewed`.
    pub(super) fn check(&self, head: &Parts, query: &Query, now: UnixMillis) -> Result<()> {
        if let Some((name, _)) = query.pairs().iter().find(|(name, _)| !is_known(name)) {
            let message = format!("Signature version 2 does not cover the parameter '{name}': use AWS4-HMAC-SHA256.");
            return Err(Error::with_message(ErrorCode::AccessDenied, message));
        }
        let streams = |value: &http::HeaderValue| value.as_bytes().starts_with(b"STREAMING-");
        if head.headers.get(payload::CONTENT_SHA256).is_some_and(streams) {
            let message = "Bodies in chunks need AWS4-HMAC-SHA256.";
            return Err(Error::with_message(ErrorCode::AccessDenied, message));
        }
        match self.expires {
            Some(expires) => check_expires(expires, now),
            None => check_date(&head.headers, now),
        }
    }

    /// Compares the signature with that of `secret` in constant time. `bucket` is the one that the host names, if it does.
    pub(super) fn is_signed_by(&self, secret: &SecretKey, head: &Parts, query: &Query, bucket: Option<&str>) -> bool {
        let path = resource(head, bucket);
        // A bucket's resource ends in a slash for some clients, whether its address does or not.
        let is_bucket = path.rfind('/') == Some(0) && 1 < path.len();
        let with_slash = format!("{path}/");
        [Some(&path), is_bucket.then_some(&with_slash)]
            .into_iter()
            .flatten()
            .any(|path| verify(secret, &self.text(head, query, path), self.signature))
    }

    /// What the signature is the HMAC of.
    pub(super) fn string_to_sign(&self, head: &Parts, query: &Query, bucket: Option<&str>) -> Vec<u8> {
        self.text(head, query, &resource(head, bucket))
    }

    fn text(&self, head: &Parts, query: &Query, path: &str) -> Vec<u8> {
        let header = |name: &str| head.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let date = match self.expires {
            Some(expires) => expires.as_bytes(),
            None if head.headers.contains_key("x-amz-date") => b"",
            None => header(DATE.as_str()),
        };
        let lines = [head.method.as_str().as_bytes(), header("content-md5"), header(CONTENT_TYPE.as_str()), date];
        let mut text = Vec::with_capacity(256);
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        push_amz_headers(&mut text, &head.headers);
        text.extend_from_slice(path.as_bytes());
        push_query(&mut text, query);
        text
    }
}

/// The path as it would be in path style, as the client has escaped it.
fn resource(head: &Parts, bucket: Option<&str>) -> String {
    let path = head.uri.path();
    bucket.map_or_else(|| path.to_owned(), |bucket| format!("/{bucket}{path}"))
}

/// Compares the signature of `text`, in base64, with that of `secret` in constant time.
pub(super) fn verify(secret: &SecretKey, text: &[u8], signature: &str) -> bool {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text);
    STANDARD.decode(signature).is_ok_and(|claimed| mac.verify_slice(&claimed).is_ok())
}

fn is_known(name: &str) -> bool {
    COVERED.contains(&name) || HARMLESS.contains(&name)
}

/// All `x-amz-*` headers by name, the values of one name as a list.
fn push_amz_headers(text: &mut Vec<u8>, headers: &HeaderMap) {
    let mut names: Vec<&str> =
        headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-")).collect();
    names.sort_unstable();
    for name in names {
        text.extend_from_slice(name.as_bytes());
        for (number, value) in headers.get_all(name).iter().enumerate() {
            text.push(if number == 0 { b':' } else { b',' });
            text.extend_from_slice(value.as_bytes().trim_ascii());
        }
        text.push(b'\n');
    }
}

fn push_query(text: &mut Vec<u8>, query: &Query) {
    let found = COVERED.iter().filter_map(|name| query.get(name).map(|value| (name, value)));
    for (number, (name, value)) in found.enumerate() {
        text.push(if number == 0 { b'?' } else { b'&' });
        text.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }
}

fn check_expires(expires: &str, now: UnixMillis) -> Result<()> {
    let denied = |message: String| Err(Error::with_message(ErrorCode::AccessDenied, message));
    match expires.parse::<u64>() {
        Ok(seconds) if now.0 < seconds.saturating_mul(1000) => Ok(()),
        Ok(_) => denied("Request has expired".to_owned()),
        Err(_) => denied(format!("Invalid date (should be seconds since epoch): {expires}")),
    }
}

fn check_date(headers: &HeaderMap, now: UnixMillis) -> Result<()> {
    let text = headers.get("x-amz-date").or_else(|| headers.get(DATE)).and_then(|value| value.to_str().ok());
    let signed_at =
        text.and_then(|text| timestamp::parse_http_date(text).or_else(|| timestamp::parse_iso_8601_basic(text)));
    let Some(signed_at) = signed_at else {
        let message = "AWS authentication requires a valid Date or x-amz-date header";
        return Err(Error::with_message(ErrorCode::AccessDenied, message));
    };
    let skew_max = u64::try_from(SKEW_MAX.as_millis()).unwrap_or(u64::MAX);
    if signed_at.0.abs_diff(now.0) <= skew_max { Ok(()) } else { Err(ErrorCode::RequestTimeTooSkewed.into()) }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// 2007-03-27T19:36:42Z, when the first example of the developer guide was signed.
    const NOW: UnixMillis = UnixMillis(1_175_024_202_000);

    fn secret() -> SecretKey {
        SecretKey::parse("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap()
    }

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verified(head: &Parts, bucket: Option<&str>) -> bool {
        let query = Query::parse(head.uri.query().unwrap_or_default()).unwrap();
        let claim = claim(head, &query).unwrap().unwrap();
        claim.is_signed_by(&secret(), head, &query, bucket)
    }

    #[test]
    fn the_guide_s_examples_verify_and_nothing_else() {
        let get = |path, signature: &str| {
            let authorization = format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}");
            head("GET", path, &[("date", "Tue, 27 Mar 2007 19:36:42 +0000"), ("authorization", &authorization)])
        };
        let signature = "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=";
        assert!(verified(&get("/photos/puppy.jpg", signature), Some("awsexamplebucket1")));
        assert!(verified(&get("/awsexamplebucket1/photos/puppy.jpg", signature), None));
        assert!(verified(&get("/photos/puppy.jpg?max-keys=3", signature), Some("awsexamplebucket1")));
        assert!(!verified(&get("/photos/puppy.jpg?acl", signature), Some("awsexamplebucket1")));
        assert!(!verified(&get("/photos/kitten.jpg", signature), Some("awsexamplebucket1")));
        assert!(!verified(&get("/photos/puppy.jpg", "no base64"), Some("awsexamplebucket1")));
        let upload = [
            ("date", "Tue, 27 Mar 2007 21:06:08 +0000"),
            ("x-amz-acl", "public-read"),
            ("content-type", "application/x-download"),
            ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
            ("x-amz-meta-reviewedby", "joe@example.com"),
            ("x-amz-meta-reviewedby", "jane@example.com"),
            ("x-amz-meta-filechecksum", "0x02661779"),
            ("x-amz-meta-checksumalgorithm", "crc32"),
            ("authorization", "AWS AKIAIOSFODNN7EXAMPLE:jtBQa0Aq+DkULFI8qrpwIjGEx0E="),
        ];
        assert!(verified(&head("PUT", "/db-backup.dat.gz", &upload), Some("static.example.com")));
    }

    #[test]
    fn requests_of_another_time_and_with_more_than_is_covered_are_refused() {
        let check = |uri: &str, date: &str| {
            let head = head("GET", uri, &[("date", date), ("authorization", "AWS key:signature")]);
            let query = Query::parse(head.uri.query().unwrap_or_default()).unwrap();
            let claim = claim(&head, &query).unwrap().unwrap();
            claim.check(&head, &query, NOW).map_err(|error| error.code())
        };
        let now = "Tue, 27 Mar 2007 19:36:42 GMT";
        assert_eq!(check("/b/k", now), Ok(()));
        assert_eq!(check("/b/k?acl&prefix=a", now), Ok(()));
        assert_eq!(check("/b/k?retention", now), Err(ErrorCode::AccessDenied));
        assert_eq!(check("/b/k?x-amz-acl=public-read", now), Err(ErrorCode::AccessDenied));
        assert_eq!(check("/b/k", "Tue, 27 Mar 2007 19:20:00 GMT"), Err(ErrorCode::RequestTimeTooSkewed));
        assert_eq!(check("/b/k", "yesterday"), Err(ErrorCode::AccessDenied));
    }

    #[test]
    fn links_end() {
        let link = |expires: &str| {
            let head = head("GET", &format!("/b/k?AWSAccessKeyId=key&Signature=s&Expires={expires}"), &[]);
            let query = Query::parse(head.uri.query().unwrap_or_default()).unwrap();
            let claim = claim(&head, &query).unwrap().unwrap();
            claim.check(&head, &query, NOW).is_ok()
        };
        assert!(link("1175024203") && !link("1175024202") && !link("soon") && !link("-1"));
    }
}
