//! Who leads.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use env::Clock;
use openraft::{BasicNode, RaftMetrics};
use placement::NodeId;
use tokio::sync::watch;

/// Pause before the same leader is asked again after it has refused.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Tells who leads, as far as this node knows. Clones watch on their own.
#[derive(Clone)]
pub(super) struct LeaderWatch {
    metrics: watch::Receiver<RaftMetrics<u64, BasicNode>>,
    clock: Arc<dyn Clock>,
}

impl LeaderWatch {
    pub(super) fn new(metrics: watch::Receiver<RaftMetrics<u64, BasicNode>>, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, clock }
    }

    /// Waits until a leader is known; `None` once the consensus has stopped, and nobody ever will be.
    pub(super) async fn known(&mut self) -> Option<NodeId> {
        loop {
            {
                let metrics = self.metrics.borrow_and_update();
                if metrics.running_state.is_err() {
                    return None;
                }
                if let Some(leader) = metrics.current_leader {
                    return Some(NodeId(leader));
                }
            }
            self.metrics.changed().await.ok()?;
        }
    }

    /// Waits until somebody else than `leader` is known to lead, or nobody ever will.
    pub(super) async fn deposed(&mut self, leader: NodeId) {
        while self.known().await == Some(leader) {
            if self.metrics.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits a little.
    pub(super) async fn pause(&self) {
        self.clock.sleep(RETRY_PAUSE).await;
    }

    /// Resolves after `span`.
    pub(super) fn expiry(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(span)
    }
}
