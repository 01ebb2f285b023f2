//! Connections: accepted up to a limit, cut off when they stall, ended gently.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use env::Env;
use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::config::Limits;
use crate::connection::{StallGuard, TrackedBody, linger};
use crate::frontend::Frontend;
use crate::response::Response;

/// Bytes that a connection buffers at most. Headers have a limit of their own below it; bodies are read in pieces of
/// this size.
const BUFFER_SIZE_MAX: usize = 64 * 1024;

/// Longest head of a request. From half of this on the front door answers with an S3 error, here with a bare 431.
const HEADER_SECTION_SIZE_HARD_MAX: usize = 32 * 1024;

/// Most header fields in a request.
const HEADERS_MAX: usize = 128;

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
struct Remote(SocketAddr);

/// The S3 API as a router that answers every path. Routes of other services may be merged into it; they win.
pub fn router(frontend: Arc<Frontend>) -> Router {
    async fn handle(State(frontend): State<Arc<Frontend>>, request: Request<Body>) -> Response {
        let remote = request.extensions().get::<Remote>().map(|Remote(address)| *address);
        frontend.handle(remote, request).await
    }
    Router::new().fallback(handle).with_state(frontend)
}

/// Serves `router` on `listener` until `shutdown` is cancelled, then lets the requests in progress end.
///
/// # Errors
///
/// Only when the listener itself fails for good.
pub async fn serve(
    env: &Env,
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let connections = Arc::new(Semaphore::new(limits.connections_max));
    let permits_all = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    let server = Arc::new(Server { env: env.clone(), router, limits, shutdown: shutdown.clone() });
    loop {
        // Beyond the limit nobody is accepted, and the kernel's queue fills up.
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit.expect("the semaphore is never closed"),
            () = shutdown.cancelled() => break,
        };
        let (stream, remote) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A client that is gone already, or no file descriptor left: neither ends the server.
                    tracing::warn!(%error, "cannot accept a connection");
                    env.clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        let server = server.clone();
        let connection = async move {
            server.run(stream, remote).await;
            drop(permit);
        };
        // The connection owns a permit, and shutting down waits for all permits.
        drop(env.spawn.task("s3 connection", Box::pin(connection)));
    }
    drop(listener);
    let drained = connections.acquire_many(permits_all);
    tokio::select! {
        _ = drained => {}
        () = env.clock.sleep(server.limits.shutdown_patience) => {
            tracing::warn!("requests were still in progress when the time for shutting down was over");
        }
    }
    Ok(())
}

/// How long to wait when accepting fails, so that a lasting failure does not spin.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// What every connection needs.
struct Server {
    env: Env,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
}

impl Server {
    /// Answers the requests of one connection until it ends.
    async fn run(&self, stream: TcpStream, remote: SocketAddr) {
        // Small answers leave at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %remote, "cannot set TCP_NODELAY");
        }
        let (router, unread) = (self.router.clone(), Arc::new(AtomicBool::new(false)));
        let noted = unread.clone();
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Remote(remote));
            let request = request.map(|body| Body::new(TrackedBody::new(body, noted.clone())));
            let (answer, unread) = (router.clone().oneshot(request), noted.clone());
            Box::pin(async move {
                let mut response = answer.await?;
                // A client that waited for `100 Continue` sends no body after a refusal, others do: nobody can tell
                // where the next request begins (RFC 9110 §10.1.1).
                if unread.load(Ordering::Relaxed) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            })
        });
        let io = StallGuard::new(stream, self.env.clock.clone(), self.limits.body_patience);
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_patience)
            .max_buf_size(BUFFER_SIZE_MAX)
            .max_header_size(HEADER_SECTION_SIZE_HARD_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(io), TowerToHyperService::new(service));
        let mut shutting_down = pin!(self.shutdown.cancelled().fuse());
        let ended = std::future::poll_fn(|context| {
            if shutting_down.as_mut().poll(context).is_ready() {
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(context)
        })
        .await;
        if let Err(error) = ended {
            tracing::debug!(%error, %remote, "connection ended early");
        }
        if unread.load(Ordering::Relaxed) {
            linger(connection.into_parts().io.into_inner().into_inner(), &*self.env.clock).await;
        }
    }
}
