//! [`Frontend`]: one request from its head to its answer.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::Env;
use http::header::{CONTENT_LENGTH, DATE, HOST, ORIGIN, SERVER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use iam::Account;
use identity::{Directory, Found, Known, LookUpError};
use store::Store;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use crate::access::Admission;
use crate::access_log::AccessLog;
use crate::auth::{self, Authenticated, Authenticator, Payload, Service};
use crate::body::{BodyFraming, Received, RequestBody};
use crate::bucket_logs::BucketLogs;
use crate::caller::Caller;
use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::federation::Issuers;
use crate::form::{self, Form};
use crate::header::checksum;
use crate::operation::{self, Call, Operation};
use crate::query_api;
use crate::request::{Origin, Request};
use crate::response::{self, ErrorContext, Response};
use crate::settings::{Crossing, Settings, SettingsCache};
use crate::target::{Target, bucket_of_host, is_accelerated};
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
    pub(crate) settings: SettingsCache,
    pub(crate) directory: Arc<Directory>,
    pub(crate) issuers: Issuers,
    pub(crate) authenticator: Authenticator,
    /// What the logs of buckets are to get.
    pub(crate) logs: Arc<BucketLogs>,
    xml_bytes: Semaphore,
    /// Names this server in `x-amz-id-2`.
    pub(crate) host_id: String,
}

impl Frontend {
    /// Serves `store` to whoever holds a key of `directory`.
    pub fn new(env: Env, store: Store, directory: Arc<Directory>, config: Config) -> Self {
        let mut host_id = [0; 24];
        env.entropy.fill(&mut host_id);
        let host_id = STANDARD.encode(host_id);
        let logs = Arc::new(BucketLogs::new(env.clock.clone(), &host_id, config.limits.bucket_log_bytes_max));
        let authenticator = Authenticator::new(&config, env.clock.clone());
        let xml_bytes = Semaphore::new(config.limits.xml_bytes_max);
        let settings = SettingsCache::default();
        let issuers = Issuers::new(env.clone(), config.private_issuers);
        Self { store, config, env, settings, directory, issuers, authenticator, logs, xml_bytes, host_id }
    }

    /// Answers one request. Always answers: what goes wrong becomes an S3 error.
    pub async fn handle(&self, remote: Option<SocketAddr>, request: http::Request<Body>) -> Response {
        let (head, body) = request.into_parts();
        let request_id = self.request_id();
        let target = Target::parse(&head, &self.config.domains);
        let mut log = AccessLog::new(self.env.clock.clone(), self.logs.clone(), &request_id, &head, remote);
        log.set_target(target.as_ref().ok());
        let website = bucket_of_host(&head, &self.config.website_domains);
        let bucket = website.clone().or_else(|| target.as_ref().ok()?.bucket().map(str::to_owned));
        let notes = log.notes();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let crossing = head.headers.contains_key(ORIGIN).then(|| head.headers.clone());
        let span = tracing::info_span!("request", request_id, bucket, operation = tracing::field::Empty);
        let mut response = match website {
            Some(bucket) => self.visit(&bucket, &head, remote, &request_id, &mut log).instrument(span).await,
            None => {
                let known = target.as_ref().ok().cloned();
                let answer = self.answer(head, body, target, remote, &mut log).instrument(span).await;
                answer.unwrap_or_else(|error| {
                    log.set_error(&error);
                    let (target, request_id, host_id) = (known.as_ref(), request_id.as_str(), self.host_id.as_str());
                    response::error(&error, &ErrorContext { method: &method, path: &path, target, request_id, host_id })
                })
            }
        };
        if let Some(bucket) = bucket {
            if notes.lack_bucket()
                && let Ok(access) = self.bucket_access(&bucket).await
            {
                notes.bucket(&access);
            }
            if let Some(crossing) = crossing.filter(|_| method != Method::OPTIONS) {
                allow_crossing(&crossing, &method, notes.settings().as_deref(), response.headers_mut());
            }
        }
        let headers = response.headers_mut();
        response::set(headers, HeaderName::from_static("x-amz-request-id"), &request_id);
        response::set(headers, HeaderName::from_static("x-amz-id-2"), &self.host_id);
        headers.insert(SERVER, HeaderValue::from_static("Stonecrop"));
        response::set(headers, DATE, &timestamp::http_date(self.env.clock.now()));
        log.attach(response)
    }

