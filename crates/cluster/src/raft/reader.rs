//! Reads that see everything answered before them (ReadIndex; Ongaro's thesis, §6.4), many in one round.
//!
//! A read joins the round that begins next: the leader confirms with a majority that it still leads and says up to
//! which entry a read must see; then the read waits until this node has applied that entry.

use std::sync::Arc;
use std::time::Duration;

use env::Moment;
use openraft::{LogId, Raft};
use placement::NodeId;
use tokio::sync::{mpsc, oneshot};

use super::entry::Types;
use super::leader::LeaderWatch;
use crate::rpc::{Call, Method, Peers};

/// Reads that may wait for their round; one more is refused.
pub(super) const QUEUE_LENGTH: usize = 4096;

/// Who waits, for the index that the read must see.
pub(super) type Waiting = oneshot::Sender<Result<u64, NoIndex>>;

/// Why nobody can say what a read must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoIndex {
    /// No leader with a majority was found in time.
    NoQuorum,
    /// The consensus has stopped.
    Stopped,
}

impl From<NoIndex> for meta::Error {
    fn from(reason: NoIndex) -> Self {
        match reason {
            NoIndex::NoQuorum => Self::NoQuorum,
            NoIndex::Stopped => Self::Unavailable,
        }
    }
}

/// Asks the leader, on behalf of all who wait.
pub(super) struct Reader {
    pub(super) raft: Raft<Types>,
    pub(super) node: NodeId,
    pub(super) peers: Arc<Peers>,
    pub(super) leaders: LeaderWatch,
    /// The last entry that the log held when this node started. A leader that starts again in its own term goes on leading
    /// (openraft 0.9), and does not know which of its entries had been committed: to be safe, all of them.
    pub(super) inherited: Option<LogId<u64>>,
    /// How long one round may take.
    pub(super) deadline: Duration,
}

impl Reader {
    /// Runs rounds until all senders are gone.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, QUEUE_LENGTH).await != 0 {
            let index = self.round().await;
            for reader in waiting.drain(..) {
                // A reader may have gone.
                let _ = reader.send(index);
            }
        }
    }

    /// The index that reads that began before this call must see.
    async fn round(&self) -> Result<u64, NoIndex> {
        let mut leaders = self.leaders.clone();
        let mut expired = leaders.expiry(self.deadline);
        loop {
            let asked = async {
                match leaders.known().await {
                    None => Err(NoIndex::Stopped),
                    Some(leader) if leader == self.node => Ok(self.confirm().await),
                    Some(leader) => Ok(self.ask(leader, leaders.clone()).await),
                }
            };
            tokio::select! {
                biased;
                index = asked => if let Some(index) = index? {
                    return Ok(index);
                },
                () = &mut expired => return Err(NoIndex::NoQuorum),
            }
            tokio::select! {
                biased;
                () = leaders.pause() => {}
                () = &mut expired => return Err(NoIndex::NoQuorum),
            }
        }
    }

    async fn confirm(&self) -> Option<u64> {
        match self.raft.get_read_log_id().await {
            // Entries of a later term count for more: what it inherited may have been replaced then.
            Ok((committed, _)) => {
                if committed < self.inherited {
                    Moment::LeaderResumed.note();
                }
                Some(committed.max(self.inherited).map_or(0, |id| id.index))
            }
            Err(error) => {
                tracing::debug!(%error, "leadership could not be confirmed");
                None
            }
        }
    }

    /// A leader that hangs is not waited for once there is another.
    async fn ask(&self, leader: NodeId, mut leaders: LeaderWatch) -> Option<u64> {
        let answer = tokio::select! {
            biased;
            answer = self.peers.call(leader, Call::new(Method::ReadIndex, &(), self.deadline)) => answer,
            () = leaders.deposed(leader) => return None,
        };
        match answer.and_then(|answer| answer.parse::<Option<u64>>(leader)) {
            Ok(index) => index,
            Err(error) => {
                tracing::debug!(%error, "the leader did not say what to read");
                None
            }
        }
    }
}
