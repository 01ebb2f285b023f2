//! [`RaftConsensus`]: starting, proposing, reading, stopping.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use env::{Bug, Env, Task};
use meta::{Command, Consensus, ConsensusFuture, MetaEngine, Opened, Outcome, Reading};
use openraft::{BasicNode, ChangeMembers, Config, Raft, RaftMetrics, SnapshotPolicy};
use parking_lot::Mutex;
use placement::NodeId;
use tokio::sync::{mpsc, oneshot, watch};

use super::batcher::{self, Batcher, Proposal};
use super::entry::{self, Types};
use super::forward::ConsensusHandler;
use super::leader::{self, LeaderWatch};
use super::log_store::{LogStore, Recent};
use super::network::Network;
use super::purge;
use super::reader::{self, Reader, Waiting};
use super::state_machine::StateMachine;
use super::transfer::TransferHandler;
use crate::error::{Error, Result};
use crate::rpc::{Peers, Server};

/// Milliseconds between heartbeats, and bounds of the election timeout. openraft lets nobody vote before a timeout has
/// passed since the last heartbeat, and waits for one more: a dead leader is replaced after 1.0 to 1.6 seconds.
const HEARTBEAT_MILLIS: u64 = 150;
const ELECTION_MILLIS: (u64, u64) = (500, 800);

/// How often a node looks whether a disk takes its metadata.
const MIRRORS_PERIOD: Duration = Duration::from_secs(1);

/// Entries sent to a follower at once.
const ENTRIES_PER_CALL_MAX: u64 = 64;

/// The metadata's consensus on this node.
pub(crate) struct RaftConsensus {
    env: Env,
    node: NodeId,
    engine: Arc<MetaEngine>,
    raft: Raft<Types>,
    state_machine: StateMachine,
    peers: Arc<Peers>,
    deadline: Duration,
    /// This node's state is not what the log says: it must not be read, nor decide.
    condemned: AtomicBool,
    /// Whether some of its metadata was damaged in every copy when it started.
    began_damaged: bool,
    /// `None` once the node is stopping.
    queues: Mutex<Option<Queues>>,
    tasks: Mutex<Vec<Task>>,
}

#[derive(Clone)]
struct Queues {
    proposals: mpsc::Sender<Proposal>,
    reads: mpsc::Sender<Waiting>,
}

impl RaftConsensus {
    /// Starts consensus on the metadata that was `opened`, for `node`. Others reach it once it [serves](Self::serve);
    /// decides nothing before it is [begun](Self::begin), or a leader has made this node a member.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`] when the log or the state machine fails.
    pub(crate) async fn start(
        env: &Env,
        opened: Opened,
        node: NodeId,
        peers: Arc<Peers>,
        deadline: Duration,
    ) -> Result<Arc<Self>> {
        let recent = Recent::default();
        let began_damaged = opened.engine.is_damaged();
        let inherited = opened.log.state().last.filter(|_| !Bug::InheritedIgnored.is_planted());
        let inherited = inherited.map(entry::raft_log_id);
        let log_store = LogStore::new(env.clone(), opened.log, recent.clone(), opened.engine.durable());
        let state_machine = StateMachine::new(env.clone(), opened.engine.clone(), recent);
        let network = Network::new(node, peers.clone());
        let raft = Raft::new(node.0, Arc::new(config(node)?), network, log_store, state_machine.clone()).await;
        let raft = raft.map_err(stopped)?;

        let leaders = LeaderWatch::new(raft.metrics(), env.clock.clone());
        let (proposals, proposed) = mpsc::channel(batcher::QUEUE_LENGTH);
        let (reads, waiting) = mpsc::channel(reader::QUEUE_LENGTH);
        let batcher = Batcher {
            raft: raft.clone(),
            clock: env.clock.clone(),
            node,
            peers: peers.clone(),
            leaders: leaders.clone(),
        };
        let reader = Reader { raft: raft.clone(), node, peers: peers.clone(), leaders, inherited, deadline };
        let purge = purge::run(opened.engine.durable(), raft.clone());
        let tasks = vec![
            env.spawn.task("raft-batcher", Box::pin(batcher.run(proposed))),
            env.spawn.task("raft-reader", Box::pin(reader.run(waiting))),
            env.spawn.task("raft-leader-log", Box::pin(leader::log_changes(raft.metrics()))),
            env.spawn.task("raft-purge", Box::pin(purge)),
        ];
        Ok(Arc::new(Self {
            env: env.clone(),
            node,
            engine: opened.engine,
            raft,
            state_machine,
            peers,
            deadline,
            condemned: AtomicBool::new(false),
            began_damaged,
            queues: Mutex::new(Some(Queues { proposals, reads })),
            tasks: Mutex::new(tasks),
        }))
    }

