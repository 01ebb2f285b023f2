//! Signature Version 4 and 4A: who sent a request, and whether they signed all of it.
//!
//! [`Authenticator::claim`] reads the claim from the `Authorization` header (`authorization`) or from the query
//! (`presigned`) and checks its scope and its time. The caller looks up whose key it names; [`Authenticator::verify`] then
//! rebuilds what the client must have signed (`canonical`) and compares the signatures in constant time. It also says how
//! the body is protected (`payload`); whoever reads the body must go through [`Payload`], which is the only way to the
//! bytes, so that no path forgets the check.
//!
//! Older clients may sign by version 2 (`version_2`) where the server allows it, and the policies of forms are signed too
//! (`form`).
//!
//! Invariants: nothing here asks whether a bucket exists; every `x-amz-*` header that an operation may act on is
//! covered by the signature.

mod algorithm;
mod authorization;
mod canonical;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod payload;
mod presigned;
mod scope;
mod signing_key;
mod verifying_key;
mod version_2;

use std::sync::Arc;
use std::time::Duration;

use env::{Clock, UnixMillis};
use http::request::Parts;
use iam::Credential;
use identity::Known;

pub(crate) use form::FormClaim;
pub(crate) use payload::{ChunkSigner, Payload};
pub(crate) use scope::Service;

use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::target::bucket_of_host;
use crate::timestamp;
use crate::uri::Query;
use canonical::CanonicalRequest;
use scope::Scope;
use signing_key::{SigningKey, SigningKeys};

/// How far a client's clock may be off in either direction.
const SKEW_MAX: Duration = Duration::from_secs(15 * 60);

/// The header, and the parameter, that holds the token of temporary credentials.
const SECURITY_TOKEN: &str = "x-amz-security-token";

/// What a request says about its sender, not yet believed.
pub(crate) struct Claim<'a> {
    signature: ClaimedSignature<'a>,
    token: Option<&'a str>,
}

/// By which version it is signed.
enum ClaimedSignature<'a> {
    Version4(Version4),
    Version2(version_2::Claim<'a>),
}

/// A claim by version 4.
struct Version4 {
    scope: Scope,
    /// Names of the headers that the signature covers, in lower case and sorted.
    signed_headers: Vec<String>,
    /// The signature as it was sent.
    signature: String,
    /// When the request was signed.
    signed_at: UnixMillis,
    location: Location,
}

impl Claim<'_> {
    /// The access key that it names.
    pub(crate) fn access_key(&self) -> &str {
        match &self.signature {
            ClaimedSignature::Version4(claim) => &claim.scope.access_key,
            ClaimedSignature::Version2(claim) => claim.access_key,
        }
    }

    /// The token that comes with temporary credentials.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token
    }

    /// The service that it was signed for.
    pub(crate) fn service(&self) -> Option<Service> {
        match &self.signature {
            ClaimedSignature::Version4(claim) => Service::parse(&claim.scope.service),
            ClaimedSignature::Version2(_) => Some(Service::S3),
        }
    }

    /// The region that it was signed for.
    pub(crate) fn region(&self) -> &str {
        match &self.signature {
            ClaimedSignature::Version4(claim) => &claim.scope.region,
            ClaimedSignature::Version2(_) => "",
        }
    }
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
    pub(crate) known: Arc<Known>,
    /// Whether it came in the query.
    pub(crate) presigned: bool,
    /// When it was made.
    pub(crate) signed_at: UnixMillis,
}

/// Verifies signatures.
pub(crate) struct Authenticator {
    region: String,
    clock: Arc<dyn Clock>,
    signing_keys: SigningKeys,
    version_2: bool,
    /// Below which a host names a bucket, which version 2 signs as part of the path.
    domains: Vec<String>,
}

impl Authenticator {
    /// Accepts requests that are signed for the region of `config`.
    pub(crate) fn new(config: &Config, clock: Arc<dyn Clock>) -> Self {
        let Config { region, domains, version_2_signatures, .. } = config.clone();
        Self { region, clock, signing_keys: SigningKeys::default(), version_2: version_2_signatures, domains }
    }

