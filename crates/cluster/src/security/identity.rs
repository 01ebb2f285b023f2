//! A node's key, and the certificate that says which node of which cluster has it.

use env::Env;
use placement::NodeId;
use rcgen::{KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use zeroize::Zeroizing;

use super::authority::PublicKey;
use crate::error::{Error, Result};

/// The top of the names in certificates. It is never resolved.
const DOMAIN: &str = "stonecrop.internal";

/// What precedes the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A private key (Ed25519), in PKCS#8. Never formatted.
#[derive(Clone)]
pub(crate) struct NodeKey(Zeroizing<Vec<u8>>);

/// A node's key and certificate, and the authority's certificate to check others with.
#[derive(Clone, Debug)]
pub(crate) struct Passport {
    /// The cluster.
    pub(crate) cluster_id: u128,
    /// The node that it names.
    pub(crate) node: NodeId,
    /// The node's key.
    pub(crate) key: NodeKey,
    /// The node's certificate, DER.
    pub(crate) certificate: Vec<u8>,
    /// The authority's certificate, DER.
    pub(crate) authority: Vec<u8>,
}

impl NodeKey {
    /// A new key.
    pub(crate) fn generate(env: &Env) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        env.entropy.fill(seed.as_mut());
        Self([&PKCS8_PREFIX[..], seed.as_ref()].concat().into())
    }

    /// The key in `pkcs8`, checked when it is first used.
    pub(crate) fn from_pkcs8(pkcs8: Vec<u8>) -> Self {
        Self(pkcs8.into())
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn pair(&self) -> Result<KeyPair> {
        let key = PrivatePkcs8KeyDer::from(self.0.as_slice());
        KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519).map_err(certificate_error)
    }

    /// The public half, for a certificate.
    pub(crate) fn public_key(&self) -> Result<PublicKey> {
        let wrong = || Error::Certificate { reason: "an Ed25519 key has 32 bytes".to_owned() };
        Ok(PublicKey(self.pair()?.public_key_raw().try_into().map_err(|_| wrong())?))
    }

    pub(crate) fn for_tls(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.to_vec()).into()
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("NodeKey")
    }
}

/// The name that the certificate of `node` carries.
pub(crate) fn node_name(cluster_id: u128, node: NodeId) -> String {
    format!("n{}.{cluster_id:032x}.{DOMAIN}", node.0)
}

/// The name that whoever answers as `node` must prove.
pub(crate) fn server_name(cluster_id: u128, node: NodeId) -> ServerName<'static> {
    ServerName::try_from(node_name(cluster_id, node)).expect("hexadecimal digits are a DNS name")
}

/// The node that a certificate, whose chain was checked, names; `None` for one that names no node of this cluster.
pub(crate) fn node_of_certificate(certificate: &CertificateDer<'_>, cluster_id: u128) -> Option<NodeId> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let suffix = format!(".{cluster_id:032x}.{DOMAIN}");
    certificate.valid_dns_names().find_map(|name| {
        let number = name.strip_suffix(&suffix)?.strip_prefix('n')?;
        number.parse().ok().map(NodeId)
    })
}

pub(crate) fn certificate_error(error: rcgen::Error) -> Error {
    Error::Certificate { reason: error.to_string() }
}
