//! The leader's care for the cluster as a whole: who follows and who votes, which disks are given up, where groups lie.
//!
//! Every node runs a steward; it works only where the leader is. Whatever it decides goes through the consensus, so that
//! two of them for a moment do no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use meta::{Consensus, View};
use placement::{DiskId, DiskSpec, DiskState, NodeId, RackId, Table};
use tokio::sync::watch;

use crate::disks::{Entry, Roster, roster_name};
use crate::documents;
use crate::error::Result;
use crate::nodes::{NODES, Nodes};
use crate::raft::RaftConsensus;
use crate::substitutes::substitutes_on;
use crate::tables::TableKeeper;
use crate::urgency::relief_wanted;
use crate::voters::{Candidate, choose_voters};

/// A voter that is silent for this long is replaced.
const VOTER_PATIENCE: Duration = Duration::from_secs(20);

/// Pause between looks at all manifests for shards on the disks of a node that leaves.
const NEED_PAUSE: Duration = Duration::from_secs(15);

/// Entries that a learner may be behind when it begins to vote.
const LAG_MAX: u64 = 256;

/// Looks after the cluster while this node leads.
pub(crate) struct Steward {
    pub(crate) env: Env,
    pub(crate) consensus: Arc<RaftConsensus>,
    pub(crate) tables: Arc<TableKeeper>,
    /// How long a disk may be absent before others take over what it held.
    pub(crate) absence_max: Duration,
    pub(crate) period: Duration,
    pub(crate) down: watch::Receiver<BTreeSet<NodeId>>,
    /// When each absent disk, and each silent node, was seen last, on the monotonic clock.
    pub(crate) silent_disks: BTreeMap<DiskId, Duration>,
    pub(crate) silent_nodes: BTreeMap<NodeId, Duration>,
    /// When the manifests were last found to need the disks of a node that leaves, on the monotonic clock.
    pub(crate) needed_at: BTreeMap<NodeId, Duration>,
}

/// The cluster as its documents say.
pub(crate) struct Fleet {
    pub(crate) nodes: Nodes,
    pub(crate) rosters: BTreeMap<NodeId, Roster>,
}

impl Fleet {
    /// Reads all documents.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Meta`], [`crate::Error::Damaged`], [`crate::Error::UnknownFormat`].
    pub(crate) fn read(view: &dyn View) -> Result<Self> {
        let nodes: Nodes = documents::read(view, NODES)?;
        let roster = |node| Ok((node, documents::read(view, &roster_name(node))?));
        let rosters = nodes.ids().map(roster).collect::<Result<_>>()?;
        Ok(Self { nodes, rosters })
    }

    /// All disks with their nodes, those that were given up too.
    pub(crate) fn all_disks(&self) -> impl Iterator<Item = (NodeId, DiskId, &Entry)> {
        self.rosters.iter().flat_map(|(&node, roster)| roster.disks.iter().map(move |(id, entry)| (node, *id, entry)))
    }

    /// The disks that take part, with their nodes.
    pub(crate) fn disks(&self) -> impl Iterator<Item = (NodeId, DiskId, &Entry)> {
        self.all_disks().filter(|(_, _, entry)| !entry.is_out)
    }

    /// The disks as the planner wants them: those that do not work keep their slots until they are given up.
    pub(crate) fn specs(&self, down: &BTreeSet<NodeId>) -> Vec<DiskSpec> {
        let racks = self.nodes.racks();
        let leaves = |node| self.nodes.get(node).is_some_and(|node| node.leaving);
        let spec = |(node, id, entry): (NodeId, DiskId, &Entry)| {
            let state = match () {
                () if entry.is_draining || leaves(node) => DiskState::Draining,
                () if is_silent(entry) || down.contains(&node) => DiskState::Suspect,
                () => DiskState::In,
            };
            let rack = racks.get(&node).copied().unwrap_or(RackId(0));
            DiskSpec { id, node, rack, weight: entry.weight, state }
        };
        self.disks().map(spec).collect()
    }
}

fn is_silent(entry: &Entry) -> bool {
    entry.is_absent || entry.is_offline
}

