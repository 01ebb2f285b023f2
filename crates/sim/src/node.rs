//! One node on simulated disks.

use std::path::PathBuf;
use std::sync::Arc;

use cluster::{Cluster, ClusterConfig};
use env::{Buffers, Env, RealClock, RealSpawn, SeededEntropy, SimFiles};
use store::{Background, Store, StoreConfig};

/// Small extents, so that sealing and compaction happen in every run.
const EXTENT_SIZE: u64 = 8 << 20;

/// A running node.
pub(crate) struct Node {
    pub(crate) store: Store,
    cluster: Arc<Cluster>,
    background: Background,
}

impl Node {
    /// Starts a node of `disk_count` disks on `files`.
    pub(crate) async fn start(files: &SimFiles, disk_count: usize, seed: u64) -> anyhow::Result<Self> {
        let env = Env {
            clock: Arc::new(RealClock::new()),
            entropy: Arc::new(SeededEntropy::new(seed)),
            files: Arc::new(files.clone()),
            net: Arc::new(env::RealNet),
            spawn: Arc::new(RealSpawn),
            buffers: Buffers::default(),
        };
        let disks = (0..disk_count).map(|number| PathBuf::from(format!("/disk{number}"))).collect();
        let mut config = ClusterConfig::new(disks);
        config.extent_size_max = EXTENT_SIZE;
        let cluster = Arc::new(Cluster::open(&env, config).await?);
        let (store, queues) = Store::open(env, cluster.clone(), StoreConfig::default()).await?;
        let background = Background::start(&store, queues);
        Ok(Self { store, cluster, background })
    }

    /// Ends the node. After a power cut nothing can be closed cleanly, and nothing needs to.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.background.stop().await;
        drop(self.store);
        Ok(self.cluster.close().await?)
    }
}
