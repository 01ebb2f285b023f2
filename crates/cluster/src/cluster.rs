//! [`Cluster`]: this node as a whole.

use std::sync::Arc;
use std::time::Duration;

use env::{Env, Task};
use meta::{Consensus, MetaEngine, View, query};
use parking_lot::Mutex;
use placement::{Epoch, GroupId, Move, Plan, Slot, Table};
use tokio::sync::watch;

use crate::additions::Additions;
use crate::config::ClusterConfig;
use crate::documents;
use crate::error::{Error, Result};
use crate::halts::Halts;
use crate::health::Health;
use crate::inquiries::Inquiries;
use crate::join::create_token;
use crate::links::Links;
use crate::monitor::answer;
use crate::nodes::Agreed;
use crate::raft::RaftConsensus;
use crate::readers::Readers;
use crate::start;
use crate::tables::TableKeeper;
use crate::topology::{Publisher, Topology};

/// A slot of a group, and what it was when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSeen {
    /// The group.
    pub group: GroupId,
    /// The slot's position, which is the shard index.
    pub index: u8,
    /// What it was.
    pub slot: Slot,
    /// The group's epoch then.
    pub epoch: Epoch,
}

/// This node: its disks, the metadata's consensus, the placement table.
pub struct Cluster {
    pub(crate) cluster_id: u128,
    pub(crate) consensus: Arc<RaftConsensus>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) tables: Arc<TableKeeper>,
    pub(crate) readers: Arc<Readers>,
    pub(crate) links: Arc<Links>,
    pub(crate) additions: Arc<Additions>,
    pub(crate) inquiries: Arc<Inquiries>,
    pub(crate) halts: watch::Sender<Halts>,
    pub(crate) env: Env,
    pub(crate) mirror_count: usize,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) tasks: Mutex<Vec<Task>>,
}

impl Cluster {
    /// Starts the node on its storage directories; begins a cluster in directories that are all blank.
    ///
    /// Directories that are missing or unreadable leave the node degraded, as long as one of the others has the
    /// metadata. An empty directory where a disk was becomes its replacement; one at a new place becomes an additional
    /// disk. On return everything that was ever acknowledged is visible.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) says what the operator can do.
    pub async fn open(env: &Env, config: ClusterConfig) -> Result<Self> {
        start::start(env, config).await
    }

    /// Identity of the cluster, chosen when it began.
    pub fn id(&self) -> u128 {
        self.cluster_id
    }

    /// Makes a token with which nodes can join for as long as `valid_for`; print it on purpose only. Durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta); [`Error::Damaged`](crate::Error::Damaged) for a node without an address.
    pub async fn create_join_token(&self, valid_for: Duration) -> Result<String> {
        let token = create_token(&self.env, self.cluster_id, &self.consensus(), valid_for).await?;
        Ok(token.to_string())
    }

    /// What all nodes agreed to call `name`: the value that is kept, or else `proposal`, if there is one, from now on.
    /// Durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta).
    pub async fn agree(&self, name: &str, proposal: Option<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        let name = format!("agreed/{name}");
        documents::change(&self.consensus(), &name, |agreed: &mut Agreed| {
            if agreed.0.is_none() {
                agreed.0.clone_from(&proposal);
            }
            Ok(agreed.0.clone())
        })
        .await
    }

    /// Where metadata is changed and read.
    pub fn consensus(&self) -> Arc<dyn Consensus> {
        self.consensus.clone()
    }

    /// The metadata's engine on this node.
    pub fn engine(&self) -> &Arc<MetaEngine> {
        self.consensus.engine()
    }

    /// The placement table and the disks now. Cheap; take it once an operation.
    pub fn topology(&self) -> Arc<Topology> {
        self.publisher.current()
    }

    /// Tells of every new topology: disks that fail, return or are replaced, and slots that begin or end to move.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Topology>> {
        self.publisher.subscribe()
    }

    /// Notes that a census found every shard of these slots on its write target: moves and rebuilds end. Slots that
    /// changed since are left alone, and so are those of groups that lost a write target since, though the slot be the
    /// same again: the census did not look for what was written meanwhile. Returns how many were settled. Durable on
    /// return.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta) when the metadata cannot be changed.
    pub async fn settle(&self, slots: &[SlotSeen]) -> Result<usize> {
        let slots: Arc<[SlotSeen]> = slots.into();
        self.tables.change(move |view, table| Ok(settle(table, &still_counted(view, &slots)?))).await
    }

    /// How the node is.
    pub fn health(&self) -> Health {
        Health::of(self.node(), &self.publisher.current(), &self.consensus, self.mirror_count)
    }

    /// Waits until this node can serve nobody any more, as none of its disks takes metadata: end the process, so that it
    /// starts again with what the disks really have. The other nodes go on. Never resolves while there is hope, nor for a
    /// node that has no others: that serves reads as long as it can.
    pub async fn failed(&self) -> Error {
        Error::Consensus { reason: self.consensus.failed().await }
    }

    /// Stops in reverse order of the start: the monitor, the consensus (which answers what is queued), the disks. Users
    /// of the topology have stopped before.
    ///
    /// # Errors
    ///
    /// The first failure; everything is stopped nevertheless, and nothing acknowledged is lost. A disk that does not close
    /// cleanly is no failure: its next start only takes longer.
    pub async fn close(&self) -> Result<()> {
        self.stopping.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock());
        let mut watched = Ok(());
        for task in tasks {
            let ended = task.join().await;
            watched = watched.and(ended);
        }
        let decided = self.consensus.close().await;
        let parted = self.links.close().await;
        for (id, member) in self.publisher.current().members() {
            let Some(disk) = member.local() else { continue };
            match answer(&self.env, disk.close()).await {
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(disk = %id, %error, "disk did not close cleanly: its next start takes longer");
                }
                None => tracing::error!(disk = %id, "disk hangs: it is left as it is"),
            }
        }
        watched?;
        parted?;
        decided
    }
}

/// Those of `slots` whose group still accepts commits of the epoch in which they were seen.
fn still_counted(view: &dyn View, slots: &[SlotSeen]) -> Result<Vec<SlotSeen>> {
    let mut counted = Vec::new();
    for seen in slots {
        if query::group_fence(view, seen.group)?.is_some_and(|fence| fence.accepted_from <= seen.epoch) {
            counted.push(*seen);
        }
    }
    Ok(counted)
}

fn settle(table: &Table, slots: &[SlotSeen]) -> Plan {
    let step = |seen: &SlotSeen| {
        let now = *table.group(seen.group)?.slots.get(usize::from(seen.index))?;
        let after = now.settled().filter(|_| now == seen.slot)?;
        Some(Move { group: seen.group, index: seen.index, before: now, after })
    };
    Plan { based_on: table.version(), splits: 0, moves: slots.iter().filter_map(step).collect() }
}
