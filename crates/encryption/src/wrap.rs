//! Wrapping a key under another: AES-256-GCM with a random nonce.

use env::Entropy;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::error::{Error, Result};

/// Bytes of a wrapped key: the salt, the key and its tag.
const SALT_SIZE: usize = 32;
const WRAPPED_SIZE: usize = SALT_SIZE + DataKey::SIZE + 16;

/// Wraps `key` under `wrapping` for `context`, with which alone it can be unwrapped.
///
/// A fresh random salt gives every wrapping a cipher key of its own: so a key may wrap as many others as it likes, and the
/// nonce is zero.
pub(crate) fn wrap(wrapping: &DataKey, key: &DataKey, context: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
    let mut wrapped = Vec::with_capacity(WRAPPED_SIZE);
    wrapped.resize(SALT_SIZE, 0);
    entropy.fill(&mut wrapped);
    let mut secret = Zeroizing::new(*key.expose());
    let cipher = cipher(wrapping, &wrapped);
    let tag = cipher.seal_in_place_separate_tag(nonce(), Aad::from(context), &mut secret[..]);
    let tag = tag.expect("a key is far below the limit of the cipher");
    wrapped.extend_from_slice(&secret[..]);
    wrapped.extend_from_slice(tag.as_ref());
    wrapped
}

/// Unwraps what [`wrap`] made.
///
/// # Errors
///
/// [`Error::Damaged`] under another key, for another context, and for anything else than a wrapped key.
pub(crate) fn unwrap(wrapping: &DataKey, wrapped: &[u8], context: &[u8]) -> Result<DataKey> {
    const DAMAGED: Error = Error::Damaged { what: "a wrapped key" };
    if wrapped.len() != WRAPPED_SIZE {
        return Err(DAMAGED);
    }
    let (salt, sealed) = wrapped.split_at(SALT_SIZE);
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let opened = cipher(wrapping, salt).open_in_place(nonce(), Aad::from(context), &mut sealed);
    DataKey::from_bytes(opened.map_err(|_| DAMAGED)?)
}

/// Another key that follows from this one, for `purpose`.
pub(crate) fn derive(key: &DataKey, purpose: &[u8]) -> DataKey {
    let mut derived = Zeroizing::new([0; DataKey::SIZE]);
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(key.expose());
    let info = [b"stonecrop key v1".as_slice(), purpose];
    let expanded = extracted.expand(&info, HKDF_SHA256).expect("32 bytes are far below the limit of HKDF");
    expanded.fill(&mut derived[..]).expect("SHA-256 gives 32 bytes");
    DataKey::from_bytes(&derived[..]).expect("32 bytes are a key")
}

fn cipher(wrapping: &DataKey, salt: &[u8]) -> LessSafeKey {
    let extracted = Salt::new(HKDF_SHA256, salt).extract(wrapping.expose());
    let info = [b"stonecrop wrap v1".as_slice()];
    let expanded = extracted.expand(&info, &AES_256_GCM).expect("32 bytes are far below the limit of HKDF");
    LessSafeKey::new(UnboundKey::from(expanded))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use env::SeededEntropy;

    use super::*;

    #[test]
    fn only_the_same_key_and_context_unwrap() {
        let entropy = SeededEntropy::new(1);
        let [wrapping, other, secret] = [(); 3].map(|()| DataKey::generate(&entropy));
        let wrapped = wrap(&wrapping, &secret, b"bucket 1", &entropy);
        assert_eq!(unwrap(&wrapping, &wrapped, b"bucket 1").unwrap().expose(), secret.expose());
        assert_ne!(wrapped, wrap(&wrapping, &secret, b"bucket 1", &entropy));
        for (key, context) in [(&other, b"bucket 1"), (&wrapping, b"bucket 2")] {
            assert!(unwrap(key, &wrapped, context).is_err());
        }
        for position in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[position] ^= 1;
            assert!(unwrap(&wrapping, &changed, b"bucket 1").is_err());
            assert!(unwrap(&wrapping, &wrapped[..position], b"bucket 1").is_err());
        }
    }
}
