//! How a body is protected: `x-amz-content-sha256` and its special values.

use env::UnixMillis;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::auth::Location;
use crate::auth::algorithm::Algorithm;
use crate::auth::scope::Scope;
use crate::auth::signing_key::SigningKey;
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp;
use crate::uri::Query;

/// Names the hash of the body, or the way in which the body is sent.
pub(super) const CONTENT_SHA256: &str = "x-amz-content-sha256";

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_CHUNKS: [(Algorithm, &str); 2] = [
    (Algorithm::Hmac, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    (Algorithm::Ecdsa, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
];
/// What these end in when trailers follow the chunks.
const TRAILER: &str = "-TRAILER";
const UNSIGNED_CHUNKS_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// How the body of an authenticated request is protected.
pub(crate) enum Payload {
    /// Not at all.
    Unsigned,
    /// By the SHA-256 that the signature covers.
    Sha256([u8; 32]),
    /// Cut into chunks (`aws-chunked`), each signed when there is a signer, possibly with trailers behind them.
    Chunked {
        /// Continues the chain of signatures; `None` for unsigned chunks.
        signer: Option<ChunkSigner>,
        /// Whether headers may follow the last chunk.
        trailers: bool,
        /// Number of bytes in all chunks together.
        decoded_size: u64,
    },
}

impl Payload {
    /// Interprets the declared hash of a request whose signature, which `signer` continues, has been verified; nobody
    /// has signed when there is none.
    pub(super) fn from_declared(declared: &str, signer: Option<ChunkSigner>, head: &Parts) -> Result<Self> {
        let chunked = |signer, trailers| Ok(Self::Chunked { signer, trailers, decoded_size: decoded_size(head)? });
        if let Some((algorithm, trailers)) = signed_chunks(declared) {
            // Nobody signs chunks in another way than what begins their chain.
            let signer = signer.filter(|signer| signer.algorithm == algorithm);
            return chunked(Some(signer.ok_or(ErrorCode::AccessDenied)?), trailers);
        }
        match declared {
            UNSIGNED => Ok(Self::Unsigned),
            UNSIGNED_CHUNKS_TRAILER => chunked(None, true),
            literal => parse_sha256(literal).map(Self::Sha256).ok_or_else(|| refuse_hash(literal)),
        }
    }
}

/// What the client put in the place of the payload's hash when it signed; whoever has not signed need not say anything.
pub(super) fn declared_hash(head: &Parts, query: &Query, location: Option<Location>) -> Result<String> {
    let mut values = head.headers.get_all(CONTENT_SHA256).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(refuse_hash(""));
    }
    let header = header.map(|value| value.to_str().map_err(|_| refuse_hash(""))).transpose()?;
    let declared = match location {
        Some(Location::Header) => header.ok_or_else(|| {
            Error::with_message(
                ErrorCode::InvalidRequest,
                "Missing required header for this request: x-amz-content-sha256",
            )
        })?,
        Some(Location::Query { .. }) => header.or_else(|| query.get("X-Amz-Content-Sha256")).unwrap_or(UNSIGNED),
        None => header.unwrap_or(UNSIGNED),
    };
    let known = [UNSIGNED, UNSIGNED_CHUNKS_TRAILER].contains(&declared) || signed_chunks(declared).is_some();
    if known || parse_sha256(declared).is_some() { Ok(declared.to_owned()) } else { Err(refuse_hash(declared)) }
}

/// How the chunks of a body are signed that is declared like this, and whether trailers follow them.
fn signed_chunks(declared: &str) -> Option<(Algorithm, bool)> {
    let (name, trailers) = match declared.strip_suffix(TRAILER) {
        Some(name) => (name, true),
        None => (declared, false),
    };
    let (algorithm, _) = SIGNED_CHUNKS.into_iter().find(|(_, known)| *known == name)?;
    Some((algorithm, trailers))
}

fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

fn refuse_hash(value: &str) -> Error {
    Error::invalid_argument(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 \
         value.",
        CONTENT_SHA256,
        value,
    )
}

/// `x-amz-decoded-content-length`, without which a chunked body is refused.
fn decoded_size(head: &Parts) -> Result<u64> {
    let mut values = head.headers.get_all("x-amz-decoded-content-length").iter();
    let value = values.next().and_then(|value| value.to_str().ok()).filter(|_| values.next().is_none());
    let all_digits = |value: &&str| value.bytes().all(|byte| byte.is_ascii_digit());
    value.filter(all_digits).and_then(|value| value.parse().ok()).ok_or_else(|| ErrorCode::MissingContentLength.into())
}

/// The chain of chunk signatures: each covers its chunk and the signature before it.
pub(crate) struct ChunkSigner {
    algorithm: Algorithm,
    key: SigningKey,
    signed_at: String,
    scope: String,
    previous: String,
}

impl ChunkSigner {
    /// Starts the chain with the signature of the request's head.
    pub(super) fn new(key: SigningKey, signed_at: UnixMillis, scope: &Scope, seed: String) -> Self {
        let signed_at = timestamp::iso_8601_basic(signed_at);
        Self { algorithm: scope.algorithm, key, signed_at, scope: scope.to_signed_text(), previous: seed }
    }

    /// Whether `signature` is that of a chunk with the SHA-256 `content`, in this place of the chain.
    pub(crate) fn verify_chunk(&mut self, content: &[u8; 32], signature: &str) -> bool {
        let empty = hex::encode(Sha256::digest(b""));
        let Self { algorithm, signed_at, scope, previous, .. } = self;
        let (algorithm, content) = (algorithm.name(), hex::encode(content));
        let text = format!("{algorithm}-PAYLOAD\n{signed_at}\n{scope}\n{previous}\n{empty}\n{content}");
        self.advance(&text, signature)
    }

    /// Whether `signature` is that of trailers with the SHA-256 `content`, which end the chain.
    pub(crate) fn verify_trailers(&mut self, content: &[u8; 32], signature: &str) -> bool {
        let Self { algorithm, signed_at, scope, previous, .. } = self;
        let (algorithm, content) = (algorithm.name(), hex::encode(content));
        let text = format!("{algorithm}-TRAILER\n{signed_at}\n{scope}\n{previous}\n{content}");
        self.advance(&text, signature)
    }

    fn advance(&mut self, text: &str, signature: &str) -> bool {
        // Those of version 4A have no one length, and are filled up to the longest.
        let signature = signature.trim_end_matches('*');
        let valid = self.key.verify(text.as_bytes(), signature);
        signature.clone_into(&mut self.previous);
        valid
    }
}
