//! This node's certificate: signed at every start, and again long before it ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use meta::Consensus;
use placement::NodeId;
use tokio::sync::watch;

use crate::birth::keep_node_file;
use crate::documents;
use crate::error::Result;
use crate::join::authority;
use crate::links::Links;
use crate::nodes::{NODES, Nodes};
use crate::raft::RaftConsensus;
use crate::security::{LIFETIME, NodeFile, NodeKey, Passport};

/// Pause before another attempt, when nobody could sign.
const RETRY_PAUSE: Duration = Duration::from_secs(3600);

/// Renews the certificate of a node that has others.
pub(crate) struct Renewal {
    pub(crate) env: Env,
    pub(crate) cluster_id: u128,
    pub(crate) node: NodeId,
    pub(crate) key: NodeKey,
    pub(crate) address: String,
    pub(crate) consensus: Arc<RaftConsensus>,
    pub(crate) links: Arc<Links>,
    /// The node's storage directories, each of which keeps the certificate.
    pub(crate) directories: Vec<PathBuf>,
}

impl Renewal {
    /// Has a certificate signed, shows it from now on, and keeps it. The first one opens the links.
    ///
    /// # Errors
    ///
    /// What the metadata says; [`crate::Error::Certificate`], [`crate::Error::Listen`], [`crate::Error::Io`].
    pub(crate) async fn renew(&self) -> Result<()> {
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        let authority = authority(&self.env, self.cluster_id, &consensus).await?;
        let passport = Passport {
            cluster_id: self.cluster_id,
            node: self.node,
            key: self.key.clone(),
            certificate: authority.sign(&self.env, self.cluster_id, self.node, &self.key.public_key()?)?,
            authority: authority.certificate().to_vec(),
        };
        let nodes: Nodes = documents::read(self.consensus.engine().view().as_ref(), NODES)?;
        let others = nodes.members.iter().filter(|(other, _)| **other != self.node.0);
        let peers = others.map(|(other, node)| (NodeId(*other), node.address.clone())).collect();
        let file = NodeFile { passport, realm: self.consensus.engine().realm(), peers };
        match self.links.server() {
            Some(_) => self.links.renew(&file.passport)?,
            None => {
                let server = self.links.open(&file.passport, &self.address).await?;
                self.consensus.serve(&server);
            }
        }
        keep_node_file(&self.env, self.directories.clone(), file).await
    }

    /// Renews when a third of the lifetime has passed, until `stopping` says so.
    pub(crate) async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut pause = LIFETIME / 3;
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = self.env.clock.sleep(pause) => {}
            }
            pause = match self.renew().await {
                Ok(()) => {
                    tracing::info!("this node's certificate was renewed");
                    LIFETIME / 3
                }
                Err(error) => {
                    tracing::error!(%error, "this node's certificate could not be renewed: trying again in an hour");
                    RETRY_PAUSE
                }
            };
        }
    }
}
