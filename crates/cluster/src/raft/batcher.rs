//! Makes one log entry of everything that queued up while the entry before was being decided (group commit), here or at
//! the leader's.

use std::sync::Arc;
use std::time::Duration;

use env::{Bug, Clock, Moment};
use meta::{Command, Outcome};
use openraft::Raft;
use openraft::error::{ClientWriteError, RaftError};
use placement::NodeId;
use tokio::sync::{mpsc, oneshot};

use super::entry::{Batch, Types};
use super::forward::{Forwarded, ForwardedReply, Refused};
use super::leader::LeaderWatch;
use crate::rpc::{Call, Method, Peers};

/// Commands that may wait. Each holds at most an inline object or a manifest.
pub(crate) const QUEUE_LENGTH: usize = 1024;

/// Bounds of one log entry.
pub(super) const COMMANDS_MAX: usize = 512;
const BYTES_MAX: usize = 4 << 20;

/// Largest command. The log takes entries of twice this size.
pub(crate) const COMMAND_BYTES_MAX: usize = 32 << 20;

/// How long the leader may take for a batch before its fate counts as unknown.
const FORWARD_DEADLINE: Duration = Duration::from_secs(10);

/// A command on its way into the log.
pub(crate) struct Proposal {
    pub(crate) command: Command,
    pub(crate) encoded: Vec<u8>,
    /// When nobody waits any more, on the monotonic clock.
    pub(crate) expires: Duration,
    /// Whether it may have an effect from an attempt before.
    pub(crate) attempted: bool,
    /// Where its answer goes. Nobody may be waiting any more.
    pub(crate) answer: oneshot::Sender<meta::Result<Outcome>>,
}

/// What became of a batch.
enum Decided {
    /// These are the answers, in order.
    Answers(Vec<meta::Result<Outcome>>),
    /// It has had no effect and never will: try again, where the leader is now.
    Nothing,
    /// It may have an effect, now or later.
    Unknown,
}

/// Has commands decided.
pub(crate) struct Batcher {
    pub(super) raft: Raft<Types>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) node: NodeId,
    pub(super) peers: Arc<Peers>,
    pub(super) leaders: LeaderWatch,
}

impl Batcher {
    /// Proposes what arrives in `queue` until all senders are gone; then everything has been answered.
    pub(crate) async fn run(mut self, mut queue: mpsc::Receiver<Proposal>) {
        let mut held_over = None;
        loop {
            let first = match held_over.take() {
                Some(proposal) => Some(proposal),
                None => queue.recv().await,
            };
            let Some(first) = first else { return };
            let (proposals, rest) = gather(first, &mut queue);
            held_over = rest;
            self.propose(proposals).await;
        }
    }

    /// Has `proposals` decided and answers them; those that may be proposed again are, until they expire.
    async fn propose(&mut self, mut proposals: Vec<Proposal>) {
        loop {
            proposals = self.without_expired(proposals);
            if proposals.is_empty() {
                return;
            }
            match self.decide(&proposals).await {
                Decided::Answers(answers) => {
                    assert_eq!(answers.len(), proposals.len(), "every command of a batch has its outcome");
                    for (proposal, answer) in proposals.into_iter().zip(answers) {
                        // A caller that stopped waiting needs no answer.
                        let _ = proposal.answer.send(settled(answer, proposal.attempted));
                    }
                    return;
                }
                Decided::Nothing => {}
                Decided::Unknown => {
                    let (again, unknown): (Vec<_>, Vec<_>) =
                        proposals.into_iter().partition(|proposal| proposal.command.is_replayable());
                    for proposal in unknown {
                        let _ = proposal.answer.send(Err(meta::Error::Undecided));
                    }
                    proposals = again;
                    proposals.iter_mut().for_each(|proposal| proposal.attempted = true);
                    if !proposals.is_empty() {
                        Moment::ProposedAgain.note();
                    }
                }
            }
            self.leaders.pause().await;
        }
    }

    /// Lets go of those whose time is over.
    fn without_expired(&self, proposals: Vec<Proposal>) -> Vec<Proposal> {
        let now = self.clock.monotonic();
        let (expired, waiting): (Vec<_>, Vec<_>) =
            proposals.into_iter().partition(|proposal| proposal.expires <= now || proposal.answer.is_closed());
        for proposal in expired {
            let error = if proposal.attempted { meta::Error::Undecided } else { meta::Error::NoQuorum };
            let _ = proposal.answer.send(Err(error));
        }
        waiting
    }

