//! The body of a form on its way to the parser, which would otherwise hold all that is there at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use store::BodyError;

/// Most bytes that the parser gets at once.
const PIECE_SIZE_MAX: usize = 64 * 1024;

/// Most bytes before the file, with all that is around the fields.
pub(super) const HEAD_SIZE_MAX: usize = 2 * PIECE_SIZE_MAX;

/// What ends a body that has more than that.
pub(super) const TOO_MUCH: BodyError = BodyError::Malformed("too much comes before the file of a form");

/// What the reader of a form tells its [`Gate`]: that the file has begun, which may be as long as it likes.
#[derive(Clone, Default)]
pub(super) struct Lever(Arc<AtomicBool>);

impl Lever {
    /// Lets through whatever comes.
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets one piece of `body` through each time that the parser is asked for something, and so many bytes before the file.
pub(super) struct Gate<S> {
    body: S,
    lever: Lever,
    /// What is here already and has not been let through.
    waiting: Bytes,
    /// Bytes that may still come before the file.
    remaining_size: usize,
    /// Whether the parser has its piece; it asks again at once, and is put off once.
    has_piece: bool,
}

impl<S: Stream<Item = Result<Bytes, BodyError>> + Unpin> Gate<S> {
    /// Lets `body` through as `lever` has it.
    pub(super) fn new(body: S, lever: Lever) -> Self {
        Self { body, lever, waiting: Bytes::new(), remaining_size: HEAD_SIZE_MAX, has_piece: false }
    }

    fn take_piece(&mut self) -> Result<Bytes, BodyError> {
        let size = self.waiting.len().min(PIECE_SIZE_MAX);
        if !self.lever.is_open() {
            self.remaining_size = self.remaining_size.checked_sub(size).ok_or(TOO_MUCH)?;
        }
        self.has_piece = true;
        Ok(self.waiting.split_to(size))
    }
}

impl<S: Stream<Item = Result<Bytes, BodyError>> + Unpin> Stream for Gate<S> {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if std::mem::take(&mut this.has_piece) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while this.waiting.is_empty() {
            match Pin::new(&mut this.body).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => this.waiting = bytes,
                other => return other,
            }
        }
        Poll::Ready(Some(this.take_piece()))
    }
}
