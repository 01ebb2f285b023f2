//! Mutual TLS (1.3 only, RFC 8446): who is at the other end of a connection.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use env::{Clock, Env, Stream};
use placement::NodeId;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::error::{Error, Result};
use crate::security::{Passport, fingerprint, node_of_certificate, server_name};

/// This node's end of all connections. Its certificate may be exchanged while connections are open.
pub(crate) struct Tls {
    cluster_id: u128,
    certificate: Arc<Current>,
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Tls {
    /// # Errors
    ///
    /// [`Error::Certificate`] when the passport's key or certificates cannot be used.
    pub(crate) fn new(env: &Env, passport: &Passport) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let time = Arc::new(Time(env.clock.clone()));
        let certificate = Arc::new(Current(ArcSwap::new(certified(&provider, passport)?)));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(passport.authority.clone())).map_err(unusable)?;
        let roots = Arc::new(roots);

        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::Certificate { reason: error.to_string() })?;
        let server = ServerConfig::builder_with_details(provider.clone(), time.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(certificate.clone());
        let client = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&TLS13])
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_cert_resolver(certificate.clone());
        Ok(Self {
            cluster_id: passport.cluster_id,
            certificate,
            acceptor: Arc::new(server).into(),
            connector: Arc::new(client).into(),
        })
    }

    /// Uses another certificate for connections made from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`] when it cannot be used; the one before stays.
    pub(crate) fn renew(&self, passport: &Passport) -> Result<()> {
        self.certificate.0.store(certified(&ring::default_provider(), passport)?);
        Ok(())
    }

    /// Greets `node`, which must prove that it is that node.
    pub(crate) async fn connect(
        &self,
        node: NodeId,
        stream: Box<dyn Stream>,
    ) -> std::io::Result<client::TlsStream<Box<dyn Stream>>> {
        self.connector.connect(server_name(self.cluster_id, node), stream).await
    }

    /// Answers whoever has connected. `None` has shown no certificate of the cluster.
    pub(crate) async fn accept(
        &self,
        stream: Box<dyn Stream>,
    ) -> std::io::Result<(Option<NodeId>, server::TlsStream<Box<dyn Stream>>)> {
        let stream = self.acceptor.accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let node = certificate.and_then(|certificate| node_of_certificate(certificate, self.cluster_id));
        Ok((node, stream))
    }
}

/// Greets a member of the cluster whose authority has this fingerprint, without a certificate of one's own.
pub(crate) async fn connect_to_join(
    env: &Env,
    expected: [u8; 32],
    stream: Box<dyn Stream>,
) -> std::io::Result<client::TlsStream<Box<dyn Stream>>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(ByFingerprint { expected, provider: provider.clone() });
    let config = ClientConfig::builder_with_details(provider, Arc::new(Time(env.clock.clone())))
        .with_protocol_versions(&[&TLS13])
        .map_err(std::io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let name = ServerName::try_from("join.stonecrop.internal").expect("a DNS name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Whether [`connect_to_join`] failed because the other end is of another cluster.
pub(crate) fn is_of_another_cluster(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    cause == Some(&rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

/// The certificate and key that this node shows, and the authority's certificate behind it for those who join.
fn certified(provider: &CryptoProvider, passport: &Passport) -> Result<Arc<CertifiedKey>> {
    let chain = [&passport.certificate, &passport.authority].map(|der| CertificateDer::from(der.clone()));
    let certified = CertifiedKey::from_der(chain.to_vec(), passport.key.for_tls(), provider).map_err(unusable)?;
    Ok(Arc::new(certified))
}

fn unusable(error: rustls::Error) -> Error {
    Error::Certificate { reason: error.to_string() }
}

/// Whatever certificate is current.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The environment's wall clock.
struct Time(Arc<dyn Clock>);

impl fmt::Debug for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_millis(self.0.now().0)))
    }
}

/// Accepts a node whose chain ends in the authority with the expected fingerprint, whichever node it is.
#[derive(Debug)]
struct ByFingerprint {
    expected: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let wrong = || rustls::Error::General("the other end's certificate is not valid".to_owned());
        let authority = intermediates.iter().find(|certificate| fingerprint(certificate) == self.expected);
        let authority = authority.ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let anchor = webpki::anchor_from_trusted_cert(authority).map_err(|_| wrong())?;
        let certificate = webpki::EndEntityCert::try_from(end_entity).map_err(|_| wrong())?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let usage = webpki::KeyUsage::server_auth();
        let anchors = [anchor];
        let verified = certificate.verify_for_usage(algorithms, &anchors, &[], now, usage, None, None);
        verified.map_err(|_| wrong())?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
