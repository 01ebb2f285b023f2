//! openraft's network over the calls between nodes.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, RemoteError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{BasicNode, OptionalSend, Snapshot, Vote};
use placement::NodeId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::{StateSnapshot, Types};
use super::transfer::Transfer;
use crate::rpc::{Call, CallError, Method, Peers};

type RpcResult<T> = Result<T, RPCError<u64, BasicNode, RaftError<u64>>>;

/// Pause before a node that could not be reached is tried again.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(200);

/// A node that fetches a state says so once in this time.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(60);

/// A batch of entries may take a slow disk this long.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);

/// Reaches the other voters and learners.
pub(crate) struct Network {
    node: NodeId,
    peers: Arc<Peers>,
}

/// Reaches one of them.
pub(crate) struct Link {
    node: NodeId,
    target: NodeId,
    peers: Arc<Peers>,
}

impl Network {
    pub(crate) fn new(node: NodeId, peers: Arc<Peers>) -> Self {
        Self { node, peers }
    }
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> Link {
        Link { node: self.node, target: NodeId(target), peers: self.peers.clone() }
    }
}

impl Link {
    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        question: &Q,
        deadline: Duration,
    ) -> RpcResult<A> {
        let called = self.peers.call(self.target, Call::new(method, question, deadline)).await;
        let answer = called.and_then(|answer| answer.parse::<Result<A, RaftError<u64>>>(self.target));
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RPCError::RemoteError(RemoteError::new(self.target.0, error))),
            Err(CallError::Expired { .. }) => {
                let action = if method == Method::RaftVote { RPCTypes::Vote } else { RPCTypes::AppendEntries };
                let (id, target) = (self.node.0, self.target.0);
                Err(RPCError::Timeout(Timeout { action, id, target, timeout: deadline }))
            }
            Err(error @ CallError::Unreachable { .. }) => Err(RPCError::Unreachable(Unreachable::new(&error))),
            Err(error) => Err(RPCError::Network(NetworkError::new(&error))),
        }
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<u64>> {
        // A heartbeat that is late is of no use; entries that arrive are.
        let deadline = if request.entries.is_empty() { option.hard_ttl() } else { APPEND_DEADLINE };
        self.ask(Method::RaftAppend, &request, deadline).await
    }

    async fn vote(&mut self, request: VoteRequest<u64>, option: RPCOption) -> RpcResult<VoteResponse<u64>> {
        self.ask(Method::RaftVote, &request, option.hard_ttl()).await
    }

    /// Offers the state again and again until the node has it: what it fetched before a deadline passed is not lost.
    async fn full_snapshot(
        &mut self,
        vote: Vote<u64>,
        snapshot: Snapshot<Types>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        let StateSnapshot::Offered(offer) = *snapshot.snapshot else {
            let error = io::Error::other("only a state of this node can be offered");
            return Err(StreamingError::Network(NetworkError::new(&error)));
        };
        let transfer = Transfer { vote, offer };
        let mut cancelled = std::pin::pin!(cancel);
        loop {
            let call = Call::new(Method::RaftSnapshot, &transfer, SNAPSHOT_DEADLINE);
            let answered = tokio::select! {
                biased;
                closed = &mut cancelled => return Err(StreamingError::Closed(closed)),
                answered = self.peers.call(self.target, call) => answered,
            };
            match answered.and_then(|answer| answer.parse::<Option<SnapshotResponse<u64>>>(self.target)) {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => {
                    let error = io::Error::other("the node could not fetch the state");
                    return Err(StreamingError::Unreachable(Unreachable::new(&error)));
                }
                Err(CallError::Expired { .. }) => {}
                Err(error) => return Err(StreamingError::Unreachable(Unreachable::new(&error))),
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(UNREACHABLE_PAUSE))
    }
}
