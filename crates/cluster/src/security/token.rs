//! Tokens to join with.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use env::{Env, UnixMillis};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::error::{Error, Result};

/// What every token begins with.
const PREFIX: &str = "stonecrop1.";

const SECRET_CONTEXT: &str = "stonecrop 2026 join token v1";
const FINGERPRINT_CONTEXT: &str = "stonecrop 2026 authority fingerprint v1";

/// Cluster id, fingerprint, secret.
const SIZE: usize = 16 + 32 + 32;

/// What a node presents to be admitted. It formats as the text that people copy, so print it on purpose only.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct JoinToken {
    /// The cluster to join.
    pub(crate) cluster_id: u128,
    /// What the certificate of its authority must hash to.
    pub(crate) fingerprint: [u8; 32],
    /// What proves that the bearer may join.
    pub(crate) secret: [u8; 32],
}

/// What the cluster remembers of a token: not enough to make one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    digest: [u8; 32],
    /// Milliseconds since 1970 after which it admits nobody.
    expires: u64,
}

/// The fingerprint of an authority's certificate.
pub(crate) fn fingerprint(authority: &[u8]) -> [u8; 32] {
    blake3::derive_key(FINGERPRINT_CONTEXT, authority)
}

impl JoinToken {
    /// A new token for the cluster with this authority.
    pub(crate) fn generate(env: &Env, cluster_id: u128, authority: &[u8]) -> Self {
        let mut secret = [0; 32];
        env.entropy.fill(&mut secret);
        Self { cluster_id, fingerprint: fingerprint(authority), secret }
    }

    /// What to remember of it, for as long as it is valid.
    pub(crate) fn record(&self, env: &Env, valid_for: Duration) -> TokenRecord {
        let span = u64::try_from(valid_for.as_millis()).unwrap_or(u64::MAX);
        TokenRecord { digest: digest(&self.secret), expires: env.clock.now().0.saturating_add(span) }
    }
}

impl TokenRecord {
    /// Whether `secret` is the token's, and the token is still valid. Takes the same time for every secret.
    pub(crate) fn admits(&self, secret: &[u8; 32], now: UnixMillis) -> bool {
        let equal: bool = self.digest.ct_eq(&digest(secret)).into();
        equal && !self.is_expired(now)
    }

    /// Whether it admits nobody any more.
    pub(crate) fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires <= now.0
    }
}

fn digest(secret: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key(SECRET_CONTEXT, secret)
}

impl fmt::Display for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.cluster_id.to_be_bytes()[..], &self.fingerprint, &self.secret].concat();
        write!(formatter, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "JoinToken of cluster {:032x}", self.cluster_id)
    }
}

impl FromStr for JoinToken {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let decoded = text.trim().strip_prefix(PREFIX).and_then(|rest| URL_SAFE_NO_PAD.decode(rest).ok());
        let bytes: [u8; SIZE] = decoded.and_then(|bytes| bytes.try_into().ok()).ok_or(Error::MalformedToken)?;
        Ok(Self {
            cluster_id: u128::from_be_bytes(std::array::from_fn(|i| bytes[i])),
            fingerprint: std::array::from_fn(|i| bytes[16 + i]),
            secret: std::array::from_fn(|i| bytes[48 + i]),
        })
    }
}

impl Drop for JoinToken {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_are_printed_and_their_secret_is_not_in_the_debug_form() {
        let token = JoinToken::generate(&Env::real(), 5, b"certificate");
        assert_eq!(format!(" {token}\n").parse::<JoinToken>().unwrap(), token);
        for text in ["", "stonecrop1.", "stonecrop1.AAAA", "stonecrop2.", &format!("{token}A")] {
            assert!(matches!(text.parse::<JoinToken>(), Err(Error::MalformedToken)), "{text}");
        }
        assert_eq!(format!("{token:?}"), format!("JoinToken of cluster {:032x}", 5));
    }

    #[test]
    fn a_record_admits_its_own_secret_until_it_expires() {
        let env = Env::real();
        let token = JoinToken::generate(&env, 5, b"certificate");
        let record = token.record(&env, Duration::from_secs(60));
        let now = env.clock.now();
        assert!(record.admits(&token.secret, now));
        assert!(!record.admits(&[0; 32], now));
        assert!(!record.admits(&token.secret, UnixMillis(now.0 + 3_600_000)));
    }
}
