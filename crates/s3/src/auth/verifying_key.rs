//! Version 4A: key pairs on P-256 that follow from secrets.

use aws_sigv4::sign::v4a::generate_signing_key;
use iam::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

/// The public key, as an uncompressed point.
pub(crate) struct VerifyingKey([u8; 65]);

impl VerifyingKey {
    /// The key of the pair that `secret` and its access key stand for.
    pub(super) fn derive(access_key: &str, secret: &SecretKey) -> Self {
        let private = generate_signing_key(access_key, secret.expose());
        let private = p256::SecretKey::from_slice(private.as_ref()).expect("the number is below the order");
        let point = private.public_key().to_sec1_point(false);
        Self(point.as_bytes().try_into().expect("an uncompressed point has 65 bytes"))
    }

    /// Whether `signature`, in DER, is one of `text`.
    pub(super) fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).verify(text, signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use env::UnixMillis;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::auth::ChunkSigner;
    use crate::auth::algorithm::Algorithm;
    use crate::auth::scope::Scope;
    use crate::auth::signing_key::SigningKey;

    #[test]
    fn the_key_of_the_published_vector_is_derived() {
        let secret = SecretKey::parse("q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom").unwrap();
        let derived = VerifyingKey::derive("AKISORANDOMAASORANDOM", &secret);
        let x = "15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb";
        let y = "0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0";
        assert_eq!(hex::encode(derived.0), format!("04{x}{y}"));
    }

    #[test]
    fn chains_of_signed_chunks_are_followed() {
        let secret = SecretKey::parse("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap();
        let key = VerifyingKey::derive("AKIAIOSFODNN7EXAMPLE", &secret);
        let private = generate_signing_key("AKIAIOSFODNN7EXAMPLE", secret.expose());
        let random = SystemRandom::new();
        let (algorithm, point) = (&ECDSA_P256_SHA256_ASN1_SIGNING, &key.0);
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, private.as_ref(), point, &random).unwrap();
        let sign = |text: &str| hex::encode(pair.sign(&random, text.as_bytes()).unwrap());

        let scope = Scope::parse(Algorithm::Ecdsa, "key/20130524/s3/aws4_request", Some("*")).unwrap();
        let seed = sign("the head of the request");
        let signed_at = UnixMillis(1_369_353_600_000);
        let mut signer = ChunkSigner::new(SigningKey::Ecdsa(Arc::new(key)), signed_at, &scope, seed.clone());
        let empty = hex::encode(Sha256::digest(b""));
        let mut previous = seed;
        for content in [b"one".as_slice(), b"two", b""] {
            let content: [u8; 32] = Sha256::digest(content).into();
            let text = format!(
                "AWS4-ECDSA-P256-SHA256-PAYLOAD
20130524T000000Z
20130524/s3/aws4_request
{previous}
{empty}
{}",
                hex::encode(content)
            );
            previous = sign(&text);
            assert!(signer.verify_chunk(&content, &format!("{previous:*<144}")));
        }
        let content: [u8; 32] = Sha256::digest(
            b"x-amz-checksum-crc32:AAAAAA==
",
        )
        .into();
        let text = format!(
            "AWS4-ECDSA-P256-SHA256-TRAILER
20130524T000000Z
20130524/s3/aws4_request
{previous}
{}",
            hex::encode(content)
        );
        let signature = sign(&text);
        assert!(signer.verify_trailers(&content, &signature));
        assert!(!signer.verify_trailers(&content, &signature), "it continues another chain");
    }
}
