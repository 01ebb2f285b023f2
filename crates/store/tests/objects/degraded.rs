//! Lost disks and rotten bits: right bytes or an error, and repair.

use bytes::Bytes;
use cluster::Work;
use erasure::FramedShard;
use futures_util::{StreamExt, stream};
use store::{ByteRange, Error, GetRequest, PutRequest, StreamBody};

use crate::node::{Node, bytes, disk_path};

const BLOCK: usize = 64 << 10;

/// Objects of several sizes: inline, one stripe, several stripes with a short last one.
async fn put_some(node: &Node) -> Vec<(String, Vec<u8>)> {
    let mut objects = Vec::new();
    for (size, seed) in [100, 20_000, 4 * BLOCK, 11 * BLOCK + 333].into_iter().zip(0..) {
        let (key, body) = (format!("object-{size}"), bytes(seed, size));
        node.put(&key, body.clone()).await.unwrap();
        objects.push((key, body));
    }
    objects
}

async fn assert_all_readable(node: &Node, objects: &[(String, Vec<u8>)], what: &str) {
    for (key, body) in objects {
        assert!(node.get(key).await.unwrap() == *body, "{key} with {what}");
        let middle = body.len() / 2;
        let range = Some(ByteRange::Between(middle as u64 / 2, middle as u64));
        let (_, part) = node.get_with(key, GetRequest { range, ..GetRequest::default() }).await.unwrap();
        assert!(part == body[middle / 2..=middle], "a range of {key} with {what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_disks_may_be_lost_and_is_rebuilt() {
    for first in 0..6 {
        for second in first + 1..6 {
            let pair = [first, second];
            let node = Node::start(6, "4+2").await;
            let objects = put_some(&node).await;
            node.lose(&pair).await;
            assert_all_readable(&node, &objects, &format!("disks {pair:?} lost")).await;

            let files = node.stop().await;
            let node = Node::open(files, 6, "4+2").await;
            assert_all_readable(&node, &objects, &format!("disks {pair:?} replaced by empty ones")).await;
            let rebuilt = node.store.rebuild().await.unwrap();
            assert!(0 < rebuilt.repaired_shards && rebuilt.waiting_stripes == 0, "{pair:?}: {rebuilt:?}");
            assert_eq!(node.store.status().open_slots, 0, "{pair:?}");
            let report = node.store.fsck().await.unwrap();
            assert!(report.is_clean() && report.degraded_stripes == 0, "{pair:?}: {report:?}");
            assert_all_readable(&node, &objects, &format!("disks {pair:?} rebuilt")).await;
            node.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disks_replaced_while_the_node_runs_are_rebuilt() {
    let node = Node::start(6, "4+2").await;
    let objects = put_some(&node).await;
    node.replace(&[1, 4]).await;
    assert_all_readable(&node, &objects, "two empty disks").await;
    node.put("new", bytes(8, 300_000)).await.unwrap();
    node.store.rebuild().await.unwrap();
    node.lose(&[0, 2]).await;
    assert_all_readable(&node, &objects, "two other disks lost").await;
    assert!(node.get("new").await.unwrap() == bytes(8, 300_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_losses_than_parity_are_an_error_and_no_bytes() {
    let node = Node::start(6, "4+2").await;
    let objects = put_some(&node).await;
    node.lose(&[0, 2, 4]).await;
    for (key, body) in &objects {
        match node.get(key).await {
            Ok(read) => assert!(body.len() <= 16 << 10 && read == *body, "{key}"),
            Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{key}: {error}"),
        }
    }
    let refused = node.put("new", bytes(9, 100_000)).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    node.lose(&[]).await;
    assert_all_readable(&node, &objects, "all disks back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_missed_at_commit_is_repaired_when_its_disk_is_back() {
    let node = Node::start(6, "4+2").await;
    node.lose(&[3]).await;
    let objects = put_some(&node).await;
    let waiting = node.store.repair().await.unwrap();
    assert_eq!(waiting.repaired_shards, 0);
    assert!(0 < waiting.waiting_stripes);
    node.lose(&[]).await;
    assert_all_readable(&node, &objects, "shards missing").await;
    let repaired = node.store.repair().await.unwrap();
    assert_eq!((repaired.repaired_shards, repaired.waiting_stripes), (waiting.waiting_stripes, 0));
    assert!(node.store.fsck().await.unwrap().is_clean());
    assert_eq!(node.store.repair().await.unwrap().repaired_shards, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rot_on_two_disks_is_read_around_found_and_repaired() {
    let node = Node::start(6, "4+2").await;
    let objects = put_some(&node).await;
    for round in 0..4u64 {
        let (first, second) = (round as usize % 6, (round as usize * 2 + 1) % 6);
        for disk in [first, second] {
            node.files.flip_bits(&disk_path(disk).join("extents"), 200, round * 7 + disk as u64);
        }
        assert_all_readable(&node, &objects, "rotten bits").await;
        node.store.scrub().await.unwrap();
        node.store.take_census().await.unwrap();
        let repaired = node.store.repair().await.unwrap();
        assert_eq!(repaired.waiting_stripes, 0, "round {round}: {repaired:?}");
        let report = node.store.fsck().await.unwrap();
        assert!(report.is_clean(), "round {round}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_more_takes_its_share_and_leaves_nothing_behind() {
    let node = Node::start(6, "4+2").await;
    let objects = put_some(&node).await;
    let shards = node.shard_count();
    let files = node.stop().await;
    let node = Node::open(files, 7, "4+2").await;
    assert!(0 < node.store.status().open_slots);
    node.store.rebuild().await.unwrap();
    assert_eq!(node.store.status().open_slots, 0);
    assert!(shards < node.shard_count(), "copies, and what they leave behind");
    node.store.collect_garbage().await.unwrap();
    assert_eq!(node.shard_count(), shards);
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.stray_shards == 0, "{report:?}");
    assert_all_readable(&node, &objects, "seven disks").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_survives_that_its_groups_change_meanwhile() {
    let node = Node::start(6, "4+2").await;
    let body = bytes(5, 3_000_000);
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let chunks = Box::pin(stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }));
    let bucket = node.bucket().await;
    let upload = node.store.put_object(&bucket, "long", PutRequest::default(), Box::new(StreamBody(chunks.map(Ok))));
    let feed = async {
        let (first, rest) = body.split_at(body.len() / 2);
        for chunk in first.chunks(250_000) {
            sender.send(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        // What was written to the disk is gone, and its slots are another's.
        node.replace(&[1]).await;
        for chunk in rest.chunks(250_000) {
            sender.send(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        drop(sender);
    };
    let (stored, ()) = tokio::join!(upload, feed);
    stored.unwrap();
    assert!(node.get("long").await.unwrap() == body);
    node.store.rebuild().await.unwrap();
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.degraded_stripes == 0, "{report:?}");
    assert_eq!(node.store.repair().await.unwrap().repaired_shards, 0, "the repair index is empty");
    assert_eq!(node.store.take_census().await.unwrap().lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halted_repair_counts_what_is_left_and_restores_it_later() {
    let node = Node::start(6, "4+2").await;
    put_some(&node).await;
    node.store.take_census().await.unwrap();
    let report = node.store.heal_report().await.unwrap();
    assert!(report.whole && report.seconds_left == Some(0), "{report:?}");

    let mut halts = node.cluster.subscribe_halts();
    node.cluster.halt(Work::Repair).await.unwrap();
    halts.wait_for(|halts| halts.repair).await.unwrap();
    node.replace(&[1, 4]).await;
    let report = node.store.heal_report().await.unwrap();
    assert_eq!((report.rebuild.left, report.seconds_left), (None, None), "nobody has counted yet");
    assert_eq!(node.store.rebuild().await.unwrap().repaired_shards, 0);
    let report = node.store.heal_report().await.unwrap();
    let left = report.rebuild.left.unwrap();
    assert!(report.stopped && !report.whole && 0 < report.slots_rebuilding && 0 < left.shards, "{report:?}");

    node.cluster.resume(Work::Repair).await.unwrap();
    halts.wait_for(|halts| !halts.repair).await.unwrap();
    let rebuilt = node.store.rebuild().await.unwrap();
    assert_eq!((rebuilt.repaired_shards, rebuilt.waiting_stripes), (left.shards, 0));
    node.store.take_census().await.unwrap();
    let report = node.store.heal_report().await.unwrap();
    assert!(report.whole && report.rebuild.done == left && report.seconds_left == Some(0), "{report:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_on_disks_that_nobody_expects_them_on_are_found_when_too_few_are_left() {
    let node = Node::start(8, "4+2").await;
    let body = bytes(3, 4 * BLOCK);
    node.put("key", body.clone()).await.unwrap();
    let topology = node.cluster.topology();
    let (with, without): (Vec<_>, Vec<_>) =
        topology.local_disks().partition(|disk| !disk.inventory(None, usize::MAX).is_empty());
    for (disk, other) in with[..3].iter().zip(without.iter().cycle()) {
        let entry = disk.inventory(None, 1)[0];
        let payload = disk.read(&entry.identity, 0..u64::from(entry.entry.size)).await.unwrap();
        let framed = FramedShard::new(entry.identity, payload);
        let (group, intent_epoch) = (entry.entry.group, entry.entry.intent_epoch);
        other.append(disk::Shard { framed, group, epoch: 0, intent_epoch }).await.unwrap();
        disk.delete(vec![entry.identity]).await.unwrap();
    }
    assert!(
        matches!(node.get("key").await, Err(Error::Unavailable { .. })),
        "three of six shards are where they belong"
    );
    assert_eq!(node.store.take_census().await.unwrap().lost, 3);
    let repaired = node.store.repair().await.unwrap();
    assert_eq!((repaired.repaired_shards, repaired.waiting_stripes), (3, 0));
    assert!(node.get("key").await.unwrap() == body);
}

/// Disks `hung` do nothing at all from now on, and fail no call either.
fn hang(node: &Node, hung: &[usize]) {
    hung.iter().for_each(|disk| node.files.hang(&disk_path(*disk).join("extents")));
}

fn release(node: &Node, hung: &[usize]) {
    hung.iter().for_each(|disk| node.files.release(&disk_path(*disk).join("extents")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_disks_that_hangs_is_read_around() {
    let node = Node::start(6, "4+2").await;
    let objects = put_some(&node).await;
    for first in 0..6 {
        for second in first + 1..6 {
            hang(&node, &[first, second]);
            assert_all_readable(&node, &objects, &format!("disks {first} and {second} that hang")).await;
            release(&node, &[first, second]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_for_disks_that_hang_go_to_others() {
    let node = Node::start(9, "4+2").await;
    hang(&node, &[2, 7]);
    let objects = put_some(&node).await;
    assert_all_readable(&node, &objects, "written while two disks hung").await;
    release(&node, &[2, 7]);
    node.store.repair().await.unwrap();
    node.store.collect_garbage().await.unwrap();
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.degraded_stripes == 0, "{report:?}");
    assert_all_readable(&node, &objects, "two disks that hung").await;
}
