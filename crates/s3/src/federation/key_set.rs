//! The keys of an issuer (RFC 7517), each for one algorithm (RFC 7518).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use super::token::Token;

/// Most keys of one issuer.
const KEYS_MAX: usize = 100;

/// How tokens are signed. There is no choice beyond these: secrets that both sides share prove nothing to a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
}

impl Algorithm {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The keys of an issuer.
pub(super) struct KeySet(Vec<Key>);

struct Key {
    id: Option<String>,
    material: Material,
}

enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point, uncompressed.
    P256(Vec<u8>),
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. Keys of other kinds, or for other purposes, are left out.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let raw: RawSet = serde_json::from_slice(json).ok()?;
        Some(Self(raw.keys.into_iter().take(KEYS_MAX).filter_map(Key::of).collect()))
    }

    /// Whether a key of the set has signed `token`: the one that the token names, if it does.
    pub(super) fn verifies(&self, token: &Token) -> bool {
        self.candidates(token).any(|key| key.verifies(token))
    }

    /// Whether there is a key that may have signed `token`.
    pub(super) fn knows_key_of(&self, token: &Token) -> bool {
        self.candidates(token).next().is_some()
    }

    fn candidates(&self, token: &Token) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(|key| token.key_id.is_none() || key.id == token.key_id)
    }
}

impl Key {
    fn of(raw: RawKey) -> Option<Self> {
        if raw.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let decode = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let (algorithm, material) = match raw.kty.as_str() {
            "RSA" => ("RS256", Material::Rsa { modulus: decode(raw.n)?, exponent: decode(raw.e)? }),
            "EC" if raw.crv.as_deref() == Some("P-256") => {
                let (x, y) = (decode(raw.x)?, decode(raw.y)?);
                let whole = x.len() == 32 && y.len() == 32;
                let point = [&[4][..], &x, &y].concat();
                ("ES256", Material::P256(Some(point).filter(|_| whole)?))
            }
            _ => return None,
        };
        raw.alg.is_none_or(|alg| alg == algorithm).then_some(Self { id: raw.kid, material })
    }

    fn verifies(&self, token: &Token) -> bool {
        let (signed, signature) = (token.signed.as_bytes(), token.signature.as_slice());
        match (&self.material, token.algorithm) {
            (Material::Rsa { modulus, exponent }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
                    .is_ok()
            }
            (Material::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
            (Material::Rsa { .. }, Algorithm::Es256) | (Material::P256(_), Algorithm::Rs256) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;

    fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap())
        }

        fn set(&self, more: &str) -> KeySet {
            let point = self.0.public_key().as_ref();
            let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
            let json = format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"k","x":"{x}","y":"{y}"{more}}}]}}"#);
            KeySet::parse(json.as_bytes()).unwrap()
        }

        fn token(&self, header: &str) -> Token {
            let signed = format!("{}.{}", encode(header.as_bytes()), encode(b"{}"));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            Token::parse(&format!("{signed}.{}", encode(signature.as_ref()))).unwrap()
        }
    }

    #[test]
    fn a_key_verifies_what_it_has_signed_and_nothing_else() {
        let signer = Signer::new();
        let token = signer.token(r#"{"alg":"ES256","kid":"k"}"#);
        assert!(signer.set("").verifies(&token) && signer.set(r#","use":"sig","alg":"ES256""#).verifies(&token));
        assert!(signer.set("").verifies(&signer.token(r#"{"alg":"ES256"}"#)));
        assert!(!Signer::new().set("").verifies(&token));
        assert!(!signer.set("").knows_key_of(&signer.token(r#"{"alg":"ES256","kid":"other"}"#)));
        assert!(!signer.set(r#","use":"enc""#).verifies(&token));
        assert!(!signer.set(r#","alg":"RS256""#).verifies(&token));
        // What the token says it is signed with does not decide how the key is used.
        assert!(!signer.set("").verifies(&signer.token(r#"{"alg":"RS256","kid":"k"}"#)));
        let mut damaged = signer.token(r#"{"alg":"ES256","kid":"k"}"#);
        damaged.signed.push('x');
        assert!(!signer.set("").verifies(&damaged));
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let set = r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"EC","crv":"P-384","x":"AA","y":"AA"},
            {"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA","n":"AQAB"}]}"#;
        assert!(KeySet::parse(set.as_bytes()).unwrap().0.is_empty());
        assert!(KeySet::parse(b"{}").is_none() && KeySet::parse(b"no json").is_none());
    }
}
