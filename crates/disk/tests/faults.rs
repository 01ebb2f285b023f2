//! Rot, failing devices, full devices, devices that go away.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::Path;

use disk::{Damage, Disk, DiskState, Error, Finding, ScrubCursor};
use env::{Failure, Files, Flip, OpenMode, SimFiles};
use support::{env, extents, formatted, identity, open, path, payload, run, shard};

/// A closed disk with shards 0..count of `size` bytes.
fn filled(count: u64, size: usize) -> SimFiles {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        for number in 0..count {
            disk.append(shard(number, 1, size)).await.unwrap();
        }
        disk.close().await.unwrap();
    });
    files
}

/// Where the bytes of `needle` stand in the extents.
fn locate(files: &SimFiles, needle: &[u8]) -> (std::path::PathBuf, u64) {
    for path in extents(files) {
        let file = files.open(&path, OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        if let Some(offset) = bytes.windows(needle.len()).position(|window| window == needle) {
            return (path, offset as u64);
        }
    }
    panic!("not in any extent");
}

/// Rereads everything in small steps.
async fn scrub_all(disk: &Disk) -> Vec<Finding> {
    let (mut findings, mut cursor) = (Vec::new(), ScrubCursor::default());
    loop {
        let step = disk.scrub_next(cursor, 10_000).await.unwrap();
        findings.extend(step.findings);
        match step.next {
            Some(next) => {
                assert!(cursor < next, "a scrub must advance");
                cursor = next;
            }
            None => return findings,
        }
    }
}

#[test]
fn a_damaged_block_is_never_served_and_its_neighbours_are() {
    let files = filled(1, 200_000);
    let whole = payload(0, 1, 200_000);
    let (extent, offset) = locate(&files, &whole[70_000..70_100]);
    files.flip_bit(&Flip { path: extent, offset, bit: 5 });
    let (disk, _) = open(&files);
    run(async {
        assert_eq!(disk.read(&identity(0), 0..65_536).await.unwrap(), whole.slice(..65_536), "block 0 is whole");
        assert_eq!(disk.read(&identity(0), 140_000..200_000).await.unwrap(), whole.slice(140_000..));
        assert!(matches!(disk.read(&identity(0), 65_535..65_537).await, Err(Error::Corrupt { .. })));
        assert!(disk.lookup(&identity(0)).unwrap().damaged);
        assert_eq!(disk.stats().corrupt_blocks, 1);
        disk.append(shard(0, 2, 200_000)).await.unwrap();
        assert_eq!(disk.read_all(&identity(0)).await.unwrap(), payload(0, 2, 200_000), "a new record heals");
    });
}

#[test]
fn scrub_finds_and_quarantines_each_damaged_shard_and_no_other() {
    let files = filled(40, 5000);
    let damaged = [3, 17, 18, 39];
    for number in damaged {
        let (extent, offset) =
            locate(&files, &payload(number, 1, 5000)[100 * usize::try_from(number).unwrap()..][..64]);
        files.flip_bit(&Flip { path: extent, offset, bit: 0 });
    }
    let (disk, recovery) = open(&files);
    assert_eq!(recovery.findings, [], "recovery reads frames, not blocks");
    run(async {
        let mut found: Vec<_> = scrub_all(&disk).await.into_iter().map(|finding| finding.identity.unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, damaged.map(identity));
        for number in 0..40 {
            let is_damaged = damaged.contains(&number);
            assert_eq!(disk.lookup(&identity(number)).unwrap().damaged, is_damaged);
            assert_eq!(disk.read_all(&identity(number)).await.is_err(), is_damaged);
        }
        assert_eq!(disk.compact().await.unwrap(), 0, "extents with damage wait for repair");
        for number in damaged {
            disk.append(shard(number, 1, 5000)).await.unwrap();
        }
        assert_eq!(scrub_all(&disk).await, []);
        disk.close().await.unwrap();
    });
    let (disk, _) = open(&files);
    run(async {
        for number in 0..40 {
            assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 5000));
        }
    });
}

