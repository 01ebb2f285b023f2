//! When a majority of the voters is lost for good: one node that is left is made the only voter.
//!
//! Works on the directories of a stopped node. What that node's log has becomes the truth, also what was never decided;
//! what only the lost nodes had is gone. Its term jumps by [`TERMS`], which no elections ever make up for: a lost voter that
//! comes back after all can neither depose it nor win against it, and follows it, or ends because it has decided something
//! else meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use disk::Disk;
use env::Env;
use meta::Opened;
use openraft::{BasicNode, Membership, Vote};
use placement::NodeId;

use crate::config::{ClusterConfig, Purpose};
use crate::error::{Error, Result};
use crate::links::Links;
use crate::opening::{close_disks, open_metadata};
use crate::raft::offline::{append_membership, effective_membership, keep_vote, kept_vote};
use crate::start::Local;

/// How far the term jumps.
const TERMS: u64 = 1 << 32;

/// What a stopped node knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The node.
    pub node: NodeId,
    /// Identity of its cluster.
    pub cluster_id: u128,
    /// Term and index of the newest entry of its log: of several nodes, the one with the highest pair has the most.
    pub newest: (u64, u64),
    /// Index of the newest entry that it knows to have been decided.
    pub decided: u64,
    /// Who votes, as far as it knows.
    pub voters: BTreeSet<u64>,
    /// Where all nodes listen for each other.
    pub members: BTreeMap<u64, String>,
}

/// A stopped node, its directories locked and open.
pub struct StoppedNode {
    opened: Opened,
    node: NodeId,
    cluster_id: u128,
    disks: Vec<Arc<Disk>>,
}

impl StoppedNode {
    /// Opens the `directories` of a stopped node. Changes nothing but what any start mends.
    ///
    /// # Errors
    ///
    /// [`Error`] says what the operator can do; running nodes are refused.
    pub async fn open(env: &Env, directories: Vec<PathBuf>) -> Result<Self> {
        let mut config = ClusterConfig { purpose: Purpose::Inspect, ..ClusterConfig::new(directories) };
        let Local { sites, identity, open, .. } = Local::open(env, &mut config, &Links::new(env)).await?;
        let disks: Vec<Arc<Disk>> = open.values().cloned().collect();
        match open_metadata(env, &config, &sites, &open).await {
            Ok(opened) => Ok(Self { opened, node: identity.node, cluster_id: identity.cluster_id, disks }),
            Err(error) => {
                close_disks(disks).await;
                Err(error)
            }
        }
    }

    /// What the node knows. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Consensus`] when its log cannot be read.
    pub fn standing(&self) -> Result<Standing> {
        let membership = effective_membership(&self.opened)?;
        let newest = self.opened.log.state().last;
        Ok(Standing {
            node: self.node,
            cluster_id: self.cluster_id,
            newest: newest.map_or((0, 0), |id| (id.term, id.index)),
            decided: self.opened.log.committed().map_or(0, |id| id.index),
            voters: membership.voter_ids().collect(),
            members: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
        })
    }

    /// Makes this node the only voter, from its next start on; the others follow it. Durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::NotNeeded`] when it decides alone already, [`Error::NoMember`] when it is no member any more;
    /// as [`StoppedNode::standing`] otherwise, and then nothing has changed.
    pub async fn take_over(&self) -> Result<()> {
        let Standing { node, voters, members, newest: (newest_term, _), .. } = self.standing()?;
        if voters == BTreeSet::from([node.0]) {
            return Err(Error::NotNeeded { node });
        }
        if !members.contains_key(&node.0) {
            return Err(Error::NoMember { node });
        }
        let voted = kept_vote(&self.opened)?.map_or(0, |vote| vote.leader_id().term);
        let vote = Vote::new(voted.max(newest_term) + TERMS, node.0);
        let nodes: BTreeMap<u64, BasicNode> =
            members.into_iter().map(|(id, address)| (id, BasicNode::new(address))).collect();
        // An entry of a term that was not voted for would be refused by the next start: so first the vote.
        keep_vote(&self.opened, vote).await?;
        append_membership(&self.opened, vote, Membership::new(vec![BTreeSet::from([node.0])], nodes)).await
    }

    /// Closes everything.
    pub async fn close(self) {
        self.opened.engine.close().await;
        close_disks(self.disks).await;
    }
}
