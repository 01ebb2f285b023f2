//! [`RaftConsensus`]: starting, proposing, reading, stopping.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use env::{Env, Task};
use meta::{Command, Consensus, ConsensusFuture, MetaEngine, Opened, Outcome, Reading};
use openraft::{Config, Raft, SnapshotPolicy};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::batcher::{self, Proposal};
use super::entry::Types;
use super::log_store::{LogStore, Recent};
use super::network::NoPeers;
use super::purge;
use super::state_machine::StateMachine;
use crate::error::{Error, Result};

/// Milliseconds between heartbeats, and bounds of the election timeout. A group of one needs neither quickly.
const HEARTBEAT_MILLIS: u64 = 500;
const ELECTION_MILLIS: (u64, u64) = (1500, 3000);

/// The metadata's consensus on this node.
pub(crate) struct RaftConsensus {
    env: Env,
    engine: Arc<MetaEngine>,
    raft: Raft<Types>,
    state_machine: StateMachine,
    deadline: Duration,
    /// `None` once the node is stopping.
    queue: Mutex<Option<mpsc::Sender<Proposal>>>,
    tasks: Mutex<Vec<Task>>,
}

impl RaftConsensus {
    /// Starts consensus on the metadata that was `opened`, for `node`, its only voter; begins the group at the first
    /// start. On return every command that was ever answered has been applied.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`] when the log or the state machine fails.
    pub(crate) async fn start(env: &Env, opened: Opened, node: u64, deadline: Duration) -> Result<Arc<Self>> {
        let recent = Recent::default();
        let log_store = LogStore::new(env.clone(), opened.log, recent.clone(), opened.engine.durable());
        let state_machine = StateMachine::new(env.clone(), opened.engine.clone(), recent, node);
        let raft = Raft::new(node, Arc::new(config()?), NoPeers, log_store, state_machine.clone()).await;
        let raft = raft.map_err(stopped)?;
        begin(&raft, node).await?;

        let (sender, queue) = mpsc::channel(batcher::QUEUE_LENGTH);
        let batcher = batcher::run(queue, raft.clone(), env.clock.clone());
        let purge = purge::run(opened.engine.durable(), raft.clone());
        let tasks =
            vec![env.spawn.task("raft-batcher", Box::pin(batcher)), env.spawn.task("raft-purge", Box::pin(purge))];
        Ok(Arc::new(Self {
            env: env.clone(),
            engine: opened.engine,
            raft,
            state_machine,
            deadline,
            queue: Mutex::new(Some(sender)),
            tasks: Mutex::new(tasks),
        }))
    }

    /// The state machine's engine, for its condition.
    pub(crate) fn engine(&self) -> &Arc<MetaEngine> {
        &self.engine
    }

    /// Whether this node leads, as far as it knows.
    pub(crate) fn is_leader(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.current_leader == Some(metrics.id)
    }

    /// Whether commands can be decided.
    pub(crate) fn is_running(&self) -> bool {
        self.raft.metrics().borrow().running_state.is_ok()
    }

    /// Answers what is queued, flushes, and stops. Later proposals are refused.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`] when the flush failed: nothing answered is lost, the next start replays more.
    /// [`Error::Task`] when a task panicked.
    pub(crate) async fn close(&self) -> Result<()> {
        drop(self.queue.lock().take());
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let purge = tasks.pop();
        for task in tasks {
            task.join().await?;
        }
        let flushed = self.engine.flush().await;
        let stopped = self.raft.shutdown().await;
        if let Some(purge) = purge {
            purge.abort();
        }
        self.engine.close().await;
        stopped.map_err(|error| Error::Consensus { reason: error.to_string() })?;
        Ok(flushed?)
    }

    async fn enqueue(&self, command: Command) -> meta::Result<Outcome> {
        let queue = self.queue.lock().clone().ok_or(meta::Error::Stopping)?;
        // What is in the log must be applied: a full disk, or memory that cannot be flushed, refuses before.
        if !self.engine.admits() {
            return Err(meta::Error::Overloaded);
        }
        if command.adds() && !self.engine.has_room() {
            return Err(meta::Error::Full);
        }
        let encoded =
            postcard::to_stdvec(&command).map_err(|_| meta::Error::Inconsistent("a command has no encoding"))?;
        if batcher::COMMAND_BYTES_MAX < encoded.len() {
            return Err(meta::Error::Inconsistent("a command is too large for the log"));
        }
        let (answer, answered) = oneshot::channel();
        let mut expired = self.env.clock.sleep(self.deadline);
        tokio::select! {
            biased;
            sent = queue.send(Proposal { command, encoded, answer }) => sent.map_err(|_| meta::Error::Unavailable)?,
            () = &mut expired => return Err(meta::Error::Overloaded),
        }
        tokio::select! {
            biased;
            answer = answered => answer.unwrap_or(Err(meta::Error::Unavailable)),
            () = &mut expired => Err(meta::Error::Undecided),
        }
    }

    async fn confirm_leadership(&self) -> meta::Result<()> {
        if !self.state_machine.is_sole_voter() {
            let confirmed = self.raft.ensure_linearizable().await;
            confirmed.map_err(|error| {
                tracing::warn!(%error, "a read could not be confirmed");
                meta::Error::Unavailable
            })?;
        }
        Ok(())
    }
}

impl Consensus for RaftConsensus {
    fn propose(&self, command: Command) -> ConsensusFuture<'_, Outcome> {
        Box::pin(self.enqueue(command))
    }

    fn read(&self) -> ConsensusFuture<'_, Reading> {
        Box::pin(async {
            self.confirm_leadership().await?;
            // The index first: the view may only be newer than it says.
            let index = self.engine.applied().map_or(0, |id| id.index);
            Ok(Reading { index, view: self.engine.view() })
        })
    }
}

fn config() -> Result<Config> {
    let config = Config {
        cluster_name: "stonecrop".to_owned(),
        heartbeat_interval: HEARTBEAT_MILLIS,
        election_timeout_min: ELECTION_MILLIS.0,
        election_timeout_max: ELECTION_MILLIS.1,
        snapshot_policy: SnapshotPolicy::Never,
        // Purging follows the engine's flushes alone.
        max_in_snapshot_log_to_keep: u64::MAX,
        ..Config::default()
    };
    config.validate().map_err(|error| Error::Consensus { reason: error.to_string() })
}

/// Makes `node` the leader of a group of its own, and applies everything the log holds.
async fn begin(raft: &Raft<Types>, node: u64) -> Result<()> {
    if !raft.is_initialized().await.map_err(stopped)? {
        let begun = raft.initialize(BTreeSet::from([node])).await;
        begun.map_err(|error| Error::Consensus { reason: error.to_string() })?;
    }
    raft.trigger().elect().await.map_err(stopped)?;
    raft.wait(None)
        .current_leader(node, "a group of one elects its only voter")
        .await
        .map_err(|error| Error::Consensus { reason: error.to_string() })?;
    // An entry of the new term: once it is applied, so is every entry before it.
    let empty = super::entry::Batch::new(env::UnixMillis(0), Vec::new());
    raft.client_write(empty).await.map_err(|error| Error::Consensus { reason: error.to_string() })?;
    Ok(())
}

fn stopped(fatal: openraft::error::Fatal<u64>) -> Error {
    Error::Consensus { reason: fatal.to_string() }
}
