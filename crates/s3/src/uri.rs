//! Percent encoding, and the query of a request.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{Error, ErrorCode, Result};

/// Every byte that SigV4's `UriEncode` escapes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same for the path, whose slashes stay.
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Encodes `text` as SigV4 does in names and values of the query.
pub(crate) fn encode(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ENCODED)
}

/// Encodes `text` as SigV4 does in the path, and `encoding-type=url` in keys.
pub(crate) fn encode_path(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, ENCODED_PATH)
}

/// Decodes a path or another text in which `+` means itself.
///
/// # Errors
///
/// `InvalidURI` for a broken escape or for bytes that are not UTF-8.
pub(crate) fn decode(text: &str) -> Result<String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = [bytes.next(), bytes.next()].map(|digit| digit.and_then(hexadecimal));
        let [Some(high), Some(low)] = digits else {
            return Err(ErrorCode::InvalidUri.into());
        };
        decoded.push(high << 4 | low);
    }
    String::from_utf8(decoded).map_err(|_| Error::new(ErrorCode::InvalidUri))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The decoded query of a request, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Splits and decodes the query. A name without `=` has an empty value; empty segments are skipped.
    ///
    /// # Errors
    ///
    /// `InvalidURI` for a broken escape or for bytes that are not UTF-8.
    pub(crate) fn parse(raw: &str) -> Result<Self> {
        let decode_form = |text: &str| {
            let text = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
            decode(&text)
        };
        let decode_pair = |segment: &str| {
            let (name, value) = segment.split_once('=').unwrap_or((segment, ""));
            Ok((decode_form(name)?, decode_form(value)?))
        };
        let segments = raw.split('&').filter(|segment| !segment.is_empty());
        Ok(Self { pairs: segments.map(decode_pair).collect::<Result<_>>()? })
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether `name` occurs, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The only value of `name`; `None` when it is missing or repeated.
    pub(crate) fn get_single(&self, name: &str) -> Option<&str> {
        let mut values = self.pairs.iter().filter(|(found, _)| found == name);
        let first = values.next()?;
        values.next().is_none().then_some(first.1.as_str())
    }

    /// The first value of `name` unless it is empty, which S3 treats as missing in most places.
    pub(crate) fn get_non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All pairs.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn queries_are_split_before_they_are_decoded() {
        let query = Query::parse("prefix=a%26b%3Dc&delimiter=%2F&acl&empty=&&plus=a+b%2Bc&twice=1&twice=2").unwrap();
        assert_eq!(query.get("prefix"), Some("a&b=c"));
        assert_eq!(query.get("delimiter"), Some("/"));
        assert_eq!(query.get("acl"), Some(""));
        assert_eq!(query.get("empty"), Some(""));
        assert_eq!(query.get_non_empty("empty"), None);
        assert_eq!(query.get("plus"), Some("a b+c"));
        assert_eq!(query.get("twice"), Some("1"));
        assert_eq!(query.get_single("twice"), None);
        assert_eq!(query.get("missing"), None);
        assert_eq!(query.pairs().len(), 7);
    }

    #[test]
    fn broken_escapes_and_bytes_are_refused() {
        for text in ["%", "%4", "%zz", "a%", "%ff", "%c3%28", "%ed%a0%80"] {
            assert_eq!(decode(text).unwrap_err().code(), ErrorCode::InvalidUri, "{text:?}");
            assert!(Query::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text).to_string()).unwrap(), text.clone());
            prop_assert_eq!(decode(&encode_path(&text).to_string()).unwrap(), text.clone());
            let query = Query::parse(&format!("name={}", encode(&text))).unwrap();
            prop_assert_eq!(query.get("name"), Some(text.as_str()));
        }
    }
}
