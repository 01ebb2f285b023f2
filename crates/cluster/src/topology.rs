//! What the write and read paths need to know of the cluster, as one immutable value.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use disk::Disk;
use placement::{DiskId, Group, GroupId, NodeId, Slot, StripeId, Table, WritableGroups};
use tokio::sync::watch;

use crate::handle::DiskHandle;

/// Whether a disk takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Reads and writes work.
    InService,
    /// The last write failed; the disk is still used.
    Suspect {
        /// What happened.
        reason: String,
    },
    /// The disk is out of service until it comes back or is replaced.
    Absent {
        /// What happened.
        reason: String,
    },
}

/// A disk of the cluster.
#[derive(Clone)]
pub struct Member {
    /// The node that it belongs to.
    pub node: NodeId,
    /// Its storage directory on that node.
    pub path: PathBuf,
    /// Whether it takes part.
    pub state: MemberState,
    /// New shards do not fit.
    pub full: bool,
    /// It is being emptied: shards in place of others had better go elsewhere.
    pub leaving: bool,
    /// The disk; `None` exactly when it is absent.
    pub disk: Option<DiskHandle>,
}

impl Member {
    /// The open disk, when it is one of this node's.
    pub fn local(&self) -> Option<&Arc<Disk>> {
        self.disk.as_ref()?.local()
    }

    /// Whether the disk, and its node, work as far as is known.
    pub fn answers(&self) -> bool {
        self.local().is_some() || (self.disk.is_some() && self.state == MemberState::InService)
    }

    /// A disk of this node is written to until it fails; one elsewhere only while its node answers.
    fn is_writable(&self) -> bool {
        let is_reached = self.local().is_some() || self.state == MemberState::InService;
        self.disk.is_some() && is_reached && !self.full
    }

    /// Whether `other` says the same of the same disk.
    fn is_like(&self, other: &Self) -> bool {
        self.node == other.node
            && self.path == other.path
            && self.state == other.state
            && self.full == other.full
            && self.leaving == other.leaving
            && self.disk.is_some() == other.disk.is_some()
    }
}

/// Why no group takes new stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoGroup {
    /// Too many disks are absent.
    TooFewDisks,
    /// Enough disks are there, and too many of them are full.
    DisksFull,
}

/// Groups that could not be served if some disks were gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shortfall {
    /// Groups with fewer shards left than stripes consist of.
    pub(crate) unreadable: usize,
    /// Groups that would take no new stripes, not even with disks outside of them.
    pub(crate) unwritable: usize,
}

/// The placement table and the disks at one moment.
#[derive(Clone)]
pub struct Topology {
    table: Arc<Table>,
    writable: WritableGroups,
    members: BTreeMap<DiskId, Member>,
}

impl Topology {
    fn new(table: Arc<Table>, members: BTreeMap<DiskId, Member>) -> Self {
        let writable = groups_that_take(&table, &members, Member::is_writable);
        Self { table, writable, members }
    }

    /// The placement table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The group for a new stripe and its row: one in which a write quorum of disks takes new shards; when there is none,
    /// one that has a write quorum together with disks outside of it.
    ///
    /// # Errors
    ///
    /// [`NoGroup`] when there is none.
    pub fn choose(&self, stripe: StripeId) -> Result<(GroupId, &Group), NoGroup> {
        let chosen = self.writable.choose(stripe);
        let row = chosen.and_then(|group| Some((group, self.table.group(group)?)));
        row.ok_or_else(|| {
            let reachable = groups_that_take(&self.table, &self.members, |member| member.disk.is_some());
            if reachable.is_empty() { NoGroup::TooFewDisks } else { NoGroup::DisksFull }
        })
    }

    /// The disk `disk`; `None` when it is absent or unknown.
    pub fn disk(&self, disk: DiskId) -> Option<&DiskHandle> {
        self.members.get(&disk)?.disk.as_ref()
    }

    /// The open disks of this node.
    pub fn local_disks(&self) -> impl Iterator<Item = &Arc<Disk>> {
        self.members.values().filter_map(Member::local)
    }

    /// Whether [`Topology::choose`] finds a group.
    pub fn has_writable_groups(&self) -> bool {
        !self.writable.is_empty()
    }

    /// The disks that are being emptied and have no slot any more. Shards may lie there nevertheless, in place of others.
    pub fn emptied(&self) -> BTreeSet<DiskId> {
        let leaving = self.members.iter().filter(|(_, member)| member.leaving && member.disk.is_some());
        let mut emptied: BTreeSet<DiskId> = leaving.map(|(id, _)| *id).collect();
        if !emptied.is_empty() {
            let slots = self.table.groups().flat_map(|(_, group)| &group.slots);
            for disk in slots.flat_map(|slot| slot.read_sources()) {
                emptied.remove(&disk);
            }
        }
        emptied
    }

    /// Whether `disk` is open and takes new shards.
    pub fn is_writable(&self, disk: DiskId) -> bool {
        self.members.get(&disk).is_some_and(Member::is_writable)
    }

