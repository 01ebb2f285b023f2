//! How clients reach the store of a machine that may be down.

use std::pin::Pin;

use std::sync::Arc;

use cluster::Cluster;
use parking_lot::Mutex;
use store::Store;
use tokio::sync::{mpsc, oneshot};

/// What runs on a machine. Clones share everything.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) cluster: Arc<Cluster>,
    pub(super) store: Store,
}

/// What a client has a machine do with its node.
pub(super) type Visit = Box<dyn FnOnce(Node) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Requests that may wait at a door.
const QUEUE_LENGTH: usize = 256;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// Nobody took it: it has no effect.
    Refused,
    /// The machine went down with it: it may have taken effect.
    Lost,
}

/// The entrance of one machine; open while it serves.
#[derive(Default)]
pub(super) struct Door {
    queue: Mutex<Option<mpsc::Sender<Visit>>>,
}

impl Door {
    /// Opens the door for whoever starts to serve; it closes when the receiver is dropped.
    pub(super) fn open(&self) -> mpsc::Receiver<Visit> {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        *self.queue.lock() = Some(sender);
        receiver
    }

    /// Has the machine run `work` on its node, on its own runtime, so that the work ends with the machine.
    pub(super) async fn visit<T, F>(&self, work: impl FnOnce(Node) -> F + Send + 'static) -> Result<T, Missed>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let visit: Visit = Box::new(move |node| {
            let work = work(node);
            Box::pin(async move {
                // A client that gave up needs no answer.
                let _ = sender.send(work.await);
            })
        });
        let queue = self.queue.lock().clone().ok_or(Missed::Refused)?;
        queue.send(visit).await.map_err(|_| Missed::Refused)?;
        receiver.await.map_err(|_| Missed::Lost)
    }
}
