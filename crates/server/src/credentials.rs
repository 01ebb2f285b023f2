//! The root user's credentials: set by the operator, or generated at the first start and kept on every disk.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::Env;
use serde::{Deserialize, Serialize};

use crate::config::KeyPair;
use crate::kept_secret::KeptSecret;

/// The credentials that a server generates when the operator sets none.
pub(crate) const ROOT: KeptSecret<KeyPair> = KeptSecret {
    what: "root credentials",
    file_name: "credentials.toml",
    document: "root-credentials",
    generate,
    encode,
    decode,
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    access_key: String,
    secret_key: String,
}

/// 20 characters as AWS's keys have, and a secret of 240 random bits.
fn generate(env: &Env) -> KeyPair {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = [0; 17 + 30];
    env.entropy.fill(&mut random);
    let (name, secret) = random.split_at(17);
    let name: String = name.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    KeyPair::parse(&format!("STC{name}"), &STANDARD.encode(secret)).expect("made of the right characters")
}

fn encode(pair: &KeyPair) -> String {
    let file = CredentialsFile {
        access_key: pair.access_key.as_str().to_owned(),
        secret_key: pair.secret_key.expose().to_owned(),
    };
    toml::to_string(&file).expect("two strings are TOML")
}

fn decode(bytes: &[u8]) -> Option<KeyPair> {
    let file: CredentialsFile = toml::from_slice(bytes).ok()?;
    KeyPair::parse(&file.access_key, &file.secret_key).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_credentials_are_read_as_they_were_written() {
        let pair = generate(&Env::real());
        let read = decode(encode(&pair).as_bytes()).unwrap();
        assert_eq!((read.access_key, read.secret_key), (pair.access_key, pair.secret_key));
        assert!(decode(b"access_key = 'a'").is_none());
    }
}