    async fn decide(&mut self, proposals: &[Proposal]) -> Decided {
        let now = self.clock.monotonic();
        let latest = proposals.iter().map(|proposal| proposal.expires).max().unwrap_or(now);
        let mut expired = self.leaders.expiry(latest.saturating_sub(now));
        let leader = tokio::select! {
            biased;
            leader = self.leaders.known() => leader,
            () = &mut expired => return Decided::Nothing,
        };
        let Some(leader) = leader else {
            return Decided::Answers(proposals.iter().map(|_| Err(meta::Error::Unavailable)).collect());
        };
        if leader == self.node { self.write(proposals, expired).await } else { self.forward(leader, proposals).await }
    }

    async fn write(&self, proposals: &[Proposal], expired: impl Future<Output = ()>) -> Decided {
        let copy = |proposal: &Proposal| (proposal.command.clone(), proposal.encoded.clone());
        let batch = Batch::new(self.clock.now(), proposals.iter().map(copy).collect());
        let written = tokio::select! {
            biased;
            written = self.raft.client_write(batch) => written,
            // A leader without a majority is never told; whoever leads next decides about the entry.
            () = expired => return Decided::Unknown,
        };
        match written {
            Ok(response) if Bug::AnswersSwapped.is_planted() => {
                Decided::Answers(response.data.0.into_iter().rev().map(Ok).collect())
            }
            Ok(response) => Decided::Answers(response.data.0.into_iter().map(Ok).collect()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Decided::Nothing,
            Err(error) => {
                tracing::error!(%error, commands = proposals.len(), "the consensus refused a batch");
                Decided::Answers(proposals.iter().map(|_| Err(meta::Error::Unavailable)).collect())
            }
        }
    }

    async fn forward(&mut self, leader: NodeId, proposals: &[Proposal]) -> Decided {
        let commands = proposals.iter().map(|proposal| proposal.encoded.clone()).collect();
        let call = Call::new(Method::Propose, &Forwarded { commands }, FORWARD_DEADLINE);
        let answered = tokio::select! {
            biased;
            answered = self.peers.call(leader, call) => answered,
            () = self.leaders.deposed(leader) => return Decided::Unknown,
        };
        match answered.and_then(|answer| answer.parse::<ForwardedReply>(leader)) {
            Ok(ForwardedReply::Decided(answers)) if answers.len() == proposals.len() => {
                Decided::Answers(answers.into_iter().map(|answer| answer.map_err(Refused::into)).collect())
            }
            Ok(ForwardedReply::NotLeader) => Decided::Nothing,
            Ok(ForwardedReply::Decided(_) | ForwardedReply::Unknown) => Decided::Unknown,
            Err(error) if error.may_have_effect() => {
                tracing::debug!(%error, "what became of a batch is unknown");
                Decided::Unknown
            }
            Err(_) => Decided::Nothing,
        }
    }
}

/// What the proposer of a command is told. The refusal of a command that was `attempted` before is not the last word
/// where it may be lifted: the earlier attempt, still on its way to a leader, may then be taken.
fn settled(answer: meta::Result<Outcome>, attempted: bool) -> meta::Result<Outcome> {
    match answer {
        Ok(Err(refusal)) if attempted && refusal.may_be_lifted() => Err(meta::Error::Undecided),
        answer => answer,
    }
}

/// Takes what is queued, up to the bounds of an entry, and the first proposal that was too much.
fn gather(first: Proposal, queue: &mut mpsc::Receiver<Proposal>) -> (Vec<Proposal>, Option<Proposal>) {
    let mut bytes = first.encoded.len();
    let mut proposals = vec![first];
    while proposals.len() < COMMANDS_MAX {
        let Ok(next) = queue.try_recv() else { break };
        bytes += next.encoded.len();
        if BYTES_MAX < bytes {
            return (proposals, Some(next));
        }
        proposals.push(next);
    }
    (proposals, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meta::Refusal;

    #[test]
    fn refusals_of_what_may_yet_be_taken_are_not_final() {
        let told = |refusal, attempted| settled(Ok(Err(refusal)), attempted);
        assert!(matches!(told(Refusal::PreconditionFailed, false), Ok(Err(Refusal::PreconditionFailed))));
        assert!(matches!(told(Refusal::PreconditionFailed, true), Err(meta::Error::Undecided)));
        assert!(matches!(told(Refusal::NoSuchBucket, true), Ok(Err(Refusal::NoSuchBucket))));
        assert!(matches!(settled(Ok(Ok(meta::Reply::Done)), true), Ok(Ok(meta::Reply::Done))));
    }
}
