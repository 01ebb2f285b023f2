//! The disks that a plan may use.

use serde::{Deserialize, Serialize};

use crate::identity::{DiskId, NodeId};

/// A rack (or room, or zone): whatever fails together above a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RackId(pub u32);

/// What the cluster has decided about a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DiskState {
    /// In service.
    In,
    /// To be emptied: still readable, its slots move elsewhere.
    Draining,
    /// In doubt: keeps its slots and gets no new ones.
    Suspect,
    /// Its shards are taken for lost. A disk that is absent from the fleet counts as `Out` too.
    Out,
}

/// One disk as the planner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// Which disk.
    pub id: DiskId,
    /// The node that it is attached to.
    pub node: NodeId,
    /// The rack of that node.
    pub rack: RackId,
    /// Its share of the data relative to the other disks; usually its size in bytes.
    pub weight: u64,
    /// What the cluster has decided about it.
    pub state: DiskState,
}
