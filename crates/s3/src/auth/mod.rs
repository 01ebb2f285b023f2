//! Signature Version 4: who sent a request, and whether they signed all of it.
//!
//! [`Authenticator::authenticate`] reads the claim from the `Authorization` header (`authorization`) or from the query
//! (`presigned`), checks its scope and its time, rebuilds what the client must have signed (`canonical`) and compares
//! the signatures in constant time. It also says how the body is protected (`payload`); whoever reads the body must
//! go through [`Payload`], which is the only way to the bytes, so that no path forgets the check.
//!
//! Older clients may sign by version 2 (`version_2`) where the server allows it, and the policies of forms are signed too
//! (`form`).
//!
//! Invariants: nothing here asks whether a bucket exists; every `x-amz-*` header that an operation may act on is
//! covered by the signature.

mod authorization;
mod canonical;
mod form;
mod payload;
mod presigned;
mod scope;
mod signing_key;
mod version_2;

use std::sync::Arc;
use std::time::Duration;

use env::{Clock, UnixMillis};
use http::request::Parts;
use iam::{Credential, KeyStore};

pub(crate) use form::FormSignature;
pub(crate) use payload::{ChunkSigner, Payload};

use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::target::bucket_of_host;
use crate::timestamp;
use crate::uri::Query;
use canonical::CanonicalRequest;
use scope::Scope;
use signing_key::SigningKeys;

/// How far a client's clock may be off in either direction.
const SKEW_MAX: Duration = Duration::from_secs(15 * 60);

/// What a request says about its sender, not yet believed.
struct Claim {
    scope: Scope,
    /// Names of the headers that the signature covers, in lower case and sorted.
    signed_headers: Vec<String>,
    /// The signature as it was sent.
    signature: String,
    /// When the request was signed.
    signed_at: UnixMillis,
    location: Location,
}

/// Where the credentials are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Location {
    /// In the `Authorization` header.
    Header,
    /// In the query; valid for so long after the signing.
    Query { expires: Duration },
}

/// A request whose signature is right, or one without any.
pub(crate) struct Authenticated {
    /// Who has proven to hold a secret key, and how; `None` for an anonymous request.
    pub(crate) signature: Option<Signature>,
    /// How the body is protected.
    pub(crate) payload: Payload,
}

/// A signature that has been verified.
pub(crate) struct Signature {
    /// Whose request it is.
    pub(crate) credential: Arc<Credential>,
    /// Whether it came in the query.
    pub(crate) presigned: bool,
    /// When it was made.
    pub(crate) signed_at: UnixMillis,
}

/// Verifies signatures.
pub(crate) struct Authenticator {
    keys: Arc<KeyStore>,
    region: String,
    clock: Arc<dyn Clock>,
    signing_keys: SigningKeys,
    version_2: bool,
    /// Below which a host names a bucket, which version 2 signs as part of the path.
    domains: Vec<String>,
}

impl Authenticator {
    /// Accepts requests that a key of `keys` signed for the region of `config`.
    pub(crate) fn new(keys: Arc<KeyStore>, config: &Config, clock: Arc<dyn Clock>) -> Self {
        let Config { region, domains, version_2_signatures, .. } = config.clone();
        Self { keys, region, clock, signing_keys: SigningKeys::default(), version_2: version_2_signatures, domains }
    }

    /// Finds out who sent the request with this head.
    ///
    /// # Errors
    ///
    /// What AWS answers to each way of failing.
    pub(crate) fn authenticate(&self, head: &Parts, query: &Query) -> Result<Authenticated> {
        if self.version_2
            && let Some(claim) = version_2::claim(head, query)?
        {
            return self.authenticate_version_2(&claim, head, query);
        }
        let Some(claim) = read_claim(head, query)? else {
            let payload_hash = payload::declared_hash(head, query, None)?;
            return Ok(Authenticated { signature: None, payload: Payload::from_declared(&payload_hash, None, head)? });
        };
        claim.scope.check_names(&self.region, claim.location)?;
        self.check_time(&claim)?;
        canonical::check_signed_headers(&claim.signed_headers, &head.headers)?;
        let credential = self.find(&claim.scope.access_key)?;
        if has_session_token(head, query) {
            return Err(ErrorCode::InvalidToken.into());
        }
        let payload_hash = payload::declared_hash(head, query, Some(claim.location))?;
        let signing_key = self.signing_keys.derive(&credential, &claim.scope);
        let canonical = CanonicalRequest::new(head, query, &claim.signed_headers, &payload_hash);
        let string_to_sign = canonical.string_to_sign(claim.signed_at, &claim.scope);
        if !signing_key.verify(string_to_sign.as_bytes(), &claim.signature) {
            return Err(mismatch(&claim, &string_to_sign, &canonical));
        }
        let signer = ChunkSigner::new(signing_key, claim.signed_at, &claim.scope, claim.signature);
        let payload = Payload::from_declared(&payload_hash, Some(signer), head)?;
        let presigned = claim.location != Location::Header;
        Ok(Authenticated { signature: Some(Signature { credential, presigned, signed_at: claim.signed_at }), payload })
    }

