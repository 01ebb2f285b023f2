//! What a healthy disk does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use disk::{Error, ScrubCursor};
use support::{formatted, identity, open, payload, run, shard};

const SIZES: [usize; 9] = [0, 1, 100, 4096, 65_535, 65_536, 65_537, 200_000, 300_000];

#[test]
fn what_was_appended_reads_back_whole_and_in_ranges() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        for (number, size) in (0..).zip(SIZES) {
            disk.append(shard(number, 1, size)).await.unwrap();
        }
        for (number, size) in (0..).zip(SIZES) {
            let (identity, expected) = (identity(number), payload(number, 1, size));
            assert_eq!(disk.read_all(&identity).await.unwrap(), expected);
            for start in [0, 1, size / 3, size / 2, size].map(|start| start.min(size)) {
                for end in [start, start + 1, (start + size) / 2, size].map(|end| end.min(size)) {
                    let bytes = disk.read(&identity, start as u64..end as u64).await.unwrap();
                    assert_eq!(bytes, expected.slice(start..end.max(start)), "{start}..{end} of {size}");
                }
            }
            let entry = disk.lookup(&identity).unwrap();
            assert_eq!((entry.size as usize, entry.group, entry.intent_epoch, entry.damaged), (size, 5, 7, false));
            let past = disk.read(&identity, 0..size as u64 + 1).await;
            assert!(matches!(past, Err(Error::OutOfRange { .. })));
        }
        disk.close().await.unwrap();
    });
}

#[test]
fn the_latest_append_holds_and_a_delete_ends_it() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 500)).await.unwrap();
        disk.append(shard(1, 2, 600)).await.unwrap();
        assert_eq!(disk.read_all(&identity(1)).await.unwrap(), payload(1, 2, 600));
        disk.delete(vec![identity(1), identity(2)]).await.unwrap();
        assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::NotFound { .. })));
        assert_eq!(disk.lookup(&identity(1)), None);
        assert_eq!(disk.stats().deletes, 1, "nobody had the other one");
        disk.append(shard(1, 3, 700)).await.unwrap();
        disk.close().await.unwrap();
    });
    let (disk, recovery) = open(&files);
    assert_eq!((recovery.shards, recovery.used_checkpoint, recovery.records_scanned), (1, true, 0));
    assert_eq!(run(disk.read_all(&identity(1))).unwrap(), payload(1, 3, 700));
}

#[test]
fn waiting_appends_share_a_sync() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append_all((0..500).map(|number| shard(number, 1, 40)).collect()).await.unwrap();
        assert_eq!(disk.stats().appends, 500);
        assert!(disk.stats().syncs < 100, "{} syncs", disk.stats().syncs);
    });
}

#[test]
fn a_closed_disk_refuses_everything() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 10)).await.unwrap();
        disk.close().await.unwrap();
        assert!(matches!(disk.append(shard(2, 1, 10)).await, Err(Error::Closed)));
        assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::Closed)));
        assert!(matches!(disk.scrub_next(ScrubCursor::default(), 1).await, Err(Error::Closed)));
        assert!(matches!(disk.compact().await, Err(Error::Closed)));
    });
}
