//! Any request and its signature, against the documentation written down a second time.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sigv4::sign::v4a;
use env::{ManualClock, UnixMillis};
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderValue, Method, Request};
use iam::{AccessKey, Account, Credential, SecretKey};
use identity::Known;
use sha2::{Digest, Sha256};

use super::algorithm::Algorithm;
use super::authorization::REGION_SET;
use super::canonical::CanonicalRequest;
use super::scope::Scope;
use super::signing_key::SigningKeys;
use super::{Authenticator, ChunkSigner, SECURITY_TOKEN, Service, payload, presigned};
use crate::config::Config;
use crate::uri::Query;

/// 2013-05-24T00:00:00Z, the day of the documentation's examples.
pub(crate) const NOW: UnixMillis = UnixMillis(1_369_353_600_000);
pub(crate) const SIGNED_AT: &str = "20130524T000000Z";
pub(crate) const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Whose requests these are.
pub(crate) fn credential(access_key: &str, secret_key: &str) -> Credential {
    Credential {
        access_key: AccessKey::parse(access_key).expect("keys of tests are well-formed"),
        secret_key: SecretKey::parse(secret_key).expect("secrets of tests are well-formed"),
        account: Account::root(),
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// The SHA-256 of `bytes`, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Signs as the documentation describes it, independently of the code under test.
pub(crate) fn sign(text: &str) -> String {
    let day = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), b"20130524");
    let key = hmac(&hmac(&hmac(&day, b"us-east-1"), b"s3"), b"aws4_request");
    hex::encode(hmac(&key, text.as_bytes()))
}

/// Continues the signature `seed` of a head, for the chunks of its body.
pub(crate) fn chunk_signer(seed: &str) -> ChunkSigner {
    let scope =
        Scope::parse(Algorithm::Hmac, &format!("{ACCESS_KEY}/{SCOPE}"), None).expect("the scope is well-formed");
    let key = SigningKeys::default().derive(&credential(ACCESS_KEY, SECRET_KEY), &scope);
    ChunkSigner::new(key, NOW, &scope, seed.to_owned())
}

/// As [`sign`], by version 4A.
fn sign_asymmetrically(text: &str) -> String {
    v4a::calculate_signature(v4a::generate_signing_key(ACCESS_KEY, SECRET_KEY), text.as_bytes())
}

/// A way of signing.
struct Signer {
    algorithm: &'static str,
    scope: &'static str,
    /// For which regions the signature holds, where that is said.
    regions: Option<&'static str>,
    sign: fn(&str) -> String,
}

const SIGNERS: [Signer; 2] = [
    Signer { algorithm: "AWS4-HMAC-SHA256", scope: SCOPE, regions: None, sign },
    Signer {
        algorithm: "AWS4-ECDSA-P256-SHA256",
        scope: "20130524/s3/aws4_request",
        regions: Some("eu-west-1,us-*"),
        sign: sign_asymmetrically,
    },
];

/// A request: a line of method and target, then its headers.
///
/// The canonical form is that of the documentation, whatever the order and the spelling of the request; a request that is
/// signed so is let in, and one that was changed after that is not.
pub fn signature(input: &[u8]) {
    let Some(head) = parse_head(input) else { return };
    let Ok(query) = Query::parse(head.uri.query().unwrap_or_default()) else { return };
    let [plain, lenient] =
        [false, true].map(|version_2_signatures| Config { version_2_signatures, ..Config::default() });
    let [plain, lenient] = [plain, lenient].map(|config| Authenticator::new(&config, Arc::new(ManualClock::new(NOW))));
    for authenticator in [&plain, &lenient] {
        // Whatever it claims by itself.
        let _ = is_let_in(&head, authenticator);
    }
    check_canonical(&head, &query);
    if query.pairs().iter().any(|(name, _)| name.starts_with("X-Amz-")) || presigned::is_presigned(&query) {
        return;
    }
    let mut unsigned = head;
    for name in ["x-amz-date", payload::CONTENT_SHA256, SECURITY_TOKEN, REGION_SET, AUTHORIZATION.as_str()] {
        unsigned.headers.remove(name);
    }
    if !unsigned.headers.contains_key(HOST) {
        unsigned.headers.insert(HOST, HeaderValue::from_static("localhost"));
    }
    for signer in &SIGNERS {
        check_signed(&signer.in_header(unsigned.clone()), &plain);
        signer.in_query(&unsigned).iter().for_each(|signed| check_signed(signed, &plain));
    }
}