    async fn answer(
        &self,
        head: Parts,
        body: Body,
        target: Result<Target>,
        remote: Option<SocketAddr>,
        log: &mut AccessLog,
    ) -> Result<Response> {
        check_head(&head)?;
        if head.method == Method::OPTIONS {
            return operation::preflight(self, &head, &target?, &log.notes()).await;
        }
        if let Ok(Target::Service) = &target
            && query_api::is_call(&head)
        {
            return Ok(self.answer_call(head, body, remote, log).await);
        }
        let is_accelerated = is_accelerated(&head, &self.config.domains)?;
        let origin = Origin { remote, is_accelerated, notes: log.notes(), seen_at: None };
        if let Ok(Target::Bucket(bucket)) = &target
            && form::is_form(&head)
        {
            return self.post_form(bucket, &head, body, origin, log).await;
        }
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let (Authenticated { signature, payload }, seen_at) = self.authenticate(&head, &query).await?;
        let origin = Origin { seen_at, ..origin };
        let mut headers = head.headers;
        if signature.as_ref().is_some_and(|signature| signature.presigned) {
            hoist(&query, &mut headers);
        }
        let target = target?;
        let copies = headers.contains_key("x-amz-copy-source");
        let operation = Operation::choose(&Call { method: &head.method, target: &target, query: &query, copies })?;
        let caller = Caller::of(signature.as_ref());
        log.set_operation(operation.name(), &caller);
        tracing::Span::current().record("operation", operation.name());
        let body = self.body(body, payload, &headers, log.received())?;
        self.perform(Request { query, headers, ..Request::new(operation, target, body, caller, origin) }).await
    }

    /// Answers an upload by a form as the PutObject that it stands for.
    async fn post_form(
        &self,
        bucket: &str,
        head: &Parts,
        body: Body,
        mut origin: Origin,
        log: &mut AccessLog,
    ) -> Result<Response> {
        tracing::Span::current().record("operation", form::OPERATION);
        let body = self.body(body, Payload::Unsigned, &head.headers, log.received())?;
        let mut form = Form::read(bucket, head, body).await?;
        let claimed = form.claim()?.map(|claim| self.authenticator.form_access_key(&claim)).transpose()?;
        let signature = match claimed {
            Some(access_key) => {
                let Found { known, found_at } = self.find(&access_key, form.token()).await?;
                origin.seen_at = found_at;
                Some(form.verify(&self.authenticator, known, self.env.clock.now())?)
            }
            None => None,
        };
        let caller = Caller::of(signature.as_ref());
        log.set_operation(form::OPERATION, &caller);
        let (sent, put) = form.open();
        let body = self.body(put.body, Payload::Unsigned, &put.headers, Arc::default())?;
        log.set_target(Some(&put.target));
        let request = Request::new(Operation::PutObject, put.target, body, caller, origin);
        sent.answer(self.perform(Request { headers: put.headers, ..request }).await)
    }

    /// Decides about `request`, and does what it asks for.
    pub(crate) async fn perform(&self, mut request: Request) -> Result<Response> {
        let operation = request.operation;
        request.notes.operation(operation);
        let Admission { may_list, charged } = self.enter(&mut request).await?;
        let mut answer = operation.run(self, request).await.map_err(|error| match error.code() {
            // Who may not list must not learn by asking which keys there are.
            ErrorCode::NoSuchKey if !may_list => ErrorCode::AccessDenied.into(),
            _ => error,
        })?;
        if charged {
            response::set(answer.headers_mut(), HeaderName::from_static("x-amz-request-charged"), "requester");
        }
        Ok(answer)
    }

    /// Finds out who sent the request with this head, and whether they signed all of it; with the index of the state that
    /// was read for it, if one was.
    async fn authenticate(&self, head: &Parts, query: &Query) -> Result<(Authenticated, Option<u64>)> {
        let Some(claim) = self.authenticator.claim(head, query, &[Service::S3])? else {
            return Ok((auth::unsigned(head, query)?, None));
        };
        let Found { known, found_at } = self.find(claim.access_key(), claim.token()).await?;
        let region = claim.region().to_owned();
        let authenticated = self.authenticator.verify(claim, head, query, known.clone())?;
        self.note_use(&known, Service::S3, &region);
        Ok((authenticated, found_at))
    }

