//! The canonical request: the one text that client and server derive from the same request (S3's flavour: the path is
//! encoded once and not normalised).

use std::fmt::Write;

use env::UnixMillis;
use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::auth::payload::CONTENT_SHA256;
use crate::auth::scope::Scope;
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp;
use crate::uri::{self, Query};

/// Refuses a signature that leaves out `host` or a header that operations act on. Otherwise somebody who holds a
/// presigned URL could add metadata, conditions or a copy source to it. `x-amz-content-sha256` may be left out, as on
/// AWS: its value ends the canonical request and thus is signed in any case.
pub(super) fn check_signed_headers(signed: &[String], headers: &HeaderMap) -> Result<()> {
    let is_signed = |name: &str| signed.binary_search_by(|other| other.as_str().cmp(name)).is_ok();
    let must_be_signed = |name: &str| name == HOST.as_str() || (name.starts_with("x-amz-") && name != CONTENT_SHA256);
    let unsigned: Vec<&str> =
        headers.keys().map(|name| name.as_str()).filter(|name| must_be_signed(name) && !is_signed(name)).collect();
    if unsigned.is_empty() && is_signed(HOST.as_str()) {
        return Ok(());
    }
    let unsigned = if unsigned.is_empty() { HOST.as_str().to_owned() } else { unsigned.join(", ") };
    let message = "There were headers present in the request which were not signed";
    Err(Error::with_message(ErrorCode::AccessDenied, message).detail("HeadersNotSigned", unsigned))
}

/// The canonical form of a request. Header values may hold bytes that are not text, hence bytes.
pub(super) struct CanonicalRequest(Vec<u8>);

impl CanonicalRequest {
    pub(super) fn new(head: &Parts, query: &Query, signed_headers: &[String], payload_hash: &str) -> Self {
        let mut text = Vec::with_capacity(512);
        text.extend_from_slice(head.method.as_str().as_bytes());
        text.push(b'\n');
        text.extend_from_slice(canonical_path(head.uri.path()).as_bytes());
        text.push(b'\n');
        text.extend_from_slice(canonical_query(query).as_bytes());
        text.push(b'\n');
        for name in signed_headers {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            push_values(&mut text, name, head);
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(signed_headers.join(";").as_bytes());
        text.push(b'\n');
        text.extend_from_slice(payload_hash.as_bytes());
        Self(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What the signature is one of.
    pub(super) fn string_to_sign(&self, signed_at: UnixMillis, scope: &Scope) -> String {
        let digest = hex::encode(Sha256::digest(&self.0));
        let signed_at = timestamp::iso_8601_basic(signed_at);
        format!("{}\n{signed_at}\n{}\n{digest}", scope.algorithm.name(), scope.to_signed_text())
    }
}

/// The path, decoded and encoded again, since clients differ in what they escape on the wire. A path that cannot be
/// decoded stands for itself: the request is refused for it once its sender is known.
fn canonical_path(path: &str) -> String {
    match uri::decode(path) {
        Ok(decoded) => uri::encode_path(&decoded).to_string(),
        Err(_) => path.to_owned(),
    }
}

/// All parameters but the signature itself, encoded, then sorted.
fn canonical_query(query: &Query) -> String {
    let mut pairs: Vec<(String, String)> = query
        .pairs()
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (uri::encode(name).to_string(), uri::encode(value).to_string()))
        .collect();
    pairs.sort_unstable();
    let mut text = String::new();
    for (name, value) in &pairs {
        let separator = if text.is_empty() { "" } else { "&" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{name}={value}");
    }
    text
}

/// Appends the values of a header: each with its spaces collapsed, joined by commas. A missing header is empty.
fn push_values(text: &mut Vec<u8>, name: &str, head: &Parts) {
    let mut values = head.headers.get_all(name).iter().map(|value| value.as_bytes()).peekable();
    if name == HOST.as_str() && values.peek().is_none() {
        // An absolute request target carries the host instead.
        text.extend_from_slice(head.uri.authority().map_or("", |authority| authority.as_str()).as_bytes());
        return;
    }
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        let words = value.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(word);
        }
    }
}
