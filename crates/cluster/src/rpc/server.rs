//! [`Server`]: answers other nodes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use env::{Env, Listener, Stream};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::RwLock;
use placement::NodeId;
use tokio::sync::{Semaphore, watch};

use super::call::{Call, Class, Handler, Method};
use super::tls::Tls;
use super::wire::{self, Pieces};

/// Whoever connects has to greet within this time.
const GREETING_DEADLINE: Duration = Duration::from_secs(5);

/// Connections that may be open; one more is closed at once.
const CONNECTIONS_MAX: usize = 4096;

/// How long a call waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(2);

/// Pause after the system refused a connection, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who answers what, and who may ask.
pub(crate) struct Server {
    env: Env,
    tls: Arc<Tls>,
    handlers: RwLock<BTreeMap<Method, Arc<dyn Handler>>>,
    /// Answers who has no certificate yet.
    door: RwLock<Option<Arc<dyn Handler>>>,
    /// Nodes that were members and are none any more.
    banned: RwLock<Vec<NodeId>>,
    control: Semaphore,
    metadata: Semaphore,
    bulk: Semaphore,
    connections: Arc<Semaphore>,
}

impl Server {
    pub(crate) fn new(env: Env, tls: Arc<Tls>) -> Arc<Self> {
        Arc::new(Self {
            env,
            tls,
            handlers: RwLock::default(),
            door: RwLock::default(),
            banned: RwLock::default(),
            control: Semaphore::new(256),
            metadata: Semaphore::new(256),
            bulk: Semaphore::new(256),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        })
    }

    /// Has `handler` answer calls of `methods`. Methods without one are refused as overload: try later.
    pub(crate) fn answer(&self, methods: &[Method], handler: Arc<dyn Handler>) {
        let mut handlers = self.handlers.write();
        for &method in methods {
            handlers.insert(method, handler.clone());
        }
    }

    /// Has `handler` answer [`Method::Join`], which needs no certificate.
    pub(crate) fn admit(&self, handler: Arc<dyn Handler>) {
        *self.door.write() = Some(handler);
    }

    /// Refuses these nodes, whatever certificate they have.
    pub(crate) fn ban(&self, nodes: Vec<NodeId>) {
        *self.banned.write() = nodes;
    }

    /// Takes connections until `stopping` says so; then all are dropped.
    pub(crate) async fn run(self: Arc<Self>, mut listener: Box<dyn Listener>, stopping: watch::Receiver<bool>) {
        let mut stopped = stopping.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopping| *stopping) => return,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot take connections of nodes");
                    self.env.clock.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = self.connections.clone().try_acquire_owned() else {
                tracing::warn!("too many connections of nodes: one more was closed");
                continue;
            };
            let (server, mut stopped) = (self.clone(), stopping.clone());
            let serve = async move {
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stopping| *stopping) => {}
                    () = server.serve(stream) => {}
                }
                drop(permit);
            };
            // Ends with the connection, or when the server stops.
            self.env.spawn.task("node-connection", Box::pin(serve));
        }
    }

    async fn serve(self: Arc<Self>, stream: Box<dyn Stream>) {
        let greeted = tokio::select! {
            biased;
            greeted = self.tls.accept(stream) => greeted,
            () = self.env.clock.sleep(GREETING_DEADLINE) => return,
        };
        let (node, stream) = match greeted {
            Ok(greeted) => greeted,
            Err(error) => {
                tracing::debug!(%error, "a connection was not greeted properly");
                return;
            }
        };
        let service = service_fn(|request| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.respond(node, request).await) }
        });
        if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
            tracing::debug!(%error, "a connection of a node broke");
        }
    }

    async fn respond(&self, from: Option<NodeId>, request: Request<Incoming>) -> Response<Pieces> {
        match self.answer_request(from, request).await {
            Ok(response) => response,
            Err(status) => wire::refusal(status),
        }
    }

    async fn answer_request(
        &self,
        from: Option<NodeId>,
        request: Request<Incoming>,
    ) -> Result<Response<Pieces>, StatusCode> {
        let method = Method::of_path(request.uri().path()).ok_or(StatusCode::BAD_REQUEST)?;
        let (from, handler) = match (method, from) {
            (Method::Join, from) => (from.unwrap_or(NodeId(0)), self.door.read().clone()),
            (_, Some(from)) if !self.banned.read().contains(&from) => {
                (from, self.handlers.read().get(&method).cloned())
            }
            _ => return Err(StatusCode::FORBIDDEN),
        };
        let handler = handler.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
        // Before the body is read: what waits for its turn takes no memory.
        let _permit = tokio::select! {
            biased;
            permit = self.turns(method.class()).acquire() => permit.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?,
            () = self.env.clock.sleep(TURN_PATIENCE) => return Err(StatusCode::SERVICE_UNAVAILABLE),
        };
        let call = tokio::select! {
            biased;
            call = wire::read_call(self.env.clock.as_ref(), request) => call?,
            () = self.env.clock.sleep(wire::DEADLINE_MAX) => return Err(StatusCode::REQUEST_TIMEOUT),
        };
        self.hand_over(handler.as_ref(), from, call).await
    }

    async fn hand_over(&self, handler: &dyn Handler, from: NodeId, call: Call) -> Result<Response<Pieces>, StatusCode> {
        let mut expired = self.env.clock.sleep(call.deadline);
        let answer = tokio::select! {
            biased;
            answer = handler.handle(from, call) => answer,
            // Nobody waits for the answer any more.
            () = &mut expired => return Err(StatusCode::REQUEST_TIMEOUT),
        };
        answer.map(wire::response).ok_or(StatusCode::BAD_REQUEST)
    }

    fn turns(&self, class: Class) -> &Semaphore {
        match class {
            Class::Control => &self.control,
            Class::Metadata => &self.metadata,
            Class::Bulk => &self.bulk,
        }
    }
}
