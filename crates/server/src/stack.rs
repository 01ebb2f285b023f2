//! The crates from disks to objects, opened from the bottom up and closed in reverse.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use cluster::{Cluster, ClusterConfig, Purpose};
use env::Env;
use store::{Background, Store, StoreConfig};

/// What the stack is opened with.
pub(crate) struct StackConfig {
    pub(crate) cluster: ClusterConfig,
    pub(crate) store: StoreConfig,
    pub(crate) work: Work,
}

/// Whether the stack repairs, scrubs and collects by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A server: it does.
    Background,
    /// A check: nothing is changed behind its back.
    None,
}

impl StackConfig {
    /// For a check of stopped directories.
    pub(crate) fn offline(disks: &[PathBuf]) -> Self {
        let cluster = ClusterConfig { purpose: Purpose::Inspect, ..ClusterConfig::new(disks.to_vec()) };
        Self { cluster, store: StoreConfig::default(), work: Work::None }
    }
}

/// An open stack.
pub(crate) struct Stack {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) store: Store,
    background: Option<Background>,
}

impl Stack {
    /// Opens disks and metadata, then the objects on them.
    pub(crate) async fn open(env: Env, config: StackConfig) -> anyhow::Result<Self> {
        let cluster = Cluster::open(&env, config.cluster).await.context("cannot open the storage directories")?;
        let cluster = Arc::new(cluster);
        let (store, queues) =
            Store::open(env, cluster.clone(), config.store).await.context("cannot read the metadata")?;
        let background = (config.work == Work::Background).then(|| Background::start(&store, queues));
        Ok(Self { cluster, store, background })
    }

    /// Ends background work, then metadata and disks, with everything flushed.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        if let Some(background) = self.background {
            background.stop().await;
        }
        drop(self.store);
        self.cluster.close().await.context("cannot close the storage directories cleanly")
    }
}
