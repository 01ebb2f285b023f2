//! What is known about a request: one structured event (the canonical log line), the counters beside it, and the lines that
//! the logs of buckets get ([`BucketLogs`]).

mod line;
mod notes;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use env::{Clock, UnixMillis};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, HOST, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use iam::AccessKey;

use crate::body::Received;
use crate::bucket_logs::BucketLogs;
use crate::caller::Caller;
use crate::error::{Error, ErrorCode};
use crate::response::{ObjectSize, Response, VERSION_ID};
use crate::target::Target;
use line::Subject;
use notes::Noted;

pub(crate) use notes::{LoggedBucket, Notes};

/// What is known about a request so far. Written when it is dropped: when the last byte of the response is out, or when
/// the client went away before.
pub(crate) struct AccessLog {
    clock: Arc<dyn Clock>,
    logs: Arc<BucketLogs>,
    started: Duration,
    asked: Asked,
    target: Option<Target>,
    access_key: Option<String>,
    /// Who asks, as the logs of buckets name them.
    requester: Option<String>,
    operation: &'static str,
    is_website: bool,
    notes: Arc<Notes>,
    error_code: Option<&'static str>,
    /// `None` until there is a response.
    status: Option<StatusCode>,
    version: Option<String>,
    object_size: Option<u64>,
    turn_around: Option<Duration>,
    received: Arc<Received>,
    sent: u64,
    /// Whether the response ended as its headers promised.
    complete: bool,
}

/// The head of a request, as far as logs repeat it.
struct Asked {
    id: String,
    received_at: UnixMillis,
    remote: Option<SocketAddr>,
    method: http::Method,
    uri: http::Uri,
    version: http::Version,
    headers: HeaderMap,
    /// What the sender claims to have signed with, and where.
    signature: Option<(&'static str, &'static str)>,
}

impl Asked {
    fn of(head: &Parts, id: &str, received_at: UnixMillis, remote: Option<SocketAddr>) -> Self {
        let kept = [HOST, REFERER, USER_AGENT].into_iter();
        Self {
            id: id.to_owned(),
            received_at,
            remote,
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: kept.filter_map(|name| head.headers.get(&name).map(|value| (name, value.clone()))).collect(),
            signature: signature(head),
        }
    }

    fn header(&self, name: &'static str) -> Option<&HeaderValue> {
        self.headers.get(HeaderName::from_static(name))
    }
}

/// What the head claims to be signed with, and where. Whether it is true is for others to find out.
fn signature(head: &Parts) -> Option<(&'static str, &'static str)> {
    if let Some(header) = head.headers.get(AUTHORIZATION) {
        let version = if header.as_bytes().starts_with(b"AWS4-") { "SigV4" } else { "SigV2" };
        return Some((version, "AuthHeader"));
    }
    let query = head.uri.query()?;
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match () {
        () if has("X-Amz-Signature") => Some(("SigV4", "QueryString")),
        () if has("Signature") && has("AWSAccessKeyId") => Some(("SigV2", "QueryString")),
        () => None,
    }
}

