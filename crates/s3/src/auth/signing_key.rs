//! Keys derived from secrets, kept while they are in use.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit, Mac};
use iam::{Credential, SecretKey};
use parking_lot::Mutex;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::auth::algorithm::Algorithm;
use crate::auth::scope::Scope;
use crate::auth::verifying_key::VerifyingKey;
use crate::timestamp;

/// More keys than clients of a week use with one credential; beyond that the oldest days are derived again.
const CACHED_MAX: usize = 256;

/// Tells the signatures of one access key from others.
#[derive(Clone)]
pub(crate) enum SigningKey {
    /// Those of a day, a region and a service.
    Hmac(Zeroizing<[u8; 32]>),
    /// Those of version 4A.
    Ecdsa(Arc<VerifyingKey>),
}

impl SigningKey {
    /// Whether `signature`, hexadecimal, is one of `text`. Takes as long whatever is wrong with it.
    pub(crate) fn verify(&self, text: &[u8], signature: &str) -> bool {
        match self {
            Self::Hmac(key) => {
                let mut claimed = [0; 32];
                let decoded = hex::decode_to_slice(signature, &mut claimed).is_ok();
                let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
                mac.update(text);
                decoded && mac.verify_slice(&claimed).is_ok()
            }
            Self::Ecdsa(key) => hex::decode(signature).is_ok_and(|signature| key.verify(text, &signature)),
        }
    }
}

/// What a signing key depends on besides the secret.
type CacheKey = (String, Algorithm, String, String, String);

/// Derives signing keys and remembers them: four HMACs are saved with every request.
#[derive(Default)]
pub(super) struct SigningKeys {
    cached: Mutex<BTreeMap<CacheKey, (SecretKey, SigningKey)>>,
}

impl SigningKeys {
    /// The key that `credential` signs with in `scope`.
    pub(super) fn derive(&self, credential: &Credential, scope: &Scope) -> SigningKey {
        let Scope { algorithm, access_key, date, region, service, .. } = scope;
        // The date comes first, so that the first entry of a full cache is of the oldest day.
        let cache_key = match algorithm {
            Algorithm::Hmac => (date.clone(), *algorithm, access_key.clone(), region.clone(), service.clone()),
            Algorithm::Ecdsa => (date.clone(), *algorithm, access_key.clone(), String::new(), String::new()),
        };
        let mut cached = self.cached.lock();
        if let Some((secret, key)) = cached.get(&cache_key)
            && *secret == credential.secret_key
        {
            return key.clone();
        }
        let key = match algorithm {
            Algorithm::Hmac => derive(&credential.secret_key, scope),
            Algorithm::Ecdsa => SigningKey::Ecdsa(Arc::new(VerifyingKey::derive(access_key, &credential.secret_key))),
        };
        if CACHED_MAX <= cached.len() {
            cached.pop_first();
        }
        cached.insert(cache_key, (credential.secret_key.clone(), key.clone()));
        key
    }
}

fn derive(secret: &SecretKey, scope: &Scope) -> SigningKey {
    // The library wants a moment and uses its date alone.
    let midnight = timestamp::parse_iso_8601_basic(&format!("{}T000000Z", scope.date)).unwrap_or_default();
    let midnight = UNIX_EPOCH + Duration::from_millis(midnight.0);
    let derived = generate_signing_key(secret.expose(), midnight, &scope.region, &scope.service);
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(derived.as_ref());
    SigningKey::Hmac(key)
}
