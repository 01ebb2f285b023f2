//! A connection that neither stalls for ever nor loses its last answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use env::Clock;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// A stream whose writes fail once the peer has taken nothing for too long. Otherwise a client that stops reading would
/// hold the stripes of its object in memory for ever.
pub(crate) struct StallGuard {
    stream: TcpStream,
    clock: Arc<dyn Clock>,
    patience: Duration,
    /// Runs while a write waits.
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl StallGuard {
    /// Gives the peer `patience` for taking the next bytes.
    pub(crate) fn new(stream: TcpStream, clock: Arc<dyn Clock>, patience: Duration) -> Self {
        Self { stream, clock, patience, timer: None }
    }

    /// The stream below.
    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// Passes on what a write came to, unless it has been waiting for too long.
    fn guard<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.timer = None;
            return outcome;
        }
        let timer = self.timer.get_or_insert_with(|| self.clock.sleep(self.patience));
        ready!(timer.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no more bytes")))
    }
}

impl AsyncRead for StallGuard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for StallGuard {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.guard(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.guard(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of a request, which notes whether it has been read to its end.
pub(crate) struct TrackedBody {
    body: Incoming,
    unread: Arc<AtomicBool>,
}

impl TrackedBody {
    /// Notes in `unread` whether something of `body` remains to be read.
    pub(crate) fn new(body: Incoming, unread: Arc<AtomicBool>) -> Self {
        unread.store(!body.is_end_stream(), Ordering::Relaxed);
        Self { body, unread }
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.unread.store(false, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long the rest of a refused body is read before the connection is closed.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);

/// How much of it.
const LINGER_SIZE_MAX: usize = 64 * 1024 * 1024;

/// Ends a connection so that the peer gets the last answer: closing a socket with unread bytes would reset it and take
/// the answer away from a client that is still sending its body.
pub(crate) async fn linger(mut stream: TcpStream, clock: &dyn Clock) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let read_rest = async {
        let mut buffer = vec![0; 8192];
        let mut size = 0;
        while size < LINGER_SIZE_MAX {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(read) => size += read,
            }
        }
    };
    tokio::select! {
        () = read_rest => {}
        () = clock.sleep(LINGER_TIME_MAX) => {}
    }
}
