//! The bytes of an upload, as they arrive.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use crate::checksum::Checksum;
use crate::error::{Error, Result};

/// The bytes of an upload. The store polls it only when it has room for more, which is the back-pressure.
pub trait Body: Send + Unpin {
    /// The next bytes, `None` after the last. Chunks may have any size.
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>>;

    /// The checksum that came with the end of the body (an HTTP trailer). Asked once, after the last chunk.
    fn trailer(&mut self) -> Option<Checksum> {
        None
    }
}

/// Why a body ended before its time. The store stores nothing and hands it back as [`crate::Error::Body`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The client went away or sent fewer bytes than it declared: `IncompleteBody`.
    #[error("the body ended early")]
    Incomplete,
    /// The client sent nothing for too long: `RequestTimeout`.
    #[error("the body made no progress for too long")]
    TooSlow,
    /// A signed chunk does not match its signature: `SignatureDoesNotMatch`.
    #[error("a chunk signature does not match")]
    ChunkSignature,
    /// The chunk framing or a trailer is malformed: `InvalidRequest`, with this reason.
    #[error("malformed body: {0}")]
    Malformed(&'static str),
    /// The payload does not have the SHA-256 that its signature covers: `XAmzContentSHA256Mismatch`.
    #[error("the payload does not match its signed SHA-256")]
    ContentSha256Mismatch,
}

/// A [`Body`] without trailers over any stream of chunks.
pub struct StreamBody<S>(pub S);

impl<S> Body for StreamBody<S>
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + Unpin,
{
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Pin::new(&mut self.0).poll_next(context)
    }
}

impl Body for Bytes {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let chunk = std::mem::take(&mut *self);
        Poll::Ready((!chunk.is_empty()).then_some(Ok(chunk)))
    }
}

/// Collects the chunks of a body, of whatever size, into buffers of the size asked for.
pub(crate) struct BodyReader {
    body: Box<dyn Body>,
    rest: Bytes,
    ended: bool,
    size: u64,
    size_max: u64,
}

impl BodyReader {
    /// Reads `body`, which is refused once it has more than `size_max` bytes.
    pub(crate) fn new(body: Box<dyn Body>, size_max: u64) -> Self {
        Self { body, rest: Bytes::new(), ended: false, size: 0, size_max }
    }

    /// Fills `buffer` from byte `filled` on until it is full or the body ends, and counts in `filled`. Cancel safe.
    ///
    /// # Errors
    ///
    /// `Body`, `EntityTooLarge`.
    pub(crate) async fn fill(&mut self, buffer: &mut [u8], filled: &mut usize) -> Result<()> {
        while *filled < buffer.len() {
            if self.rest.is_empty() {
                self.fetch().await?;
                if self.ended {
                    return Ok(());
                }
            }
            let count = self.rest.len().min(buffer.len() - *filled);
            buffer[*filled..*filled + count].copy_from_slice(&self.rest.split_to(count));
            *filled += count;
        }
        Ok(())
    }

    /// Bytes received so far; all of them once the body has ended.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that went into buffers so far.
    pub(crate) fn handed_out(&self) -> u64 {
        self.size - self.rest.len() as u64
    }

    /// Whether the bytes already handed out are all there are, of a body of this size if it is known. Waits for the next
    /// ones otherwise. Cancel safe.
    ///
    /// # Errors
    ///
    /// `Body`, `EntityTooLarge`.
    pub(crate) async fn is_at_end(&mut self, size: Option<u64>) -> Result<bool> {
        if let Some(size) = size {
            return Ok(self.handed_out() == size);
        }
        while self.rest.is_empty() && !self.ended {
            self.fetch().await?;
        }
        Ok(self.rest.is_empty())
    }

    /// Waits for the body's next chunk, once the one before has been handed out.
    async fn fetch(&mut self) -> Result<()> {
        match poll_fn(|context| Pin::new(&mut *self.body).poll_chunk(context)).await {
            Some(chunk) => self.rest = chunk?,
            None => self.ended = true,
        }
        self.size += self.rest.len() as u64;
        if self.size_max < self.size {
            return Err(Error::EntityTooLarge { size: self.size, limit: self.size_max });
        }
        Ok(())
    }

    /// Makes sure that nothing follows the bytes already handed out.
    ///
    /// # Errors
    ///
    /// `Body` when the body is longer than declared or fails.
    pub(crate) async fn finish(&mut self) -> Result<Option<Checksum>> {
        if !self.ended {
            let mut excess = 0;
            self.fill(&mut [0], &mut excess).await?;
            if 0 < excess {
                return Err(BodyError::Malformed("the body is longer than declared").into());
            }
        }
        Ok(self.body.trailer())
    }
}
