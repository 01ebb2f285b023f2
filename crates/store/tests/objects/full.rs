//! A full disk refuses new objects, serves and deletes old ones, and recovers by itself.

use std::time::Duration;

use env::SimFiles;
use store::bucket::NewBucket;
use store::{Deletion, Error};

use crate::node::{Node, bytes, disk_path};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disks_refuse_objects_and_recover_when_space_returns() {
    let files = SimFiles::new(1);
    (0..6).for_each(|disk| files.set_capacity(&disk_path(disk), 120 << 20));
    let node = Node::open(files, 6, "4+2").await;
    node.store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
    let mut stored = Vec::new();
    let refused = loop {
        let key = format!("key-{}", stored.len());
        match node.put(&key, bytes(stored.len() as u64, 8 << 20)).await {
            Ok(_) => stored.push(key),
            Err(error) => break error,
        }
        assert!(stored.len() < 100, "the disks never fill");
    };
    assert!(matches!(refused, Error::DiskFull), "{refused}");
    assert!(2 < stored.len(), "only {stored:?} fit");
    for (key, seed) in stored.iter().zip(0..) {
        assert!(node.get(key).await.unwrap() == bytes(seed, 8 << 20), "{key}");
    }
    for key in &stored {
        node.store.delete_object(&node.bucket().await, Deletion::of(key)).await.unwrap();
    }
    for _ in 0..3 {
        collect_garbage(&node).await;
    }
    assert_eq!(node.shard_count(), 0);
    let topology = node.cluster.topology();
    for member in topology.members().values() {
        member.local().unwrap().compact().await.unwrap();
    }
    node.wait_until_writable().await;
    // The disks' own room is known by now, the room for metadata is looked at once a second.
    let mut refusals = 0;
    while let Err(error) = node.put("after", bytes(7, 8 << 20)).await {
        assert!(matches!(error, Error::DiskFull), "{error}");
        refusals += 1;
        assert!(refusals < 100, "the room that returned is not found");
        collect_garbage(&node).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(node.get("after").await.unwrap() == bytes(7, 8 << 20));
}

/// Frees what deletes and refused writes have left, once enough epochs have passed.
async fn collect_garbage(node: &Node) {
    node.store.advance_epoch().await.unwrap();
    node.store.collect_garbage().await.unwrap();
}
