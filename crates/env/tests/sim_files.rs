//! What the simulated file system does beyond the contract: it loses power, fails and rots.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::sync::Arc;

use env::{Failure, File, Files, OpenMode, SimFiles};

fn root() -> &'static Path {
    Path::new("/disk")
}

/// A file system with a durable directory and, in it, a durable empty file.
fn prepared() -> (SimFiles, Arc<dyn File>) {
    let files = SimFiles::new(1);
    files.create_directories(root()).unwrap();
    files.sync_directory(Path::new("/")).unwrap();
    let file = files.open(&root().join("file"), OpenMode::CreateNew).unwrap();
    files.sync_directory(root()).unwrap();
    (files, file)
}

fn content(files: &SimFiles, name: &str) -> Vec<u8> {
    let file = files.open(&root().join(name), OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn synced_bytes_and_names_survive_every_power_cut() {
    for seed in 0..50 {
        let (files, file) = prepared();
        file.write_all_at(&[b"durable"], 0).unwrap();
        file.sync_data().unwrap();
        let files = files.power_cut(seed);
        assert_eq!(content(&files, "file"), b"durable");
    }
}

#[test]
fn unsynced_bytes_survive_in_part_and_tear_at_sectors() {
    let (mut whole, mut lost, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let (files, file) = prepared();
        file.allocate(2048).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[&[1; 2048]], 0).unwrap();
        let bytes = content(&files.power_cut(seed), "file");
        let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector.iter().copied().max().unwrap()).collect();
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "torn inside a sector");
        match sectors.iter().sum::<u8>() {
            0 => lost += 1,
            4 => whole += 1,
            _ => torn += 1,
        }
    }
    assert!(20 < whole && 20 < lost && 20 < torn, "whole {whole}, lost {lost}, torn {torn}");
}

#[test]
fn unsynced_names_may_be_lost() {
    let (mut created, mut renamed, mut removed) = (0, 0, 0);
    for seed in 0..100 {
        let (files, file) = prepared();
        file.write_all_at(&[b"x"], 0).unwrap();
        file.sync_data().unwrap();
        files.open(&root().join("gone"), OpenMode::CreateNew).unwrap();
        files.sync_directory(root()).unwrap();
        files.open(&root().join("new"), OpenMode::CreateNew).unwrap();
        files.rename(&root().join("file"), &root().join("renamed")).unwrap();
        files.remove(&root().join("gone")).unwrap();
        let names = files.power_cut(seed).list(root()).unwrap();
        let has = |name: &str| names.iter().any(|other| other == name);
        assert!(has("file") != has("renamed"), "a rename is atomic");
        created += i32::from(has("new"));
        renamed += i32::from(has("renamed"));
        removed += i32::from(!has("gone"));
    }
    assert!([created, renamed, removed].iter().all(|count| 20 < *count && *count < 80));
}

#[test]
fn handles_and_locks_end_with_the_power() {
    let (files, file) = prepared();
    let lock = files.try_lock(&root().join("lock")).unwrap().unwrap();
    files.sync_directory(root()).unwrap();
    let after = files.power_cut(1);
    assert!(file.size().is_err() && file.write_all_at(&[b"late"], 0).is_err() && files.list(root()).is_err());
    let new_lock = after.try_lock(&root().join("lock")).unwrap().unwrap();
    drop(lock);
    assert!(after.try_lock(&root().join("lock")).unwrap().is_none(), "a dead holder unlocks nothing");
    drop(new_lock);
    assert_eq!(content(&after, "file"), b"");
}

#[test]
fn a_kill_keeps_unsynced_bytes_unsynced() {
    let (files, file) = prepared();
    let _lock = files.try_lock(&root().join("lock")).unwrap().unwrap();
    file.write_all_at(&[b"cached"], 0).unwrap();
    let files = files.kill();
    assert!(file.size().is_err());
    assert!(files.try_lock(&root().join("lock")).unwrap().is_some());
    assert_eq!(content(&files, "file"), b"cached");
    let lost = (0..40).filter(|seed| {
        let (files, file) = prepared();
        file.write_all_at(&[b"cached"], 0).unwrap();
        content(&files.kill().power_cut(*seed), "file").is_empty()
    });
    assert!(5 < lost.count());
}

#[test]
fn the_planned_call_fails_and_no_other() {
    let (files, file) = prepared();
    let call = files.calls() + 1;
    files.fail_call(call, Failure::Io);
    file.size().unwrap();
    assert_eq!(file.size().unwrap_err().raw_os_error(), Some(5));
    file.size().unwrap();
    assert_eq!(files.calls(), call + 2);
}

