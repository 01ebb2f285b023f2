//! One keep-alive connection to an S3 endpoint.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use env::Env;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

use crate::{Error, Result};

/// What AWS leaves unescaped in a path: unreserved characters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Where an S3 service is, and as whom requests are signed.
#[derive(Clone)]
pub struct Endpoint {
    authority: String,
    region: String,
    credentials: Credentials,
}

impl Endpoint {
    /// An endpoint at `url` (`http://HOST:PORT`).
    ///
    /// # Errors
    ///
    /// [`Error::Endpoint`] when `url` is anything else.
    pub fn new(url: &str, region: &str, access_key: &str, secret_key: &str) -> Result<Self> {
        let authority = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let authority = authority.filter(|authority| !authority.is_empty() && !authority.contains('/'));
        let authority = authority.ok_or_else(|| Error::Endpoint { endpoint: url.to_owned() })?.to_owned();
        let credentials = Credentials::new(access_key, secret_key, None, None, "stonecrop");
        Ok(Self { authority, region: region.to_owned(), credentials })
    }

    /// Path of an object, escaped.
    pub fn object_path(bucket: &str, key: &str) -> String {
        format!("/{bucket}/{}", utf8_percent_encode(key, PATH))
    }
}

/// What the server answered.
pub struct Answer {
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Length of the body, in bytes.
    pub body_size: u64,
    /// The body, when the request asked to keep it; empty otherwise.
    pub body: Bytes,
}

/// Whether a request keeps the answer's body or only counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Collect the body in memory.
    Body,
    /// Drop each piece as it comes: for downloads that are measured.
    Nothing,
}

/// One keep-alive connection; sends one request at a time.
pub struct Connection {
    env: Env,
    endpoint: Endpoint,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects to `endpoint`.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when nobody listens there.
    pub async fn open(env: &Env, endpoint: &Endpoint) -> Result<Self> {
        let connect_error = |source| Error::Connect { authority: endpoint.authority.clone(), source };
        let stream = TcpStream::connect(&endpoint.authority).await.map_err(connect_error)?;
        stream.set_nodelay(true).map_err(connect_error)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; a failure reaches the request under way.
        env.spawn.task("client-connection", Box::pin(async move { drop(connection.await) }));
        Ok(Self { env: env.clone(), endpoint: endpoint.clone(), sender })
    }

    /// Sends a signed request with an unsigned payload and waits for the whole answer.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the status is not a success; otherwise as the connection fails.
    pub async fn send(&mut self, method: Method, path: &str, body: Bytes, keep: Keep) -> Result<Answer> {
        let request = self.signed(method, path, body)?;
        self.exchange(request, keep).await
    }

    /// Sends a PUT as [`Connection::send`] does, with the `Content-MD5` of its body, which buckets with a lock demand.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub async fn put(&mut self, path: &str, body: Bytes, content_md5: &HeaderValue) -> Result<Answer> {
        let mut request = self.signed(Method::PUT, path, body)?;
        request.headers_mut().insert("content-md5", content_md5.clone());
        self.exchange(request, Keep::Nothing).await
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>, keep: Keep) -> Result<Answer> {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (parts, mut incoming) = response.into_parts();
        let refused = !parts.status.is_success();
        let mut kept = Vec::new();
        let mut body_size = 0;
        while let Some(frame) = incoming.frame().await {
            if let Ok(data) = frame?.into_data() {
                body_size += data.len() as u64;
                if refused || keep == Keep::Body {
                    kept.extend_from_slice(&data);
                }
            }
        }
        if refused {
            return Err(refusal(method, &path, parts.status, &kept));
        }
        Ok(Answer { headers: parts.headers, body_size, body: kept.into() })
    }

    fn signed(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>> {
        let sign_error = |error: &dyn std::fmt::Display| Error::Sign { reason: error.to_string() };
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = self.endpoint.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.endpoint.region)
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_millis(self.env.clock.now().0))
            .settings(settings)
            .build()
            .map_err(|error| sign_error(&error))?
            .into();
        let authority = &self.endpoint.authority;
        let url = format!("http://{authority}{path}");
        let headers = std::iter::once(("host", authority.as_str()));
        let signable = SignableRequest::new(method.as_str(), &url, headers, SignableBody::UnsignedPayload)
            .map_err(|error| sign_error(&error))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|error| sign_error(&error))?.into_parts();
        let mut request =
            Request::builder().method(method).uri(path).header("host", authority).body(Full::new(body))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

fn refusal(method: Method, path: &str, status: StatusCode, body: &[u8]) -> Error {
    Error::Refused { method, path: path.to_owned(), status, body: String::from_utf8_lossy(body).into_owned() }
}
