//! Keys in the transit engine of HashiCorp Vault, or of what answers as it does (OpenBao).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use env::{Clock, Env, Net, Stream};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::error::{Error, Result};
use crate::key_name::KeyName;
use crate::service::{KeyFuture, KeyService};

/// How long one question may take in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of an answer.
const ANSWER_SIZE_MAX: usize = 64 * 1024;

/// Where a Vault is, and how it is asked.
pub struct VaultConfig {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub address: String,
    /// Where the transit engine is mounted; usually `transit`.
    pub mount: String,
    /// The token that requests carry.
    pub token: Zeroizing<String>,
    /// Certificates (PEM) of the authorities that may vouch for an `https` address.
    pub authorities: Option<Vec<u8>>,
}

/// A Vault.
pub struct Vault {
    /// `HOST:PORT`.
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    mount: String,
    token: Zeroizing<String>,
    net: Arc<dyn Net>,
    clock: Arc<dyn Clock>,
}

/// What every answer of the transit engine has.
#[derive(Deserialize)]
struct Answer {
    data: AnswerData,
}

#[derive(Default, Deserialize)]
struct AnswerData {
    #[serde(default)]
    ciphertext: String,
    #[serde(default)]
    plaintext: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<String>,
}

impl Vault {
    /// Asks the Vault that `config` names; not before the first key is needed.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for an address, a mount, a token or certificates that cannot be used.
    pub fn new(env: &Env, config: VaultConfig) -> Result<Self> {
        let VaultConfig { address, mount, token, authorities } = config;
        let setting = |reason: &str| Error::Setting { reason: reason.to_owned() };
        let (secure, authority) = match (address.strip_prefix("https://"), address.strip_prefix("http://")) {
            (Some(authority), _) => (true, authority),
            (None, Some(authority)) => (false, authority),
            (None, None) => return Err(setting("the address of a Vault begins with https:// or http://")),
        };
        let authority = authority.trim_end_matches('/');
        let host = authority.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let (host, _) = host.ok_or_else(|| setting("the address of a Vault ends in HOST:PORT"))?;
        KeyName::parse(&mount).map_err(|_| setting("the mount of the transit engine is a path such as `transit`"))?;
        let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible {
            return Err(setting("the token of a Vault is one word"));
        }
        let tls = if secure { Some(tls(host, authorities.as_deref().unwrap_or_default())?) } else { None };
        Ok(Self { authority: authority.to_owned(), tls, mount, token, net: env.net.clone(), clock: env.clock.clone() })
    }

    /// Has the engine do `verb` with a key.
    async fn ask(&self, verb: &str, name: &KeyName, question: serde_json::Value) -> Result<AnswerData> {
        let path = format!("/v1/{}/{verb}/{name}", self.mount);
        let body = question.to_string();
        let asked = async {
            let stream = self.net.connect(self.authority.clone()).await.map_err(unavailable)?;
            match &self.tls {
                Some((connector, server)) => {
                    let stream = connector.connect(server.clone(), stream).await.map_err(unavailable)?;
                    self.exchange(stream, &path, &body).await
                }
                None => self.exchange(stream, &path, &body).await,
            }
        };
        let (status, answer) = tokio::select! {
            biased;
            answer = asked => answer?,
            () = self.clock.sleep(PATIENCE) => return Err(unavailable("it does not answer in time")),
        };
        if status.is_success() {
            let answer = serde_json::from_slice::<Answer>(&answer);
            return answer.map(|answer| answer.data).map_err(|_| unavailable("its answer cannot be read"));
        }
        let refusal: Refusal = serde_json::from_slice(&answer).unwrap_or_default();
        Err(refused(status, &refusal.errors.join("; "), name))
    }

    /// Sends one request and takes its answer.
    async fn exchange(&self, stream: impl Stream, path: &str, body: &str) -> Result<(StatusCode, Bytes)> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .header("x-vault-token", self.token.as_str())
            .header("x-vault-request", "true")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .map_err(unavailable)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(unavailable)?;
        let answered = async {
            let answer = sender.send_request(request).await.map_err(unavailable)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_SIZE_MAX).collect().await;
            Ok((status, body.map_err(unavailable)?.to_bytes()))
        };
        let mut connection = std::pin::pin!(connection);
        let mut answered = std::pin::pin!(answered);
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            // The connection may end before the answer has been taken.
            _ = &mut connection => answered.await,
        }
    }
}

impl KeyService for Vault {
    fn wrap<'a>(&'a self, name: &'a KeyName, key: &'a DataKey, context: &'a [u8]) -> KeyFuture<'a, Vec<u8>> {
        Box::pin(async move {
            let question = serde_json::json!({
                "plaintext": STANDARD.encode(key.expose()),
                "associated_data": STANDARD.encode(context),
            });
            let wrapped = self.ask("encrypt", name, question).await?.ciphertext;
            if wrapped.is_empty() { Err(unavailable("its answer lacks the wrapped key")) } else { Ok(wrapped.into()) }
        })
    }

    fn unwrap<'a>(&'a self, name: &'a KeyName, wrapped: &'a [u8], context: &'a [u8]) -> KeyFuture<'a, DataKey> {
        Box::pin(async move {
            let wrapped = std::str::from_utf8(wrapped).map_err(|_| Error::Damaged { what: "a wrapped key" })?;
            let question = serde_json::json!({
                "ciphertext": wrapped,
                "associated_data": STANDARD.encode(context),
            });
            let answer = self.ask("decrypt", name, question).await?;
            let key = STANDARD.decode(Zeroizing::new(answer.plaintext).as_bytes()).map(Zeroizing::new);
            DataKey::from_bytes(&key.map_err(|_| unavailable("its answer lacks the key"))?)
        })
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// How to greet a Vault that is called `host`.
fn tls(host: &str, authorities: &[u8]) -> Result<(TlsConnector, ServerName<'static>)> {
    let setting = |reason: &str| Error::Setting { reason: reason.to_owned() };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let added = certificate.map(|certificate| roots.add(certificate));
        if !matches!(added, Ok(Ok(()))) {
            return Err(setting("the certificates for a Vault cannot be read as PEM"));
        }
    }
    if roots.is_empty() {
        return Err(setting("an https address of a Vault needs the certificate of its authority"));
    }
    let server = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let server = server.map_err(|_| setting("the address of a Vault names no host"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| setting(&error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), server))
}

/// What an answer that is no success means.
fn refused(status: StatusCode, reason: &str, name: &KeyName) -> Error {
    let name = || name.to_string();
    match status {
        StatusCode::NOT_FOUND => Error::NoSuchKey { name: name() },
        StatusCode::BAD_REQUEST if reason.contains("not found") => Error::NoSuchKey { name: name() },
        StatusCode::FORBIDDEN => Error::KeyRefused { name: name() },
        StatusCode::BAD_REQUEST if reason.contains("authentication failed") || reason.contains("ciphertext") => {
            Error::Damaged { what: "a wrapped key" }
        }
        status => unavailable(format_args!("it answers {status}: {reason}")),
    }
}

fn unavailable(reason: impl std::fmt::Display) -> Error {
    Error::ServiceUnavailable { reason: reason.to_string() }
}
