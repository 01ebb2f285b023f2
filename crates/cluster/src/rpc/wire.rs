//! A call as an HTTP/1.1 request, an answer as its response: `docs/formats/node-calls.md`.
//!
//! `POST` to the method's path. `x-head` is the length of the head, with which the body begins; `x-deadline` the
//! milliseconds that the caller waits. The answer is 200 with `x-head`, 400 for a call that makes no sense, 403 for a
//! caller that may not ask, 503 for one call too many.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use env::Clock;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::call::{Answer, Call, Method};

const HEAD: HeaderName = HeaderName::from_static("x-head");
const DEADLINE: HeaderName = HeaderName::from_static("x-deadline");

/// Largest body of a call or an answer, head included: a batch of log entries takes half of it at most.
const SIZE_MAX: usize = 72 << 20;

/// Longest time that a callee works for one call.
pub(crate) const DEADLINE_MAX: Duration = Duration::from_secs(120);

/// A transfer of which nothing comes or goes for this long has stalled; noticed before twice that time. Longer than a callee
/// lets a call wait before it reads its body.
pub(crate) const PROGRESS_DEADLINE: Duration = Duration::from_secs(3);

/// Bytes handed over at a time: as fine as progress is seen.
const FRAME_SIZE: usize = 256 << 10;

/// Head and body in pieces, of known length, without copying.
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    size: u64,
    left: Arc<AtomicU64>,
}

impl Pieces {
    fn new(head: Bytes, body: Vec<Bytes>) -> Self {
        let pieces: VecDeque<Bytes> = std::iter::once(head).chain(body).filter(|piece| !piece.is_empty()).collect();
        let size = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, size, left: Arc::new(AtomicU64::new(size)) }
    }

    /// Tells how far the transfer is.
    fn sending(&self) -> Sending {
        Sending(self.left.clone())
    }
}

/// How much of a message is still to be handed over to the connection.
pub(crate) struct Sending(Arc<AtomicU64>);

impl Sending {
    /// Resolves when the connection takes nothing for too long; never once it has taken everything.
    pub(crate) async fn stalled(self, clock: &dyn Clock) {
        let mut before = self.0.load(Ordering::Relaxed);
        while 0 < before {
            clock.sleep(PROGRESS_DEADLINE).await;
            let left = self.0.load(Ordering::Relaxed);
            if left == before && 0 < left {
                return;
            }
            before = left;
        }
        std::future::pending().await
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Ready(None) };
        if FRAME_SIZE < piece.len() {
            let rest = piece.split_off(FRAME_SIZE);
            self.pieces.push_front(rest);
        }
        self.size -= piece.len() as u64;
        self.left.store(self.size, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.size)
    }
}

/// The request that carries `call` to `host`, and what tells how far it is.
pub(crate) fn request(host: &str, call: Call) -> (Request<Pieces>, Sending) {
    let deadline = u64::try_from(call.deadline.as_millis()).unwrap_or(u64::MAX);
    let head_size = call.head.len();
    let pieces = Pieces::new(call.head, call.body);
    let sending = pieces.sending();
    let request = Request::post(call.method.path())
        .header(http::header::HOST, host)
        .header(HEAD, head_size)
        .header(DEADLINE, deadline)
        .body(pieces)
        .expect("paths and numbers make a request");
    (request, sending)
}

/// The call that a request carries; `Err` is what to answer.
pub(crate) async fn read_call(clock: &dyn Clock, request: Request<Incoming>) -> Result<Call, StatusCode> {
    let method = Method::of_path(request.uri().path()).ok_or(StatusCode::BAD_REQUEST)?;
    let deadline = number(request.headers(), &DEADLINE).ok_or(StatusCode::BAD_REQUEST)?;
    let deadline = Duration::from_millis(deadline).min(DEADLINE_MAX);
    let head_size = number(request.headers(), &HEAD).ok_or(StatusCode::BAD_REQUEST)?;
    let pieces = read_pieces(clock, head_size, request.into_body()).await;
    let (head, body) = pieces.map_err(|_| StatusCode::BAD_REQUEST)?;
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
pub(crate) async fn read_answer(clock: &dyn Clock, response: Response<Incoming>) -> Result<Answer, String> {
    let head_size = number(response.headers(), &HEAD).ok_or("the answer has no head")?;
    let (head, body) = read_pieces(clock, head_size, response.into_body()).await?;
    Ok(Answer { head, body })
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Reads head and body, as long as something comes.
async fn read_pieces<B>(clock: &dyn Clock, head_size: u64, body: B) -> Result<(Bytes, Vec<Bytes>), String>
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Display,
{
    let mut body = pin!(body);
    let mut frames = VecDeque::new();
    let (mut size, mut size_before) = (0, 0);
    let mut expired = clock.sleep(PROGRESS_DEADLINE);
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut expired => {
                if size == size_before {
                    return Err(format!("nothing came for {PROGRESS_DEADLINE:?}"));
                }
                size_before = size;
                expired = clock.sleep(PROGRESS_DEADLINE);
                continue;
            }
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|error| error.to_string())?.into_data() else { continue };
        size += data.len();
        if SIZE_MAX < size {
            return Err("the message is too long".to_owned());
        }
        frames.push_back(data);
    }
    let head_size = usize::try_from(head_size).ok().filter(|head_size| *head_size <= size);
    let head_size = head_size.ok_or("the head is longer than the message")?;
    let head = take(&mut frames, head_size);
    let rest = take(&mut frames, size - head_size);
    Ok((head, if rest.is_empty() { Vec::new() } else { vec![rest] }))
}

