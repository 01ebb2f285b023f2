//! Rotten bytes anywhere in the extents of up to two disks: right bytes all the time, and afterwards nothing that is
//! not whole, in one pass of scrub and repair, before and after a restart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use disk::{Finding, ScrubCursor};
use env::{Entropy, Files, Flip, OpenMode, SeededEntropy, SimFiles};
use store::Deletion;

use crate::node::{Node, bytes, disk_path};

/// Beginnings of what a disk writes: extent, record, footer, entry of the log of extents, checkpoint.
const MAGICS: [&[u8; 4]; 5] = [b"SEXT", b"SREC", b"SEND", b"SROT", b"SCKP"];

/// Numbers that follow from a seed.
pub struct Dice(pub SeededEntropy);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        (u64::from_le_bytes(bytes) % bound as u64) as usize
    }
}

/// What is done to the node at some point of a case.
#[derive(Clone, Copy, Debug)]
enum Restart {
    No,
    Orderly,
    Kill,
    /// The checkpoints are gone as well: the index comes from the records alone.
    KillWithoutCheckpoint,
}

const RESTARTS: [Restart; 4] = [Restart::No, Restart::Orderly, Restart::Kill, Restart::KillWithoutCheckpoint];

async fn restarted(node: Node, restart: Restart) -> Node {
    let files = match restart {
        Restart::No => return node,
        Restart::Orderly => node.stop().await,
        Restart::Kill => node.kill().await,
        Restart::KillWithoutCheckpoint => {
            let files = node.kill().await;
            for disk in 0..6 {
                // There may be none yet.
                let _ = files.remove(&disk_path(disk).join("extents/checkpoint"));
            }
            files
        }
    };
    Node::open(files, 6, "4+2").await
}

/// Objects that stay, between records that are dead: overwritten, deleted, moved, tombstones.
async fn put_some(node: &mut Node, dice: &Dice) -> Vec<(String, Vec<u8>)> {
    for round in 0..3 {
        for number in 0..4 {
            node.put(&format!("key-{number}"), bytes(round * 10 + number, 1 + dice.below(400_000))).await.unwrap();
        }
        node.store.delete_object(&node.bucket().await, Deletion::of("key-3")).await.unwrap();
        node.store.collect_garbage().await.unwrap();
    }
    let mut objects = Vec::new();
    for (size, seed) in [100, 17_000, 64 << 10, 500_000, dice.below(900_000)].into_iter().zip(100..) {
        let (key, body) = (format!("key-{}", seed % 7), bytes(seed, size));
        node.put(&key, body.clone()).await.unwrap();
        objects.push((key, body));
    }
    let kept: BTreeSet<&String> = objects.iter().map(|(key, _)| key).collect();
    for number in 0..4 {
        let key = format!("key-{number}");
        if !kept.contains(&key) {
            node.store.delete_object(&node.bucket().await, Deletion::of(&key)).await.unwrap();
        }
    }
    node.store.collect_garbage().await.unwrap();
    objects
}

