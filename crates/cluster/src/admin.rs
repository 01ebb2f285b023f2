//! What operators ask of the cluster, and what they have it do. What would lose data is refused with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use meta::Consensus;
use placement::{DiskId, NodeId, Slot, Survivability};
use serde::Serialize;

use crate::cluster::Cluster;
use crate::disks::{Entry, Roster, roster_name};
use crate::documents;
use crate::error::{Error, Result};
use crate::nodes::{NODES, Nodes};
use crate::steward::Fleet;
use crate::topology::MemberState;

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
    /// `in`, `suspect`, `absent`, `offline`, `draining`, `empty` (drained) or `out`.
    pub state: &'static str,
    /// It takes no new shards for want of room.
    pub full: bool,
    /// Its share of the data relative to other disks: gibibytes when it joined.
    pub weight: u64,
    /// Slots that it holds, or is being given.
    pub slots: usize,
}

/// What to do with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCommand {
    /// Move what it holds elsewhere.
    Drain,
    /// Give it its share again.
    Undrain,
    /// Use it no more for now; others take over what it held after a while.
    Offline,
    /// Use it again.
    Online,
}

impl Cluster {
    /// How the cluster is, by the newest state.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`] when no majority can be reached.
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
        let is_down = |id: u64| {
            let mut disks = topology.members().values().filter(|member| member.node.0 == id).peekable();
            disks.peek().is_some() && disks.all(|member| matches!(member.state, MemberState::Suspect { .. }))
        };
        let nodes = fleet.nodes.members.iter().map(|(&id, node)| NodeOverview {
            id,
            address: node.address.clone(),
            rack: node.rack.clone(),
            votes: voters.contains(&id),
            state: match (node.leaving, id != self.node().0 && is_down(id)) {
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

    /// Has `command` done with the disk whose identity begins with `disk`, in hexadecimal. Durable on return; what follows
    /// from it takes its time. Returns the whole identity.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDisk`], [`Error::TooFewLeft`], [`Error::Meta`].
    pub async fn command_disk(&self, disk: &str, command: DiskCommand) -> Result<String> {
        let fleet = Fleet::read(self.consensus.read().await?.view.as_ref())?;
        let mut found = fleet.disks().filter(|(_, id, _)| !disk.is_empty() && id.to_string().starts_with(disk));
        let (node, id) = match (found.next(), found.next()) {
            (Some((node, id, _)), None) => (node, id),
            _ => return Err(Error::NoSuchDisk { disk: disk.to_owned() }),
        };
        if matches!(command, DiskCommand::Drain | DiskCommand::Offline) {
            self.refuse_too_few(&fleet, |other, _| other == id)?;
        }
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, &roster_name(node), |roster: &mut Roster| {
            if let Some(entry) = roster.disks.get_mut(&id) {
                match command {
                    DiskCommand::Drain => entry.is_draining = true,
                    DiskCommand::Undrain => entry.is_draining = false,
                    DiskCommand::Offline => entry.is_offline = true,
                    DiskCommand::Online => entry.is_offline = false,
                }
            }
            Ok(())
        })
        .await?;
        Ok(id.to_string())
    }

    /// Has `node` leave: what its disks hold moves elsewhere, then it is a member no more. Durable on return; the rest takes
    /// its time.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchNode`], [`Error::TooFewLeft`], [`Error::Meta`].
    pub async fn remove_node(&self, node: u64) -> Result<()> {
        let fleet = Fleet::read(self.consensus.read().await?.view.as_ref())?;
        if !fleet.nodes.members.contains_key(&node) {
            return Err(Error::NoSuchNode { node });
        }
        self.refuse_too_few(&fleet, |_, of| of == NodeId(node))?;
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, NODES, |nodes: &mut Nodes| {
            if let Some(record) = nodes.members.get_mut(&node) {
                record.leaving = true;
            }
            Ok(())
        })
        .await
    }

    /// Refuses to take away disks without which stripes would not find enough.
    fn refuse_too_few(&self, fleet: &Fleet, is_taken: impl Fn(DiskId, NodeId) -> bool) -> Result<()> {
        let stays = |(node, id, entry): &(NodeId, DiskId, &Entry)| {
            let leaves = fleet.nodes.get(*node).is_some_and(|node| node.leaving);
            let works = !entry.is_draining && !entry.is_offline && !entry.is_absent;
            works && !leaves && !is_taken(*id, *node)
        };
        let left = fleet.disks().filter(stays).count();
        let profile = self.topology().table().profile();
        if left < profile.shards() { Err(Error::TooFewLeft { profile, left }) } else { Ok(()) }
    }
}

fn disk_state(entry: &Entry, seen: Option<&MemberState>, slots: usize) -> &'static str {
    match seen {
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
