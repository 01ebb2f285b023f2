//! Several nodes in one process, over loopback: one goes, the others serve on and restore what it held.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cluster::{Cluster, ClusterConfig, Entry, NodeConfig, Topology};
use env::{Env, Files, SimFiles};
use futures_util::TryStreamExt;
use store::{GetRequest, PutRequest, Queues, Store};

use crate::node::{Node, bytes};

const NODES: usize = 4;
const DISKS_PER_NODE: usize = 2;

/// No test waits longer for anything; a test that does is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

struct Member {
    address: String,
    files: SimFiles,
    cluster: Arc<Cluster>,
    store: Store,
    queues: Queues,
}

impl Member {
    async fn start(number: usize, entry: Entry) -> Self {
        let files = SimFiles::new(number as u64);
        let env = Env { files: Arc::new(files.clone()), ..Env::real() };
        let disks: Vec<PathBuf> =
            (0..DISKS_PER_NODE).map(|disk| PathBuf::from(format!("/node-{number}/disk-{disk}"))).collect();
        for disk in &disks {
            files.create_directories(disk).unwrap();
            disk.ancestors().skip(1).for_each(|above| files.sync_directory(above).unwrap());
        }
        let address = free_address(&env).await;
        let config = ClusterConfig {
            node: Some(NodeConfig { address: address.clone(), rack: String::new(), entry }),
            profile: Some("4+2".parse().unwrap()),
            extent_size_max: 16 << 20,
            probe_interval: Duration::from_millis(50),
            absence_max: Duration::from_secs(1),
            ..ClusterConfig::new(disks)
        };
        let cluster = Arc::new(Cluster::open(&env, config).await.unwrap());
        let (store, queues) = Store::open(env, cluster.clone(), Node::config()).await.unwrap();
        Self { address, files, cluster, store, queues }
    }

    async fn wait_for(&self, what: &str, wish: impl Fn(&Topology) -> bool) {
        let mut topologies = self.cluster.subscribe();
        let waited = tokio::time::timeout(PATIENCE, topologies.wait_for(|topology| wish(topology))).await;
        assert!(waited.is_ok(), "node {} waited in vain for {what}", self.cluster.node().0);
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> store::Result<()> {
        let put = self.store.put_object("bucket", key, PutRequest::default(), Box::new(Bytes::from(body)));
        put.await.map(drop)
    }

    async fn get(&self, key: &str) -> store::Result<Vec<u8>> {
        let reader = self.store.get_object("bucket", key, GetRequest::default()).await?;
        Ok(reader.body.try_collect::<Vec<Bytes>>().await?.concat())
    }

    fn shard_count(&self) -> usize {
        self.cluster.topology().local_disks().map(|disk| disk.inventory(None, usize::MAX).len()).sum()
    }

    /// Ends at once; what it still tries fails.
    async fn kill(self) {
        let _files = self.files.kill();
        drop(self.store);
        // It fails: its files belong to a process that has ended.
        let _closed = self.cluster.close().await;
    }
}

async fn free_address(env: &Env) -> String {
    let listener = env.net.listen("127.0.0.1:0".to_owned()).await.unwrap();
    listener.local_address().unwrap().to_string()
}

fn open_slots(topology: &Topology) -> usize {
    topology.table().groups().flat_map(|(_, group)| &group.slots).filter(|slot| !slot.is_stable()).count()
}

/// Has every node fill its slots until all are filled.
async fn fill(members: &[Member]) {
    for _ in 0..50 {
        for member in members {
            member.store.rebuild().await.unwrap();
        }
        if members.iter().all(|member| open_slots(&member.cluster.topology()) == 0) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("slots stay open: {}", open_slots(&members[0].cluster.topology()));
}

async fn assert_whole(members: &[Member], what: &str) {
    for member in members {
        let census = member.store.take_census().await.unwrap();
        assert!(census.lost == 0 && census.unknown == 0, "{what}: {census:?}");
        let report = member.store.fsck().await.unwrap();
        assert!(report.is_clean() && report.degraded_stripes == 0, "{what}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_may_go_and_the_others_restore_what_it_held() {
    let first = Member::start(1, Entry::Init).await;
    let token = first.cluster.create_join_token(Duration::from_secs(3600)).await.unwrap();
    let seeds = vec![first.address.clone()];
    let mut members = vec![first];
    for number in 2..=NODES {
        members.push(Member::start(number, Entry::Join { seeds: seeds.clone(), token: token.clone() }).await);
    }
    for member in &members {
        let disks = NODES * DISKS_PER_NODE;
        member.wait_for("all disks", |topology| topology.members().len() == disks).await;
        let planned = |topology: &Topology| {
            topology.table().groups().flat_map(|(_, group)| &group.slots).all(|slot| slot.write_target().is_some())
        };
        member.wait_for("a holder of every slot", planned).await;
    }
    fill(&members).await;

    members[0].store.create_bucket("bucket", "owner", None).await.unwrap();
    let mut objects = Vec::new();
    for (size, seed) in [100, 20_000, 300_000, 1_000_000].into_iter().cycle().take(12).zip(0..) {
        let (key, body) = (format!("object-{seed}"), bytes(seed, size));
        members[seed as usize % NODES].put(&key, body.clone()).await.unwrap();
        assert!(members[(seed as usize + 1) % NODES].get(&key).await.unwrap() == body, "{key} on another node");
        objects.push((key, body));
    }
    assert_whole(&members, "four nodes").await;
    for member in &members {
        assert!(0 < member.shard_count(), "every node has a share");
    }

    members.pop().unwrap().kill().await;
    for (number, (key, body)) in objects.iter_mut().enumerate() {
        let member = &members[number % members.len()];
        assert!(member.get(key).await.unwrap() == *body, "{key} while a node is gone");
        if number % 3 == 0 {
            *body = bytes(1000 + number as u64, 400_000);
            member.put(key, body.clone()).await.unwrap();
        }
    }

    let disks = members.len() * DISKS_PER_NODE;
    for member in &members {
        member.wait_for("the lost disks to be given up", |topology| topology.members().len() == disks).await;
        let taken_over = |topology: &Topology| {
            let mut slots = topology.table().groups().flat_map(|(_, group)| &group.slots);
            slots.all(|slot| slot.write_target().is_some_and(|disk| topology.members().contains_key(&disk)))
        };
        member.wait_for("others to take over", taken_over).await;
    }
    fill(&members).await;
    for member in &mut members {
        member.store.take_census().await.unwrap();
        member.queues.drain(&member.store).await.unwrap();
        member.store.repair().await.unwrap();
    }
    assert_whole(&members, "three nodes").await;
    for (key, body) in &objects {
        for member in &members {
            assert!(member.get(key).await.unwrap() == *body, "{key} on three nodes");
        }
    }
    for member in members {
        drop(member.store);
        member.cluster.close().await.unwrap();
    }
}
