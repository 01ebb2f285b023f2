//! Follows the metadata: what this node knows of the others' disks, addresses and the placement table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use meta::{View, query};
use placement::{DiskId, NodeId, Table};
use tokio::sync::watch;

use crate::disks::{Entry, Roster, roster_name};
use crate::documents;
use crate::error::Result;
use crate::halts::{HALTS, Halts};
use crate::nodes::{NODES, Nodes};
use crate::raft::RaftConsensus;
use crate::rpc::{Peers, Server};
use crate::shards::RemoteDisks;
use crate::topology::{Member, MemberState, Publisher};

/// Keeps topology and addresses as the metadata says.
pub(crate) struct Follower {
    pub(crate) node: NodeId,
    pub(crate) consensus: Arc<RaftConsensus>,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) server: Option<Arc<Server>>,
    pub(crate) disks: RemoteDisks,
    pub(crate) members: watch::Sender<BTreeSet<NodeId>>,
    pub(crate) halts: watch::Sender<Halts>,
    pub(crate) down: watch::Receiver<BTreeSet<NodeId>>,
}

impl Follower {
    /// Runs until `stopping` says so.
    pub(crate) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let mut documents = self.consensus.documents();
        loop {
            documents.borrow_and_update();
            let down = self.down.borrow_and_update().clone();
            if let Err(error) = self.refresh(&down) {
                tracing::error!(%error, "cannot follow the cluster's documents");
            }
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                Ok(()) = documents.changed() => {}
                Ok(()) = self.down.changed() => {}
            }
        }
    }

    /// Takes over what the state applied last says.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Meta`] when it cannot be read.
    pub(crate) fn refresh(&self, down: &BTreeSet<NodeId>) -> Result<()> {
        let view = self.consensus.engine().view();
        let nodes: Nodes = documents::read(view.as_ref(), NODES)?;
        let addresses = nodes.members.iter().map(|(&id, node)| (NodeId(id), node.address.clone()));
        self.peers.set_addresses(addresses.filter(|(id, _)| *id != self.node).collect());
        if let Some(server) = &self.server {
            server.ban(nodes.removed.iter().copied().map(NodeId).collect());
        }
        let ids: BTreeSet<NodeId> = nodes.ids().collect();
        self.members.send_if_modified(|members| {
            let changed = *members != ids;
            members.clone_from(&ids);
            changed
        });
        let halts: Halts = documents::read(view.as_ref(), HALTS)?;
        self.halts.send_if_modified(|known| std::mem::replace(known, halts) != halts);
        let remote = self.remote_members(view.as_ref(), &nodes, down)?;
        self.publisher.set_remote_members(self.node, remote);
        if let Some(document) = query::placement_table(view.as_ref())? {
            self.publisher.set_table(Arc::new(Table::decode(&document.value)?));
        }
        Ok(())
    }

    fn remote_members(
        &self,
        view: &dyn View,
        nodes: &Nodes,
        down: &BTreeSet<NodeId>,
    ) -> Result<BTreeMap<DiskId, Member>> {
        let mut remote = BTreeMap::new();
        for node in nodes.ids().filter(|node| *node != self.node) {
            let roster: Roster = documents::read(view, &roster_name(node))?;
            for (id, entry) in roster.disks.into_iter().filter(|(_, entry)| !entry.is_out) {
                let leaving = entry.is_draining || nodes.get(node).is_some_and(|record| record.leaving);
                let member = self.remote_member(node, id, entry, down.contains(&node));
                remote.insert(id, Member { leaving, ..member });
            }
        }
        Ok(remote)
    }

    fn remote_member(&self, node: NodeId, id: DiskId, entry: Entry, is_down: bool) -> Member {
        let full = entry.is_full;
        let absent = match (entry.is_offline, entry.is_absent) {
            (true, _) => Some("it was taken offline"),
            (_, true) => Some("its node says that it does not work"),
            _ => None,
        };
        if let Some(reason) = absent {
            let state = MemberState::Absent { reason: reason.to_owned() };
            return Member { node, path: entry.path, state, full, leaving: false, disk: None };
        }
        let state = match is_down {
            true => MemberState::Suspect { reason: format!("node {} does not answer", node.0) },
            false => MemberState::InService,
        };
        Member { node, path: entry.path, state, full, leaving: false, disk: Some(self.disks.handle(node, id)) }
    }
}
