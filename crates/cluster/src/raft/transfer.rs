//! How a node that has fallen behind the log gets the state: the leader offers it, the node fetches what it lacks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Moment;
use meta::{MetaEngine, Offer, PageRequest, PageSource, PagesFuture};
use openraft::raft::SnapshotResponse;
use openraft::{Raft, Vote};
use placement::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::entry::Types;
use super::state_machine::StateMachine;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method, Peers};

/// How long one batch of pages may take.
const PAGES_DEADLINE: Duration = Duration::from_secs(20);

/// An offered state, from the leader that `vote` made.
#[derive(Serialize, Deserialize)]
pub(super) struct Transfer {
    pub(super) vote: Vote<u64>,
    pub(super) offer: Offer,
}

/// Fetches offered states, and serves the pages of this node's own.
pub(crate) struct TransferHandler {
    pub(super) raft: Raft<Types>,
    pub(super) engine: Arc<MetaEngine>,
    pub(super) state_machine: StateMachine,
    pub(super) peers: Arc<Peers>,
    /// Held while a state is fetched: one at a time.
    pub(super) fetching: Mutex<()>,
}

/// The node that offers a state.
pub(super) struct Source {
    pub(super) node: NodeId,
    pub(super) peers: Arc<Peers>,
}

impl TransferHandler {
    /// The methods that it answers.
    pub(crate) const METHODS: [Method; 3] = [Method::RaftSnapshot, Method::Offer, Method::Pages];

    /// What Raft answers once the state is here; `None` when it could not be fetched.
    async fn take_over(&self, from: NodeId, transfer: Transfer) -> Option<SnapshotResponse<u64>> {
        let _turn = self.fetching.lock().await;
        let source = Source { node: from, peers: self.peers.clone() };
        let snapshot = match self.state_machine.receive(&transfer.offer, &source).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, node = from.0, "a state could not be fetched: the leader will offer another");
                return None;
            }
        };
        Moment::StateTakenOver.note();
        self.raft.install_full_snapshot(transfer.vote, snapshot).await.ok()
    }

    async fn answer(&self, from: NodeId, call: Call) -> Option<Answer> {
        match call.method {
            Method::RaftSnapshot => Some(Answer::new(&self.take_over(from, call.parse()?).await)),
            Method::Offer => {
                let offer = self.engine.offer_since(call.parse()?).await;
                Some(Answer::new(&offer.unwrap_or_else(|error| {
                    tracing::warn!(%error, node = from.0, "cannot offer the metadata");
                    None
                })))
            }
            Method::Pages => {
                let request: PageRequest = call.parse()?;
                let pages = self.engine.serve(request).await;
                let failed = pages.as_ref().err().map(ToString::to_string);
                Some(Answer { body: pages.into_iter().collect(), ..Answer::new(&failed) })
            }
            _ => None,
        }
    }
}

impl Handler for TransferHandler {
    fn handle(&self, from: NodeId, call: Call) -> HandlerFuture<'_> {
        Box::pin(self.answer(from, call))
    }
}

impl PageSource for Source {
    fn pages(&self, request: PageRequest) -> PagesFuture<'_> {
        Box::pin(async move {
            let call = Call::new(Method::Pages, &request, PAGES_DEADLINE);
            let answer = self.peers.call(self.node, call).await;
            let pages = answer.and_then(|answer| {
                let failed: Option<String> = answer.parse(self.node)?;
                Ok(failed.map_or_else(|| Ok(answer.body.into_iter().next().unwrap_or_default()), Err))
            });
            match pages {
                Ok(Ok(pages)) => Ok::<Bytes, _>(pages),
                Ok(Err(reason)) => {
                    tracing::debug!(reason, node = self.node.0, "a node does not have the pages that it offered");
                    Err(meta::Error::NoQuorum)
                }
                Err(error) => {
                    tracing::debug!(%error, "pages could not be fetched");
                    Err(meta::Error::NoQuorum)
                }
            }
        })
    }
}