/// I13: what a sealed extent cannot show is damage, whichever byte of a record is hit, with and without checkpoint.
#[test]
fn damage_in_a_sealed_extent_never_ends_the_log() {
    // Header, identity, its CRC, checksum table, payload, footer.
    for (offset, breaks_frame) in [(0, true), (30, true), (79, true), (85, true), (1000, false), (3110, true)] {
        for keeps_checkpoint in [true, false] {
            let context = format!("byte {offset}, checkpoint {keeps_checkpoint}");
            let files = filled(12, 3000);
            let (extent, payload_offset) = locate(&files, &payload(4, 1, 3000)[..200]);
            let record = payload_offset - 80 - 16;
            files.flip_bit(&Flip { path: extent, offset: record + offset, bit: 2 });
            if !keeps_checkpoint {
                files.remove(&path().join("extents/checkpoint")).unwrap();
            }
            let (disk, recovery) = open(&files);
            assert_eq!(recovery.used_checkpoint, keeps_checkpoint);
            assert_eq!(recovery.findings.is_empty(), keeps_checkpoint || !breaks_frame, "{context}");
            run(async {
                for number in (0..12).filter(|number| *number != 4) {
                    assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 3000), "{context}");
                }
                let is_known = disk.lookup(&identity(4)).is_some();
                let mut found = recovery.findings;
                found.extend(scrub_all(&disk).await);
                assert!(is_known == found.iter().any(|finding| finding.identity == Some(identity(4))), "{context}");
                // A footer is not on the way of a read.
                let lost = disk.read_all(&identity(4)).await;
                assert!(matches!(lost, Err(Error::Corrupt { .. } | Error::NotFound { .. })), "{context}: {lost:?}");
            });
        }
    }
}

#[test]
fn a_damaged_tombstone_is_written_again() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 50_000)).await.unwrap();
        disk.append(shard(2, 1, 50_000)).await.unwrap();
        disk.delete(vec![identity(1)]).await.unwrap();
        disk.append(shard(3, 1, 50_000)).await.unwrap();
        // The tombstone is the last record that names shard 1.
        let (extent, offset) = extents(&files)
            .into_iter()
            .rev()
            .find_map(|path| {
                let file = files.open(&path, OpenMode::Read).unwrap();
                let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                let name = identity(1).encode();
                bytes.windows(21).rposition(|window| window == name).map(|offset| (path, offset as u64))
            })
            .unwrap();
        files.flip_bit(&Flip { path: extent, offset, bit: 1 });
        let findings = scrub_all(&disk).await;
        assert!(findings.iter().all(|finding| finding.identity.is_none()) && !findings.is_empty());
        drop(disk);
        // Without the checkpoint: only the tombstone keeps the shard away.
        let files = files.power_cut(3);
        let (disk, recovery) = open(&files);
        assert!(!recovery.used_checkpoint);
        assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::NotFound { .. })));
        assert_eq!(disk.read_all(&identity(2)).await.unwrap(), payload(2, 1, 50_000));
    });
}

#[test]
fn records_behind_damage_in_their_batch_are_not_lost_with_it() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append_all((0..6).map(|number| shard(number, 1, 3000)).collect()).await.unwrap();
        disk.delete(vec![identity(4), identity(5)]).await.unwrap();
        // What shows that the batches before were synced.
        disk.append(shard(6, 1, 3000)).await.unwrap();
    });
    let files = files.kill();
    let (extent, payload_offset) = locate(&files, &payload(0, 1, 3000)[..200]);
    files.flip_bit(&Flip { path: extent.clone(), offset: payload_offset - 80, bit: 2 });
    // The first of the two tombstones.
    let mut bytes = vec![0; usize::try_from(files.open(&extent, OpenMode::Read).unwrap().size().unwrap()).unwrap()];
    files.open(&extent, OpenMode::Read).unwrap().read_exact_at(&mut bytes, 0).unwrap();
    let name = identity(4).encode();
    let tombstone = bytes.windows(name.len()).rposition(|window| window == name).unwrap();
    files.flip_bit(&Flip { path: extent, offset: tombstone as u64, bit: 2 });

    let (disk, recovery) = open(&files);
    assert_eq!(recovery.findings.len(), 2, "{recovery:?}");
    run(async {
        for number in [1, 2, 3, 6] {
            assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 3000));
        }
        assert!(matches!(disk.read_all(&identity(5)).await, Err(Error::NotFound { .. })), "its tombstone is whole");
    });
}

