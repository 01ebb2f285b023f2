//! What may be deleted is, in the end; what is referenced never (I8).

use std::time::Duration;

use bytes::Bytes;
use cluster::{DiskCommand, Topology};
use futures_util::{Stream, StreamExt, stream};
use placement::DiskId;
use store::{BodyError, Deletion, GetRequest, PutRequest, StreamBody};

use crate::node::{Node, bucket, bytes, shard_count};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overwritten_shards_stay_until_their_readers_are_done() {
    let node = Node::start(6, "4+2").await;
    let old = bytes(1, 3_000_000);
    node.put("key", old.clone()).await.unwrap();
    let reader = node.store.get_object(&node.bucket().await, "key", GetRequest::default()).await.unwrap();
    node.put("key", bytes(2, 100_000)).await.unwrap();
    assert_eq!(node.store.collect_garbage().await.unwrap().retired_segments, 0);
    let chunks: Vec<_> = reader.body.map(Result::unwrap).collect().await;
    assert!(chunks.concat() == old, "read to the end after the overwrite");
    assert_eq!(node.store.collect_garbage().await.unwrap().retired_segments, 1);
    assert!(node.get("key").await.unwrap() == bytes(2, 100_000));
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.orphaned_shards == 0, "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_freed_just_before_a_crash_are_not_taken_for_lost() {
    let mut node = Node::start(6, "4+2").await;
    node.put("overwritten", bytes(1, 300_000)).await.unwrap();
    node.put("deleted", bytes(2, 300_000)).await.unwrap();
    let topology = node.cluster.topology();
    for disk in topology.local_disks() {
        disk.delete(disk.inventory(None, usize::MAX).iter().map(|shard| shard.identity).collect()).await.unwrap();
    }
    node.put("overwritten", bytes(3, 300_000)).await.unwrap();
    node.store.delete_object(&node.bucket().await, Deletion::of("deleted")).await.unwrap();
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(node.store.take_census().await.unwrap().lost, 0);
    node.drain_queues().await;
    assert_eq!(node.store.collect_garbage().await.unwrap().retired_segments, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_being_deleted_where_it_was_is_not_counted_there_again() {
    let node = Node::start(3, "1+1").await;
    for number in 0..8 {
        node.put(&format!("key-{number}"), bytes(number, 100_000)).await.unwrap();
    }
    let topology = node.cluster.topology();
    let (&drained, member) = topology.members().iter().next().unwrap();
    let disk = member.local().unwrap().clone();
    let name = drained.to_string();
    node.cluster.command_disk(&name, DiskCommand::Drain).await.unwrap();
    settle(&node, |holds| !holds, drained).await;
    assert!(!disk.inventory(None, usize::MAX).is_empty(), "what has moved is still there");

    node.files.hang(&disk.path().join("extents"));
    let collecting = tokio::spawn({
        let store = node.store.clone();
        async move { store.collect_garbage().await }
    });
    let mut topologies = node.cluster.subscribe();
    node.cluster.command_disk(&name, DiskCommand::Undrain).await.unwrap();
    topologies.wait_for(|topology| is_holder(topology, drained)).await.unwrap();
    let rebuilding = tokio::spawn({
        let store = node.store.clone();
        async move { store.rebuild().await }
    });
    // Long enough for a rebuild that does not wait.
    assert!(tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await.is_err());
    node.files.release(&disk.path().join("extents"));
    collecting.await.unwrap().unwrap();
    rebuilding.await.unwrap().unwrap();
    settle(&node, |holds| holds, drained).await;
    node.store.collect_garbage().await.unwrap();
    assert_eq!(node.store.take_census().await.unwrap().lost, 0);
    assert!(node.store.fsck().await.unwrap().is_clean());
}

fn is_holder(topology: &Topology, disk: DiskId) -> bool {
    let mut slots = topology.table().groups().flat_map(|(_, group)| &group.slots);
    slots.any(|slot| slot.write_target() == Some(disk))
}

/// Fills slots until all are filled and `disk` holds some, or none, as wished.
async fn settle(node: &Node, wish: impl Fn(bool) -> bool, disk: DiskId) {
    loop {
        let mut topologies = node.cluster.subscribe();
        node.store.rebuild().await.unwrap();
        let topology = node.cluster.topology();
        let mut slots = topology.table().groups().flat_map(|(_, group)| &group.slots);
        if wish(is_holder(&topology, disk)) && slots.all(|slot| slot.is_stable()) {
            return;
        }
        let _nothing_new = tokio::time::timeout(Duration::from_millis(50), topologies.changed()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_are_collected_within_three_epochs_and_nothing_else() {
    let node = Node::start(6, "4+2").await;
    node.put("kept", bytes(1, 500_000)).await.unwrap();
    let expected = node.shard_count();
    let broken = broken_off(&node);
    // Nobody serves the discard queue here: as after a crash.
    node.store
        .put_object(&bucket(&node.store).await, "lost", PutRequest::default(), Box::new(broken))
        .await
        .unwrap_err();
    assert!(expected < node.shard_count());
    assert_eq!(node.store.collect_garbage().await.unwrap().orphaned_shards, 0, "its epoch is not over");
    for _ in 0..3 {
        node.store.advance_epoch().await.unwrap();
        node.store.collect_garbage().await.unwrap();
    }
    assert_eq!(node.shard_count(), expected);
    assert!(node.get("kept").await.unwrap() == bytes(1, 500_000));
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_upload_outlives_epochs() {
    let node = Node::start(6, "4+2").await;
    let body = bytes(4, 2_000_000);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let chunks = Box::pin(stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }));
    let store = node.store.clone();
    let put = tokio::task::LocalSet::new();
    let bucket = bucket(&store).await;
    let upload = store.put_object(&bucket, "long", PutRequest::default(), Box::new(StreamBody(chunks.map(Ok))));
    let feed = async {
        for chunk in body.chunks(500_000) {
            sender.send(Bytes::copy_from_slice(chunk)).await.unwrap();
            node.store.advance_epoch().await.unwrap();
            node.store.collect_garbage().await.unwrap();
        }
        drop(sender);
    };
    let (stored, ()) = put.run_until(async { tokio::join!(upload, feed) }).await;
    stored.unwrap();
    assert!(node.get("long").await.unwrap() == body);
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_background_deletes_nothing_that_is_needed() {
    let node = Node::start(6, "4+2").await;
    let broken = broken_off(&node);
    let background = store::Background::start(&node.store, node.queues);
    node.store
        .put_object(&bucket(&node.store).await, "lost", PutRequest::default(), Box::new(broken))
        .await
        .unwrap_err();
    for seed in 0..20 {
        let body = Bytes::from(bytes(seed, 900_000));
        node.store
            .put_object(&bucket(&node.store).await, &format!("key-{}", seed % 3), PutRequest::default(), Box::new(body))
            .await
            .unwrap();
    }
    background.stop().await;
    node.store.collect_garbage().await.unwrap();
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.objects == 3, "{report:?}");
    node.cluster.close().await.unwrap();
}

/// A body that breaks off once something of it has been stored.
fn broken_off(node: &Node) -> StreamBody<impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + use<>> {
    let (cluster, before) = (node.cluster.clone(), node.shard_count());
    let breaks_off = async move {
        while shard_count(&cluster) == before {
            tokio::task::yield_now().await;
        }
        Err(BodyError::Incomplete)
    };
    StreamBody(stream::iter([Ok(Bytes::from(bytes(2, 1_000_000)))]).chain(stream::once(breaks_off).boxed()))
}
