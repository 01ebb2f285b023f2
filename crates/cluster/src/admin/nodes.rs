//! What operators have done with one node.

use std::sync::Arc;

use meta::Consensus;
use placement::NodeId;

use super::refusal::Taken;
use crate::cluster::Cluster;
use crate::disks::{Roster, roster_name};
use crate::documents;
use crate::error::{Error, Result};
use crate::nodes::{NODES, Nodes};
use crate::steward::Fleet;

/// What to do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCommand {
    /// Move what its disks hold elsewhere.
    Drain,
    /// Give its disks their share again; it stays, if it was told to leave.
    Undrain,
    /// Move what its disks hold elsewhere, then let it go for good.
    Remove,
}

impl Cluster {
    /// Has `command` done with `node`. Durable on return; what follows from it takes its time.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchNode`]; [`Error::TooFewLeft`], [`Error::NoRoom`] for what would lose data; [`Error::Meta`].
    pub async fn command_node(&self, node: u64, command: NodeCommand) -> Result<()> {
        let fleet = Fleet::read(self.consensus.read().await?.view.as_ref())?;
        if !fleet.nodes.members.contains_key(&node) {
            return Err(Error::NoSuchNode { node });
        }
        if command != NodeCommand::Undrain {
            let taken = Taken::Node(NodeId(node));
            self.refuse_too_few(&fleet, taken)?;
            self.refuse_no_room(&fleet, taken).await?;
        }
        match command {
            NodeCommand::Drain => self.set_draining(node, true).await,
            NodeCommand::Undrain => {
                self.set_leaving(node, false).await?;
                self.set_draining(node, false).await
            }
            NodeCommand::Remove => self.set_leaving(node, true).await,
        }
    }

    async fn set_draining(&self, node: u64, is_draining: bool) -> Result<()> {
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, &roster_name(NodeId(node)), |roster: &mut Roster| {
            for entry in roster.disks.values_mut().filter(|entry| !entry.is_out) {
                entry.is_draining = is_draining;
            }
            Ok(())
        })
        .await
    }

    async fn set_leaving(&self, node: u64, leaving: bool) -> Result<()> {
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, NODES, |nodes: &mut Nodes| {
            if let Some(record) = nodes.members.get_mut(&node) {
                record.leaving = leaving;
            }
            Ok(())
        })
        .await
    }
}
