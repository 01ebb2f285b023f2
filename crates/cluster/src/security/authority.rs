//! The cluster's certificate authority.

use std::time::Duration;

use env::{Env, UnixMillis};
use placement::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::identity::{NodeKey, certificate_error, node_name};
use crate::error::{Error, Result};

/// How long a node's certificate is valid. It is renewed when a third of that has passed.
pub(crate) const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long the authority's is.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// Clocks of nodes may differ by this much.
const CLOCK_SKEW: Duration = Duration::from_secs(24 * 3600);

/// Signs the certificates of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    key: NodeKey,
    certificate: Vec<u8>,
}

/// The public half of a node's key (Ed25519, RFC 8032).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublicKey(pub(crate) [u8; 32]);

impl PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// The document's form; the order of the fields is part of the format (`docs/formats/cluster-documents.md`).
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u8,
    key: Vec<u8>,
    certificate: Vec<u8>,
}

const VERSION: u8 = 1;

impl Authority {
    /// A new authority for a cluster.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`].
    pub(crate) fn create(env: &Env, cluster_id: u128) -> Result<Self> {
        let key = NodeKey::generate(env);
        let params = authority_params(env, cluster_id);
        let certificate = params.self_signed(&key.pair()?).map_err(certificate_error)?;
        Ok(Self { key, certificate: certificate.der().to_vec() })
    }

    /// The authority's own certificate, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// A certificate that says that `node` has the key whose public half is `public_key`.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`].
    pub(crate) fn sign(&self, env: &Env, cluster_id: u128, node: NodeId, public_key: &PublicKey) -> Result<Vec<u8>> {
        let issuer = Issuer::new(authority_params(env, cluster_id), self.key.pair()?);
        let mut params = dated(env, LIFETIME);
        params.distinguished_name = name(format!("stonecrop node {}", node.0));
        let alternative = node_name(cluster_id, node).try_into().map_err(certificate_error)?;
        params.subject_alt_names = vec![rcgen::SanType::DnsName(alternative)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(public_key, &issuer).map_err(certificate_error)?;
        Ok(certificate.der().to_vec())
    }

    /// Its bytes, with the key, for a document of the metadata.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let stored = Stored { version: VERSION, key: self.key.pkcs8().to_vec(), certificate: self.certificate.clone() };
        postcard::to_stdvec(&stored).expect("plain values always encode")
    }

    /// The inverse of [`Authority::encode`].
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::UnknownFormat`].
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "certificate authority";
        match bytes.first() {
            Some(&VERSION) => {}
            Some(&found) => return Err(Error::UnknownFormat { what: WHAT, found, known: VERSION }),
            None => return Err(Error::Damaged { what: WHAT, reason: "is empty" }),
        }
        let stored: Stored =
            postcard::from_bytes(bytes).map_err(|_| Error::Damaged { what: WHAT, reason: "cannot be decoded" })?;
        Ok(Self { key: NodeKey::from_pkcs8(stored.key), certificate: stored.certificate })
    }
}

fn authority_params(env: &Env, cluster_id: u128) -> CertificateParams {
    let mut params = dated(env, AUTHORITY_LIFETIME);
    params.distinguished_name = name(format!("stonecrop cluster {cluster_id:032x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn name(common_name: String) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn dated(env: &Env, lifetime: Duration) -> CertificateParams {
    // The first byte keeps the number positive and its length fixed.
    let mut serial = env.random_u128().to_be_bytes();
    serial[0] = serial[0] & 0x3f | 0x40;
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let now = env.clock.now();
    params.not_before = date(now, CLOCK_SKEW, |now, skew| now.saturating_sub(skew));
    params.not_after = date(now, lifetime, u64::saturating_add);
    params
}

fn date(now: UnixMillis, span: Duration, change: fn(u64, u64) -> u64) -> OffsetDateTime {
    let seconds = change(now.0 / 1000, span.as_secs());
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::*;
    use crate::security::node_of_certificate;

    #[test]
    fn certificates_name_their_node_in_their_cluster_only() {
        let env = Env::real();
        let authority = Authority::create(&env, 7).unwrap();
        let key = NodeKey::generate(&env);
        let certificate = authority.sign(&env, 7, NodeId(12), &key.public_key().unwrap()).unwrap();
        let der = CertificateDer::from(certificate);
        assert_eq!(node_of_certificate(&der, 7), Some(NodeId(12)));
        assert_eq!(node_of_certificate(&der, 8), None);
        assert_eq!(node_of_certificate(&CertificateDer::from(authority.certificate()), 7), None);
    }

    #[test]
    fn an_authority_is_decoded_as_it_was() {
        let env = Env::real();
        let authority = Authority::create(&env, 7).unwrap();
        let bytes = authority.encode();
        assert_eq!(Authority::decode(&bytes).unwrap().encode(), bytes);
        assert!(matches!(Authority::decode(&[9, 0]), Err(Error::UnknownFormat { found: 9, .. })));
        assert!(matches!(Authority::decode(&bytes[..20]), Err(Error::Damaged { .. })));
        assert!(matches!(Authority::decode(b""), Err(Error::Damaged { .. })));
    }
}
