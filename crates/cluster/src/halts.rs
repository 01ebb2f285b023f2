//! What operators have halted on all nodes until they say otherwise: a document that every node follows.

use std::sync::Arc;

use meta::Consensus;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::documents::{self, Document};
use crate::error::Result;
use crate::nodes::{decode, encode};

/// Name of the document that holds the [`Halts`].
pub(crate) const HALTS: &str = "cluster/halts";

/// What operators have halted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halts {
    /// Missing shards are not restored.
    pub repair: bool,
    /// Shards are not moved to where they belong.
    pub rebalance: bool,
}

/// What can be halted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Restoring missing shards.
    Repair,
    /// Moving shards to where they belong.
    Rebalance,
}

impl Document for Halts {
    const WHAT: &'static str = "list of halts";

    fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        decode(bytes, Self::WHAT)
    }
}

impl Halts {
    fn of(&mut self, work: Work) -> &mut bool {
        match work {
            Work::Repair => &mut self.repair,
            Work::Rebalance => &mut self.rebalance,
        }
    }
}

impl Cluster {
    /// What is halted now, as far as this node knows. Cheap.
    pub fn halts(&self) -> Halts {
        *self.halts.borrow()
    }

    /// Tells when something is halted or goes on.
    pub fn subscribe_halts(&self) -> watch::Receiver<Halts> {
        self.halts.subscribe()
    }

    /// Halts `work` on all nodes, also after restarts. Durable on return; each node ends what it is at first.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta).
    pub async fn halt(&self, work: Work) -> Result<()> {
        self.change_halts(|halts| *halts.of(work) = true).await
    }

    /// Has `work` go on, on all nodes. Durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta).
    pub async fn resume(&self, work: Work) -> Result<()> {
        self.change_halts(|halts| *halts.of(work) = false).await
    }

    async fn change_halts(&self, change: impl Fn(&mut Halts) + Send + Sync) -> Result<()> {
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, HALTS, |halts: &mut Halts| {
            change(halts);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halts_round_trip_and_nothing_is_halted_at_first() {
        let mut halts = Halts::default();
        assert_eq!(halts, Halts { repair: false, rebalance: false });
        *halts.of(Work::Rebalance) = true;
        assert_eq!(Halts::decode(&Document::encode(&halts)).unwrap(), halts);
        assert_eq!(Document::encode(&halts), [1, 0, 1]);
        assert!(Halts::decode(&[2, 0, 0]).is_err());
    }
}
