//! Makes one log entry of everything that queued up while the entry before was being synced (group commit).

use std::sync::Arc;

use env::Clock;
use meta::{Command, Outcome};
use openraft::Raft;
use tokio::sync::{mpsc, oneshot};

use super::entry::{Batch, Types};

/// Commands that may wait. Each holds at most an inline object or a manifest.
pub(crate) const QUEUE_LENGTH: usize = 1024;

/// Bounds of one log entry.
const COMMANDS_MAX: usize = 512;
const BYTES_MAX: usize = 4 << 20;

/// Largest command. The log takes entries of twice this size.
pub(crate) const COMMAND_BYTES_MAX: usize = 32 << 20;

/// A command on its way into the log.
pub(crate) struct Proposal {
    pub(crate) command: Command,
    pub(crate) encoded: Vec<u8>,
    /// Where its answer goes. Nobody may be waiting any more.
    pub(crate) answer: oneshot::Sender<meta::Result<Outcome>>,
}

/// Proposes what arrives in `queue` until all senders are gone; then everything has been answered.
pub(crate) async fn run(mut queue: mpsc::Receiver<Proposal>, raft: Raft<Types>, clock: Arc<dyn Clock>) {
    let mut held_over = None;
    loop {
        let first = match held_over.take() {
            Some(proposal) => Some(proposal),
            None => queue.recv().await,
        };
        let Some(first) = first else { return };
        let (proposals, rest) = gather(first, &mut queue);
        held_over = rest;
        propose(proposals, &raft, clock.as_ref()).await;
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

async fn propose(proposals: Vec<Proposal>, raft: &Raft<Types>, clock: &dyn Clock) {
    let split = |proposal: Proposal| ((proposal.command, proposal.encoded), proposal.answer);
    let (commands, answers): (Vec<_>, Vec<_>) = proposals.into_iter().map(split).unzip();
    let written = raft.client_write(Batch::new(clock.now(), commands)).await;
    match written {
        Ok(response) => {
            let outcomes = response.data.0;
            assert_eq!(outcomes.len(), answers.len(), "every command of a batch has its outcome");
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // A caller that stopped waiting needs no answer.
                let _ = answer.send(Ok(outcome));
            }
        }
        Err(error) => {
            tracing::error!(%error, commands = answers.len(), "the consensus refused a batch");
            for answer in answers {
                let _ = answer.send(Err(meta::Error::Unavailable));
            }
        }
    }
}
