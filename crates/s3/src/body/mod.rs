//! The body of a request: decoded, measured and verified while it streams.

mod chunk_decoder;
pub(crate) mod digest;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod progress;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use env::Clock;
use futures_util::stream::{self, Stream};
use sha2::{Digest, Sha256};
use store::{Body, BodyError, Checksum, ChecksumAlgorithm};
use subtle::ConstantTimeEq;

use crate::auth::Payload;
use crate::error::{Error, ErrorCode, Result};
use crate::header::checksum;
use chunk_decoder::{ChunkDecoder, Trailers};
use progress::ProgressBody;

/// The bytes that a client means to send. Ends in an error, after which nothing may be stored, unless every check of
/// its [`Payload`] holds.
pub(crate) struct RequestBody {
    source: ProgressBody,
    decoding: Decoding,
    /// Bytes of the wire not yet decoded.
    pending: Bytes,
    /// Bytes still to come, when the client told their number.
    remaining_size: Option<u64>,
    /// The trailer that carries the checksum, as `x-amz-trailer` announced it.
    checksum_trailer: Option<ChecksumAlgorithm>,
    trailers: Trailers,
    clock: Arc<dyn Clock>,
    received: Arc<Received>,
    ended: bool,
}

enum Decoding {
    Plain,
    Sha256 { hasher: Sha256, expected: [u8; 32] },
    Chunked(ChunkDecoder),
}

/// How the body of a request arrives.
pub(crate) struct BodyFraming {
    /// How it is protected.
    pub(crate) payload: Payload,
    /// `Content-Length`.
    pub(crate) content_length: Option<u64>,
    /// The algorithm that `x-amz-trailer` announces.
    pub(crate) checksum_trailer: Option<ChecksumAlgorithm>,
    /// How long the client may take for the next few kilobytes.
    pub(crate) patience: Duration,
}

/// How many bytes of a request have come, and when the last of them.
#[derive(Debug, Default)]
pub(crate) struct Received {
    bytes: AtomicU64,
    last_at_micros: AtomicU64,
}

impl Received {
    fn add(&self, count: usize, now: Duration) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        self.last_at_micros.store(u64::try_from(now.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// When the last of them came, on the monotonic clock; zero without any.
    pub(crate) fn last_at(&self) -> Duration {
        Duration::from_micros(self.last_at_micros.load(Ordering::Relaxed))
    }
}

impl RequestBody {
    /// Wraps the bytes of the connection; counts those of the wire in `received`.
    pub(crate) fn new(
        body: axum::body::Body,
        framing: BodyFraming,
        clock: Arc<dyn Clock>,
        received: Arc<Received>,
    ) -> Self {
        let BodyFraming { payload, content_length, checksum_trailer, patience } = framing;
        let (decoding, remaining_size) = match payload {
            Payload::Unsigned => (Decoding::Plain, content_length),
            Payload::Sha256(expected) => (Decoding::Sha256 { hasher: Sha256::new(), expected }, content_length),
            Payload::Chunked { signer, trailers, decoded_size } => {
                (Decoding::Chunked(ChunkDecoder::new(signer, trailers, decoded_size)), Some(decoded_size))
            }
        };
        let source = ProgressBody::new(body, clock.clone(), patience);
        let (pending, trailers) = (Bytes::new(), Vec::new());
        Self { source, decoding, pending, remaining_size, checksum_trailer, trailers, clock, received, ended: false }
    }

    /// The bytes one after the other.
    pub(crate) fn into_stream(mut self) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
        stream::poll_fn(move |context| Pin::new(&mut self).poll_chunk(context))
    }

    /// Number of bytes the client declared to send, after decoding.
    pub(crate) fn declared_size(&self) -> Option<u64> {
        self.remaining_size
    }

    /// Reads a body that must fit in memory.
    ///
    /// # Errors
    ///
    /// `MaxMessageLengthExceeded` beyond `size_max`, otherwise what is wrong with the body.
    pub(crate) async fn read_bounded(&mut self, size_max: usize) -> Result<Bytes> {
        let too_large = || Error::new(ErrorCode::MaxMessageLengthExceeded);
        if self.remaining_size.is_some_and(|size| (size_max as u64) < size) {
            return Err(too_large());
        }
        let mut collected = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|context| Pin::new(&mut *self).poll_chunk(context)).await {
            let chunk = chunk?;
            if size_max < collected.len() + chunk.len() {
                return Err(too_large());
            }
            collected.extend_from_slice(&chunk);
        }
        Ok(collected.into())
    }

    /// Decodes what has arrived; `None` when more is needed.
    fn decode_pending(&mut self) -> Result<Option<Bytes>, BodyError> {
        let data = match &mut self.decoding {
            Decoding::Plain => Some(std::mem::take(&mut self.pending)),
            Decoding::Sha256 { hasher, .. } => {
                hasher.update(&self.pending);
                Some(std::mem::take(&mut self.pending))
            }
            Decoding::Chunked(decoder) => decoder.decode(&mut self.pending)?,
        };
        let Some(data) = data.filter(|data| !data.is_empty()) else { return Ok(None) };
        if let Some(remaining) = &mut self.remaining_size {
            let longer = BodyError::Malformed("the body is longer than declared");
            *remaining = remaining.checked_sub(data.len() as u64).ok_or(longer)?;
        }
        Ok(Some(data))
    }

    /// Checks what can be checked at the end only.
    fn finish(&mut self) -> Result<(), BodyError> {
        if self.remaining_size.is_some_and(|remaining| remaining > 0) {
            return Err(BodyError::Incomplete);
        }
        match &mut self.decoding {
            Decoding::Plain => {}
            Decoding::Sha256 { hasher, expected } => {
                let computed = std::mem::take(hasher).finalize();
                if !bool::from(computed.as_slice().ct_eq(expected)) {
                    return Err(BodyError::ContentSha256Mismatch);
                }
            }
            Decoding::Chunked(decoder) => self.trailers = decoder.finish()?,
        }
        // A trailer that nobody announced is one that nobody would check.
        let announced = self.checksum_trailer.map(checksum::header_name);
        if self.trailers.iter().any(|(name, _)| Some(name.as_str()) != announced) {
            return Err(BodyError::Malformed("a trailer is not the one that x-amz-trailer announces"));
        }
        Ok(())
    }
}

impl Body for RequestBody {
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        loop {
            match this.decode_pending() {
                Ok(Some(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(None) => {}
                Err(error) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
            match this.source.poll_bytes(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(bytes))) => {
                    this.received.add(bytes.len(), this.clock.monotonic());
                    this.pending = bytes;
                }
                Poll::Ready(Some(Err(error))) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    this.ended = true;
                    return Poll::Ready(this.finish().err().map(Err));
                }
            }
        }
    }

    fn trailer(&mut self) -> Option<Checksum> {
        let algorithm = self.checksum_trailer?;
        let header = checksum::header_name(algorithm);
        let (_, value) = self.trailers.iter().find(|(name, _)| name == header)?;
        checksum::parse_value(algorithm, value)
    }
}

#[cfg(test)]
mod tests;
