//! Any form, however it is cut up on its way, and any policy, against a reader of policies that knows no more than it must.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use env::UnixMillis;
use futures_util::stream::{self, Stream, StreamExt};
use http::HeaderMap;
use serde_json::Value;
use store::BodyError;

use super::fields::{self, Fields, SIZE_MAX};
use super::file::File;
use super::gate::HEAD_SIZE_MAX;
use super::policy::Policy;
use crate::error::ErrorCode;
use crate::target::KEY_SIZE_MAX;
use crate::timestamp;
use crate::uri::Query;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

/// The fields, the headers that they become, and the bytes of the file.
type Read = (BTreeMap<String, String>, Result<HeaderMap, ErrorCode>, Result<Vec<u8>, BodyError>);

/// A line with a `Content-Type`, then a body.
///
/// The same is read in pieces of any size; nothing before the file is held that is larger than it may be, and of the file
/// no more than a piece.
pub fn form(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(content_type) = std::str::from_utf8(&input[..end]) else { return };
    let body = &input[end + 1..];
    let whole = read(content_type, body, body.len().max(1));
    for piece in [2, body.len() / 2 + 1] {
        assert_eq!(read(content_type, body, piece), whole, "in pieces of {piece}");
    }
    let Ok((fields, ..)) = whole else { return };
    assert_eq!(fields["bucket"], "photos");
    let size: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size <= SIZE_MAX + KEY_SIZE_MAX + "bucketphotos".len(), "{size} bytes of fields");
}

fn read(content_type: &str, body: &[u8], piece: usize) -> Result<Read, ErrorCode> {
    let taken = Arc::new(AtomicUsize::new(0));
    let body = pieces(body, piece, taken.clone());
    run(async {
        let form = fields::form(content_type, body).map_err(|error| error.code())?;
        let found = Fields::read(form, "photos").await.map_err(|error| error.code());
        assert!(taken.load(Ordering::Relaxed) < HEAD_SIZE_MAX + piece.max(64 * 1024), "taken in before the file");
        let (fields, file) = found?;
        let headers = fields.to_headers().map_err(|error| error.code());
        Ok((fields.into_pairs(), headers, read_file(File::new(file, 0..=u64::MAX).0).await))
    })
}

fn pieces(
    body: &[u8],
    piece: usize,
    taken: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static {
    let pieces: Vec<_> = body.chunks(piece).map(Bytes::copy_from_slice).collect();
    stream::iter(pieces).map(move |piece| {
        taken.fetch_add(piece.len(), Ordering::Relaxed);
        Ok(piece)
    })
}

async fn read_file(mut file: File) -> Result<Vec<u8>, BodyError> {
    let mut content = Vec::new();
    while let Some(chunk) = file.next().await {
        content.extend_from_slice(&chunk?);
    }
    Ok(content)
}

/// Runs what has all that it needs: it is put off by the gate, a few times a piece, and never hangs.
fn run<T>(work: impl Future<Output = T>) -> T {
    let (mut work, mut context) = (pin!(work), Context::from_waker(Waker::noop()));
    for _ in 0..1_000_000 {
        if let Poll::Ready(found) = work.as_mut().poll(&mut context) {
            return found;
        }
    }
    panic!("the form hangs");
}

/// A line with fields as a query has them, then a policy.
///
/// A form is accepted if and only if every condition holds and each field is named by one, however the policy is broken
/// into lines; and no more once a field is added, or changed that a condition fixes.
pub fn form_policy(input: &[u8]) {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return };
    let Some(query) = std::str::from_utf8(&input[..end]).ok().and_then(|text| Query::parse(text).ok()) else { return };
    let json = &input[end + 1..];
    let encoded = STANDARD.encode(json);
    let broken: Vec<&str> = encoded.as_bytes().chunks(7).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let policy = Policy::decode(&encoded).ok();
    assert_eq!(policy.is_some(), Policy::decode(&broken.join("\r\n ")).is_ok());
    let pairs: Vec<(&str, &str)> = query.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let accepts = |pairs: &[(&str, &str)]| {
        let fields = Fields::from_pairs("photos", pairs);
        policy.as_ref().is_some_and(|policy| policy.check(&fields, NOW).is_ok())
    };
    let accepted = accepts(&pairs);
    assert_eq!(accepted, reference(json, &Fields::from_pairs("photos", &pairs).into_pairs()).is_some());
    if !accepted {
        return;
    }
    let forged = "a name that no policy has by chance, \u{1f332}";
    assert!(!accepts(&[&pairs[..], &[(forged, "")]].concat()), "another field");
    for (name, value) in fixed(json) {
        let changed = format!("{value}!");
        assert!(!accepts(&[&pairs[..], &[(&name, &changed)]].concat()) || name == "bucket", "{name} was changed");
    }
}

/// `Some` if the policy lets the form with these fields in.
fn reference(json: &[u8], fields: &BTreeMap<String, String>) -> Option<()> {
    let policy: Value = serde_json::from_slice(json).ok()?;
    let policy = policy.as_object().filter(|policy| policy.len() == 2)?;
    let until = timestamp::parse_any(policy.get("expiration")?.as_str()?).filter(|until| NOW < *until);
    let mut named: Vec<String> =
        ["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"].map(Into::into).into();
    for condition in policy.get("conditions")?.as_array()? {
        if let Some(pairs) = condition.as_object().filter(|pairs| !pairs.is_empty()) {
            for (name, value) in pairs {
                let found = fields.get(&name.to_lowercase()).filter(|found| Some(found.as_str()) == value.as_str());
                value.as_str()?;
                named.push(found.map(|_| name.to_lowercase())?);
            }
            continue;
        }
        let [operator, left, right] = condition.as_array()?.as_slice() else { return None };
        let operator = operator.as_str()?.to_lowercase();
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        if operator == "content-length-range" {
            number(left).and(number(right))?;
            continue;
        }
        let (name, expected) = (left.as_str()?.strip_prefix('$')?.to_lowercase(), right.as_str()?);
        let found = fields.get(&name);
        let text = found.map_or("", String::as_str);
        let holds = match operator.as_str() {
            "eq" => found.is_some_and(|found| found == expected),
            "starts-with" if name == "content-type" => text.split(',').all(|kind| kind.trim().starts_with(expected)),
            "starts-with" => text.starts_with(expected),
            _ => false,
        };
        named.push(Some(name).filter(|_| holds)?);
    }
    let free = |name: &&String| name.starts_with("x-ignore-") || name.starts_with("x-amz-checksum-");
    let covered = fields.keys().filter(|name| !free(name)).all(|name| named.contains(name));
    until.filter(|_| covered).map(drop)
}

/// Fields that a condition fixes, and to what.
fn fixed(json: &[u8]) -> Vec<(String, String)> {
    let policy: Value = serde_json::from_slice(json).expect("it was read before");
    let conditions = policy["conditions"].as_array().expect("it was read before");
    let fixed = conditions.iter().filter_map(Value::as_object).flatten();
    fixed.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned())).collect()
}
