//! [`Links`]: this node's connections to others, and its certificate's life.

use std::sync::Arc;

use env::{Env, Listener, Task};
use parking_lot::Mutex;
use placement::NodeId;
use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::rpc::{Peers, Server, Tls};
use crate::security::Passport;

/// Calls others, and answers them once it has a certificate.
pub(crate) struct Links {
    env: Env,
    pub(crate) peers: Arc<Peers>,
    /// The socket of a node that nobody knows yet.
    bound: Mutex<Option<Box<dyn Listener>>>,
    open: Mutex<Option<Open>>,
    stopping: watch::Sender<bool>,
}

struct Open {
    tls: Arc<Tls>,
    server: Arc<Server>,
    task: Task,
}

impl Links {
    /// No connections yet.
    pub(crate) fn new(env: &Env) -> Self {
        let peers = Arc::new(Peers::new(env.clone()));
        let stopping = watch::Sender::new(false);
        Self { env: env.clone(), peers, bound: Mutex::new(None), open: Mutex::new(None), stopping }
    }

    /// Takes `address` for a node that is about to begin or to join a cluster, before anything is changed for it.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`].
    pub(crate) async fn bind(&self, address: &str) -> Result<()> {
        let listener = self.listen(address).await?;
        *self.bound.lock() = Some(listener);
        Ok(())
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        let listening = self.env.net.listen(address.to_owned()).await;
        listening.map_err(|source| Error::Listen { address: address.to_owned(), source })
    }

    /// Listens at `address` and calls others, as the node of `passport`.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`], [`Error::Certificate`].
    pub(crate) async fn open(&self, passport: &Passport, address: &str) -> Result<Arc<Server>> {
        let tls = Arc::new(Tls::new(&self.env, passport)?);
        let bound = self.bound.lock().take();
        let listener = match bound {
            Some(listener) => listener,
            None => self.listen(address).await?,
        };
        let server = Server::new(self.env.clone(), tls.clone());
        let running = server.clone().run(listener, self.stopping.subscribe());
        let task = self.env.spawn.task("node-listener", Box::pin(running));
        self.peers.use_tls(tls.clone());
        *self.open.lock() = Some(Open { tls, server: server.clone(), task });
        Ok(server)
    }

    /// What answers other nodes; `None` for a node that is alone.
    pub(crate) fn server(&self) -> Option<Arc<Server>> {
        self.open.lock().as_ref().map(|open| open.server.clone())
    }

    /// Shows another certificate from now on.
    ///
    /// # Errors
    ///
    /// [`Error::Certificate`].
    pub(crate) fn renew(&self, passport: &Passport) -> Result<()> {
        self.open.lock().as_ref().map_or(Ok(()), |open| open.tls.renew(passport))
    }

    /// Where the other nodes are, as known before the metadata can be read.
    pub(crate) fn expect(&self, peers: impl IntoIterator<Item = (NodeId, String)>) {
        self.peers.set_addresses(peers.into_iter().collect());
    }

    /// Drops all connections that others made.
    ///
    /// # Errors
    ///
    /// [`Error::Task`] when the listener panicked.
    pub(crate) async fn close(&self) -> Result<()> {
        self.stopping.send_replace(true);
        let open = self.open.lock().take();
        match open {
            Some(open) => Ok(open.task.join().await?),
            None => Ok(()),
        }
    }
}
