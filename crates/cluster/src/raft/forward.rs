//! What other nodes ask of this one's consensus: Raft's own calls, commands to decide, and what to read.

use std::sync::Arc;

use env::Clock;
use meta::{Command, MetaEngine, Outcome};
use openraft::Raft;
use openraft::error::{ClientWriteError, RaftError};
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use placement::NodeId;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::batcher::{COMMAND_BYTES_MAX, COMMANDS_MAX};
use super::entry::{Batch, Types};
use super::reader::Waiting;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method};

/// Commands for the leader to decide, each encoded.
#[derive(Serialize, Deserialize)]
pub(super) struct Forwarded {
    pub(super) commands: Vec<Vec<u8>>,
}

/// What the leader made of them.
#[derive(Serialize, Deserialize)]
pub(super) enum ForwardedReply {
    /// In order.
    Decided(Vec<Result<Outcome, Refused>>),
    /// Nothing was done: somebody else leads.
    NotLeader,
    /// They may take effect.
    Unknown,
}

/// Why the leader did not even propose a command.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Refused {
    /// Its disks are full.
    Full,
    /// It cannot take more now.
    Overloaded,
}

impl From<Refused> for meta::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::Overloaded => Self::Overloaded,
        }
    }
}

/// Answers the calls of the consensus.
pub(crate) struct ConsensusHandler {
    pub(super) raft: Raft<Types>,
    pub(super) node: NodeId,
    pub(super) engine: Arc<MetaEngine>,
    pub(super) clock: Arc<dyn Clock>,
    /// Reads that wait for their round.
    pub(super) reads: mpsc::WeakSender<Waiting>,
}

impl ConsensusHandler {
    /// The methods that it answers.
    pub(crate) const METHODS: [Method; 4] = [Method::RaftAppend, Method::RaftVote, Method::Propose, Method::ReadIndex];

    async fn propose(&self, forwarded: Forwarded) -> Option<ForwardedReply> {
        let is_sane = forwarded.commands.len() <= COMMANDS_MAX
            && forwarded.commands.iter().all(|encoded| encoded.len() <= COMMAND_BYTES_MAX);
        if !is_sane {
            return None;
        }
        let (admits, has_room) = (self.engine.admits(), self.engine.has_room());
        let mut refusals = Vec::with_capacity(forwarded.commands.len());
        let mut accepted = Vec::with_capacity(forwarded.commands.len());
        for encoded in forwarded.commands {
            let command: Command = postcard::from_bytes(&encoded).ok()?;
            let refusal = match (admits, has_room || !command.adds()) {
                (false, _) => Some(Refused::Overloaded),
                (true, false) => Some(Refused::Full),
                (true, true) => None,
            };
            refusals.push(refusal);
            if refusal.is_none() {
                accepted.push((command, encoded));
            }
        }
        if accepted.is_empty() {
            return Some(ForwardedReply::Decided(refusals.into_iter().flatten().map(Err).collect()));
        }
        let mut outcomes = match self.raft.client_write(Batch::new(self.clock.now(), accepted)).await {
            Ok(response) => response.data.0.into_iter(),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => return Some(ForwardedReply::NotLeader),
            Err(_) => return Some(ForwardedReply::Unknown),
        };
        let answers = refusals.into_iter().map(|refusal| match refusal {
            Some(refused) => Some(Err(refused)),
            None => outcomes.next().map(Ok),
        });
        answers.collect::<Option<Vec<_>>>().map(ForwardedReply::Decided)
    }

    /// Up to which entry a read that begins now must see; `None` when this node cannot say.
    async fn read_index(&self) -> Option<u64> {
        // Never passed on: two nodes that take each other for the leader would ask each other for ever.
        if self.raft.metrics().borrow().current_leader != Some(self.node.0) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.reads.upgrade()?.try_send(sender).ok()?;
        receiver.await.ok()?.ok()
    }

    async fn answer(&self, call: Call) -> Option<Answer> {
        match call.method {
            Method::RaftAppend => {
                let request: AppendEntriesRequest<Types> = call.parse()?;
                Some(Answer::new(&self.raft.append_entries(request).await))
            }
            Method::RaftVote => {
                let request: VoteRequest<u64> = call.parse()?;
                Some(Answer::new(&self.raft.vote(request).await))
            }
            Method::Propose => Some(Answer::new(&self.propose(call.parse()?).await?)),
            Method::ReadIndex => Some(Answer::new(&self.read_index().await)),
            _ => None,
        }
    }
}

impl Handler for ConsensusHandler {
    fn handle(&self, _from: NodeId, call: Call) -> HandlerFuture<'_> {
        Box::pin(self.answer(call))
    }
}
