//! The cluster at one moment, on one screen.

use std::collections::{BTreeMap, BTreeSet};

use meta::Consensus;
use placement::{DiskId, NodeId, Slot, Survivability};
use serde::Serialize;

use crate::cluster::Cluster;
use crate::disks::Entry;
use crate::error::Result;
use crate::steward::Fleet;
use crate::topology::{MemberState, Topology};

/// The cluster at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Identity of the cluster, in hexadecimal.
    pub cluster: String,
    /// What data is kept as.
    pub profile: String,
    /// What may be lost next.
    pub survives: &'static str,
    /// The node that answers.
    pub answered_by: u64,
    /// The node that leads.
    pub leader: Option<u64>,
    /// The nodes.
    pub nodes: Vec<NodeOverview>,
    /// The disks.
    pub disks: Vec<DiskOverview>,
    /// Placement groups.
    pub groups: usize,
    /// Slots whose shards are being copied to another disk.
    pub slots_moving: usize,
    /// Slots whose shards are being rebuilt.
    pub slots_rebuilding: usize,
    /// Slots that no disk holds.
    pub slots_vacant: usize,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeOverview {
    /// Its number.
    pub id: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// Its rack.
    pub rack: String,
    /// It votes; others follow.
    pub votes: bool,
    /// `up`, `down` (as the node that answers sees it) or `leaving`.
    pub state: &'static str,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiskOverview {
    /// Its identity, in hexadecimal.
    pub id: String,
    /// Its node.
    pub node: u64,
    /// Its directory there.
    pub path: String,
    /// `in`, `suspect`, `absent`, `offline`, `draining`, `empty` (drained),
    /// `out` (given up) or `removed`.
    pub state: &'static str,
    /// It takes no new shards for want of room.
    pub full: bool,
    /// Its share of the data relative to other disks: gibibytes when it joined.
    pub weight: u64,
    /// Slots that it holds, or is being given.
    pub slots: usize,
}

impl Cluster {
    /// How the cluster is, by the newest state.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta) when no majority can be reached.
    pub async fn overview(&self) -> Result<Overview> {
        let fleet = Fleet::read(self.consensus.read().await?.view.as_ref())?;
        let topology = self.topology();
        let (leader, voters) = {
            let metrics = self.consensus.metrics();
            let metrics = metrics.borrow();
            let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
            (metrics.current_leader, voters)
        };
        let table = topology.table();
        let slots = || table.groups().flat_map(|(_, group)| &group.slots);
        let mut held: BTreeMap<DiskId, usize> = BTreeMap::new();
        for disk in slots().flat_map(|slot| slot.read_sources()) {
            *held.entry(disk).or_insert(0) += 1;
        }
        let seen = |id: &DiskId| topology.members().get(id).map(|member| &member.state);
        let disk = |(node, id, entry): (NodeId, DiskId, &Entry)| DiskOverview {
            id: id.to_string(),
            node: node.0,
            path: entry.path.display().to_string(),
            state: disk_state(entry, seen(&id), held.get(&id).copied().unwrap_or(0)),
            full: entry.is_full,
            weight: entry.weight,
            slots: held.get(&id).copied().unwrap_or(0),
        };
        let nodes = fleet.nodes.members.iter().map(|(&id, node)| NodeOverview {
            id,
            address: node.address.clone(),
            rack: node.rack.clone(),
            votes: voters.contains(&id),
            state: match (node.leaving, self.is_down(&topology, NodeId(id))) {
                (true, _) => "leaving",
                (false, true) => "down",
                (false, false) => "up",
            },
        });
        Ok(Overview {
            cluster: format!("{:032x}", self.cluster_id),
            profile: table.profile().to_string(),
            survives: survival(Survivability::of(table, &fleet.specs(&BTreeSet::new()))),
            answered_by: self.node().0,
            leader,
            nodes: nodes.collect(),
            disks: fleet.all_disks().map(disk).collect(),
            groups: table.groups().len(),
            slots_moving: slots().filter(|slot| matches!(slot, Slot::Moving { .. })).count(),
            slots_rebuilding: slots().filter(|slot| matches!(slot, Slot::Rebuilding(_))).count(),
            slots_vacant: slots().filter(|slot| matches!(slot, Slot::Vacant)).count(),
        })
    }

    /// Whether another node does not answer, as this one sees it.
    pub(super) fn is_down(&self, topology: &Topology, node: NodeId) -> bool {
        let mut disks = topology.members().values().filter(|member| member.node == node).peekable();
        let has_disks = disks.peek().is_some();
        node != self.node() && has_disks && disks.all(|member| matches!(member.state, MemberState::Suspect { .. }))
    }
}

fn disk_state(entry: &Entry, seen: Option<&MemberState>, slots: usize) -> &'static str {
    match seen {
        _ if entry.is_removed => "removed",
        _ if entry.is_out => "out",
        _ if entry.is_offline => "offline",
        Some(MemberState::Absent { .. }) => "absent",
        _ if entry.is_absent => "absent",
        _ if entry.is_draining && slots == 0 => "empty",
        _ if entry.is_draining => "draining",
        Some(MemberState::Suspect { .. }) => "suspect",
        _ => "in",
    }
}

/// The largest thing that may be lost, as a phrase.
fn survival(survives: Survivability) -> &'static str {
    match survives {
        Survivability { readable: false, .. } => "nothing: data cannot be read now",
        Survivability { rack: true, node: true, disk: true, .. } => "any rack, node or disk",
        Survivability { node: true, disk: true, .. } => "any node or disk",
        Survivability { disk: true, .. } => "any disk, not any node",
        Survivability { .. } => "nothing: the next loss of a disk loses data",
    }
}
