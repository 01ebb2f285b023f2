//! Secrets at rest: AES-256-GCM under a random key, which itself is sealed under one derived from the root secret.
//!
//! So a change of the root secret seals one key anew, not every secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use env::Entropy;
use iam::SecretKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

const KEY_SIZE: usize = 32;

/// The sealed key of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SealRecord {
    /// Random, hexadecimal: the salt of the key derived from the root secret.
    salt: String,
    /// The key of the cluster under the derived one; base64.
    sealed: String,
}

/// Seals and opens, for one purpose.
pub(crate) struct Sealer(LessSafeKey);

/// What seals secrets and sessions of this cluster.
pub(crate) struct Seals {
    /// Secrets of access keys.
    pub(crate) keys: Sealer,
    /// Session tokens.
    pub(crate) sessions: Sealer,
    master: Zeroizing<[u8; KEY_SIZE]>,
}

impl Seals {
    /// Those of a new cluster.
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        let mut master = Zeroizing::new([0; KEY_SIZE]);
        entropy.fill(master.as_mut_slice());
        Self::of(master)
    }

    fn of(master: Zeroizing<[u8; KEY_SIZE]>) -> Self {
        let derive = |purpose: &[u8]| Sealer::derive(master.as_slice(), b"", purpose);
        let (keys, sessions) = (derive(b"stonecrop access keys 1"), derive(b"stonecrop sessions 1"));
        Self { keys, sessions, master }
    }

    /// Seals them under the root secret.
    pub(crate) fn wrap(&self, root: &SecretKey, entropy: &dyn Entropy) -> SealRecord {
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let sealed = root_sealer(root, &salt).seal(self.master.as_slice(), b"", entropy);
        SealRecord { salt: hex::encode(salt), sealed: STANDARD.encode(sealed) }
    }

    /// Opens them with the root secret.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRootSecret`].
    pub(crate) fn unwrap(record: &SealRecord, root: &SecretKey) -> Result<Self> {
        let salt = hex::decode(&record.salt).map_err(|_| Error::OtherRootSecret)?;
        let sealed = STANDARD.decode(&record.sealed).map_err(|_| Error::OtherRootSecret)?;
        let master = root_sealer(root, &salt).open(&sealed, b"").ok_or(Error::OtherRootSecret)?;
        let master: [u8; KEY_SIZE] = master.as_slice().try_into().map_err(|_| Error::OtherRootSecret)?;
        Ok(Self::of(Zeroizing::new(master)))
    }
}

fn root_sealer(root: &SecretKey, salt: &[u8]) -> Sealer {
    Sealer::derive(root.expose().as_bytes(), salt, b"stonecrop root 1")
}

impl Sealer {
    fn derive(secret: &[u8], salt: &[u8], purpose: &[u8]) -> Self {
        let derived = Salt::new(HKDF_SHA256, salt).extract(secret);
        let purposes = [purpose];
        let key = derived.expand(&purposes, &AES_256_GCM).expect("a key is shorter than HKDF's output may be");
        Self(LessSafeKey::new(UnboundKey::from(key)))
    }

    /// A random nonce, then what `plain` becomes. `associated` must be the same to open it.
    pub(crate) fn seal(&self, plain: &[u8], associated: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, Aad::from(associated), &mut sealed)
            .expect("secrets are far shorter than AES-GCM can seal");
        let mut whole = nonce.to_vec();
        whole.append(&mut sealed);
        whole
    }

    /// What was sealed; `None` when it was not sealed by this key for `associated`.
    pub(crate) fn open(&self, sealed: &[u8], associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let size = self.0.open_in_place(nonce, Aad::from(associated), &mut buffer).ok()?.len();
        buffer.truncate(size);
        Some(buffer)
    }

    /// As [`Sealer::seal`], as text that headers can carry.
    pub(crate) fn seal_text(&self, plain: &[u8], associated: &[u8], entropy: &dyn Entropy) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(plain, associated, entropy))
    }

    /// Opens what [`Sealer::seal_text`] has sealed.
    pub(crate) fn open_text(&self, text: &str, associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open(&URL_SAFE_NO_PAD.decode(text).ok()?, associated)
    }
}

#[cfg(test)]
mod tests {
    use env::Env;

    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_key_and_for_its_purpose() {
        let env = Env::real();
        let entropy = env.entropy.as_ref();
        let secret = SecretKey::parse("the-root-secret").unwrap();
        let seals = Seals::generate(entropy);
        let record = seals.wrap(&secret, entropy);
        let again = Seals::unwrap(&record, &secret).unwrap();
        let sealed = seals.keys.seal_text(b"plain", b"for", entropy);
        assert_eq!(again.keys.open_text(&sealed, b"for").unwrap().as_slice(), b"plain");
        assert!(again.keys.open_text(&sealed, b"against").is_none());
        assert!(again.sessions.open_text(&sealed, b"for").is_none());
        assert!(Seals::generate(entropy).keys.open_text(&sealed, b"for").is_none());
        let mut damaged = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        damaged[15] ^= 1;
        assert!(again.keys.open(&damaged, b"for").is_none());
        assert!(again.keys.open(b"short", b"for").is_none());
        let other = SecretKey::parse("another-secret").unwrap();
        assert!(matches!(Seals::unwrap(&record, &other), Err(Error::OtherRootSecret)));
    }
}
