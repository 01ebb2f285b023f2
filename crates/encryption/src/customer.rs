//! Keys that clients keep and send with every request.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::data_key::DataKey;

/// A key that a client keeps. It is never stored; a data key that was wrapped under it tells whether it is the same.
#[derive(Clone)]
pub struct CustomerKey {
    pub(crate) key: DataKey,
    md5: [u8; 16],
}

impl CustomerKey {
    /// Reads a key of 32 bytes in Base64; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = zeroize::Zeroizing::new(STANDARD.decode(text).ok()?);
        let key = DataKey::from_bytes(&bytes).ok()?;
        let md5 = Md5::digest(&*bytes).into();
        Some(Self { key, md5 })
    }

    /// Whether this, in Base64, is its MD5, as clients send it against garbled keys.
    pub fn has_md5(&self, text: &str) -> bool {
        STANDARD.decode(text).is_ok_and(|md5| md5.ct_eq(&self.md5).into())
    }

    /// Its MD5 in Base64.
    pub fn md5(&self) -> String {
        STANDARD.encode(self.md5)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CustomerKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_bytes_and_know_their_md5() {
        let key = CustomerKey::parse("pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=").unwrap();
        assert!(key.has_md5("DWygnHRtgiJ77HCm+1rvHw=="));
        assert_eq!(key.md5(), "DWygnHRtgiJ77HCm+1rvHw==");
        for wrong in ["AAAAAAAAAAAAAAAAAAAAAA==", "", "?"] {
            assert!(!key.has_md5(wrong));
            assert!(CustomerKey::parse(wrong).is_none());
        }
        assert_eq!(format!("{key:?}"), "CustomerKey(..)");
    }
}