fn contents(files: &SimFiles, path: &Path) -> Vec<u8> {
    let file = files.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.size().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Flips bits in the files that hold the extents of `disk`: anywhere in what has been written, and aimed at headers,
/// checksums, footers and the spaces between batches.
pub fn rot(files: &SimFiles, disk: usize, count: usize, dice: &Dice) {
    let directory = disk_path(disk).join("extents");
    let mut written: Vec<(PathBuf, usize)> = Vec::new();
    let mut frames = Vec::new();
    for name in files.list(&directory).unwrap() {
        let path = directory.join(name);
        let bytes = contents(files, &path);
        let size = bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let starts =
            (0..size).step_by(4).filter(|start| MAGICS.iter().any(|magic| bytes[*start..].starts_with(*magic)));
        frames.extend(starts.map(|start| (path.clone(), start)));
        written.push((path, size));
    }
    let total: usize = written.iter().map(|(_, size)| size).sum();
    for _ in 0..count {
        let (path, offset) = if dice.below(2) == 0 {
            let (path, start) = &frames[dice.below(frames.len())];
            (path, start + dice.below(110))
        } else {
            let mut position = dice.below(total);
            let holder = written.iter().find(|(_, size)| {
                let found = position < *size;
                position -= if found { 0 } else { *size };
                found
            });
            (&holder.unwrap().0, position)
        };
        files.flip_bit(&Flip { path: path.clone(), offset: offset as u64, bit: dice.below(8) as u8 });
    }
}

async fn assert_readable(node: &Node, objects: &[(String, Vec<u8>)], what: &str) {
    for (key, body) in objects {
        match node.get(key).await {
            Ok(read) => assert!(read == *body, "{what}: {key} has other bytes"),
            Err(error) => panic!("{what}: {key}: {error}"),
        }
    }
}

/// One pass of what the background does, then everything must be whole.
async fn assert_heals(node: &mut Node, objects: &[(String, Vec<u8>)], what: &str) {
    node.store.scrub().await.unwrap();
    node.store.take_census().await.unwrap();
    node.drain_queues().await;
    let repaired = node.store.repair().await.unwrap();
    assert_eq!(repaired.waiting_stripes, 0, "{what}: {repaired:?}");
    // Without checkpoint and tombstone, deleted shards are back until they are found to be orphans.
    for _ in 0..3 {
        node.store.advance_epoch().await.unwrap();
        node.store.collect_garbage().await.unwrap();
    }
    assert_whole(node, objects, what).await;
}

async fn assert_whole(node: &mut Node, objects: &[(String, Vec<u8>)], what: &str) {
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.degraded_stripes == 0 && report.stray_shards == 0, "{what}: {report:?}");
    assert_eq!(rotten_places(node).await, [], "{what}: what is repaired is reported again");
    let census = node.store.take_census().await.unwrap();
    assert_eq!((census.lost, census.unknown), (0, 0), "{what}: {census:?}");
    let repaired = node.store.repair().await.unwrap();
    assert_eq!((repaired.repaired_shards, repaired.waiting_stripes), (0, 0), "{what}: {repaired:?}");
    assert_readable(node, objects, what).await;
}

/// What another scrub of all disks finds.
async fn rotten_places(node: &Node) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    let topology = node.cluster.topology();
    for disk in topology.local_disks() {
        let number = (0..6).find(|number| disk.path() == disk_path(*number)).unwrap();
        let mut cursor = Some(ScrubCursor::default());
        while let Some(from) = cursor {
            let step = disk.scrub_next(from, 1 << 20).await.unwrap();
            found.extend(step.findings.into_iter().map(|finding| (number, finding)));
            cursor = step.next;
        }
    }
    found
}

fn case_count() -> u64 {
    std::env::var("STONECROP_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10)
}

fn first_case() -> u64 {
    std::env::var("STONECROP_TEST_FIRST").ok().and_then(|case| case.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rot_anywhere_on_two_disks_is_repaired_completely() {
    for seed in first_case()..first_case() + case_count() {
        let dice = Dice(SeededEntropy::new(seed));
        let mut node = Node::start(6, "4+2").await;
        let objects = put_some(&mut node, &dice).await;
        let restarts = [0; 3].map(|_| RESTARTS[dice.below(4)]);
        let what = format!("seed {seed}, restarts {restarts:?}");
        node = restarted(node, restarts[0]).await;

        let first = dice.below(6);
        let second = (first + 1 + dice.below(5)) % 6;
        for disk in [first, second] {
            rot(&node.files, disk, 1 + dice.below(60), &dice);
        }
        node = restarted(node, restarts[1]).await;
        assert_readable(&node, &objects, &what).await;
        assert_heals(&mut node, &objects, &what).await;

        node = restarted(node, restarts[2]).await;
        assert_whole(&mut node, &objects, &format!("{what}, restarted after the repair")).await;
        node.stop().await;
    }
}