fn parse_head(input: &[u8]) -> Option<Parts> {
    let mut lines = input.split(|byte| *byte == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], &line[colon + 1..]);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn is_let_in(head: &Parts, authenticator: &Authenticator) -> bool {
    let query = Query::parse(head.uri.query().unwrap_or_default()).expect("it was read before");
    let Ok(Some(claim)) = authenticator.claim(head, &query, &[Service::S3]) else { return false };
    let known = Known::root(credential(ACCESS_KEY, SECRET_KEY));
    authenticator.verify(claim, head, &query, Arc::new(known)).is_ok()
}

/// The names of all headers, and `host`.
fn names(head: &Parts) -> Vec<String> {
    let names: BTreeSet<&str> = head.headers.keys().map(|name| name.as_str()).chain([HOST.as_str()]).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn check_canonical(head: &Parts, query: &Query) {
    let names = names(head);
    let canonical = CanonicalRequest::new(head, query, &names, "UNSIGNED-PAYLOAD");
    let expected = reference(head, &names, "UNSIGNED-PAYLOAD");
    assert_eq!(String::from_utf8_lossy(canonical.as_bytes()), String::from_utf8_lossy(&expected));
    if let Some(respelled) = respelled(head, query) {
        let query = Query::parse(respelled.uri.query().unwrap_or_default()).expect("it was encoded");
        let again = CanonicalRequest::new(&respelled, &query, &names, "UNSIGNED-PAYLOAD");
        assert_eq!(String::from_utf8_lossy(again.as_bytes()), String::from_utf8_lossy(&expected), "spelled otherwise");
    }
}

/// The same request with its headers and parameters in another order, and escaped as the canonical form has them.
fn respelled(head: &Parts, query: &Query) -> Option<Parts> {
    let path = head.uri.path();
    if head.uri.scheme().is_some() || !path.starts_with('/') {
        return None;
    }
    let pairs = query.pairs().iter().rev();
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{}={}", encode(name, ""), encode(value, ""))).collect();
    let target = format!("{}?{}", canonical_path(path), pairs.join("&"));
    let mut request = Request::builder().method(head.method.clone()).uri(target);
    let names: Vec<_> = head.headers.keys().collect();
    for name in names.into_iter().rev() {
        for value in head.headers.get_all(name) {
            let spaced = [b" \t", value.as_bytes(), b"\t  "].concat();
            request = request.header(name.as_str().to_uppercase(), spaced);
        }
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// The canonical request, byte by byte.
fn reference(head: &Parts, names: &[String], payload_hash: &str) -> Vec<u8> {
    let mut lines = vec![head.method.as_str().as_bytes().to_vec(), canonical_path(head.uri.path()).into_bytes()];
    let segments = head.uri.query().unwrap_or_default().split('&').filter(|segment| !segment.is_empty());
    let mut pairs: Vec<_> = segments
        .map(|segment| {
            let (name, value) = segment.split_once('=').unwrap_or((segment, ""));
            let decode = |text: &str| decode(&text.replace('+', " ")).expect("the query was read");
            (encode(&decode(name), ""), encode(&decode(value), ""))
        })
        .filter(|(name, _)| name != "X-Amz-Signature")
        .collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.push(pairs.join("&").into_bytes());
    for name in names {
        lines.push([name.as_bytes(), b":", &canonical_values(head, name)].concat());
    }
    lines.push(Vec::new());
    lines.push(names.join(";").into_bytes());
    lines.push(payload_hash.as_bytes().to_vec());
    lines.join(&b'\n')
}

fn canonical_path(path: &str) -> String {
    decode(path).map_or_else(|| path.to_owned(), |decoded| encode(&decoded, "/"))
}

fn canonical_values(head: &Parts, name: &str) -> Vec<u8> {
    if name == "host" && !head.headers.contains_key(HOST) {
        return head.uri.authority().map(|authority| authority.as_str().as_bytes().to_vec()).unwrap_or_default();
    }
    let collapse = |value: &HeaderValue| {
        let mut collapsed = Vec::new();
        for byte in value.as_bytes() {
            let byte = if *byte == b'\t' { b' ' } else { *byte };
            if byte != b' ' || (!collapsed.is_empty() && !collapsed.ends_with(b" ")) {
                collapsed.push(byte);
            }
        }
        collapsed.pop_if(|last| *last == b' ');
        collapsed
    };
    head.headers.get_all(name).iter().map(collapse).collect::<Vec<_>>().join(&b',')
}

fn decode(text: &str) -> Option<String> {
    let (mut decoded, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            decoded.extend(hex::decode(rest.get(..2)?).ok()?);
            rest = &rest[2..];
        } else {
            decoded.push(*first);
        }
    }
    String::from_utf8(decoded).ok()
}

fn encode(text: &str, kept: &str) -> String {
    let encode = |byte: u8| match char::from(byte) {
        letter if letter.is_ascii_alphanumeric() || "-_.~".contains(letter) || kept.contains(letter) => {
            letter.to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

impl Signer {
    fn signature(&self, head: &Parts, names: &[String]) -> String {
        let canonical = sha256(&reference(head, names, "UNSIGNED-PAYLOAD"));
        (self.sign)(&format!("{}\n{SIGNED_AT}\n{}\n{canonical}", self.algorithm, self.scope))
    }

    /// `head`, signed in a header.
    fn in_header(&self, mut head: Parts) -> Parts {
        let Self { algorithm, scope, regions, .. } = self;
        head.headers.insert("x-amz-date", HeaderValue::from_static(SIGNED_AT));
        head.headers.insert(payload::CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"));
        if let Some(regions) = regions {
            head.headers.insert(REGION_SET, HeaderValue::from_static(regions));
        }
        let names = names(&head);
        let (signature, names) = (self.signature(&head, &names), names.join(";"));
        let value =
            format!("{algorithm} Credential={ACCESS_KEY}/{scope}, SignedHeaders={names}, Signature={signature}");
        head.headers.insert(AUTHORIZATION, value.try_into().expect("names of headers are ASCII"));
        head
    }

    /// `head`, signed in the query; `None` where there can be none.
    fn in_query(&self, head: &Parts) -> Option<Parts> {
        let Self { algorithm, scope, regions, .. } = self;
        let names = names(head);
        let credential = encode(&format!("{ACCESS_KEY}/{scope}"), "");
        let regions = regions.map_or_else(String::new, |set| format!("&X-Amz-Region-Set={}", encode(set, "")));
        let signed = with_query(
            head,
            &format!(
                "X-Amz-Algorithm={algorithm}&X-Amz-Credential={credential}&X-Amz-Date={SIGNED_AT}&X-Amz-Expires=60\
                 &X-Amz-SignedHeaders={}{regions}",
                encode(&names.join(";"), "")
            ),
        )?;
        with_query(&signed, &format!("X-Amz-Signature={}", self.signature(&signed, &names)))
    }
}

/// `head` with more in its query.
fn with_query(head: &Parts, more: &str) -> Option<Parts> {
    let path = head.uri.path();
    let target = format!("{path}?{}&{more}", head.uri.query().unwrap_or_default());
    let uri = target.parse().ok().filter(|_| head.uri.scheme().is_none() && path.starts_with('/'))?;
    let mut longer = head.clone();
    longer.uri = uri;
    Some(longer)
}

fn check_signed(head: &Parts, authenticator: &Authenticator) {
    assert!(is_let_in(head, authenticator), "{head:?}");
    let mut forged = vec![head.clone(), head.clone()];
    forged[0].headers.insert("x-amz-meta-forged", HeaderValue::from_static("yes"));
    forged[1].method = if head.method == Method::PUT { Method::GET } else { Method::PUT };
    forged.extend(with_query(head, "forged"));
    if head.headers.contains_key(REGION_SET) {
        let mut widened = head.clone();
        widened.headers.insert(REGION_SET, HeaderValue::from_static("*"));
        forged.push(widened);
    }
    for forged in forged {
        assert!(!is_let_in(&forged, authenticator), "{forged:?}");
    }
}