#[test]
fn what_the_checkpoint_names_is_not_taken_for_a_torn_tail() {
    let files = filled(30, 3000);
    let first_extent = extents(&files)[0].clone();
    let place = |number: u64| locate(&files, &payload(number, 1, 3000)[..200]);
    let last = (0..30).rev().find(|number| place(*number).0 == first_extent).unwrap();
    files.flip_bit(&Flip { path: first_extent, offset: place(last).1 - 80, bit: 2 });
    files.remove(&path().join("extents/roots")).unwrap();
    let (disk, recovery) = open(&files);
    assert!(recovery.used_checkpoint && last < 29);
    run(async {
        for number in (0..30).filter(|number| *number != last) {
            assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 3000));
        }
        let found: Vec<_> = scrub_all(&disk).await.into_iter().map(|finding| finding.identity).collect();
        assert_eq!(found, [Some(identity(last))], "reads are not the first to notice");
        disk.append(shard(last, 1, 3000)).await.unwrap();
        assert_eq!(scrub_all(&disk).await, [], "what has been repaired is not reported again");
    });
}

/// Dead records may rot for long before anything is written behind them.
#[test]
fn rot_that_a_scrub_has_seen_is_not_taken_for_a_torn_tail() {
    // The frame of the record, its payload.
    for offset in [2, 1000] {
        let files = formatted(1);
        let (disk, _) = open(&files);
        let extent = run(async {
            disk.append(shard(0, 1, 3000)).await.unwrap();
            disk.append_all(vec![shard(0, 2, 3000), shard(1, 1, 3000), shard(0, 3, 3000)]).await.unwrap();
            let (extent, payload_offset) = locate(&files, &payload(0, 2, 3000)[..200]);
            files.flip_bit(&Flip { path: extent.clone(), offset: payload_offset - 96 + offset, bit: 2 });
            assert_eq!(scrub_all(&disk).await, [], "the record is dead");
            extent
        });
        let files = files.kill();
        let (disk, recovery) = open(&files);
        assert_eq!((extents(&files), recovery.open_extents), (vec![extent], 0));
        run(async {
            assert_eq!(disk.read_all(&identity(0)).await.unwrap(), payload(0, 3, 3000));
            assert_eq!(disk.read_all(&identity(1)).await.unwrap(), payload(1, 1, 3000));
        });
    }
}

#[test]
fn a_rotten_log_of_extents_is_completed_by_the_scrub() {
    let files = filled(30, 3000);
    let (disk, _) = open(&files);
    let count = extents(&files).len();
    run(async {
        let roots = path().join("extents/roots");
        for entry in 0..64 {
            files.flip_bit(&Flip { path: roots.clone(), offset: entry * 64 + 20, bit: 1 });
        }
        let found = scrub_all(&disk).await;
        assert!(found.len() == count && found.iter().all(|finding| finding.identity.is_none()), "{found:?}");
        assert_eq!(scrub_all(&disk).await, []);
    });
    let (_, recovery) = open(&files.kill());
    assert_eq!((recovery.shards, recovery.open_extents, recovery.findings), (30, 0, vec![]));
}

#[test]
fn a_lost_extent_is_reported_and_its_shards_can_be_written_again() {
    for keeps_checkpoint in [true, false] {
        let files = filled(30, 5000);
        let lost = extents(&files)[1].clone();
        files.remove(&lost).unwrap();
        if !keeps_checkpoint {
            files.remove(&path().join("extents/checkpoint")).unwrap();
        }
        let (disk, recovery) = open(&files);
        assert!(recovery.findings.iter().all(|finding| finding.damage == Damage::ExtentMissing));
        let named: Vec<_> = recovery.findings.iter().filter_map(|finding| finding.identity).collect();
        assert_eq!(!named.is_empty(), keeps_checkpoint);
        run(async {
            let missing: Vec<u64> = (0..30).filter(|number| disk.lookup(&identity(*number)).is_none()).collect();
            assert!(!missing.is_empty() && missing.len() < 30);
            if keeps_checkpoint {
                let expected: Vec<_> = missing.iter().map(|number| identity(*number)).collect();
                assert_eq!(named, expected);
            }
            for number in missing {
                disk.append(shard(number, 1, 5000)).await.unwrap();
            }
            for number in 0..30 {
                assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 5000));
            }
        });
    }
}