    /// What could not be served, as things are now, if the disks `gone` were gone too. Slots that are being filled count as
    /// far as all disks answer that may have their shards.
    pub(crate) fn shortfall_without(&self, gone: &BTreeSet<DiskId>) -> Shortfall {
        let answers = |disk: &DiskId| !gone.contains(disk) && self.members.get(disk).is_some_and(Member::answers);
        let takes = |disk: &DiskId| !gone.contains(disk) && self.is_writable(*disk);
        let is_whole = |slot: &&Slot| match slot {
            Slot::Vacant | Slot::Rebuilding(_) => false,
            Slot::Stable(_) | Slot::Moving { .. } => slot.read_sources().all(|disk| answers(&disk)),
        };
        let profile = self.table.profile();
        let (data, quorum) = (usize::from(profile.data()), profile.write_quorum());
        let has_others = quorum <= self.members.keys().filter(|disk| takes(disk)).count();
        let mut shortfall = Shortfall::default();
        for (_, group) in self.table.groups() {
            let taking = group.slots.iter().filter_map(|slot| slot.write_target()).filter(takes).count();
            shortfall.unreadable += usize::from(group.slots.iter().filter(is_whole).count() < data);
            shortfall.unwritable += usize::from(taking < if has_others { data } else { quorum });
        }
        shortfall
    }

    /// All disks of the cluster, absent ones included.
    pub fn members(&self) -> &BTreeMap<DiskId, Member> {
        &self.members
    }
}

/// The groups for new stripes when the disks that `takes` says take new shards.
fn groups_that_take(
    table: &Table,
    members: &BTreeMap<DiskId, Member>,
    takes: impl Fn(&Member) -> bool,
) -> WritableGroups {
    let quorum = table.profile().write_quorum();
    let takes_shards = |disk| members.get(&disk).is_some_and(&takes);
    let groups = table.writable_groups(quorum, takes_shards);
    if groups.is_empty() && quorum <= members.values().filter(|member| takes(member)).count() {
        return table.writable_groups(usize::from(table.profile().data()), takes_shards);
    }
    groups
}

/// Publishes each new [`Topology`].
pub(crate) struct Publisher {
    current: watch::Sender<Arc<Topology>>,
}

impl Publisher {
    pub(crate) fn new(table: Arc<Table>, members: BTreeMap<DiskId, Member>) -> Self {
        Self { current: watch::Sender::new(Arc::new(Topology::new(table, members))) }
    }

    pub(crate) fn current(&self) -> Arc<Topology> {
        self.current.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Topology>> {
        self.current.subscribe()
    }

    /// Publishes `table`, unless a newer one has been: what this node changed may be applied here only later.
    pub(crate) fn set_table(&self, table: Arc<Table>) {
        self.current.send_if_modified(|current| {
            let is_newer = current.table.version() < table.version();
            if is_newer {
                *current = Arc::new(Topology::new(table, current.members.clone()));
            }
            is_newer
        });
    }

    /// Puts `remote` in place of the disks of all nodes but `node`. Subscribers are told if that changes anything.
    pub(crate) fn set_remote_members(&self, node: NodeId, remote: BTreeMap<DiskId, Member>) {
        self.current.send_if_modified(|current| {
            let before = current.members.iter().filter(|(_, member)| member.node != node);
            let is_same = before.clone().count() == remote.len()
                && before.zip(&remote).all(|((old_id, old), (id, new))| old_id == id && old.is_like(new));
            if is_same {
                return false;
            }
            let own = current.members.iter().filter(|(_, member)| member.node == node);
            let mut members: BTreeMap<DiskId, Member> = own.map(|(id, member)| (*id, member.clone())).collect();
            members.extend(remote);
            *current = Arc::new(Topology::new(current.table.clone(), members));
            true
        });
    }

    /// Changes the members; subscribers are told.
    pub(crate) fn change_members(&self, change: impl FnOnce(&mut BTreeMap<DiskId, Member>)) {
        self.current.send_modify(|current| {
            let mut members = current.members.clone();
            change(&mut members);
            *current = Arc::new(Topology::new(current.table.clone(), members));
        });
    }
}

#[cfg(test)]
mod tests {
    use placement::{DiskSpec, DiskState, Profile, RackId};

    use super::*;

    #[test]
    fn stripes_find_a_group_while_disks_outside_of_it_make_up_for_those_that_fail() {
        let node_of = |disk: u128| NodeId(u64::try_from(disk / 4).unwrap() + 1);
        let profile = Profile::new(8, 4).unwrap();
        let specs: Vec<DiskSpec> = (0..16)
            .map(|disk| DiskSpec {
                id: DiskId(disk),
                node: node_of(disk),
                rack: RackId(0),
                weight: 1,
                state: DiskState::In,
            })
            .collect();
        let mut table = Table::vacant(profile, specs.len());
        table.apply(&placement::plan(&table, &specs)).unwrap();
        let found = |failed: &[u64]| {
            let member = |disk| Member {
                node: node_of(disk),
                path: PathBuf::new(),
                state: MemberState::InService,
                full: failed.contains(&node_of(disk).0),
                leaving: false,
                disk: None,
            };
            let members = (0..16).map(|disk| (DiskId(disk), member(disk))).collect();
            !groups_that_take(&table, &members, |member| !member.full).is_empty()
        };
        assert!(found(&[]));
        let lost = |node: u64| (0..16).map(DiskId).filter(|disk| node_of(disk.0).0 == node).collect::<BTreeSet<_>>();
        let member = |disk: u128| Member {
            node: node_of(disk),
            path: PathBuf::new(),
            state: MemberState::Suspect { reason: String::new() },
            full: false,
            leaving: false,
            disk: None,
        };
        let members = (0..16).map(|disk| (DiskId(disk), member(disk))).collect();
        let dead = Topology::new(Arc::new(table.clone()), members);
        let groups = table.groups().len();
        let all = Shortfall { unreadable: groups, unwritable: groups };
        assert_eq!(dead.shortfall_without(&lost(1)), all, "no disk answers");
        for node in 1..=4 {
            assert!(found(&[node]), "node {node} down: 12 disks are left, 10 are needed");
        }
        assert!(!found(&[1, 2]), "8 disks are left");
    }
}