    /// Makes this node the leader of a group of its own at the first start, reached at `address`. A node that is its
    /// group's only voter leads on return, and every command that was ever answered has been applied.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`].
    pub(crate) async fn begin(&self, address: &str) -> Result<()> {
        if !self.raft.is_initialized().await.map_err(stopped)? {
            let members = BTreeMap::from([(self.node.0, BasicNode::new(address))]);
            self.raft.initialize(members).await.map_err(refused)?;
        }
        let voters: BTreeSet<u64> = self.raft.metrics().borrow().membership_config.voter_ids().collect();
        if voters != BTreeSet::from([self.node.0]) {
            return Ok(());
        }
        self.raft.trigger().elect().await.map_err(stopped)?;
        let wait = self.raft.wait(None);
        wait.current_leader(self.node.0, "a group of one elects its only voter").await.map_err(refused)?;
        // An entry of the new term: once it is applied, so is every entry before it.
        let empty = entry::Batch::new(env::UnixMillis(0), Vec::new());
        self.raft.client_write(empty).await.map_err(refused)?;
        Ok(())
    }

    fn handler(&self) -> ConsensusHandler {
        let reads = self.queues.lock().as_ref().map(|queues| queues.reads.downgrade());
        ConsensusHandler {
            raft: self.raft.clone(),
            node: self.node,
            engine: self.engine.clone(),
            clock: self.env.clock.clone(),
            reads: reads.expect("asked for while starting"),
        }
    }

    /// Has `server` answer the other nodes' calls.
    pub(crate) fn serve(&self, server: &Server) {
        server.answer(&ConsensusHandler::METHODS, Arc::new(self.handler()));
        let transfers = TransferHandler {
            raft: self.raft.clone(),
            engine: self.engine.clone(),
            state_machine: self.state_machine.clone(),
            peers: self.peers.clone(),
            fetching: tokio::sync::Mutex::default(),
        };
        server.answer(&TransferHandler::METHODS, Arc::new(transfers));
    }

    /// The state machine's engine, for its condition.
    pub(crate) fn engine(&self) -> &Arc<MetaEngine> {
        &self.engine
    }

    /// Changes whenever a document or the placement table may have changed in [`Self::engine`]'s view.
    pub(crate) fn documents(&self) -> watch::Receiver<u64> {
        self.state_machine.documents()
    }

    /// Where the members of the group are, as far as the log says.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`] when the log has failed.
    pub(crate) async fn addresses(&self) -> Result<Vec<(NodeId, String)>> {
        // The metrics come later than the state.
        let nodes = self.raft.with_raft_state(|state| {
            let membership = state.membership_state.effective();
            membership.nodes().map(|(id, node)| (NodeId(*id), node.addr.clone())).collect::<Vec<_>>()
        });
        let nodes = nodes.await.map_err(stopped)?;
        Ok(nodes.into_iter().filter(|(_, address)| !address.is_empty()).collect())
    }

    /// Who leads, who votes, how far the others are.
    pub(crate) fn metrics(&self) -> watch::Receiver<RaftMetrics<u64, BasicNode>> {
        self.raft.metrics()
    }

    /// Whether this node leads, as far as it knows.
    pub(crate) fn is_leader(&self) -> bool {
        self.raft.metrics().borrow().current_leader == Some(self.node.0)
    }

    /// Whether commands can be decided: the consensus runs, and somebody leads.
    pub(crate) fn is_running(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        let is_sound = !self.condemned.load(Ordering::Acquire);
        is_sound && metrics.running_state.is_ok() && metrics.current_leader.is_some()
    }

