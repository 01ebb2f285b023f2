//! Versions: they are found by name, and those that are not current are kept, repaired and collected as any other.

use env::SeededEntropy;
use futures_util::TryStreamExt;
use store::bucket::Versioning;
use store::copy::{CopyRequest, CopySource};
use store::version::{ListVersionsRequest, Listed};
use store::{Deletion, Error, GetRequest, ReadConditions, Result, VersionName};

use crate::node::{Node, bytes, shard_count};
use crate::rot::{Dice, rot};

/// A version and its bytes.
type Version = (VersionName, Vec<u8>);

async fn put(node: &Node, size: usize, seed: u64) -> Version {
    let body = bytes(seed, size);
    let put = node.put("key", body.clone()).await.unwrap();
    (put.version.unwrap_or(VersionName::Null), body)
}

async fn delete(node: &Node, version: Option<VersionName>) -> store::Deleted {
    node.store.delete_object(&node.bucket().await, Deletion { version, ..Deletion::of("key") }).await.unwrap()
}

async fn get(node: &Node, version: VersionName) -> Result<Vec<u8>> {
    let request = GetRequest { version: Some(version), ..GetRequest::default() };
    let reader = node.store.get_object(&node.bucket().await, "key", request).await?;
    assert_eq!(reader.object.version, Some(version));
    let chunks: Vec<bytes::Bytes> = reader.body.try_collect().await?;
    Ok(chunks.concat())
}

/// The null version, versions of all sizes, and a delete marker above them all.
async fn put_versions(node: &Node) -> Vec<Version> {
    let mut versions = vec![put(node, 300_000, 1).await];
    node.store.set_versioning(&node.bucket().await, Versioning::Enabled).await.unwrap();
    for (size, seed) in [0, 100, 17_000, 500_000, 900_000].into_iter().zip(2..) {
        versions.push(put(node, size, seed).await);
    }
    assert!(delete(node, None).await.is_marker);
    versions
}

async fn assert_readable(node: &Node, versions: &[Version]) {
    for (name, body) in versions {
        assert!(get(node, *name).await.unwrap() == *body, "{name}");
    }
}

/// Orphans are collected at last; nothing else is.
async fn collect(node: &Node) {
    for _ in 0..3 {
        node.store.advance_epoch().await.unwrap();
        node.store.collect_garbage().await.unwrap();
    }
}

