//! A node with its store on simulated disks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Cluster, ClusterConfig};
use env::{Env, Files, SimFiles};
use futures_util::TryStreamExt;
use store::bucket::{Bucket, NewBucket};
use store::{GetRequest, Object, PutRequest, PutResult, Queues, Result, Store, StoreConfig};

/// A running node. Its background work is done by the tests, step by step.
pub struct Node {
    pub store: Store,
    pub cluster: Arc<Cluster>,
    pub queues: Queues,
    pub files: SimFiles,
    disk_count: usize,
}

impl Node {
    /// A new cluster with one bucket.
    pub async fn start(disk_count: usize, profile: &str) -> Self {
        let node = Self::open(SimFiles::new(1), disk_count, profile).await;
        node.store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
        node
    }

    /// Opens, or begins, the cluster on the disks of `files`.
    pub async fn open(files: SimFiles, disk_count: usize, profile: &str) -> Self {
        Self::open_with(files, disk_count, profile, Self::config()).await
    }

    /// Settings for tests: small stripes, so that few bytes make many.
    pub fn config() -> StoreConfig {
        StoreConfig { shard_unit: 64 << 10, etag_threads: 1, ..StoreConfig::default() }
    }

    /// As [`Node::open`], with other settings of the store.
    pub async fn open_with(files: SimFiles, disk_count: usize, profile: &str, store_config: StoreConfig) -> Self {
        let env = Env { files: Arc::new(files.clone()), ..Env::real() };
        let disks: Vec<PathBuf> = (0..disk_count).map(disk_path).collect();
        for disk in &disks {
            files.create_directories(disk).unwrap();
            disk.ancestors().skip(1).for_each(|above| files.sync_directory(above).unwrap());
        }
        let config = ClusterConfig {
            profile: Some(profile.parse().unwrap()),
            extent_size_max: 16 << 20,
            probe_interval: Duration::from_millis(2),
            ..ClusterConfig::new(disks)
        };
        let cluster = Arc::new(Cluster::open(&env, config).await.unwrap());
        let (store, queues) = Store::open(env, cluster.clone(), store_config).await.unwrap();
        Self { store, cluster, queues, files, disk_count }
    }

    /// Takes exactly these disks away, brings all others back, and waits until the node has noticed.
    pub async fn lose(&self, lost: &[usize]) {
        for disk in 0..self.disk_count {
            if lost.contains(&disk) {
                self.files.vanish(&disk_path(disk));
            } else if !self.files.exists(&disk_path(disk)).unwrap() {
                self.files.restore(&disk_path(disk));
            }
        }
        self.wait_until_absent(lost).await;
    }

    /// Puts an empty directory in the place of each of these disks, and waits until the node has taken them in.
    pub async fn replace(&self, replaced: &[usize]) {
        self.lose(replaced).await;
        for disk in replaced {
            self.files.create_directories(&disk_path(*disk)).unwrap();
        }
        self.wait_until_absent(&[]).await;
        // A disk is taken in first, then into the placement table.
        let mut topologies = self.cluster.subscribe();
        let planned = topologies.wait_for(|topology| {
            let mut slots = topology.table().groups().flat_map(|(_, group)| &group.slots);
            slots.all(|slot| slot.write_target().is_some_and(|disk| topology.disk(disk).is_some()))
        });
        planned.await.unwrap();
    }

    async fn wait_until_absent(&self, absent: &[usize]) {
        let expected: Vec<PathBuf> = absent.iter().copied().map(disk_path).collect();
        let mut topologies = self.cluster.subscribe();
        let settled = topologies.wait_for(|topology| {
            (0..self.disk_count).map(disk_path).all(|path| {
                let open = topology.members().values().any(|member| member.path == path && member.disk.is_some());
                open != expected.contains(&path)
            })
        });
        settled.await.unwrap();
    }

    /// Waits until every disk takes new shards.
    pub async fn wait_until_writable(&self) {
        let mut topologies = self.cluster.subscribe();
        let writable = topologies.wait_for(|topology| topology.members().values().all(|member| !member.full));
        writable.await.unwrap();
    }

    /// Number of shards on all disks.
    pub(crate) fn shard_count(&self) -> usize {
        shard_count(&self.cluster)
    }

    /// Does the background's work on what the requests have asked for.
    pub async fn drain_queues(&mut self) {
        self.queues.drain(&self.store).await.unwrap();
    }

    /// Stops in an orderly way.
    pub async fn stop(self) -> SimFiles {
        let Self { store, cluster, files, .. } = self;
        drop(store);
        cluster.close().await.unwrap();
        files
    }

    /// Cuts the power; what the node still tries afterwards fails.
    pub async fn cut_power(self, seed: u64) -> SimFiles {
        let files = self.files.power_cut(seed);
        drop(self.store);
        // It fails: nothing can be written any more.
        let _ = self.cluster.close().await;
        files
    }

    /// Kills the process; what the node still tries afterwards fails.
    pub async fn kill(self) -> SimFiles {
        let files = self.files.kill();
        drop(self.store);
        // It fails: its files belong to a process that has ended.
        let _ = self.cluster.close().await;
        files
    }

    /// The bucket.
    pub async fn bucket(&self) -> Bucket {
        bucket(&self.store).await
    }

    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<PutResult> {
        self.store.put_object(&self.bucket().await, key, PutRequest::default(), Box::new(Bytes::from(bytes))).await
    }

    pub async fn get(&self, key: &str) -> Result<Vec<u8>> {
        Ok(self.get_with(key, GetRequest::default()).await?.1)
    }

    pub async fn get_with(&self, key: &str, request: GetRequest) -> Result<(Object, Vec<u8>)> {
        let reader = self.store.get_object(&self.bucket().await, key, request).await?;
        let size = reader.range.end - reader.range.start;
        let chunks: Vec<Bytes> = reader.body.try_collect().await?;
        let bytes = chunks.concat();
        assert_eq!(bytes.len() as u64, size, "the body has the size announced");
        Ok((reader.object, bytes))
    }
}

/// The bucket that the tests use.
pub async fn bucket(store: &Store) -> Bucket {
    store.head_bucket("bucket").await.unwrap()
}

/// Number of shards on all disks of a node.
pub(crate) fn shard_count(cluster: &Cluster) -> usize {
    let topology = cluster.topology();
    let disks = topology.local_disks();
    disks.map(|disk| disk.inventory(None, usize::MAX).len()).sum()
}

/// Bytes that follow from a seed and differ everywhere.
pub fn bytes(seed: u64, size: usize) -> Vec<u8> {
    use env::Entropy;
    let mut bytes = vec![0; size];
    env::SeededEntropy::new(seed).fill(&mut bytes);
    bytes
}

/// The storage directory of a disk.
pub fn disk_path(disk: usize) -> PathBuf {
    PathBuf::from(format!("/disks/{disk}"))
}
