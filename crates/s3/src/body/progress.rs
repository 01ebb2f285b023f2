//! Cuts off a client that sends its body too slowly.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use env::Clock;
use http_body::Body as _;
use store::BodyError;

/// What a client must at least send in the time it is given. At 30 seconds this is slower than any modem; it is there so
/// that a byte now and then does not hold a connection for ever.
const PROGRESS_SIZE_MIN: usize = 4096;

/// The bytes of a request as they come off the connection, with a deadline for every few kilobytes.
///
/// The time runs only while the server waits for the client, since nobody polls the body otherwise.
pub(super) struct ProgressBody {
    body: axum::body::Body,
    clock: Arc<dyn Clock>,
    patience: Duration,
    /// Runs since the client last made progress; `None` while data is there.
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    received_since: usize,
}

impl ProgressBody {
    /// Gives the client `patience` for every few kilobytes of `body`.
    pub(super) fn new(body: axum::body::Body, clock: Arc<dyn Clock>, patience: Duration) -> Self {
        Self { body, clock, patience, timer: None, received_since: 0 }
    }

    /// The next bytes, `None` after the last.
    pub(super) fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers of HTTP itself are not part of the S3 protocol.
                    let Ok(data) = frame.into_data() else { continue };
                    self.received_since += data.len();
                    if PROGRESS_SIZE_MIN <= self.received_since {
                        self.timer = None;
                        self.received_since = 0;
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(BodyError::Incomplete))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    let timer = self.timer.get_or_insert_with(|| self.clock.sleep(self.patience));
                    return match timer.as_mut().poll(context) {
                        Poll::Ready(()) => Poll::Ready(Some(Err(BodyError::TooSlow))),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}
