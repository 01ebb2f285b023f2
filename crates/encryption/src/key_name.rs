//! Names of keys in a key service.

use std::fmt;

use crate::error::{Error, Result};

/// The key of `aws:kms` requests that name none. The server has it of itself.
pub const MANAGED_KEY: &str = "aws/s3";

/// The name of a key as its service knows it: letters, digits, `.`, `_`, `-` and `/` in between; at most 128.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    const SIZE_MAX: usize = 128;

    /// Reads what clients call a key: its name, `alias/NAME`, or an ARN that ends in `key/NAME` or `alias/NAME`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchKey`] for what no key is called.
    pub fn parse(text: &str) -> Result<Self> {
        let local = match text.strip_prefix("arn:") {
            Some(arn) => arn
                .splitn(5, ':')
                .nth(4)
                .and_then(|resource| resource.strip_prefix("key/").or_else(|| resource.strip_prefix("alias/"))),
            None => Some(text.strip_prefix("alias/").unwrap_or(text)),
        };
        let letters = |part: &str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !part.is_empty() && part.bytes().all(letter) && part.bytes().any(|byte| byte != b'.')
        };
        let local = local.filter(|name| name.len() <= Self::SIZE_MAX && name.split('/').all(letters));
        local.map(|name| Self(name.to_owned())).ok_or_else(|| Error::NoSuchKey { name: text.to_owned() })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_all_that_clients_call_keys() {
        for (text, name) in [
            ("testkey-1", Some("testkey-1")),
            ("alias/aws/s3", Some("aws/s3")),
            ("arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab", Some("1234abcd-12ab")),
            ("arn:aws:kms:us-east-1:111122223333:alias/mine", Some("mine")),
            ("arn:aws:kms:us-east-1:111122223333:mine", None),
            ("arn:aws", None),
            ("", None),
            ("..", None),
            ("a/../b", None),
            ("a//b", None),
            ("a?b", None),
            ("a b", None),
            ("%2e", None),
        ] {
            assert_eq!(KeyName::parse(text).ok().as_ref().map(KeyName::as_str), name, "{text}");
        }
        assert!(KeyName::parse(&"a".repeat(129)).is_err());
    }
}