    /// Waits until the consensus has stopped by itself, with no mirror left to write to most likely, and this node can tell
    /// nobody anything any more; says why. A node that decides alone goes on reading what it has, and a condemned one stays
    /// as it is, for inspection: started again it would serve what is wrong.
    pub(crate) async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        let is_over = |metrics: &RaftMetrics<u64, BasicNode>| metrics.running_state.is_err() && !decides_alone(metrics);
        let reason = tokio::select! {
            biased;
            over = metrics.wait_for(is_over) => match over {
                Ok(metrics) => metrics.running_state.as_ref().err().map(ToString::to_string),
                Err(_) => None,
            },
            () = self.mirrors_lost() => Some("no mirror of the metadata works".to_owned()),
            () = self.pages_lost() => {
                Some("some of the metadata is damaged in every copy: the next start takes it from another node".to_owned())
            }
        };
        match reason {
            Some(reason) if self.queues.lock().is_some() && !self.condemned.load(Ordering::Acquire) => reason,
            // It was asked to stop, or condemned.
            _ => std::future::pending().await,
        }
    }

    /// Waits until some of the metadata turns out to be damaged in every copy while there are other nodes. A node that has
    /// known it from its start on has not got it from them, and goes on with what it can read.
    async fn pages_lost(&self) {
        if self.began_damaged {
            return std::future::pending().await;
        }
        while !self.engine.is_damaged() || decides_alone(&self.raft.metrics().borrow()) {
            self.env.clock.sleep(MIRRORS_PERIOD).await;
        }
    }

    /// Waits until no disk takes metadata any more. A mirror may be taken out of service without a write that fails, and
    /// then there is none: a leader refuses all commands, so its Raft would not notice, and lead on for ever.
    async fn mirrors_lost(&self) {
        let has_mirror = || self.engine.mirrors().iter().any(|mirror| mirror.in_service);
        while has_mirror() || decides_alone(&self.raft.metrics().borrow()) {
            self.env.clock.sleep(MIRRORS_PERIOD).await;
        }
    }

    /// Has `node`, reached at `address`, follow the log. Only the leader can; returns before the node has caught up.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`].
    pub(crate) async fn add_learner(&self, node: NodeId, address: &str) -> Result<()> {
        self.raft.add_learner(node.0, BasicNode::new(address), false).await.map_err(refused)?;
        Ok(())
    }

    /// Has exactly these nodes, all of which follow the log, vote. Former voters go on following. Only the leader can.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`].
    pub(crate) async fn set_voters(&self, voters: BTreeSet<NodeId>) -> Result<()> {
        let voters = ChangeMembers::ReplaceAllVoters(voters.into_iter().map(|node| node.0).collect());
        self.raft.change_membership(voters, true).await.map_err(refused)?;
        Ok(())
    }

    /// Has `node` follow the log no more. Only the leader can, and not with a voter.
    ///
    /// # Errors
    ///
    /// [`Error::Consensus`].
    pub(crate) async fn remove_learner(&self, node: NodeId) -> Result<()> {
        let removed = ChangeMembers::RemoveNodes(BTreeSet::from([node.0]));
        self.raft.change_membership(removed, true).await.map_err(refused)?;
        Ok(())
    }

    /// Answers what is queued, flushes, and stops. Later proposals are refused.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`] when the flush failed: nothing answered is lost, the next start replays more.
    /// [`Error::Task`] when a task panicked.
    pub(crate) async fn close(&self) -> Result<()> {
        drop(self.queues.lock().take());
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        // These two end with Raft.
        let followers = tasks.split_off(tasks.len().saturating_sub(2));
        for task in tasks {
            task.join().await?;
        }
        let flushed = self.engine.flush().await;
        followers.iter().for_each(Task::abort);
        let stopped = self.raft.shutdown().await;
        self.engine.close().await;
        stopped.map_err(|error| Error::Consensus { reason: error.to_string() })?;
        Ok(flushed?)
    }

    /// Serves nobody any more, and leads nobody: this node's state has turned out to be wrong.
    pub(crate) async fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the consensus did not stop cleanly");
        }
    }

    fn queues(&self) -> meta::Result<Queues> {
        if self.condemned.load(Ordering::Acquire) {
            return Err(meta::Error::Inconsistent("this node's metadata differs from the leader's"));
        }
        self.queues.lock().clone().ok_or(meta::Error::Stopping)
    }

    async fn enqueue(&self, command: Command) -> meta::Result<Outcome> {
        let queue = self.queues()?.proposals;
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
        metrics::counter!("stonecrop_commands_proposed_total").increment(1);
        let (answer, answered) = oneshot::channel();
        let mut expired = self.env.clock.sleep(self.deadline);
        let expires = self.env.clock.monotonic() + self.deadline;
        let proposal = Proposal { command, encoded, expires, attempted: false, answer };
        tokio::select! {
            biased;
            sent = queue.send(proposal) => sent.map_err(|_| meta::Error::Unavailable)?,
            () = &mut expired => return Err(meta::Error::Overloaded),
        }
        tokio::select! {
            biased;
            answer = answered => answer.unwrap_or(Err(meta::Error::Unavailable)),
            () = &mut expired => Err(meta::Error::Undecided),
        }
    }

    /// Waits until this node has applied everything that was answered before the call.
    async fn catch_up(&self) -> meta::Result<()> {
        let queues = self.queues()?;
        if decides_alone(&self.raft.metrics().borrow()) || Bug::ReadsWithoutRound.is_planted() {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        let mut expired = self.env.clock.sleep(self.deadline);
        queues.reads.try_send(sender).map_err(|_| meta::Error::Overloaded)?;
        let mut applied = self.state_machine.applied();
        let caught_up = async {
            let index = receiver.await.map_err(|_| meta::Error::Stopping)??;
            // The state machine lives as long as this value.
            let is_seen = |applied: &u64| index <= *applied || Bug::ReadsBeforeApplied.is_planted();
            applied.wait_for(is_seen).await.map_err(|_| meta::Error::Stopping)?;
            Ok(())
        };
        tokio::select! {
            biased;
            caught_up = caught_up => caught_up,
            () = &mut expired => Err(meta::Error::NoQuorum),
        }
    }
}

