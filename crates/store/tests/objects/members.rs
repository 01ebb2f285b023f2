//! Several nodes in one process, over loopback. Their background work is done by the tests, step by step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Cluster, ClusterConfig, Entry, NodeConfig, Topology};
use disk::Disk;
use env::{Env, Files, SimFiles};
use erasure::ShardIdentity;
use futures_util::TryStreamExt;
use placement::{DiskId, Slot};
use store::bucket::NewBucket;
use store::{GetRequest, PutRequest, Queues, Store, StoreConfig};

/// No test waits longer for anything; a test that does is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// One node.
pub struct Member {
    pub address: String,
    pub files: SimFiles,
    pub cluster: Arc<Cluster>,
    pub store: Store,
    pub queues: Queues,
}

/// What all nodes of a cluster are started with.
#[derive(Clone)]
pub struct Settings {
    pub profile: &'static str,
    pub store: StoreConfig,
}

/// A shard, where it is, and its size in bytes.
pub type Inventory = BTreeMap<ShardIdentity, (DiskId, u64)>;

/// A cluster that nodes join and leave.
pub struct World {
    pub members: Vec<Member>,
    settings: Settings,
    joined: usize,
}

impl Member {
    async fn start(number: usize, disk_count: usize, settings: &Settings, entry: Entry) -> Self {
        let files = SimFiles::new(number as u64);
        let env = Env { files: Arc::new(files.clone()), ..Env::real() };
        let disks: Vec<PathBuf> = (0..disk_count).map(|disk| disk_path(number, disk)).collect();
        for disk in &disks {
            files.create_directories(disk).unwrap();
            disk.ancestors().skip(1).for_each(|above| files.sync_directory(above).unwrap());
        }
        let address = free_address(&env).await;
        let config = ClusterConfig {
            node: Some(NodeConfig { address: address.clone(), rack: String::new(), entry }),
            profile: Some(settings.profile.parse().unwrap()),
            extent_size_max: 4 << 20,
            probe_interval: Duration::from_millis(50),
            absence_max: Duration::from_secs(1),
            ..ClusterConfig::new(disks)
        };
        let cluster = Arc::new(Cluster::open(&env, config).await.unwrap());
        let (store, queues) = Store::open(env, cluster.clone(), settings.store.clone()).await.unwrap();
        Self { address, files, cluster, store, queues }
    }

    pub async fn put(&self, key: &str, body: Vec<u8>) -> store::Result<()> {
        put(&self.store, key, body).await
    }

    pub async fn get(&self, key: &str) -> store::Result<Vec<u8>> {
        get(&self.store, key).await
    }

    pub fn shard_count(&self) -> usize {
        self.disks().iter().map(|disk| disk.inventory(None, usize::MAX).len()).sum()
    }

    /// The disks of this node that are in service.
    pub fn disks(&self) -> Vec<Arc<Disk>> {
        self.cluster.topology().local_disks().cloned().collect()
    }

    /// Ends at once; what it still tries fails.
    pub async fn kill(self) {
        let _files = self.files.kill();
        drop(self.store);
        // It fails: its files belong to a process that has ended.
        let _closed = self.cluster.close().await;
    }
}

impl World {
    /// A new cluster of `nodes` nodes, with one bucket, all of whose slots are filled.
    pub async fn start(settings: Settings, nodes: usize, disks_per_node: usize) -> Self {
        let first = Member::start(1, disks_per_node, &settings, Entry::Init).await;
        let mut world = Self { members: vec![first], settings, joined: 1 };
        for _ in 1..nodes {
            world.join(disks_per_node).await;
        }
        world.settle().await;
        world.members[0].store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
        world
    }

    /// Has one more node join, with so many disks.
    pub async fn join(&mut self, disks: usize) {
        let first = &self.members[0];
        let token = first.cluster.create_join_token(Duration::from_secs(3600)).await.unwrap();
        let entry = Entry::Join { seeds: vec![first.address.clone()], token };
        self.joined += 1;
        self.members.push(Member::start(self.joined, disks, &self.settings, entry).await);
    }