#[test]
fn after_a_crash_every_call_fails_until_the_power_cut() {
    let (files, file) = prepared();
    files.fail_call(files.calls(), Failure::Crash);
    assert!(file.write_all_at(&[b"never"], 0).is_err());
    assert!(file.sync_data().is_err() && files.exists(root()).is_err());
    assert_eq!(content(&files.power_cut(3), "file"), b"", "a crashed call has no effect");
}

#[test]
fn a_failed_sync_marks_pages_clean() {
    let mut lost = 0;
    for seed in 0..40 {
        let files = SimFiles::new(seed);
        files.create_directories(root()).unwrap();
        files.sync_directory(Path::new("/")).unwrap();
        let file = files.open(&root().join("file"), OpenMode::CreateNew).unwrap();
        files.sync_directory(root()).unwrap();
        file.write_all_at(&[b"x"], 0).unwrap();
        files.fail_call(files.calls(), Failure::Io);
        file.sync_data().unwrap_err();
        assert_eq!(content(&files, "file"), b"x", "still in the page cache");
        file.sync_data().unwrap();
        lost += i32::from(content(&files.power_cut(0), "file").is_empty());
    }
    assert!(5 < lost, "a second sync hides the loss; lost {lost}");
}

#[test]
fn a_device_is_full_at_its_capacity_and_recovers() {
    let (files, file) = prepared();
    files.set_capacity(root(), 10_000);
    file.allocate(6_000).unwrap();
    file.write_all_at(&[&[1; 6_000]], 0).unwrap();
    let other = files.open(&root().join("other"), OpenMode::CreateNew).unwrap();
    assert_eq!(other.write_all_at(&[&[1; 5_000]], 0).unwrap_err().raw_os_error(), Some(28));
    assert_eq!(files.space(root()).unwrap().available, 4_000);
    files.remove(&root().join("file")).unwrap();
    other.write_all_at(&[&[1; 5_000]], 0).unwrap();
    assert_eq!(files.used(root()), 5_000);
}

#[test]
fn a_dead_path_fails_until_healed() {
    let (files, file) = prepared();
    files.fail_path(root(), Failure::Io);
    assert!(file.size().is_err() && files.list(root()).is_err());
    assert!(files.list(Path::new("/")).is_ok());
    files.heal_path(root());
    assert!(file.size().is_ok());
}

#[test]
fn flipped_bits_show_at_once_and_after_the_power_cut() {
    let (files, file) = prepared();
    file.write_all_at(&[&[0; 4096]], 0).unwrap();
    file.sync_data().unwrap();
    let flips = files.flip_bits(root(), 1, 7);
    assert_eq!(flips.len(), 1);
    let offset = usize::try_from(flips[0].offset).unwrap();
    assert_eq!(content(&files, "file")[offset], 1 << flips[0].bit);
    assert_eq!(content(&files.power_cut(0), "file")[offset], 1 << flips[0].bit);
}

#[test]
fn a_vanished_directory_comes_back_whole() {
    let (files, file) = prepared();
    file.write_all_at(&[b"here"], 0).unwrap();
    file.sync_data().unwrap();
    files.vanish(root());
    assert!(!files.exists(root()).unwrap());
    assert!(file.size().is_ok(), "an open file outlives its name");
    files.restore(root());
    assert_eq!(content(&files, "file"), b"here");
}

#[test]
fn an_unmounted_device_leaves_an_empty_plain_directory() {
    let (files, _file) = prepared();
    files.mount(root());
    let mounted = files.directory_id(root()).unwrap();
    assert!(mounted.is_mount_point);
    files.unmount(root());
    assert!(files.list(root()).unwrap().is_empty());
    assert!(!files.directory_id(root()).unwrap().is_mount_point);
    files.remount(root());
    assert_eq!(files.list(root()).unwrap(), ["file"]);
}

#[test]
fn the_same_seeds_lose_the_same_bytes() {
    let run = || {
        let (files, file) = prepared();
        for number in 0..20u8 {
            file.write_all_at(&[&[number; 700]], u64::from(number) * 600).unwrap();
        }
        content(&files.power_cut(11), "file")
    };
    assert_eq!(run(), run());
}

#[test]
fn a_hung_call_waits_for_its_release() {
    let (files, file) = prepared();
    files.hang(root());
    let before = files.calls();
    let size = std::thread::scope(|scope| {
        let reader = scope.spawn(|| file.size());
        while files.calls() == before {
            std::thread::yield_now();
        }
        assert!(!reader.is_finished());
        files.release(root());
        reader.join().unwrap()
    });
    assert_eq!(size.unwrap(), 0);
}