/// Takes the first `size` bytes, which are there, off `frames`; copies them only if they came in several.
fn take(frames: &mut VecDeque<Bytes>, size: usize) -> Bytes {
    if let Some(first) = frames.front_mut().filter(|first| size <= first.len()) {
        return first.split_to(size);
    }
    let mut taken = BytesMut::with_capacity(size);
    while taken.len() < size {
        let Some(mut frame) = frames.pop_front() else { break };
        let lacking = size - taken.len();
        if lacking < frame.len() {
            frames.push_front(frame.split_off(lacking));
        }
        taken.extend_from_slice(&frame);
    }
    taken.freeze()
}

#[cfg(test)]
mod tests {
    use env::{ManualClock, UnixMillis};
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;

    use super::*;

    fn clock() -> ManualClock {
        ManualClock::new(UnixMillis(0))
    }

    fn frames(sizes: &[usize]) -> impl Iterator<Item = Result<Frame<Bytes>, Infallible>> {
        let frame = |(size, value): (usize, u8)| Ok(Frame::data(Bytes::from(vec![value; size])));
        sizes.iter().copied().zip(1..).map(frame)
    }

    #[tokio::test]
    async fn head_and_body_are_cut_wherever_frames_end() {
        for sizes in [&[9][..], &[4, 5], &[1, 1, 1, 1, 1, 1, 3], &[8, 1], &[3, 6]] {
            let whole: Vec<u8> = frames(sizes).flat_map(|frame| frame.unwrap().into_data().unwrap()).collect();
            for head_size in 0..=9 {
                let body = StreamBody::new(stream::iter(frames(sizes)));
                let (head, rest) = read_pieces(&clock(), head_size as u64, body).await.unwrap();
                assert_eq!([head, rest.concat().into()].concat(), whole, "{sizes:?}, a head of {head_size}");
                assert_eq!(rest.len(), usize::from(head_size < 9));
            }
            let body = StreamBody::new(stream::iter(frames(sizes)));
            assert!(read_pieces(&clock(), 10, body).await.is_err());
        }
    }

    #[tokio::test]
    async fn a_message_that_stops_coming_is_given_up() {
        let clock = clock();
        let stalls = StreamBody::new(stream::iter(frames(&[5, 5])).chain(stream::pending()));
        let given_up = read_pieces(&clock, 3, stalls).await;
        assert!(given_up.is_err_and(|reason| reason.contains("nothing came")));
        assert!(clock.monotonic() <= 3 * PROGRESS_DEADLINE, "{:?}", clock.monotonic());
    }

    #[tokio::test]
    async fn a_message_that_is_not_taken_is_given_up_and_one_that_was_taken_is_not() {
        let mut pieces = Pieces::new(Bytes::from_static(b"head"), vec![vec![7; FRAME_SIZE + 1].into()]);
        let sizes = |pieces: &Pieces| pieces.size_hint().exact();
        assert_eq!(sizes(&pieces), Some(FRAME_SIZE as u64 + 5));
        pieces.frame().await;
        let clock = clock();
        pieces.sending().stalled(&clock).await;
        for size in [FRAME_SIZE, 1] {
            assert_eq!(pieces.frame().await.unwrap().unwrap().into_data().unwrap().len(), size);
        }
        let stalled = tokio::time::timeout(Duration::from_millis(50), pieces.sending().stalled(&clock));
        assert!(stalled.await.is_err(), "it waits for the answer only");
    }
}