    /// Whose access key it is.
    ///
    /// # Errors
    ///
    /// `InvalidAccessKeyId`, `InvalidToken`, `ExpiredToken`.
    async fn find(&self, access_key: &str, token: Option<&str>) -> Result<Found> {
        self.directory.find(access_key, token).await.map_err(|error| match error {
            LookUpError::UnknownKey => Error::new(ErrorCode::InvalidAccessKeyId).detail("AWSAccessKeyId", access_key),
            error => error.into(),
        })
    }

    /// Notes that a lasting key was used; the one that the server was started with is always in use.
    pub(crate) fn note_use(&self, known: &Known, service: Service, region: &str) {
        let access_key = known.credential.access_key.as_str();
        if !known.is_temporary() && access_key != self.directory.root().credential.access_key.as_str() {
            self.directory.note_use(access_key, service.name(), region);
        }
    }

    /// The account with this canonical id, if it is one of this server's.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` when the metadata does not answer.
    pub(crate) async fn known_account(&self, canonical_id: &str) -> Result<Option<Account>> {
        let root = self.directory.root();
        let root = &root.credential.account;
        if root.canonical_id() == canonical_id {
            return Ok(Some(root.clone()));
        }
        Ok(self.directory.account(canonical_id).await?)
    }

    /// The account with this canonical id.
    ///
    /// # Errors
    ///
    /// `ServiceUnavailable` when the metadata does not answer.
    pub(crate) async fn account(&self, canonical_id: &str) -> Result<Account> {
        let known = self.known_account(canonical_id).await?;
        Ok(known.unwrap_or_else(|| Account::nameless(canonical_id)))
    }

    /// Checks that the request with this head is signed by the root user of the cluster's own account.
    ///
    /// # Errors
    ///
    /// As the signature fails; `AccessDenied` for anybody else.
    pub(crate) async fn check_signature(&self, head: &Parts) -> Result<()> {
        check_head(head)?;
        let query = Query::parse(head.uri.query().unwrap_or_default())?;
        let signature = self.authenticate(head, &query).await?.0.signature;
        let is_operator = |known: &Known| known.principal.is_root() && known.credential.account == Account::root();
        let by_operator = signature.is_some_and(|signature| is_operator(&signature.known));
        if by_operator { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
    }

    /// The body of a request with these headers, whose bytes `received` counts.
    ///
    /// # Errors
    ///
    /// What is wrong with what the headers say about it.
    pub(crate) fn body(
        &self,
        body: Body,
        payload: Payload,
        headers: &HeaderMap,
        received: Arc<Received>,
    ) -> Result<RequestBody> {
        let chunked = headers.contains_key(TRANSFER_ENCODING);
        let content_length = if chunked { None } else { Some(content_length(headers)?.unwrap_or(0)) };
        let checksum_trailer = checksum::announced_trailer(headers)?;
        let trailers_allowed = matches!(payload, Payload::Chunked { trailers: true, .. });
        if checksum_trailer.is_some() && !trailers_allowed {
            let message = "x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER";
            return Err(Error::with_message(ErrorCode::InvalidRequest, message));
        }
        let framing =
            BodyFraming { payload, content_length, checksum_trailer, patience: self.config.limits.body_patience };
        Ok(RequestBody::new(body, framing, self.env.clock.clone(), received))
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

/// Tells the browser whose page of another origin has sent a request what that page may see of the answer.
fn allow_crossing(sent: &HeaderMap, method: &Method, settings: Option<&Settings>, answer: &mut HeaderMap) {
    let cors = settings.and_then(|settings| settings.cors.as_ref());
    let allowed = cors.zip(Crossing::of(sent, method)).and_then(|(cors, crossing)| cors.allow(&crossing));
    if let Some(allowed) = allowed {
        operation::write_allowed(answer, &allowed);
    }
}

/// Checks what HTTP leaves open.
pub(crate) fn check_head(head: &Parts) -> Result<()> {
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