#[test]
fn an_extent_lost_while_the_disk_runs_does_not_keep_others_from_compaction() {
    let files = filled(30, 5000);
    let (disk, _) = open(&files);
    run(async {
        let lost = extents(&files)[1].clone();
        files.remove(&lost).unwrap();
        let found = scrub_all(&disk).await;
        assert!(!found.is_empty() && found.iter().all(|finding| finding.damage == Damage::ExtentMissing), "{found:?}");
        assert_eq!(disk.compact().await.unwrap(), 0, "until its shards are repaired, the extent is remembered");
        for number in 0..30 {
            disk.append(shard(number, 2, 5000)).await.unwrap();
        }
        assert!(1 < disk.compact().await.unwrap());
        assert_eq!(scrub_all(&disk).await, []);
        disk.close().await.unwrap();
    });
    let (disk, recovery) = open(&files);
    assert_eq!((recovery.shards, recovery.findings), (30, vec![]));
    run(async {
        for number in 0..30 {
            assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 2, 5000));
        }
    });
}

#[test]
fn lost_or_rotten_side_files_cost_nothing_but_time() {
    for name in ["checkpoint", "roots"] {
        for rots in [true, false] {
            let files = filled(30, 5000);
            let side_file = path().join("extents").join(name);
            if rots {
                files.flip_bits(&side_file, 20, 5);
            } else {
                files.remove(&side_file).unwrap();
            }
            let (disk, recovery) = open(&files);
            assert_eq!(recovery.findings, [], "{name}, rots: {rots}");
            run(async {
                for number in 0..30 {
                    assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 5000));
                }
                disk.append(shard(77, 1, 5000)).await.unwrap();
                disk.close().await.unwrap();
            });
            let (_, recovery) = open(&files);
            assert_eq!((recovery.shards, recovery.findings.len()), (31, 0));
        }
    }
}

#[test]
fn after_a_failed_sync_the_disk_goes_on_in_a_new_extent() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 3000)).await.unwrap();
        assert_eq!(extents(&files).len(), 1);
        // An append writes, then syncs.
        files.fail_call(files.calls() + 1, Failure::Io);
        assert!(matches!(disk.append(shard(2, 1, 3000)).await, Err(Error::Io { .. })));
        assert!(matches!(disk.state(), DiskState::Suspect { .. }));
        assert_eq!(disk.lookup(&identity(2)), None, "I14: it is not counted");
        assert_eq!(disk.read_all(&identity(1)).await.unwrap(), payload(1, 1, 3000));
        disk.append(shard(3, 1, 3000)).await.unwrap();
        assert_eq!(disk.state(), DiskState::InService);
        assert_eq!(extents(&files).len(), 2, "never another record to the extent that failed");
    });
}

/// A failed sync, a log of extents that fails too, a new process that sees the bytes in the page cache, a power cut:
/// what that process took for whole must be whole.
#[test]
fn bytes_that_only_the_page_cache_has_are_made_durable_before_they_count() {
    for seed in 0..40 {
        let files = formatted(seed);
        let (disk, _) = open(&files);
        run(async {
            disk.append(shard(1, 1, 3000)).await.unwrap();
            files.fail_call(files.calls() + 1, Failure::Io);
            files.fail_call(files.calls() + 2, Failure::Io);
            disk.append(shard(2, 1, 3000)).await.unwrap_err();
            assert!(matches!(disk.state(), DiskState::Failed { .. }));
            let files = files.kill();
            let (disk, seen) = open(&files);
            // Unless the failed write to the log left its entry behind, whole.
            assert!(seen.shards == 2 || seen.open_extents == 0, "seed {seed}: {seen:?}");
            drop(disk);
            let (disk, again) = open(&files.power_cut(seed));
            assert_eq!((again.shards, again.findings), (seen.shards, vec![]), "seed {seed}");
            for number in 1..=seen.shards {
                assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 3000), "seed {seed}");
            }
        });
    }
}

