//! Whether this node made the same of the same entries as the leader (I17): compared now and then. A node that did not
//! serves nobody any more.

use std::sync::Arc;
use std::time::Duration;

use env::Env;
use meta::{Agreement, EffectsMark};
use placement::NodeId;
use tokio::sync::watch;

use crate::raft::RaftConsensus;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method, Peers};

/// How often a node compares itself with the leader.
const PERIOD: Duration = Duration::from_secs(20);

/// How long the leader may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Tells what this node made of its entries.
pub(crate) struct MarksHandler(pub(crate) Arc<RaftConsensus>);

impl Handler for MarksHandler {
    fn handle(&self, _from: NodeId, _call: Call) -> HandlerFuture<'_> {
        let marks = self.0.engine().effects_marks();
        Box::pin(async move { Some(Answer::new(&marks)) })
    }
}

/// Compares, until `stopping` says so or this node is found to have diverged.
pub(crate) async fn watch_for_divergence(
    env: Env,
    consensus: Arc<RaftConsensus>,
    peers: Arc<Peers>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stopping| *stopping) => return,
            () = env.clock.sleep(PERIOD) => {}
        }
        let leader = consensus.metrics().borrow().current_leader.map(NodeId);
        let Some(leader) = leader.filter(|_| !consensus.is_leader()) else { continue };
        let answer = peers.call(leader, Call::new(Method::EffectsMarks, &(), DEADLINE)).await;
        let Ok(theirs) = answer.and_then(|answer| answer.parse::<Vec<EffectsMark>>(leader)) else { continue };
        if let Agreement::Diverged { index } = consensus.engine().compare_effects(&theirs) {
            tracing::error!(
                index,
                leader = leader.0,
                "this node's metadata differs from the leader's: it serves nobody any more. Stop it, keep its disks for \
                 inspection, and let the cluster go on without it"
            );
            consensus.condemn();
            return;
        }
    }
}
