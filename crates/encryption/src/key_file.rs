//! The file that holds named keys.

use std::collections::BTreeMap;

use env::Entropy;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::key_name::{KeyName, MANAGED_KEY};
use crate::local::{MasterKey, parse_key};

/// Keys by name, as a file holds them: a TOML table `[keys]` of names and 32 random bytes each, in Base64.
#[derive(Debug, Default)]
pub struct KeyFile {
    /// The keys.
    pub keys: BTreeMap<KeyName, DataKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    keys: BTreeMap<String, String>,
}

impl KeyFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] that says what is wrong, and never what a key is.
    pub fn parse(text: &str) -> Result<Self> {
        // The message of a TOML error quotes the line, which holds a key.
        let raw: RawFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            setting(format!("line {line} is not as in `[keys]` and `NAME = \"BASE64\"`"))
        })?;
        let mut keys = BTreeMap::new();
        for (text, value) in raw.keys {
            let value = Zeroizing::new(value);
            let name = KeyName::parse(&text).ok().filter(|name| name.as_str() == text && text != MANAGED_KEY);
            let name = name.ok_or_else(|| setting(format!("no key can be called {text:?}")))?;
            let key =
                parse_key(&value).ok_or_else(|| setting(format!("the key {text:?} is not 32 bytes in Base64")))?;
            keys.insert(name, key);
        }
        Ok(Self { keys })
    }

    /// The lines that add a fresh key to a file whose text is `text`.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::parse`], and [`Error::Setting`] for a name that is taken or that no key can have.
    pub fn addition(text: &str, name: &str, entropy: &dyn Entropy) -> Result<Zeroizing<String>> {
        let file = Self::parse(text)?;
        let parsed = KeyName::parse(name).ok().filter(|parsed| parsed.as_str() == name && name != MANAGED_KEY);
        let parsed = parsed.ok_or_else(|| setting(format!("no key can be called {name:?}")))?;
        if file.keys.contains_key(&parsed) {
            return Err(setting(format!("there is a key {name:?} already, and what it encrypts would be lost")));
        }
        let head = if text.lines().any(|line| line.trim() == "[keys]") { "" } else { "[keys]\n" };
        let key = MasterKey::generate(entropy).encode();
        Ok(Zeroizing::new(format!("{head}\"{name}\" = \"{}\"\n", key.as_str())))
    }
}

fn setting(reason: String) -> Error {
    Error::Setting { reason }
}

#[cfg(test)]
mod tests {
    use env::SeededEntropy;

    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";

    #[test]
    fn keys_are_added_and_read_again() {
        let entropy = SeededEntropy::new(3);
        let mut text = String::new();
        for name in ["testkey-1", "testkey-2"] {
            let lines = KeyFile::addition(&text, name, &entropy).unwrap();
            text.push_str(&lines);
        }
        let file = KeyFile::parse(&text).unwrap();
        let names: Vec<&str> = file.keys.keys().map(KeyName::as_str).collect();
        assert_eq!(names, ["testkey-1", "testkey-2"]);
        assert!(KeyFile::addition(&text, "testkey-1", &entropy).is_err());
        assert!(KeyFile::addition(&text, "../up", &entropy).is_err());
    }

    #[test]
    fn errors_say_what_is_wrong_and_tell_no_key() {
        for (text, reason) in [
            (format!("[keys]\na = \"{KEY}\n"), "line 2"),
            (format!("[keys]\na = \"{}\"", &KEY[4..]), "the key \"a\" is not 32 bytes"),
            (format!("[keys]\n\"a b\" = \"{KEY}\""), "no key can be called \"a b\""),
            (format!("[keys]\n\"aws/s3\" = \"{KEY}\""), "no key can be called \"aws/s3\""),
            (format!("a = \"{KEY}\""), "line 1"),
        ] {
            let error = KeyFile::parse(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains(&KEY[4..12]), "{error}");
        }
    }
}
