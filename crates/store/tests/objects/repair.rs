//! Many stripes repaired at once: what they need of the metadata, what becomes of those that cannot be repaired, and crashes
//! in the middle.

use std::collections::BTreeSet;

use erasure::FramedShard;
use futures_util::future::join_all;
use store::delete::Deletion;

use crate::node::{Node, bytes, disk_path};

const OBJECTS: u64 = 40;
const SIZE: usize = 20_000;

fn key(number: u64) -> String {
    format!("key-{number}")
}

async fn put_objects(node: &Node) {
    for number in 0..OBJECTS {
        node.put(&key(number), bytes(number, SIZE)).await.unwrap();
    }
}

async fn assert_readable(node: &Node, what: &str) {
    for number in 0..OBJECTS {
        assert!(node.get(&key(number)).await.unwrap() == bytes(number, SIZE), "{} {what}", key(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_filled_without_a_command_for_each_stripe() {
    let node = Node::start(6, "4+2").await;
    put_objects(&node).await;
    node.replace(&[1]).await;
    let before = node.cluster.consensus().newest().index;
    let census = node.store.take_census().await.unwrap();
    assert_eq!(census.lost, OBJECTS);
    assert_readable(&node, "with an empty disk").await;
    let report = node.store.heal_report().await.unwrap();
    assert!(report.queue.is_empty() && 0 < report.slots_rebuilding && !report.whole, "{report:?}");

    let rebuilt = node.store.rebuild().await.unwrap();
    assert_eq!((rebuilt.repaired_shards, rebuilt.waiting_stripes), (OBJECTS, 0));
    let entries = node.cluster.consensus().newest().index - before;
    assert!(entries < OBJECTS / 2, "{entries} entries of the log");
    assert_eq!(node.store.take_census().await.unwrap().lost, 0);
    node.lose(&[0, 2]).await;
    assert_readable(&node, "after two other disks").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stripe_that_no_disk_can_be_filled_from_is_named_until_its_shards_return() {
    let node = Node::start(8, "4+2").await;
    let body = bytes(1, SIZE);
    node.put("key", body.clone()).await.unwrap();
    let topology = node.cluster.topology();
    let holders: Vec<_> = topology.local_disks().filter(|disk| !disk.inventory(None, 1).is_empty()).cloned().collect();
    let mut taken = Vec::new();
    for disk in &holders[..2] {
        let entry = disk.inventory(None, 1)[0];
        taken.push((entry, disk.read_all(&entry.identity).await.unwrap()));
        disk.delete(vec![entry.identity]).await.unwrap();
    }
    let replaced = (0..8).find(|disk| holders[2].path() == disk_path(*disk)).unwrap();
    drop(topology);
    node.replace(&[replaced]).await;

    assert!(0 < node.store.rebuild().await.unwrap().waiting_stripes);
    assert_eq!(node.store.take_census().await.unwrap().lost, 3);
    let report = node.store.heal_report().await.unwrap();
    assert_eq!((report.unreadable_stripes, report.unreadable_objects), (1, vec!["bucket/key".to_owned()]));
    assert!(0 < node.store.status().open_slots, "a slot that lacks a shard is not settled");

    let (entry, payload) = taken.pop().unwrap();
    let framed = FramedShard::new(entry.identity, payload);
    let (group, intent_epoch) = (entry.entry.group, entry.entry.intent_epoch);
    holders[1].append(disk::Shard { framed, group, epoch: 0, intent_epoch }).await.unwrap();
    assert_eq!(node.store.repair().await.unwrap().waiting_stripes, 0);
    node.store.rebuild().await.unwrap();
    assert_eq!(node.store.status().open_slots, 0);
    assert_eq!(node.store.take_census().await.unwrap().lost, 0);
    let report = node.store.heal_report().await.unwrap();
    assert!(report.whole && report.queue.is_empty(), "{report:?}");
    assert!(node.get("key").await.unwrap() == body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripes_deleted_meanwhile_do_not_keep_others_from_being_repaired() {
    let node = Node::start(6, "4+2").await;
    node.lose(&[3]).await;
    put_objects(&node).await;
    node.lose(&[]).await;
    let deleted: BTreeSet<u64> = (0..OBJECTS).filter(|number| number % 3 == 0).collect();
    let bucket = node.bucket().await;
    let keys: Vec<String> = deleted.iter().map(|number| key(*number)).collect();
    let deletions = keys.iter().map(|key| node.store.delete_object(&bucket, Deletion::of(key)));
    let (repaired, deletions) = tokio::join!(node.store.repair(), join_all(deletions));
    assert!(deletions.iter().all(Result::is_ok));
    assert_eq!(repaired.unwrap().waiting_stripes, 0);
    let report = node.store.heal_report().await.unwrap();
    assert!(report.queue.is_empty(), "{:?}", report.queue);
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.degraded_stripes == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_lost_while_disks_are_filled_and_shards_repaired_loses_nothing() {
    for round in 0..6 {
        let node = Node::start(6, "4+2").await;
        // One disk lacks what its manifests say it lacks, another all that it should have.
        node.lose(&[4]).await;
        put_objects(&node).await;
        node.lose(&[]).await;
        node.replace(&[1]).await;
        let work = tokio::spawn({
            let store = node.store.clone();
            async move {
                store.take_census().await?;
                store.repair().await?;
                store.rebuild().await
            }
        });
        let cut_at = node.files.calls() + round * 100;
        while node.files.calls() < cut_at && !work.is_finished() {
            tokio::task::yield_now().await;
        }
        let files = node.cut_power(round).await;
        // It may have failed, or be waiting for what will not come.
        work.abort();
        let _ = work.await;

        let node = Node::open(files, 6, "4+2").await;
        assert_readable(&node, &format!("after power was lost in round {round}")).await;
        node.store.take_census().await.unwrap();
        node.store.repair().await.unwrap();
        node.store.rebuild().await.unwrap();
        assert_eq!(node.store.status().open_slots, 0, "round {round}");
        assert_eq!(node.store.take_census().await.unwrap().lost, 0, "round {round}");
        let report = node.store.fsck().await.unwrap();
        assert!(report.is_clean() && report.degraded_stripes == 0, "round {round}: {report:?}");
        node.lose(&[0, 2]).await;
        assert_readable(&node, &format!("on other disks, round {round}")).await;
        node.stop().await;
    }
}
