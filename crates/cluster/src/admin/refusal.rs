//! What is refused because data would be lost, or could not be served.

use std::collections::BTreeSet;

use placement::{DiskId, NodeId};

use crate::cluster::Cluster;
use crate::disks::Entry;
use crate::error::{Error, Result};
use crate::steward::Fleet;
use crate::topology::Shortfall;

/// What a command takes away.
#[derive(Clone, Copy)]
pub(super) enum Taken {
    Disk(DiskId),
    Node(NodeId),
}

impl Taken {
    fn includes(self, node: NodeId, disk: DiskId) -> bool {
        match self {
            Self::Disk(taken) => taken == disk,
            Self::Node(taken) => taken == node,
        }
    }
}

impl Cluster {
    /// Refuses to take away disks without which stripes would not find enough.
    pub(super) fn refuse_too_few(&self, fleet: &Fleet, taken: Taken) -> Result<()> {
        let left = staying(fleet, taken).len();
        let profile = self.topology().table().profile();
        if left < profile.shards() { Err(Error::TooFewLeft { profile, left }) } else { Ok(()) }
    }

    /// Refuses to empty disks whose shards, together with those of others that are being emptied, fit nowhere else.
    pub(super) async fn refuse_no_room(&self, fleet: &Fleet, taken: Taken) -> Result<()> {
        let staying = staying(fleet, taken);
        let leaving: BTreeSet<DiskId> = fleet.disks().map(|(_, id, _)| id).filter(|id| !staying.contains(id)).collect();
        let (needed, free) = self.rooms().await.needed_and_free(&leaving, &staying);
        if free < needed { Err(Error::NoRoom { needed, free }) } else { Ok(()) }
    }

    /// Refuses to do at once without disks when groups could then not be read or written.
    pub(super) fn refuse_shortfall(&self, fleet: &Fleet, taken: Taken) -> Result<()> {
        let gone: BTreeSet<DiskId> =
            fleet.disks().filter(|(node, id, _)| taken.includes(*node, *id)).map(|(_, id, _)| id).collect();
        match self.topology().shortfall_without(&gone) {
            Shortfall { unreadable: 0, unwritable: 0 } => Ok(()),
            Shortfall { unreadable: 0, unwritable } => Err(Error::Shortfall { groups: unwritable, what: "written" }),
            Shortfall { unreadable, .. } => Err(Error::Shortfall { groups: unreadable, what: "read" }),
        }
    }
}

/// The disks that work and stay.
fn staying(fleet: &Fleet, taken: Taken) -> BTreeSet<DiskId> {
    let stays = |(node, id, entry): &(NodeId, DiskId, &Entry)| {
        let leaves = fleet.nodes.get(*node).is_some_and(|node| node.leaving);
        let works = !entry.is_draining && !entry.is_offline && !entry.is_absent;
        works && !leaves && !taken.includes(*node, *id)
    };
    fleet.disks().filter(stays).map(|(_, id, _)| id).collect()
}