    /// Has every node fill its slots until the placement uses exactly the disks of all nodes, and every slot is filled.
    pub async fn settle(&self) {
        self.settle_on(&self.disk_ids()).await;
    }

    /// As [`World::settle`], with the disks that the placement shall use.
    pub async fn settle_on(&self, disks: &BTreeSet<DiskId>) {
        let is_settled = |member: &Member| {
            let topology = member.cluster.topology();
            open_slots(&topology) == 0 && holders(&topology) == *disks
        };
        let settling = async {
            while !self.members.iter().all(is_settled) {
                let mut news = self.members[0].cluster.subscribe();
                for member in &self.members {
                    member.store.rebuild().await.unwrap();
                }
                // The leader plans further when this round is known everywhere.
                let _nothing_new = tokio::time::timeout(Duration::from_millis(50), news.changed()).await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, settling).await;
        assert!(settled.is_ok(), "{} slots stay open", open_slots(&self.members[0].cluster.topology()));
    }

    /// Repairs what is known to be missing, and what a census finds.
    pub async fn repair(&mut self) {
        for member in &mut self.members {
            member.store.take_census().await.unwrap();
            member.queues.drain(&member.store).await.unwrap();
            member.store.repair().await.unwrap();
        }
    }

    /// Frees what nobody needs any more.
    pub async fn collect_garbage(&self) {
        for member in &self.members {
            member.store.collect_garbage().await.unwrap();
        }
    }

    pub async fn assert_whole(&self, what: &str) {
        for member in &self.members {
            let census = member.store.take_census().await.unwrap();
            assert!(census.lost == 0 && census.unknown == 0, "{what}: {census:?}");
            let report = member.store.fsck().await.unwrap();
            assert!(report.is_clean() && report.degraded_stripes == 0, "{what}: {report:?}");
        }
    }

    /// All shards on all disks.
    pub fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::new();
        for disk in self.disks() {
            let id = DiskId(disk.identity().disk_id);
            let shards = disk.inventory(None, usize::MAX);
            inventory.extend(shards.iter().map(|shard| (shard.identity, (id, u64::from(shard.entry.size)))));
        }
        inventory
    }

    /// Payload bytes that were ever written to the disks.
    pub fn appended_bytes(&self) -> u64 {
        self.disks().iter().map(|disk| disk.stats().appended_bytes).sum()
    }

    pub fn disks(&self) -> Vec<Arc<Disk>> {
        self.members.iter().flat_map(Member::disks).collect()
    }

    /// The disks of all nodes that are in service.
    pub fn disk_ids(&self) -> BTreeSet<DiskId> {
        self.disks().iter().map(|disk| DiskId(disk.identity().disk_id)).collect()
    }

    pub async fn close(self) {
        for member in self.members {
            drop(member.store);
            member.cluster.close().await.unwrap();
        }
    }
}

pub async fn put(store: &Store, key: &str, body: Vec<u8>) -> store::Result<()> {
    let bucket = store.head_bucket("bucket").await?;
    let put = store.put_object(&bucket, key, PutRequest::default(), Box::new(Bytes::from(body)));
    put.await.map(drop)
}

pub async fn get(store: &Store, key: &str) -> store::Result<Vec<u8>> {
    let reader = store.get_object(&store.head_bucket("bucket").await?, key, GetRequest::default()).await?;
    Ok(reader.body.try_collect::<Vec<Bytes>>().await?.concat())
}

/// The storage directory of a disk.
fn disk_path(node: usize, disk: usize) -> PathBuf {
    PathBuf::from(format!("/node-{node}/disk-{disk}"))
}

fn open_slots(topology: &Topology) -> usize {
    slots(topology).filter(|slot| !slot.is_stable()).count()
}

fn holders(topology: &Topology) -> BTreeSet<DiskId> {
    slots(topology).filter_map(|slot| slot.write_target()).collect()
}

fn slots(topology: &Topology) -> impl Iterator<Item = &Slot> {
    topology.table().groups().flat_map(|(_, group)| &group.slots)
}

async fn free_address(env: &Env) -> String {
    let listener = env.net.listen("127.0.0.1:0".to_owned()).await.unwrap();
    listener.local_address().unwrap().to_string()
}
