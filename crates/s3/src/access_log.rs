//! One structured event a request (the canonical log line), and the counters beside it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use env::Clock;
use http::StatusCode;
use http::request::Parts;
use http_body::{Body as _, Frame, SizeHint};
use iam::AccessKey;

use crate::caller::Caller;
use crate::error::{Error, ErrorCode};
use crate::response::Response;
use crate::target::Target;

/// What is known about a request so far. Written when it is dropped: when the last byte of the response is out, or when
/// the client went away before.
pub(crate) struct AccessLog {
    clock: Arc<dyn Clock>,
    started: Duration,
    request_id: String,
    method: http::Method,
    remote: Option<SocketAddr>,
    user_agent: String,
    target: Option<Target>,
    access_key: Option<String>,
    operation: &'static str,
    error_code: Option<&'static str>,
    /// `None` until there is a response.
    status: Option<StatusCode>,
    received: Arc<AtomicU64>,
    sent: u64,
    /// Whether the response ended as its headers promised.
    complete: bool,
}

impl AccessLog {
    /// Starts the record of a request.
    pub(crate) fn new(clock: Arc<dyn Clock>, request_id: &str, head: &Parts, remote: Option<SocketAddr>) -> Self {
        let user_agent = head.headers.get(http::header::USER_AGENT).and_then(|value| value.to_str().ok());
        Self {
            started: clock.monotonic(),
            clock,
            request_id: request_id.to_owned(),
            method: head.method.clone(),
            remote,
            user_agent: user_agent.unwrap_or_default().to_owned(),
            target: None,
            access_key: None,
            operation: "Unknown",
            error_code: None,
            status: None,
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
    }

    /// The id of the request.
    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
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
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        self.received.clone()
    }

    /// Ties the record to the body of the response, whose end writes it.
    pub(crate) fn attach(mut self, response: Response) -> Response {
        self.status = Some(response.status());
        let (head, body) = response.into_parts();
        self.complete = body.is_end_stream();
        http::Response::from_parts(head, Body::new(LoggedBody { body, log: self }))
    }

    fn write(&self) {
        let elapsed = self.clock.monotonic().saturating_sub(self.started);
        let received = self.received.load(Ordering::Relaxed);
        let status = self.status.map(|status| status.as_u16());
        let label = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        metrics::counter!("stonecrop_s3_requests_total", "operation" => self.operation, "status" => label).increment(1);
        metrics::counter!("stonecrop_s3_received_bytes_total").increment(received);
        metrics::counter!("stonecrop_s3_sent_bytes_total").increment(self.sent);
        metrics::histogram!("stonecrop_s3_request_seconds", "operation" => self.operation).record(elapsed);
        tracing::info!(
            target: "s3::access",
            request_id = self.request_id,
            operation = self.operation,
            method = self.method.as_str(),
            bucket = self.target.as_ref().and_then(Target::bucket),
            key = self.target.as_ref().and_then(Target::key),
            status,
            error_code = self.error_code,
            bytes_in = received,
            bytes_out = self.sent,
            duration_ms = elapsed.as_secs_f64() * 1e3,
            complete = self.complete,
            access_key = self.access_key,
            remote = self.remote.map(tracing::field::display),
            user_agent = self.user_agent,
            "request"
        );
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.write();
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
                tracing::warn!(request_id = this.log.request_id, %error, "an answer broke off");
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
