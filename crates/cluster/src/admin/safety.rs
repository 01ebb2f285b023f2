//! Whether clients would notice if a node were stopped now.

use std::collections::BTreeSet;

use meta::Consensus;
use placement::{DiskId, NodeId, Slot};
use serde::Serialize;

use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::steward::Fleet;
use crate::topology::Shortfall;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Safety {
    /// The node.
    pub node: u64,
    /// Clients would notice nothing.
    pub safe: bool,
    /// Why it would not be safe.
    pub reasons: Vec<String>,
}

impl Safety {
    /// Adds a reason against it.
    pub fn object(&mut self, reason: String) {
        self.safe = false;
        self.reasons.push(reason);
    }
}

impl Cluster {
    /// Whether every group could be read and written, and metadata be changed, without `node`, and nothing is being moved
    /// or rebuilt with its disks. As this node sees it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchNode`], [`Error::Meta`].
    pub async fn judge_stop(&self, node: u64) -> Result<Safety> {
        let fleet = Fleet::read(self.consensus.read().await?.view.as_ref())?;
        if !fleet.nodes.members.contains_key(&node) {
            return Err(Error::NoSuchNode { node });
        }
        let mut safety = Safety { node, safe: true, reasons: Vec::new() };
        let topology = self.topology();
        let members = topology.members().iter().filter(|(_, member)| member.node.0 == node);
        let disks: BTreeSet<DiskId> = members.map(|(id, _)| *id).collect();
        let Shortfall { unreadable, unwritable } = topology.shortfall_without(&disks);
        if 0 < unreadable {
            safety.object(format!("{unreadable} placement groups could not be read without it"));
        }
        if 0 < unwritable {
            safety.object(format!("{unwritable} placement groups could not be written without it"));
        }
        if let Some(reason) = self.majority_without(node) {
            safety.object(reason);
        }
        let is_filled =
            |slot: &&Slot| slot.settled().is_some() && slot.read_sources().any(|disk| disks.contains(&disk));
        let filled = topology.table().groups().flat_map(|(_, group)| &group.slots).filter(is_filled).count();
        if 0 < filled {
            safety.object(format!("{filled} slots are being moved or rebuilt with its disks"));
        }
        Ok(safety)
    }

    /// Why the other voters would decide nothing, if so.
    fn majority_without(&self, node: u64) -> Option<String> {
        let topology = self.topology();
        let metrics = self.consensus.metrics();
        let metrics = metrics.borrow();
        let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
        let needed = voters.len() / 2 + 1;
        let left = voters.iter().filter(|voter| **voter != node && !self.is_down(&topology, NodeId(**voter))).count();
        (left < needed).then(|| format!("of {} voters {left} would be left, and {needed} are needed", voters.len()))
    }
}
