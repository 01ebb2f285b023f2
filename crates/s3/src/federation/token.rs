//! A token: what it says, and what its signature covers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Error;
use super::key_set::Algorithm;

/// Longest token, as AWS has it.
const TOKEN_SIZE_MAX: usize = 20_000;

/// A token that has been read, and is not believed yet.
pub(crate) struct Token {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
    /// What is signed.
    pub(super) signed: String,
    pub(super) signature: Vec<u8>,
    /// What it says.
    pub(crate) claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood: none is.
    crit: Option<Value>,
}

/// What a token says about its bearer.
pub(crate) struct Claims(Map<String, Value>);

impl Token {
    /// Reads a token (RFC 7515, compact serialization).
    ///
    /// # Errors
    ///
    /// [`Error::BadToken`].
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || Error::BadToken("The token is malformed.");
        if TOKEN_SIZE_MAX < text.len() {
            return Err(malformed());
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| malformed())?;
        if header.crit.is_some() {
            return Err(Error::BadToken("The token demands extensions that are not known."));
        }
        let algorithm =
            Algorithm::parse(&header.alg).ok_or(Error::BadToken("The token must be signed with RS256 or ES256."))?;
        let claims: Map<String, Value> = serde_json::from_slice(&decode(claims)?).map_err(|_| malformed())?;
        Ok(Self {
            algorithm,
            key_id: header.kid,
            signed: signed.to_owned(),
            signature: decode(signature)?,
            claims: Claims(claims),
        })
    }
}

impl Claims {
    /// A claim that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a moment, in seconds since 1970.
    pub(crate) fn seconds(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and parts of a second do not matter"
        )]
        value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64))
    }

    /// The texts of a claim that is a text or a list of them.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A claim of any form.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names of all claims.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(claims), encode("signature"))
    }

    #[test]
    fn tokens_say_who_signed_them() {
        let read = Token::parse(&token(r#"{"alg":"RS256","kid":"k"}"#, r#"{"aud":["a","b"],"exp":5.5,"sub":"s"}"#));
        let read = read.unwrap();
        assert_eq!((read.algorithm, read.key_id.as_deref()), (Algorithm::Rs256, Some("k")));
        assert_eq!(read.claims.texts("aud"), ["a", "b"]);
        assert_eq!((read.claims.seconds("exp"), read.claims.text("sub")), (Some(5), Some("s")));
        assert_eq!(read.signature, b"signature");
    }

    #[test]
    fn tokens_that_prove_nothing_are_refused() {
        for (header, claims) in [
            (r#"{"alg":"none"}"#, "{}"),
            (r#"{"alg":"HS256","kid":"k"}"#, "{}"),
            (r#"{"alg":"rs256"}"#, "{}"),
            (r#"{"alg":"RS256","crit":["b64"]}"#, "{}"),
            (r#"{"kid":"k"}"#, "{}"),
            (r#"{"alg":"RS256"}"#, "[]"),
            ("no json", "{}"),
        ] {
            assert!(Token::parse(&token(header, claims)).is_err(), "{header} {claims}");
        }
        for text in ["", ".", "..", "a.b", "a.b.c.d", &"x".repeat(30_000)] {
            assert!(Token::parse(text).is_err(), "{text}");
        }
    }
}
