//! A cluster grows and shrinks while clients use it: bytes move close to the minimum, groups split, nothing is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use erasure::ShardIdentity;
use placement::DiskId;
use store::{Store, StoreConfig};
use tokio::task::JoinHandle;

use crate::members::{Inventory, Settings, World, get, put};
use crate::node::{Node, bytes};

/// Stores and reads objects until it is told to end; no operation may fail.
struct Client {
    ending: Arc<AtomicBool>,
    task: JoinHandle<BTreeMap<String, Vec<u8>>>,
}

impl Client {
    fn start(name: &'static str, stores: Vec<Store>) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let ends = ending.clone();
        let task = tokio::spawn(async move {
            let mut objects = BTreeMap::new();
            for (number, store) in (0_u64..).zip(stores.iter().cycle()) {
                let (key, body) = (format!("{name}-{number}"), bytes(number, 20_000 + 500 * (number as usize % 90)));
                put(store, &key, body.clone()).await.unwrap_or_else(|error| panic!("put {key}: {error}"));
                objects.insert(key, body);
                let key = format!("{name}-{}", number / 2);
                let read = get(store, &key).await.unwrap_or_else(|error| panic!("get {key}: {error}"));
                assert!(read == objects[&key], "{key} while the placement changes");
                if ends.load(Ordering::SeqCst) {
                    break;
                }
            }
            objects
        });
        Self { ending, task }
    }

    /// What it has stored.
    async fn end(self) -> BTreeMap<String, Vec<u8>> {
        self.ending.store(true, Ordering::SeqCst);
        self.task.await.unwrap()
    }
}

/// What a change of the placement has cost.
#[derive(Debug)]
struct Cost {
    /// Bytes of the shards that were there before the change.
    held: u64,
    /// Bytes of those that lie elsewhere now, or again.
    moved: u64,
    /// Bytes written for other reasons than new objects.
    written: u64,
}

fn cost(before: &Inventory, after: &Inventory, appended: u64) -> Cost {
    let size = |inventory: &Inventory, wish: &dyn Fn(&ShardIdentity, &(DiskId, u64)) -> bool| -> u64 {
        inventory.iter().filter(|(shard, place)| wish(shard, place)).map(|(_, (_, size))| size).sum()
    };
    let moved = size(after, &|shard, (disk, _)| before.get(shard).is_some_and(|(old, _)| old != disk));
    let new = size(after, &|shard, _| !before.contains_key(shard));
    Cost { held: size(before, &|_, _| true), moved, written: appended - new }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_more_moves_its_share_and_a_disk_less_is_made_up_for() {
    // Small stripes, so that chance spreads them evenly over the groups.
    let store = StoreConfig { shard_unit: 4 << 10, inline_size_max: 1 << 10, ..Node::config() };
    let mut world = World::start(Settings { profile: "8+4", store }, 4, 4).await;
    let mut objects = BTreeMap::new();
    for number in 0..20 {
        let (key, body) = (format!("old-{number}"), bytes(number, 1_000_000));
        world.members[number as usize % 4].put(&key, body.clone()).await.unwrap();
        objects.insert(key, body);
    }
    world.repair().await;
    world.assert_whole("sixteen disks").await;

    let (before, appended) = (world.inventory(), world.appended_bytes());
    let stores: Vec<Store> = world.members.iter().map(|member| member.store.clone()).collect();
    let client = Client::start("meanwhile", stores.clone());
    world.join(1).await;
    world.settle().await;
    objects.extend(client.end().await);
    world.repair().await;
    world.collect_garbage().await;
    let cost_of_adding = cost(&before, &world.inventory(), world.appended_bytes() - appended);
    println!("one disk more: {cost_of_adding:?}");
    let optimum = cost_of_adding.held as f64 / 17.0;
    assert!(cost_of_adding.moved as f64 <= 1.10 * optimum, "{cost_of_adding:?}");
    assert!(0.90 * optimum <= cost_of_adding.moved as f64, "{cost_of_adding:?}");
    assert!(cost_of_adding.written as f64 <= 1.10 * optimum, "{cost_of_adding:?}");
    world.assert_whole("seventeen disks").await;

    let lost = world.members[1].disks()[0].clone();
    let held: u64 = lost.inventory(None, usize::MAX).iter().map(|shard| u64::from(shard.entry.size)).sum();
    let (before, appended) = (world.inventory(), world.appended_bytes() - lost.stats().appended_bytes);
    let client = Client::start("later", stores);
    world.members[1].files.vanish(lost.path());
    let mut left = world.disk_ids();
    left.remove(&DiskId(lost.identity().disk_id));
    world.settle_on(&left).await;
    objects.extend(client.end().await);
    world.repair().await;
    world.collect_garbage().await;
    let cost_of_losing = cost(&before, &world.inventory(), world.appended_bytes() - appended);
    println!("one disk less, which held {held} bytes: {cost_of_losing:?}");
    assert!(held <= cost_of_losing.moved && cost_of_losing.moved as f64 <= 1.10 * held as f64, "{cost_of_losing:?}");
    world.assert_whole("sixteen disks again").await;
    for (key, body) in &objects {
        assert!(world.members[3].get(key).await.unwrap() == *body, "{key} at the end");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_split_when_a_cluster_grows_and_every_object_stays() {
    let store = StoreConfig { shard_unit: 16 << 10, inline_size_max: 1 << 10, ..Node::config() };
    let mut world = World::start(Settings { profile: "2+2", store }, 1, 4).await;
    let groups = |world: &World| world.members[0].cluster.topology().table().groups().len();
    let groups_before = groups(&world);
    let mut objects = BTreeMap::new();
    for number in 0..20 {
        let (key, body) = (format!("old-{number}"), bytes(number, 300_000));
        world.members[0].put(&key, body.clone()).await.unwrap();
        objects.insert(key, body);
    }
    let client = Client::start("meanwhile", vec![world.members[0].store.clone()]);
    for _ in 0..3 {
        world.join(21).await;
    }
    world.settle().await;
    let stores = world.members.iter().map(|member| member.store.clone()).collect();
    let other = Client::start("later", stores);
    objects.extend(client.end().await);
    objects.extend(other.end().await);
    // 1024 slots are fewer than 16 for each of 67 disks.
    assert_eq!(groups(&world), 2 * groups_before);
    world.repair().await;
    for _ in 0..3 {
        world.members[0].store.advance_epoch().await.unwrap();
        world.collect_garbage().await;
    }
    world.assert_whole("after the split").await;
    for (key, body) in &objects {
        assert!(world.members[2].get(key).await.unwrap() == *body, "{key} after the split");
    }
    // Whatever moved is gone where it was.
    let shards: usize = world.members.iter().map(|member| member.shard_count()).sum();
    assert_eq!(shards, world.inventory().len(), "some shards lie twice");
    world.close().await;
}
