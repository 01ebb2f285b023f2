//! What the write and read paths need to know of the cluster, as one immutable value.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use disk::Disk;
use placement::{DiskId, Group, GroupId, NodeId, StripeId, Table, WritableGroups};
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
    /// The disk; `None` exactly when it is absent.
    pub disk: Option<DiskHandle>,
}

impl Member {
    /// The open disk, when it is one of this node's.
    pub fn local(&self) -> Option<&Arc<Disk>> {
        self.disk.as_ref()?.local()
    }

    fn is_writable(&self) -> bool {
        self.disk.is_some() && !self.full
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

/// The placement table and the disks at one moment.
#[derive(Clone)]
pub struct Topology {
    table: Arc<Table>,
    writable: WritableGroups,
    members: BTreeMap<DiskId, Member>,
}

impl Topology {
    fn new(table: Arc<Table>, members: BTreeMap<DiskId, Member>) -> Self {
        let is_writable = |disk| members.get(&disk).is_some_and(Member::is_writable);
        let writable = table.writable_groups(table.profile().write_quorum(), is_writable);
        Self { table, writable, members }
    }

    /// The placement table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// The group for a new stripe and its row: one in which a write quorum of disks takes new shards.
    ///
    /// # Errors
    ///
    /// [`NoGroup`] when there is none.
    pub fn choose(&self, stripe: StripeId) -> Result<(GroupId, &Group), NoGroup> {
        let chosen = self.writable.choose(stripe);
        let row = chosen.and_then(|group| Some((group, self.table.group(group)?)));
        row.ok_or_else(|| {
            let open = |disk| self.disk(disk).is_some();
            let reachable = self.table.writable_groups(self.table.profile().write_quorum(), open);
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

    /// Whether `disk` is open and takes new shards.
    pub fn is_writable(&self, disk: DiskId) -> bool {
        self.members.get(&disk).is_some_and(Member::is_writable)
    }

    /// All disks of the cluster, absent ones included.
    pub fn members(&self) -> &BTreeMap<DiskId, Member> {
        &self.members
    }
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

    pub(crate) fn set_table(&self, table: Arc<Table>) {
        self.current.send_modify(|current| *current = Arc::new(Topology::new(table, current.members.clone())));
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
