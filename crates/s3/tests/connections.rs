//! What badly behaved, or merely slow, clients get on the wire.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::routing::{any, get};
use env::{Env, ManualClock, Task, UnixMillis};
use http::StatusCode;
use s3::{Limits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A server on a free port of the loopback interface.
struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: Task,
}

impl Server {
    async fn start(env: &Env, router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (env_of_server, token) = (env.clone(), shutdown.clone());
        let run = async move { serve(&env_of_server, listener, router, limits, token).await.unwrap() };
        let task = env.spawn.task("server", Box::pin(run));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `bytes` and reads until the server closes the connection.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        read_to_end(&mut stream).await
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.join().await.unwrap();
    }
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset connection has ended as well.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Answers with the number of bytes of the body.
fn counting() -> Router {
    async fn count(request: Request) -> (StatusCode, String) {
        match to_bytes(request.into_body(), usize::MAX).await {
            Ok(bytes) => (StatusCode::OK, format!("{} bytes", bytes.len())),
            Err(_) => (StatusCode::BAD_REQUEST, "broken body".to_owned()),
        }
    }
    Router::new().fallback(any(count))
}

/// The real machine with a clock whose timers are over at once.
fn impatient_env() -> Env {
    Env { clock: Arc::new(ManualClock::new(UnixMillis(0))), ..Env::real() }
}

#[tokio::test]
async fn ambiguous_and_malformed_requests_are_refused() {
    let server = Server::start(&Env::real(), counting(), Limits::default()).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX-Folded: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET\r\n\r\n",
    ] {
        let answer = server.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{request:?}: {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_smuggled_second_request_is_not_read() {
    let server = Server::start(&Env::real(), counting(), Limits::default()).await;
    for headers in
        ["Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5"]
    {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        );
        let answer = server.exchange(request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers}: {answer:?}");
        assert!(answer.contains("0 bytes"), "{headers}: {answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(&Env::real(), counting(), Limits::default()).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(40_000));
    assert!(server.exchange(long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: a\r\n".repeat(200));
    assert!(server.exchange(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
    server.stop().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let limits = Limits { header_patience: Duration::from_millis(20), ..Limits::default() };
    let server = Server::start(&Env::real(), counting(), limits).await;
    let answer = server.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
    assert!(!answer.contains("200"), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&Env::real(), counting(), Limits::default()).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\naPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: \
                   2\r\nConnection: close\r\n\r\nab";
    let answer = server.exchange(request.as_bytes()).await;
    let (first, second) = (answer.find("1 bytes").unwrap(), answer.find("2 bytes").unwrap());
    assert!(first < second);
    server.stop().await;
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_is_read() {
    let router = counting().route("/refused", any(|| async { StatusCode::FORBIDDEN }));
    let server = Server::start(&Env::real(), router, Limits::default()).await;
    let head = |path| format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");

    let mut stream = server.connect().await;
    stream.write_all(head("/").as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    drop(stream);

    let refused = server.exchange(head("/refused").as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_refused_while_it_sends_gets_the_answer() {
    let router = Router::new().fallback(any(|| async { (StatusCode::FORBIDDEN, "refused") }));
    let server = Server::start(&Env::real(), router, Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n").await.unwrap();
    stream.write_all(&vec![0; 16 << 20]).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains("403") && answer.ends_with("refused"), "{answer:?}");
    drop(stream);
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_dropped() {
    let endless = || async {
        let chunk = Bytes::from(vec![0; 1 << 20]);
        Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone())))
    };
    let router = Router::new().route("/", get(endless));
    let server = Server::start(&impatient_env(), router, Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // The server ends the connection by itself, and then, shutting down, does not wait for this client.
    let received = stream.read_to_end(&mut Vec::new()).await;
    assert!(received.is_err() || received.unwrap() > 0);
    server.stop().await;
}

#[tokio::test]
async fn a_connection_beyond_the_limit_waits_for_its_turn() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let server = Server::start(&Env::real(), counting(), limits).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut first).await.contains("200"));
    assert!(read_to_end(&mut second).await.contains("200"));
    server.stop().await;
}

#[tokio::test]
async fn shutting_down_waits_for_requests_and_not_for_idle_connections() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (at_handler, go_on) = (entered.clone(), release.clone());
    let slow = move || async move {
        at_handler.notify_one();
        go_on.notified().await;
        "done"
    };
    let router = Router::new().route("/", get(slow));
    let server = Server::start(&Env::real(), router, Limits::default()).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    entered.notified().await;
    server.shutdown.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    release.notify_one();
    assert!(read_to_end(&mut busy).await.ends_with("done"));
    server.task.join().await.unwrap();
}