impl Consensus for RaftConsensus {
    fn propose(&self, command: Command) -> ConsensusFuture<'_, Outcome> {
        Box::pin(self.enqueue(command))
    }

    fn read(&self) -> ConsensusFuture<'_, Reading> {
        metrics::counter!("stonecrop_metadata_reads_total").increment(1);
        Box::pin(async {
            self.catch_up().await?;
            Ok(self.newest())
        })
    }

    fn newest(&self) -> Reading {
        // The index first: the view may only be newer than it says.
        let index = self.engine.applied().map_or(0, |id| id.index);
        Reading { index, view: self.engine.view() }
    }
}

/// Whether nobody but this node can decide anything: then what was answered has been applied here, and reads need no round.
///
/// By the membership that the log holds, not by the one applied last: a node that starts again may lead before it has applied
/// the entries that gave it company, and those that were answered since.
fn decides_alone(metrics: &RaftMetrics<u64, BasicNode>) -> bool {
    metrics.current_leader == Some(metrics.id) && metrics.membership_config.voter_ids().eq([metrics.id])
}

fn config(node: NodeId) -> Result<Config> {
    let election = election_millis(node);
    let config = Config {
        cluster_name: "stonecrop".to_owned(),
        heartbeat_interval: HEARTBEAT_MILLIS,
        election_timeout_min: election,
        // A range of one number: openraft would draw by randomness of its own.
        election_timeout_max: election + 1,
        max_payload_entries: ENTRIES_PER_CALL_MAX,
        snapshot_policy: SnapshotPolicy::Never,
        // Purging follows the engine's flushes alone.
        max_in_snapshot_log_to_keep: u64::MAX,
        ..Config::default()
    };
    config.validate().map_err(|error| Error::Consensus { reason: error.to_string() })
}

/// The election timeout of a node. Nodes differ, so that their elections do not collide for ever: multiples of the golden
/// ratio spread over the range, wherever they end (Knuth, volume 3, §6.4).
fn election_millis(node: NodeId) -> u64 {
    const RATIO: (u64, u64) = (618_034, 1_000_000);
    let share = node.0.wrapping_mul(RATIO.0) % RATIO.1;
    ELECTION_MILLIS.0 + (ELECTION_MILLIS.1 - ELECTION_MILLIS.0) * share / RATIO.1
}

fn stopped(fatal: openraft::error::Fatal<u64>) -> Error {
    Error::Consensus { reason: fatal.to_string() }
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Consensus { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