#[test]
fn a_disk_that_keeps_failing_is_taken_out_of_service() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 3000)).await.unwrap();
        files.fail_path(&path().join("extents"), Failure::Io);
        for number in 0..10 {
            disk.append(shard(number, 2, 3000)).await.unwrap_err();
        }
        assert!(matches!(disk.state(), DiskState::Failed { .. }));
        let calls = files.calls();
        assert!(matches!(disk.append(shard(1, 3, 10)).await, Err(Error::Failed { .. })));
        assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::Failed { .. })));
        assert!(matches!(disk.delete(vec![identity(1)]).await, Err(Error::Failed { .. })));
        assert_eq!(files.calls(), calls, "a failed disk is left alone");
        disk.close().await.unwrap_err();
        files.heal_path(&path().join("extents"));
    });
    let (disk, _) = open(&files);
    assert_eq!(run(disk.read_all(&identity(1))).unwrap(), payload(1, 1, 3000));
}

/// What of a disk under use notices that its directory is gone.
async fn assert_notices(files: &SimFiles, disk: &Disk, way: u32) {
    let result = match way {
        0 => disk.append(shard(50, 1, 100)).await,
        1 => disk.read_all(&identity(1)).await.map(drop),
        2 => disk.delete(vec![identity(2)]).await,
        3 => disk.scrub_next(ScrubCursor::default(), 1 << 20).await.map(drop),
        _ => match disk.check().await {
            DiskState::Failed { reason } => Err(Error::Failed { path: path().to_path_buf(), reason }),
            _ => Ok(()),
        },
    };
    assert!(matches!(result, Err(Error::Failed { .. })), "way {way}: {result:?}");
    assert!(matches!(disk.state(), DiskState::Failed { .. }));
    let calls = files.calls();
    assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::Failed { .. })), "reads fail quickly");
    assert_eq!(files.calls(), calls);
}

#[test]
fn a_directory_removed_under_the_disk_is_noticed_by_whatever_comes_next() {
    for way in 0..5 {
        let files = formatted(1);
        let (disk, _) = open(&files);
        run(async {
            for number in 0..10 {
                disk.append(shard(number, 1, 9000)).await.unwrap();
            }
            files.vanish(path());
            assert_notices(&files, &disk, way).await;
        });
    }
}

#[test]
fn a_directory_emptied_and_made_again_is_not_taken_for_the_old_one() {
    for way in 0..5 {
        let files = formatted(1);
        let (disk, _) = open(&files);
        run(async {
            for number in 0..10 {
                disk.append(shard(number, 1, 9000)).await.unwrap();
            }
            files.vanish(path());
            files.create_directories(path()).unwrap();
            assert_notices(&files, &disk, way).await;
        });
    }
}

#[test]
fn a_directory_removed_before_the_first_append_is_noticed() {
    let files = filled(3, 100);
    let (disk, _) = open(&files);
    run(async {
        files.vanish(path());
        assert_notices(&files, &disk, 0).await;
    });
}

#[test]
fn an_unmounted_device_is_noticed() {
    let files = SimFiles::new(1);
    files.mount(path());
    Disk::format(&env(&files), path(), support::IDENTITY).unwrap();
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 9000)).await.unwrap();
        files.unmount(path());
        assert_notices(&files, &disk, 0).await;
    });
}

