//! The bytes of an upload, as they arrive.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use crate::checksum::Checksum;

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