async fn assert_whole(node: &Node, versions: &[Version]) {
    let census = node.store.take_census().await.unwrap();
    assert_eq!((census.lost, census.unknown), (0, 0), "{census:?}");
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.degraded_stripes == 0, "{report:?}");
    assert_eq!(report.noncurrent_versions, versions.len() as u64);
    assert_eq!((report.objects, report.delete_markers), (0, 1));
    assert_readable(node, versions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_named_listed_and_deleted() {
    let node = Node::start(6, "4+2").await;
    let versions = put_versions(&node).await;
    assert_readable(&node, &versions).await;
    let Err(Error::KeyDeleted(marker)) = node.get("key").await else { panic!("the key is deleted") };
    let Err(Error::IsDeleteMarker(same)) = get(&node, marker.version).await else { panic!("that is a marker") };
    assert_eq!(marker, same);

    let request = ListVersionsRequest { limit: 100, ..ListVersionsRequest::default() };
    let page = node.store.list_versions(&node.bucket().await, &request).await.unwrap();
    let listed: Vec<_> = page
        .versions
        .iter()
        .map(|listed| match listed {
            Listed::Object { version, is_latest, object } => (*version, *is_latest, Some(object.size)),
            Listed::Marker { marker, is_latest, .. } => (marker.version, *is_latest, None),
        })
        .collect();
    let objects = versions.iter().rev().map(|(name, body)| (*name, false, Some(body.len() as u64)));
    assert_eq!(listed, [(marker.version, true, None)].into_iter().chain(objects).collect::<Vec<_>>());
    let bytes = versions.iter().map(|(_, body)| body.len() as u64).sum::<u64>();
    let usage = node.store.usage(&node.bucket().await).await.unwrap();
    assert_eq!((usage.objects, usage.bytes), (0, bytes));

    let (oldest, body) = &versions[1];
    let conditions = ReadConditions::default();
    let source = CopySource {
        bucket: node.bucket().await,
        key: "key".into(),
        version: Some(*oldest),
        conditions,
        customer_key: None,
    };
    let copied = node.store.copy_object(&source, &node.bucket().await, "copy", CopyRequest::default()).await.unwrap();
    assert_eq!(copied.source_version, Some(*oldest));
    assert!(node.get("copy").await.unwrap() == *body);
    let source = CopySource { version: Some(marker.version), ..source };
    let refused = node.store.copy_object(&source, &node.bucket().await, "copy", CopyRequest::default()).await;
    assert!(matches!(refused, Err(Error::IsDeleteMarker(_))));

    let deleted = delete(&node, Some(marker.version)).await;
    assert_eq!((deleted.version, deleted.is_marker), (Some(marker.version), true));
    assert!(node.get("key").await.unwrap() == versions[5].1, "the newest version is current again");
    assert!(matches!(get(&node, marker.version).await, Err(Error::NoSuchVersion(_))));
    assert!(matches!(node.store.delete_bucket(&node.bucket().await).await, Err(Error::BucketNotEmpty)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_collected_when_they_are_deleted_and_not_before() {
    let node = Node::start(6, "4+2").await;
    let mut versions = put_versions(&node).await;
    let expected = node.shard_count();
    collect(&node).await;
    assert_eq!(node.shard_count(), expected);
    assert_whole(&node, &versions).await;

    // The version of 500,000 bytes, neither oldest nor newest.
    let (name, _) = versions.remove(4);
    delete(&node, Some(name)).await;
    collect(&node).await;
    assert!(node.shard_count() < expected);
    assert_whole(&node, &versions).await;
    for (name, _) in versions {
        delete(&node, Some(name)).await;
    }
    collect(&node).await;
    assert_eq!(node.shard_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_survive_the_loss_of_disks() {
    let mut node = Node::start(6, "4+2").await;
    let versions = put_versions(&node).await;
    let expected = node.shard_count();
    node.lose(&[0, 3]).await;
    assert_readable(&node, &versions).await;
    node.replace(&[0, 3]).await;
    let empty = node.shard_count();
    assert!(empty < expected);
    node.store.rebuild().await.unwrap();
    node.store.take_census().await.unwrap();
    node.drain_queues().await;
    let repaired = node.store.repair().await.unwrap();
    assert_eq!(repaired.waiting_stripes, 0, "{repaired:?}");
    assert_eq!(node.shard_count(), expected);
    assert_whole(&node, &versions).await;
    // What was rebuilt serves alone, with two of the others.
    node.lose(&[1, 4]).await;
    assert_readable(&node, &versions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rot_in_versions_is_found_and_repaired() {
    for seed in 0..3 {
        let mut node = Node::start(6, "4+2").await;
        let versions = put_versions(&node).await;
        for disk in [1, 4] {
            rot(&node.files, disk, 40, &Dice(SeededEntropy::new(seed + disk as u64)));
        }
        assert_readable(&node, &versions).await;
        node.store.scrub().await.unwrap();
        node.store.take_census().await.unwrap();
        node.drain_queues().await;
        let repaired = node.store.repair().await.unwrap();
        assert_eq!(repaired.waiting_stripes, 0, "seed {seed}: {repaired:?}");
        collect(&node).await;
        assert_whole(&node, &versions).await;
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_survive_a_kill() {
    let node = Node::start(6, "4+2").await;
    let versions = put_versions(&node).await;
    let expected = shard_count(&node.cluster);
    let node = Node::open(node.kill().await, 6, "4+2").await;
    assert_eq!(node.store.head_bucket("bucket").await.unwrap().versioning, Some(Versioning::Enabled));
    assert_eq!(node.shard_count(), expected);
    assert_whole(&node, &versions).await;
    let (name, _) = put(&node, 1000, 50).await;
    assert!(versions.iter().all(|(older, _)| *older != name));
}
