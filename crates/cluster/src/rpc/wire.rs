//! A call as an HTTP/1.1 request, an answer as its response: `docs/formats/node-calls.md`.
//!
//! `POST` to the method's path. `x-head` is the length of the head, with which the body begins; `x-deadline` the
//! milliseconds that the caller waits. The answer is 200 with `x-head`, 400 for a call that makes no sense, 403 for a
//! caller that may not ask, 503 for one call too many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::call::{Answer, Call, Method};

const HEAD: HeaderName = HeaderName::from_static("x-head");
const DEADLINE: HeaderName = HeaderName::from_static("x-deadline");

/// Largest body of a call or an answer, head included: a batch of log entries takes half of it at most.
const SIZE_MAX: usize = 72 << 20;

/// Longest time that a callee works for one call.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(120);

/// Head and body in pieces, of known length, without copying.
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    size: u64,
}

impl Pieces {
    fn new(head: Bytes, body: Vec<Bytes>) -> Self {
        let pieces: VecDeque<Bytes> = std::iter::once(head).chain(body).filter(|piece| !piece.is_empty()).collect();
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, size }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.size -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size)
    }
}

/// The request that carries `call` to `host`.
pub(crate) fn request(host: &str, call: Call) -> Request<Pieces> {
    let deadline = u64::try_from(call.deadline.as_millis()).unwrap_or(u64::MAX);
    Request::post(call.method.path())
        .header(http::header::HOST, host)
        .header(HEAD, call.head.len())
        .header(DEADLINE, deadline)
        .body(Pieces::new(call.head, call.body))
        .expect("paths and numbers make a request")
}

/// The call that a request carries; `Err` is what to answer.
pub(crate) async fn read_call(request: Request<Incoming>) -> Result<Call, StatusCode> {
    let method = Method::of_path(request.uri().path()).ok_or(StatusCode::BAD_REQUEST)?;
    let deadline = number(request.headers(), &DEADLINE).ok_or(StatusCode::BAD_REQUEST)?;
    let deadline = Duration::from_millis(deadline).min(DEADLINE_MAX);
    let head_size = number(request.headers(), &HEAD).ok_or(StatusCode::BAD_REQUEST)?;
    let (head, body) = read_pieces(head_size, request.into_body()).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Call { method, head, body, deadline })
}

/// The response that carries `answer`.
pub(crate) fn response(answer: Answer) -> Response<Pieces> {
    let head_size = answer.head.len();
    let mut response = Response::new(Pieces::new(answer.head, answer.body));
    response.headers_mut().insert(HEAD, head_size.into());
    response
}

/// The response that says `status` and nothing else.
pub(crate) fn refusal(status: StatusCode) -> Response<Pieces> {
    let mut response = Response::new(Pieces::new(Bytes::new(), Vec::new()));
    *response.status_mut() = status;
    response
}

/// The answer in the body of a response.
pub(crate) async fn read_answer(response: Response<Incoming>) -> Result<Answer, String> {
    let head_size = number(response.headers(), &HEAD).ok_or("the answer has no head")?;
    let (head, body) = read_pieces(head_size, response.into_body()).await?;
    Ok(Answer { head, body })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

async fn read_pieces(head_size: u64, body: Incoming) -> Result<(Bytes, Vec<Bytes>), String> {
    let collected = Limited::new(body, SIZE_MAX).collect().await.map_err(|error| error.to_string())?;
    let mut whole = collected.aggregate();
    let head_size = usize::try_from(head_size).ok().filter(|size| *size <= whole.remaining());
    let head = whole.copy_to_bytes(head_size.ok_or("the head is longer than the message")?);
    let rest = whole.copy_to_bytes(whole.remaining());
    Ok((head, if rest.is_empty() { Vec::new() } else { vec![rest] }))
}
