//! [`Peers`]: calls other nodes.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use env::Env;
use futures_util::future::join_all;
use http::StatusCode;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use placement::NodeId;
use tokio::sync::Semaphore;

use super::call::{Answer, Call, CallError, Class, Method};
use super::tls::{Tls, connect_to_join, is_of_another_cluster};
use super::wire::{self, Pieces};

/// A node that does not take a connection within this time is not there.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// Idle connections kept for a peer and class.
const IDLE_MAX: usize = 32;

/// The addresses of the nodes, `HOST:PORT`.
pub(crate) type Addresses = BTreeMap<NodeId, String>;

/// Connections to the other nodes, pooled by node and class.
pub(crate) struct Peers {
    env: Env,
    /// Nothing until the node has a certificate: it reaches nobody.
    tls: OnceLock<Arc<Tls>>,
    addresses: ArcSwap<Addresses>,
    pools: Mutex<BTreeMap<(NodeId, Class), Arc<Pool>>>,
}

/// The connections to one node for one class of calls.
struct Pool {
    /// One permit a call under way (a bulkhead: a node that hangs absorbs no more than these).
    permits: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

/// An open connection that nobody uses, and the address that it leads to.
struct Connection {
    address: String,
    sender: SendRequest<Pieces>,
}

impl Class {
    /// Calls that may be under way to one node.
    fn width(self) -> usize {
        match self {
            Self::Control => 16,
            Self::Metadata => 64,
            Self::Bulk => 128,
        }
    }
}

impl Peers {
    /// Reaches nobody before it is told with which certificate, and where.
    pub(crate) fn new(env: Env) -> Self {
        Self { env, tls: OnceLock::new(), addresses: ArcSwap::default(), pools: Mutex::default() }
    }

    /// Shows the certificate of `tls` from now on. Only the first call counts: that is exchanged in place.
    pub(crate) fn use_tls(&self, tls: Arc<Tls>) {
        self.tls.get_or_init(|| tls);
    }

    /// Where the nodes are, from now on.
    pub(crate) fn set_addresses(&self, addresses: Addresses) {
        self.pools.lock().retain(|(node, _), _| addresses.contains_key(node));
        self.addresses.store(Arc::new(addresses));
    }

    /// The nodes that have an address.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.addresses.load().keys().copied().collect()
    }

    /// Whether another node says that this one was removed from the cluster; removal is for ever.
    pub(crate) async fn say_removed(&self) -> bool {
        let ask = |node| self.call(node, Call::new(Method::OldestReader, &(), CONNECT_DEADLINE));
        let answers = join_all(self.nodes().into_iter().map(ask)).await;
        answers.iter().any(|answer| matches!(answer, Err(CallError::Forbidden { .. })))
    }

    /// Asks `node`. Dropped before it resolves, the call may have an effect.
    ///
    /// # Errors
    ///
    /// [`CallError`] says whether the call can have had an effect.
    pub(crate) async fn call(&self, node: NodeId, call: Call) -> Result<Answer, CallError> {
        let mut expired = self.env.clock.sleep(call.deadline);
        let mut sent = false;
        tokio::select! {
            biased;
            answer = self.attempt(node, call, &mut sent) => answer,
            () = &mut expired => match sent {
                true => Err(CallError::Expired { node }),
                false => Err(CallError::Unreachable { node, reason: "no connection in time".to_owned() }),
            },
        }
    }

    async fn attempt(&self, node: NodeId, call: Call, sent: &mut bool) -> Result<Answer, CallError> {
        let unreachable = |reason: String| CallError::Unreachable { node, reason };
        let address = self.addresses.load().get(&node).cloned();
        let address = address.ok_or_else(|| unreachable("it is not a member".to_owned()))?;
        let pool = self.pool(node, call.method.class());
        let _permit = pool.permits.acquire().await.map_err(|_| CallError::Overloaded { node })?;
        let mut connection = match pool.take_idle(&address).await {
            Some(connection) => connection,
            None => self.connect(node, address).await.map_err(unreachable)?,
        };
        let (request, sending) = wire::request(&connection.address, call);
        *sent = true;
        let broken = |reason: String| CallError::Broken { node, reason };
        let response = tokio::select! {
            biased;
            response = connection.sender.send_request(request) => response.map_err(|error| broken(error.to_string()))?,
            () = sending.stalled(self.env.clock.as_ref()) => return Err(broken("it takes nothing any more".to_owned())),
        };
        match response.status() {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE => return Err(CallError::Overloaded { node }),
            StatusCode::FORBIDDEN => return Err(CallError::Forbidden { node }),
            status => return Err(broken(format!("it answered {status}"))),
        }
        let answer = wire::read_answer(self.env.clock.as_ref(), response).await.map_err(broken)?;
        pool.keep(connection);
        Ok(answer)
    }

    fn pool(&self, node: NodeId, class: Class) -> Arc<Pool> {
        let new = || Arc::new(Pool { permits: Semaphore::new(class.width()), idle: Mutex::default() });
        self.pools.lock().entry((node, class)).or_insert_with(new).clone()
    }

    async fn connect(&self, node: NodeId, address: String) -> Result<Connection, String> {
        let tls = self.tls.get().ok_or("this node has no certificate")?;
        let connecting = async {
            let stream = self.env.net.connect(address.clone()).await?;
            tls.connect(node, stream).await
        };
        let stream = tokio::select! {
            biased;
            stream = connecting => stream.map_err(|error| error.to_string())?,
            () = self.env.clock.sleep(CONNECT_DEADLINE) => return Err("no connection in time".to_owned()),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let serve = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a node broke");
            }
        };
        // Ends when the connection is dropped or breaks.
        self.env.spawn.task("peer-connection", Box::pin(serve));
        Ok(Connection { address, sender })
    }
}

/// Why nobody answers at a door.
#[derive(Debug)]
pub(crate) enum DoorFault {
    /// The node there is of another cluster: it will never admit this one.
    AnotherCluster,
    /// What went wrong. It may be well later.
    Failed(String),
}

/// Asks the node at `address` for admission, if it is of the cluster whose authority has this fingerprint.
///
/// # Errors
///
/// [`DoorFault`].
pub(crate) async fn ask_to_join(
    env: &Env,
    address: &str,
    fingerprint: [u8; 32],
    call: Call,
) -> Result<Answer, DoorFault> {
    let mut expired = env.clock.sleep(call.deadline);
    let asked = async {
        let failed = |error: &dyn std::error::Error| DoorFault::Failed(error.to_string());
        let stream = env.net.connect(address.to_owned()).await.map_err(|error| failed(&error))?;
        let stream = connect_to_join(env, fingerprint, stream)
            .await
            .map_err(|error| if is_of_another_cluster(&error) { DoorFault::AnotherCluster } else { failed(&error) })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let answered = async {
            let (request, _) = wire::request(address, call);
            let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
            match response.status() {
                StatusCode::OK => wire::read_answer(env.clock.as_ref(), response).await.map_err(DoorFault::Failed),
                status => Err(DoorFault::Failed(format!("it answered {status}"))),
            }
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            ended = connection => Err(DoorFault::Failed(format!("the connection ended: {ended:?}"))),
        }
    };
    tokio::select! {
        biased;
        answer = asked => answer,
        () = &mut expired => Err(DoorFault::Failed("it did not answer in time".to_owned())),
    }
}

impl Pool {
    async fn take_idle(&self, address: &str) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut idle = self.idle.lock();
                // Others lead to where the node was, or have been closed.
                idle.retain(|connection| connection.address == address && !connection.sender.is_closed());
                idle.pop()?
            };
            // Its task may not have seen yet that the answer before was read to the end.
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}