    fn authenticate_version_2(
        &self,
        claim: &version_2::Claim<'_>,
        head: &Parts,
        query: &Query,
    ) -> Result<Authenticated> {
        claim.check(head, query, self.clock.now())?;
        let credential = self.find(claim.access_key)?;
        if has_session_token(head, query) {
            return Err(ErrorCode::InvalidToken.into());
        }
        let bucket = bucket_of_host(head, &self.domains);
        if !claim.is_signed_by(&credential.secret_key, head, query, bucket.as_deref()) {
            let text = claim.string_to_sign(head, query, bucket.as_deref());
            return Err(Error::new(ErrorCode::SignatureDoesNotMatch)
                .detail("AWSAccessKeyId", claim.access_key)
                .detail("StringToSign", String::from_utf8_lossy(&text)));
        }
        // The query is not covered as a whole: nothing in it may count as a header.
        let signature = Signature { credential, presigned: false, signed_at: self.clock.now() };
        Ok(Authenticated { signature: Some(signature), payload: Payload::Unsigned })
    }

    fn find(&self, access_key: &str) -> Result<Arc<Credential>> {
        let unknown = || Error::new(ErrorCode::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key);
        self.keys.find(access_key).ok_or_else(unknown)
    }

    fn require_version_2(&self) -> Result<()> {
        if self.version_2 { Ok(()) } else { Err(unsupported_version()) }
    }

    fn check_time(&self, claim: &Claim) -> Result<()> {
        let now = self.clock.now();
        let skew_max = u64::try_from(SKEW_MAX.as_millis()).unwrap_or(u64::MAX);
        let too_early = now.0.saturating_add(skew_max) < claim.signed_at.0;
        match claim.location {
            Location::Header => {
                let too_late = claim.signed_at.0.saturating_add(skew_max) < now.0;
                if too_early || too_late {
                    return Err(Error::new(ErrorCode::RequestTimeTooSkewed)
                        .detail("RequestTime", timestamp::iso_8601_basic(claim.signed_at))
                        .detail("ServerTime", timestamp::iso_8601(now))
                        .detail("MaxAllowedSkewMilliseconds", skew_max.to_string()));
                }
            }
            Location::Query { .. } if too_early => {
                return Err(Error::with_message(ErrorCode::AccessDenied, "Request is not yet valid")
                    .detail("ServerTime", timestamp::iso_8601(now)));
            }
            Location::Query { expires } => {
                let expires_at =
                    claim.signed_at.0.saturating_add(u64::try_from(expires.as_millis()).unwrap_or(u64::MAX));
                if expires_at <= now.0 {
                    return Err(Error::with_message(ErrorCode::AccessDenied, "Request has expired")
                        .detail("X-Amz-Expires", expires.as_secs().to_string())
                        .detail("Expires", timestamp::iso_8601(UnixMillis(expires_at)))
                        .detail("ServerTime", timestamp::iso_8601(now)));
                }
            }
        }
        Ok(())
    }
}

/// `None` when the request claims nothing.
fn read_claim(head: &Parts, query: &Query) -> Result<Option<Claim>> {
    let header = authorization::header(head)?;
    let presigned = presigned::is_presigned(query);
    match header {
        Some(value) if presigned => Err(Error::invalid_argument(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
             parameter or the Authorization header should be specified",
            "Authorization",
            value,
        )),
        Some(value) => authorization::claim(value, head).map(Some),
        None if presigned => presigned::claim(query).map(Some),
        None => Ok(None),
    }
}

/// The error for a signature of a version that this server does not take.
fn unsupported_version() -> Error {
    Error::with_message(
        ErrorCode::InvalidRequest,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

/// Root and user keys have no session: a token can only come from a confused client.
fn has_session_token(head: &Parts, query: &Query) -> bool {
    head.headers.contains_key("x-amz-security-token") || query.has("X-Amz-Security-Token")
}

fn mismatch(claim: &Claim, string_to_sign: &str, canonical: &CanonicalRequest) -> Error {
    let spaced_hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    Error::new(ErrorCode::SignatureDoesNotMatch)
        .detail("AWSAccessKeyId", claim.scope.access_key.clone())
        .detail("StringToSign", string_to_sign)
        .detail("SignatureProvided", claim.signature.clone())
        .detail("StringToSignBytes", spaced_hex(string_to_sign.as_bytes()))
        .detail("CanonicalRequest", String::from_utf8_lossy(canonical.as_bytes()))
        .detail("CanonicalRequestBytes", spaced_hex(canonical.as_bytes()))
}

#[cfg(test)]
mod tests;
