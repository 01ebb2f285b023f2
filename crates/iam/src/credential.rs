//! An access key and the secret that belongs to it.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Account, Error, Result};

/// The public name of a credential. Appears in requests, logs and signatures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKey(String);

impl AccessKey {
    /// Checks the form of `text`.
    ///
    /// # Errors
    ///
    /// [`Error::BadAccessKey`] for a wrong length, or for a character that would need escaping in a credential scope.
    pub fn parse(text: &str) -> Result<Self> {
        let length_valid = (3..=128).contains(&text.len());
        let characters_valid = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.@".contains(&byte));
        if length_valid && characters_valid { Ok(Self(text.to_owned())) } else { Err(Error::BadAccessKey) }
    }

    /// The key as clients write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A secret. Formats as dots, compares in constant time, and is wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Checks the form of `text`.
    ///
    /// # Errors
    ///
    /// [`Error::BadSecretKey`] for a wrong length, or for a character that a client's configuration could not carry.
    pub fn parse(text: &str) -> Result<Self> {
        let length_valid = (8..=128).contains(&text.len());
        let characters_valid = text.bytes().all(|byte| byte.is_ascii_graphic());
        if length_valid && characters_valid {
            Ok(Self(Zeroizing::new(text.to_owned())))
        } else {
            Err(Error::BadSecretKey)
        }
    }

    /// The secret itself, for deriving signing keys. Do not log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(...)")
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretKey {}

/// An access key, its secret, and the account it acts for.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Name of the credential.
    pub access_key: AccessKey,
    /// Proof of the name.
    pub secret_key: SecretKey,
    /// Owner of what this credential creates.
    pub account: Account,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_appear_in_debug_output() {
        let credential = Credential {
            access_key: AccessKey::parse("root").unwrap(),
            secret_key: SecretKey::parse("hunter2hunter2").unwrap(),
            account: Account::root(),
        };
        let text = format!("{credential:?}");
        assert!(text.contains("root") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn secrets_compare_by_value() {
        let secret = SecretKey::parse("hunter2hunter2").unwrap();
        assert_eq!(secret, SecretKey::parse("hunter2hunter2").unwrap());
        assert_ne!(secret, SecretKey::parse("hunter2hunter3").unwrap());
        assert_ne!(secret, SecretKey::parse("hunter2hunter22").unwrap());
    }

    #[test]
    fn keys_of_a_wrong_form_are_refused() {
        for access_key in ["", "ab", "a/b/c", "a b c", "ключ", &"a".repeat(129)] {
            assert_eq!(AccessKey::parse(access_key), Err(Error::BadAccessKey), "{access_key:?}");
        }
        for secret_key in ["", "seven77", "with space", "tab\tcharacter", &"a".repeat(129)] {
            assert_eq!(SecretKey::parse(secret_key), Err(Error::BadSecretKey), "{secret_key:?}");
        }
        assert!(AccessKey::parse("AKIAIOSFODNN7EXAMPLE").is_ok());
        assert!(SecretKey::parse("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").is_ok());
    }
}
