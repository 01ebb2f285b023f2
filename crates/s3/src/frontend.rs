//! [`Frontend`]: one request from its head to its answer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::Env;
use http::header::{CONTENT_LENGTH, DATE, HOST, SERVER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use iam::{Credential, KeyStore};
use store::Store;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use crate::access_log::AccessLog;
use crate::auth::{Authenticated, Authenticator, Payload};
use crate::body::{BodyFraming, RequestBody};
use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::header::{checksum, single};
use crate::operation::{self, Call, Operation};
use crate::request::Request;
use crate::response::{self, ErrorContext, Response};
use crate::target::Target;
use crate::timestamp;
use crate::uri::Query;

/// Most bytes in the names and values of the headers and in the request target. Behind a larger limit of the connection,
/// so that the client gets an S3 error.
const HEADER_SECTION_SIZE_MAX: usize = 16 * 1024;

/// The S3 API over one [`Store`].
pub struct Frontend {
    pub(crate) store: Store,
    pub(crate) config: Config,
    pub(crate) env: Env,
    authenticator: Authenticator,
    xml_bytes: Semaphore,
    /// Names this server in `x-amz-id-2`.
    host_id: String,
}

impl Frontend {
    /// Serves `store` to whoever holds a key of `keys`.
    pub fn new(env: Env, store: Store, keys: Arc<KeyStore>, config: Config) -> Self {
        let mut host_id = [0; 24];
        env.entropy.fill(&mut host_id);
        let authenticator = Authenticator::new(keys, config.region.clone(), env.clock.clone());
        let xml_bytes = Semaphore::new(config.limits.xml_bytes_max);
        Self { store, config, env, authenticator, xml_bytes, host_id: STANDARD.encode(host_id) }
    }

    /// Answers one request. Always answers: what goes wrong becomes an S3 error.
    pub async fn handle(&self, remote: Option<SocketAddr>, request: http::Request<Body>) -> Response {
        let (head, body) = request.into_parts();
        let request_id = self.request_id();
        let target = Target::parse(&head, &self.config.domains);
        let mut log = AccessLog::new(self.env.clock.clone(), &request_id, &head, remote);
        log.set_target(target.as_ref().ok());
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let known_target = target.as_ref().ok().cloned();

        let bucket = known_target.as_ref().and_then(Target::bucket);
        let span = tracing::info_span!("request", request_id, bucket, operation = tracing::field::Empty);
        let mut response = match self.answer(head, body, target, &mut log).instrument(span).await {
            Ok(response) => response,
            Err(error) => {
                let target = known_target.as_ref();
                let (host_id, request_id) = (self.host_id.as_str(), request_id.as_str());
                log.set_error(&error);
                response::error(&error, &ErrorContext { method: &method, path: &path, target, request_id, host_id })
            }
        };
        let headers = response.headers_mut();
        response::set(headers, HeaderName::from_static("x-amz-request-id"), &request_id);
        response::set(headers, HeaderName::from_static("x-amz-id-2"), &self.host_id);
        headers.insert(SERVER, HeaderValue::from_static("Stonecrop"));
        response::set(headers, DATE, &timestamp::http_date(self.env.clock.now()));
        log.attach(response)
    }

    async fn answer(&self, head: Parts, body: Body, target: Result<Target>, log: &mut AccessLog) -> Result<Response> {
        check_head(&head)?;
        if head.method == Method::OPTIONS {
            return operation::preflight(&head);
        }
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let Authenticated { credential, payload, presigned } = self.authenticator.authenticate(&head, &query)?;
        let mut headers = head.headers;
        if presigned {
            hoist(&query, &mut headers);
        }
        let target = target?;
        let copies = headers.contains_key("x-amz-copy-source");
        let operation = Operation::choose(&Call { method: &head.method, target: &target, query: &query, copies })?;
        log.set_operation(operation, &credential);
        tracing::Span::current().record("operation", operation.name());
        check_owner(&headers, &credential)?;
        let framing = self.framing(payload, &headers)?;
        let body = RequestBody::new(body, framing, self.env.clock.clone(), log.received());
        operation.run(self, Request { target, query, headers, body, credential }).await
    }

    /// Checks that the request with this head is signed by a known key.
    ///
    /// # Errors
    ///
    /// As the signature fails.
    pub(crate) fn check_signature(&self, head: &Parts) -> Result<()> {
        check_head(head)?;
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        self.authenticator.authenticate(head, &query).map(drop)
    }

    fn framing(&self, payload: Payload, headers: &http::HeaderMap) -> Result<BodyFraming> {
        let chunked = headers.contains_key(TRANSFER_ENCODING);
        let content_length = if chunked { None } else { Some(content_length(headers)?.unwrap_or(0)) };
        let checksum_trailer = checksum::announced_trailer(headers)?;
        let trailers_allowed = matches!(payload, Payload::Chunked { trailers: true, .. });
        if checksum_trailer.is_some() && !trailers_allowed {
            let message = "x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER";
            return Err(Error::with_message(ErrorCode::InvalidRequest, message));
        }
        Ok(BodyFraming { payload, content_length, checksum_trailer, patience: self.config.limits.body_patience })
    }

    /// Waits for room for an XML body of at most `size_max` bytes.
    ///
    /// # Errors
    ///
    /// `SlowDown` when the server is shutting down.
    pub(crate) async fn reserve_xml(&self, size_max: usize) -> Result<SemaphorePermit<'_>> {
        let size = size_max.min(self.config.limits.xml_bytes_max);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.xml_bytes.acquire_many(size).await.map_err(|_| ErrorCode::SlowDown.into())
    }

    /// Sixteen hexadecimal digits, as AWS forms them.
    fn request_id(&self) -> String {
        let mut bytes = [0; 8];
        self.env.entropy.fill(&mut bytes);
        format!("{:016X}", u64::from_le_bytes(bytes))
    }
}

/// Checks what HTTP leaves open.
fn check_head(head: &Parts) -> Result<()> {
    let headers: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if HEADER_SECTION_SIZE_MAX < headers + target {
        return Err(Error::new(ErrorCode::RequestHeaderSectionTooLarge)
            .detail("MaxSizeAllowed", HEADER_SECTION_SIZE_MAX.to_string()));
    }
    if head.headers.get_all(HOST).iter().nth(1).is_some() {
        return Err(Error::invalid_argument("Only one Host header is allowed", "Host", ""));
    }
    Ok(())
}

/// The declared size of the body on the wire.
pub(crate) fn content_length(headers: &http::HeaderMap) -> Result<Option<u64>> {
    let Some(value) = headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let size = value.to_str().ok().and_then(|text| text.parse().ok());
    size.map(Some).ok_or_else(|| Error::invalid_argument("Content-Length is not a number", "Content-Length", ""))
}

/// SDKs put the `x-amz-*` headers of a presigned request into its query, where the signature covers them as well.
fn hoist(query: &Query, headers: &mut http::HeaderMap) {
    for (name, value) in query.pairs() {
        // The parameters of the signature itself are written `X-Amz-...`.
        if !name.starts_with("x-amz-") || headers.contains_key(name.as_str()) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str())) {
            headers.insert(name, value);
        }
    }
}

/// Compares the owner that the client expects, of the bucket and of the source of a copy, with the only one there is.
fn check_owner(headers: &http::HeaderMap, credential: &Credential) -> Result<()> {
    for name in ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"] {
        let expected = single(headers, name)?;
        if expected.is_some_and(|expected| expected != credential.account.account_id()) {
            return Err(ErrorCode::AccessDenied.into());
        }
    }
    Ok(())
}