#[test]
fn a_full_disk_takes_deletions_and_recovers_by_itself() {
    let files = formatted(1);
    // 64 KiB extents, 128 KiB reserve.
    files.set_capacity(path(), 1 << 20);
    let (disk, _) = open(&files);
    run(async {
        let mut stored = 0;
        let refused = loop {
            match disk.append(shard(stored, 1, 20_000)).await {
                Ok(()) => stored += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, Error::Full { .. }), "{refused:?}");
        let usage = disk.usage().await.unwrap();
        assert!(usage.full && 20 < stored, "{usage:?} with {stored} shards");
        assert!(usage.available + 65_536 < usage.reserve + 131_072 && usage.reserve / 2 < usage.available, "{usage:?}");
        assert_eq!(disk.state(), DiskState::InService, "full is not broken");
        assert_eq!(disk.read_all(&identity(0)).await.unwrap(), payload(0, 1, 20_000));

        // Somebody else takes the rest, to the last byte.
        let hog = files.open(&path().join("hog"), OpenMode::CreateNew).unwrap();
        hog.allocate(files.space(path()).unwrap().available).unwrap();
        let deleted: Vec<u64> = (0..stored).step_by(2).collect();
        disk.delete(deleted.iter().map(|number| identity(*number)).collect()).await.unwrap();
        assert!(matches!(disk.append(shard(500, 1, 20_000)).await, Err(Error::Full { .. })));
        files.remove(&path().join("hog")).unwrap();

        disk.compact().await.unwrap();
        disk.append(shard(500, 1, 20_000)).await.unwrap();
        assert!(!disk.usage().await.unwrap().full);
        for number in 0..stored {
            let found = disk.read_all(&identity(number)).await;
            assert_eq!(found.is_ok(), !deleted.contains(&number));
        }
        disk.close().await.unwrap();
    });
    let (disk, _) = open(&files);
    assert_eq!(run(disk.read_all(&identity(500))).unwrap(), payload(500, 1, 20_000));
}

#[test]
fn compaction_gives_room_back_and_tombstones_end() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        for round in 0..20 {
            for number in 0..10 {
                disk.append(shard(number, round, 9000)).await.unwrap();
            }
            let few: Vec<_> = (0..5).map(identity).collect();
            disk.delete(few).await.unwrap();
        }
        let before = disk.usage().await.unwrap();
        let removed = disk.compact().await.unwrap();
        let after = disk.usage().await.unwrap();
        assert!(10 < removed && after.extents < before.extents / 4, "{removed} extents, {before:?}, {after:?}");
        for number in 0..10 {
            assert_eq!(disk.read_all(&identity(number)).await.is_ok(), 5 <= number);
        }
        disk.close().await.unwrap();
    });
    files.remove(&path().join("extents/checkpoint")).unwrap();
    let (disk, recovery) = open(&files);
    assert_eq!((recovery.shards, recovery.findings.len()), (5, 0), "nothing comes back without the checkpoint");
    run(async {
        for number in 5..10 {
            assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 19, 9000));
        }
    });
}

#[test]
fn a_read_error_is_reported_and_the_disk_goes_on() {
    let files = filled(3, 9000);
    let (disk, _) = open(&files);
    run(async {
        // A read looks for the extent, opens it, reads it.
        files.fail_call(files.calls() + 2, Failure::Io);
        assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::Io { .. })));
        assert_eq!(disk.read_all(&identity(1)).await.unwrap(), payload(1, 1, 9000));
        assert_eq!((disk.stats().io_errors, disk.state()), (1, DiskState::InService));
    });
}

#[test]
fn a_fresh_disk_takes_little() {
    let files = formatted(1);
    let config = disk::DiskConfig::new(support::CLUSTER);
    let (disk, _) = Disk::open(&env(&files), path(), &config).unwrap();
    assert!(files.used(Path::new("/")) < 1 << 20);
    run(async {
        disk.append(shard(1, 1, 10_000)).await.unwrap();
        assert!(files.used(Path::new("/")) < 20 << 20);
        disk.close().await.unwrap();
    });
    assert!(files.used(Path::new("/")) < 1 << 20, "unused room is given back");
}

#[test]
fn many_restarts_leave_few_extents() {
    let files = formatted(1);
    for number in 0..40 {
        let (disk, _) = open(&files);
        run(async {
            disk.append(shard(number, 1, 500)).await.unwrap();
            disk.compact().await.unwrap();
            disk.close().await.unwrap();
        });
    }
    assert!(extents(&files).len() < 16, "{} extents", extents(&files).len());
    let (disk, recovery) = open(&files);
    assert_eq!((recovery.shards, recovery.findings.len()), (40, 0));
    run(async {
        for number in 0..40 {
            assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, 1, 500));
        }
    });
}