    /// What the request with this head says about its sender; `None` when it says nothing.
    ///
    /// # Errors
    ///
    /// What AWS answers to each way of being wrong on the face of it.
    pub(crate) fn claim<'a>(
        &self,
        head: &'a Parts,
        query: &'a Query,
        services: &[Service],
    ) -> Result<Option<Claim<'a>>> {
        if self.version_2
            && let Some(claim) = version_2::claim(head, query)?
        {
            claim.check(head, query, self.clock.now())?;
            let token = token_header(head)?;
            return Ok(Some(Claim { signature: ClaimedSignature::Version2(claim), token }));
        }
        let Some(claim) = read_claim(head, query)? else { return Ok(None) };
        claim.scope.check_names(&self.region, services, claim.location)?;
        self.check_time(&claim)?;
        canonical::check_signed_headers(&claim.signed_headers, &head.headers)?;
        let token = match claim.location {
            Location::Header => token_header(head)?,
            Location::Query { .. } => match query.get_single("X-Amz-Security-Token") {
                None if query.has("X-Amz-Security-Token") => return Err(ErrorCode::InvalidToken.into()),
                None => token_header(head)?,
                token => token,
            },
        };
        Ok(Some(Claim { signature: ClaimedSignature::Version4(claim), token }))
    }

    /// Checks the claim of a request, whose key is that of `known`.
    ///
    /// # Errors
    ///
    /// `SignatureDoesNotMatch`, and what is wrong with how the body is protected.
    pub(crate) fn verify(
        &self,
        claim: Claim<'_>,
        head: &Parts,
        query: &Query,
        known: Arc<Known>,
    ) -> Result<Authenticated> {
        let claim = match claim.signature {
            ClaimedSignature::Version4(claim) => claim,
            ClaimedSignature::Version2(claim) => return self.verify_version_2(&claim, head, query, known),
        };
        let payload_hash = payload::declared_hash(head, query, Some(claim.location))?;
        let signing_key = self.check_signature(&claim, head, query, &payload_hash, &known.credential)?;
        let signer = ChunkSigner::new(signing_key, claim.signed_at, &claim.scope, claim.signature);
        let payload = Payload::from_declared(&payload_hash, Some(signer), head)?;
        let presigned = claim.location != Location::Header;
        Ok(Authenticated { signature: Some(Signature { known, presigned, signed_at: claim.signed_at }), payload })
    }

    /// Checks the claim of a request whose body is here already, with this hash.
    ///
    /// # Errors
    ///
    /// `SignatureDoesNotMatch`; `AccessDenied` for a signature of version 2, which covers no body.
    pub(crate) fn verify_whole(
        &self,
        claim: Claim<'_>,
        head: &Parts,
        query: &Query,
        body_hash: &str,
        known: Arc<Known>,
    ) -> Result<Signature> {
        let ClaimedSignature::Version4(claim) = claim.signature else { return Err(unsupported_version()) };
        self.check_signature(&claim, head, query, body_hash, &known.credential)?;
        let presigned = claim.location != Location::Header;
        Ok(Signature { known, presigned, signed_at: claim.signed_at })
    }

    fn check_signature(
        &self,
        claim: &Version4,
        head: &Parts,
        query: &Query,
        payload_hash: &str,
        credential: &Credential,
    ) -> Result<SigningKey> {
        let signing_key = self.signing_keys.derive(credential, &claim.scope);
        let canonical = CanonicalRequest::new(head, query, &claim.signed_headers, payload_hash);
        let string_to_sign = canonical.string_to_sign(claim.signed_at, &claim.scope);
        if signing_key.verify(string_to_sign.as_bytes(), &claim.signature) {
            return Ok(signing_key);
        }
        Err(mismatch(claim, &string_to_sign, &canonical))
    }

    fn verify_version_2(
        &self,
        claim: &version_2::Claim<'_>,
        head: &Parts,
        query: &Query,
        known: Arc<Known>,
    ) -> Result<Authenticated> {
        let bucket = bucket_of_host(head, &self.domains);
        if !claim.is_signed_by(&known.credential.secret_key, head, query, bucket.as_deref()) {
            let text = claim.string_to_sign(head, query, bucket.as_deref());
            return Err(Error::new(ErrorCode::SignatureDoesNotMatch)
                .detail("AWSAccessKeyId", claim.access_key)
                .detail("StringToSign", String::from_utf8_lossy(&text)));
        }
        // The query is not covered as a whole: nothing in it may count as a header.
        let signature = Signature { known, presigned: false, signed_at: self.clock.now() };
        Ok(Authenticated { signature: Some(signature), payload: Payload::Unsigned })
    }

    fn require_version_2(&self) -> Result<()> {
        if self.version_2 { Ok(()) } else { Err(unsupported_version()) }
    }

    fn check_time(&self, claim: &Version4) -> Result<()> {
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
fn read_claim(head: &Parts, query: &Query) -> Result<Option<Version4>> {
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

/// What a request without signature says about its body.
///
/// # Errors
///
/// What is wrong with that.
pub(crate) fn unsigned(head: &Parts, query: &Query) -> Result<Authenticated> {
    let payload_hash = payload::declared_hash(head, query, None)?;
    Ok(Authenticated { signature: None, payload: Payload::from_declared(&payload_hash, None, head)? })
}

/// The token of temporary credentials in the headers.
fn token_header(head: &Parts) -> Result<Option<&str>> {
    let mut values = head.headers.get_all(SECURITY_TOKEN).iter();
    let Some(token) = values.next() else { return Ok(None) };
    let single = values.next().is_none();
    token.to_str().ok().filter(|_| single).map(Some).ok_or_else(|| ErrorCode::InvalidToken.into())
}

fn mismatch(claim: &Version4, string_to_sign: &str, canonical: &CanonicalRequest) -> Error {
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
pub(crate) mod tests;