impl AccessLog {
    /// Starts the record of a request.
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        logs: Arc<BucketLogs>,
        request_id: &str,
        head: &Parts,
        remote: Option<SocketAddr>,
    ) -> Self {
        Self {
            started: clock.monotonic(),
            asked: Asked::of(head, request_id, clock.now(), remote),
            clock,
            logs,
            target: None,
            access_key: None,
            requester: None,
            operation: "Unknown",
            is_website: false,
            notes: Arc::default(),
            error_code: None,
            status: None,
            version: None,
            object_size: None,
            turn_around: None,
            received: Arc::default(),
            sent: 0,
            complete: false,
        }
    }

    /// Notes what the request is about.
    pub(crate) fn set_target(&mut self, target: Option<&Target>) {
        self.target = target.cloned();
    }

    /// Notes what the request does, and for whom.
    pub(crate) fn set_operation(&mut self, operation: &'static str, caller: &Caller) {
        self.operation = operation;
        self.access_key = caller.access_key.as_ref().map(AccessKey::to_string);
        let principal = &caller.principal;
        let arn = principal.caller_arn().filter(|_| !principal.is_root());
        self.requester = arn.or(principal.canonical_id()).map(str::to_owned);
    }

    /// Notes that a browser visits the website `target` is on.
    pub(crate) fn set_website(&mut self, target: Target) {
        self.set_operation("Website", &Caller::of(None));
        self.target = Some(target);
        self.is_website = true;
    }

    /// The id of the request.
    pub(crate) fn request_id(&self) -> &str {
        &self.asked.id
    }

    /// Where those who answer note what the logs of buckets tell.
    pub(crate) fn notes(&self) -> Arc<Notes> {
        self.notes.clone()
    }

    /// Notes why a call failed.
    pub(crate) fn set_error_code(&mut self, code: &'static str) {
        self.error_code = Some(code);
    }

    /// Notes why the request failed.
    pub(crate) fn set_error(&mut self, error: &Error) {
        self.error_code = Some(error.code().as_str());
    }

    /// The counter of bytes received.
    pub(crate) fn received(&self) -> Arc<Received> {
        self.received.clone()
    }

    /// Ties the record to the body of the response, whose end writes it.
    pub(crate) fn attach(mut self, response: Response) -> Response {
        self.status = Some(response.status());
        let (head, body) = response.into_parts();
        let version = head.headers.get(VERSION_ID).and_then(|version| version.to_str().ok());
        self.version = version.or(requested_version(&self.asked.uri)).map(str::to_owned);
        self.object_size = head.extensions.get().map(|ObjectSize(size)| *size).or_else(|| self.size_read(&head));
        let ready = self.received.last_at().max(self.started);
        self.turn_around = Some(self.clock.monotonic().saturating_sub(ready));
        self.complete = body.is_end_stream();
        http::Response::from_parts(head, Body::new(LoggedBody { body, log: self }))
    }

    /// The size of the object that an answer is from.
    fn size_read(&self, head: &http::response::Parts) -> Option<u64> {
        let is_object = matches!(self.target, Some(Target::Object { .. })) && head.status.is_success();
        let read = is_object && matches!(self.operation, "GetObject" | "HeadObject" | "Website");
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let of_range = text(CONTENT_RANGE).and_then(|range| range.rsplit_once('/')).map(|(_, size)| size);
        of_range.or(text(CONTENT_LENGTH)).filter(|_| read)?.parse().ok()
    }

    fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    fn write(&self) {
        let elapsed = self.elapsed();
        let received = self.received.bytes();
        let status = self.status.map(|status| status.as_u16());
        let label = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        metrics::counter!("stonecrop_s3_requests_total", "operation" => self.operation, "status" => label).increment(1);
        metrics::counter!("stonecrop_s3_received_bytes_total").increment(received);
        metrics::counter!("stonecrop_s3_sent_bytes_total").increment(self.sent);
        metrics::histogram!("stonecrop_s3_request_seconds", "operation" => self.operation).record(elapsed);
        let user_agent = self.asked.header("user-agent").and_then(|value| value.to_str().ok());
        tracing::info!(
            target: "s3::access",
            request_id = self.asked.id,
            operation = self.operation,
            method = self.asked.method.as_str(),
            bucket = self.target.as_ref().and_then(Target::bucket),
            key = self.target.as_ref().and_then(Target::key),
            status,
            error_code = self.error_code,
            bytes_in = received,
            bytes_out = self.sent,
            duration_ms = elapsed.as_secs_f64() * 1e3,
            complete = self.complete,
            access_key = self.access_key,
            remote = self.asked.remote.map(tracing::field::display),
            user_agent = user_agent.unwrap_or_default(),
            "request"
        );
    }

    /// Adds lines to the logs of the buckets that the request was about.
    fn write_lines(&self) {
        let Noted { operation, bucket, source, deletions, is_let_in_by_acl, .. } = self.notes.take();
        if let Some(bucket) = bucket {
            self.write_line(&bucket, &Subject::request(self, operation), is_let_in_by_acl);
            for deleted in &deletions {
                self.write_line(&bucket, &Subject::deletion(deleted), false);
            }
        }
        if let Some((bucket, source)) = source {
            self.write_line(&bucket, &Subject::source(self, operation, &source), false);
        }
    }

    fn write_line(&self, bucket: &LoggedBucket, subject: &Subject<'_>, by_acl: bool) {
        let text = line::write(self, bucket, subject, self.logs.host_id(), by_acl);
        self.logs.add(bucket, self.asked.received_at, text);
    }
}

/// The version that a request names.
fn requested_version(uri: &http::Uri) -> Option<&str> {
    let version = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("versionId="));
    version.filter(|version| !version.is_empty())
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.write();
        self.write_lines();
    }
}

/// The body of a response, and the record that is dropped, and so written, with it.
struct LoggedBody {
    body: Body,
    log: AccessLog,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = Pin::new(&mut this.body).poll_frame(context);
        match &frame {
            Poll::Ready(Some(Ok(frame))) => this.log.sent += frame.data_ref().map_or(0, Bytes::len) as u64,
            Poll::Ready(Some(Err(error))) => {
                // The head is out already: the client learns it by the connection's end.
                tracing::warn!(request_id = this.log.asked.id, %error, "an answer broke off");
                this.log.error_code = Some(ErrorCode::InternalError.as_str());
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        this.log.complete |= matches!(frame, Poll::Ready(None)) || this.body.is_end_stream();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_tells_how_it_claims_to_be_signed() {
        for (authorization, uri, expected) in [
            (None, "/bucket", None),
            (None, "/bucket?prefix=Signature=1", None),
            (Some("AWS4-HMAC-SHA256 Credential=..."), "/", Some(("SigV4", "AuthHeader"))),
            (Some("AWS key:signature"), "/", Some(("SigV2", "AuthHeader"))),
            (None, "/a/b?X-Amz-Date=1&X-Amz-Signature=ab", Some(("SigV4", "QueryString"))),
            (None, "/a/b?AWSAccessKeyId=a&Signature=ab&Expires=1", Some(("SigV2", "QueryString"))),
        ] {
            let mut request = http::Request::builder().uri(uri);
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(signature(&head), expected, "{authorization:?} {uri}");
        }
    }
}
