//! The two ways of signing by version 4.

/// How the text that is signed becomes a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Algorithm {
    /// HMAC-SHA256 with a key for a day, a region and a service.
    Hmac,
    /// ECDSA on P-256 (version 4A) with a key for all of them: the text names the day and the service, and a header or
    /// parameter of its own the regions.
    Ecdsa,
}

impl Algorithm {
    /// The algorithm called `name`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Hmac, Self::Ecdsa].into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// What requests and signed texts call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hmac => "AWS4-HMAC-SHA256",
            Self::Ecdsa => "AWS4-ECDSA-P256-SHA256",
        }
    }

    /// What its credentials look like.
    pub(super) const fn credential_form(self) -> &'static str {
        match self {
            Self::Hmac => "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request",
            Self::Ecdsa => "<YOUR-AKID>/YYYYMMDD/SERVICE/aws4_request",
        }
    }
}