impl Steward {
    /// Runs until `stopping` says so.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut documents = self.consensus.documents();
        loop {
            documents.borrow_and_update();
            if self.consensus.is_leader() {
                if let Err(error) = self.work().await {
                    tracing::warn!(%error, "the cluster could not be looked after: trying again");
                }
            } else {
                self.silent_disks.clear();
                self.silent_nodes.clear();
            }
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                Ok(()) = documents.changed() => {}
                () = self.env.clock.sleep(self.period) => {}
            }
        }
    }

    /// One round.
    ///
    /// # Errors
    ///
    /// Whatever the metadata refuses.
    pub(crate) async fn work(&mut self) -> Result<()> {
        let view = self.consensus.read().await?.view;
        let fleet = Fleet::read(view.as_ref())?;
        let down = self.down.borrow().clone();
        self.note_silence(&fleet, &down);
        self.admit(&fleet).await?;
        self.choose_voters(&fleet).await?;
        let gave_up = self.give_up(&fleet).await?;
        let fleet = match gave_up {
            true => Fleet::read(self.consensus.read().await?.view.as_ref())?,
            false => fleet,
        };
        self.plan(&fleet, &down).await?;
        self.dismiss(&fleet, &down).await
    }

    fn note_silence(&mut self, fleet: &Fleet, down: &BTreeSet<NodeId>) {
        let now = self.env.clock.monotonic();
        self.silent_nodes.retain(|node, _| down.contains(node));
        for &node in down {
            self.silent_nodes.entry(node).or_insert(now);
        }
        let silent: BTreeSet<DiskId> = fleet
            .disks()
            .filter(|(node, _, entry)| is_silent(entry) || down.contains(node))
            .map(|(_, id, _)| id)
            .collect();
        self.silent_disks.retain(|disk, _| silent.contains(disk));
        for disk in silent {
            self.silent_disks.entry(disk).or_insert(now);
        }
    }

    /// Has nodes follow the log that joined, or that moved.
    async fn admit(&self, fleet: &Fleet) -> Result<()> {
        let membership = self.consensus.metrics().borrow().membership_config.clone();
        for (&id, node) in &fleet.nodes.members {
            let known = membership.membership().get_node(&id).map(|node| node.addr.clone());
            if known.as_deref() != Some(node.address.as_str()) && !node.leaving {
                tracing::info!(node = id, address = node.address, "a node follows the log");
                self.consensus.add_learner(NodeId(id), &node.address).await?;
            }
        }
        Ok(())
    }

    async fn choose_voters(&self, fleet: &Fleet) -> Result<()> {
        let now = self.env.clock.monotonic();
        let (current, behind) = {
            let metrics = self.consensus.metrics();
            let metrics = metrics.borrow();
            let current: BTreeSet<NodeId> = metrics.membership_config.voter_ids().map(NodeId).collect();
            let last = metrics.last_log_index.unwrap_or(0);
            let matched: BTreeMap<NodeId, u64> = metrics
                .replication
                .iter()
                .flatten()
                // One that has not answered this leader yet may never do so.
                .filter_map(|(id, matched)| Some((NodeId(*id), matched.as_ref()?.index)))
                .collect();
            let behind = move |node: &NodeId| matched.get(node).is_none_or(|matched| matched + LAG_MAX < last);
            (current, behind)
        };
        let racks = fleet.nodes.racks();
        let candidate = |(&id, node): (&u64, &crate::nodes::NodeRecord)| {
            let id = NodeId(id);
            let silent = self.silent_nodes.get(&id).is_some_and(|since| VOTER_PATIENCE <= now.saturating_sub(*since));
            let votes = current.contains(&id);
            let fit = !silent && !node.leaving && (votes || !(behind(&id) || self.silent_nodes.contains_key(&id)));
            let rack = racks.get(&id).copied().unwrap_or(RackId(0));
            Candidate { id, rack, votes, fit, leaving: node.leaving }
        };
        let candidates: Vec<Candidate> = fleet.nodes.members.iter().map(candidate).collect();
        let voters = choose_voters(&candidates);
        if voters.is_empty() || voters == current {
            return Ok(());
        }
        tracing::info!(?voters, before = ?current, "other nodes vote");
        self.consensus.set_voters(voters).await
    }

    /// Lets other disks take over from those that stay away, when there are enough of them.
    async fn give_up(&mut self, fleet: &Fleet) -> Result<bool> {
        let now = self.env.clock.monotonic();
        let shards = self.tables.profile().shards();
        let working = fleet.disks().filter(|(_, id, _)| !self.silent_disks.contains_key(id)).count();
        if working < shards {
            return Ok(false);
        }
        let mut gave_up = false;
        for (node, id, _) in fleet.disks() {
            let expired =
                self.silent_disks.get(&id).is_some_and(|since| self.absence_max <= now.saturating_sub(*since));
            if expired {
                tracing::error!(disk = %id, node = node.0, "disk stayed away too long: others take over what it held");
                self.change_entry(node, id, |entry| entry.is_out = true).await?;
                self.silent_disks.remove(&id);
                gave_up = true;
            }
        }
        Ok(gave_up)
    }

    async fn change_entry(&self, node: NodeId, disk: DiskId, change: impl Fn(&mut Entry) + Send + Sync) -> Result<()> {
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, &roster_name(node), |roster: &mut Roster| {
            if let Some(entry) = roster.disks.get_mut(&disk) {
                change(entry);
            }
            Ok(())
        })
        .await
    }

    /// Lets the planner adapt the table to the disks.
    async fn plan(&self, fleet: &Fleet, down: &BTreeSet<NodeId>) -> Result<()> {
        let specs = fleet.specs(down);
        let now = self.env.clock.monotonic();
        let silent = self.silent_disks.iter().map(|(disk, since)| (*disk, now.saturating_sub(*since))).collect();
        let absence_max = self.absence_max;
        let input: Arc<(Vec<DiskSpec>, BTreeMap<DiskId, Duration>)> = Arc::new((specs, silent));
        let planned = move |_: &dyn View, table: &Table| {
            let (specs, silent) = input.as_ref();
            let is_there = |disk| specs.iter().any(|spec| spec.id == disk);
            let leaves = |disk| specs.iter().any(|spec| spec.id == disk && spec.state == DiskState::Draining);
            let wanted = relief_wanted(table, silent, is_there, leaves, absence_max);
            Ok(placement::plan_relief(table, specs, &wanted))
        };
        let changed = self.tables.change(planned).await?;
        if 0 < changed {
            tracing::info!(slots = changed, "placement changed");
        }
        Ok(())
    }

    /// Whether slots or manifests still name disks of `node`. Manifests count as far as its disks answer: what others do not
    /// tell is lost, and is rebuilt.
    async fn is_needed(&mut self, fleet: &Fleet, down: &BTreeSet<NodeId>, node: NodeId) -> Result<bool> {
        let disks = || fleet.rosters.get(&node).into_iter().flat_map(|roster| &roster.disks);
        if 0 < self.tables.slots_of(&disks().map(|(id, _)| *id).collect()).await? {
            return Ok(true);
        }
        let answers = |entry: &Entry| !entry.is_out && !is_silent(entry) && !down.contains(&node);
        let there: BTreeSet<DiskId> = disks().filter(|(_, entry)| answers(entry)).map(|(id, _)| *id).collect();
        let now = self.env.clock.monotonic();
        let is_recent = |looked: &Duration| now.saturating_sub(*looked) < NEED_PAUSE;
        if there.is_empty() || self.needed_at.get(&node).is_some_and(is_recent) {
            return Ok(!there.is_empty());
        }
        let view = self.consensus.read().await?.view;
        let shards = self.env.blocking(move || substitutes_on(view.as_ref(), &there)).await?;
        if 0 < shards {
            tracing::info!(node = node.0, shards, "a node that leaves still has shards in place of others");
            self.needed_at.insert(node, now);
        }
        Ok(0 < shards)
    }

    /// Lets nodes go that were told to leave, once nothing lies on their disks.
    async fn dismiss(&mut self, fleet: &Fleet, down: &BTreeSet<NodeId>) -> Result<()> {
        for (&id, _) in fleet.nodes.members.iter().filter(|(_, node)| node.leaving) {
            if self.is_needed(fleet, down, NodeId(id)).await? {
                continue;
            }
            let membership = self.consensus.metrics().borrow().membership_config.clone();
            if membership.voter_ids().any(|voter| voter == id) {
                continue;
            }
            if membership.membership().get_node(&id).is_some() {
                self.consensus.remove_learner(NodeId(id)).await?;
            }
            tracing::info!(node = id, "a node has left");
            self.needed_at.remove(&NodeId(id));
            let consensus: Arc<dyn Consensus> = self.consensus.clone();
            documents::change(&consensus, NODES, |nodes: &mut Nodes| {
                if nodes.members.remove(&id).is_some() {
                    nodes.removed.push(id);
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
