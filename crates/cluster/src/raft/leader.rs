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

/// Tells the log who leads, and when the consensus has failed, until it stops.
pub(super) async fn log_changes(mut metrics: watch::Receiver<RaftMetrics<u64, BasicNode>>) {
    let mut last = None;
    loop {
        let (leader, term, failure) = {
            let metrics = metrics.borrow_and_update();
            let failure = metrics.running_state.as_ref().err().map(ToString::to_string);
            (metrics.current_leader, metrics.current_term, failure)
        };
        if let Some(failure) = failure {
            tracing::error!(failure, "the consensus has stopped");
            return;
        }
        if leader != last {
            match leader {
                Some(leader) => tracing::info!(leader, term, "a node leads"),
                None => tracing::warn!(term, "no node leads"),
            }
            last = leader;
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
