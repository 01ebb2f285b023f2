//! The keys that bytes are encrypted with.

use std::fmt;

use env::Entropy;
use ring::hmac;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A key of 256 bits, wiped when it is dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; Self::SIZE]>);

/// The keys of an object, one for each layer of encryption: the innermost first.
pub type DataKeys = Vec<DataKey>;

impl DataKey {
    /// Bytes of a key.
    pub const SIZE: usize = 32;

    /// A fresh random key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; Self::SIZE]);
        entropy.fill(&mut *key);
        Self(key)
    }

    /// The key of these bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = <[u8; Self::SIZE]>::try_from(bytes).map_err(|_| Error::Damaged { what: "a key" })?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Sixteen bytes that follow from `digest` and tell nothing of it to whoever lacks the key.
    pub fn conceal(&self, digest: [u8; 16]) -> [u8; 16] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]);
        let concealed = hmac::sign(&key, &[b"stonecrop etag v1".as_slice(), &digest].concat());
        let (concealed, _) = concealed.as_ref().split_first_chunk().expect("SHA-256 gives 32 bytes");
        *concealed
    }

    /// The secret itself.
    pub fn expose(&self) -> &[u8; Self::SIZE] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DataKey(..)")
    }
}
