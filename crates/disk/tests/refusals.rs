//! Directories that are not ours, not now, or not any more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use disk::{Disk, DiskConfig, DiskIdentity, Error};
use env::{Failure, Files, Flip, OpenMode, SimFiles};
use support::{CLUSTER, IDENTITY, config, env, formatted, identity, open, path, payload, run, shard};

fn format(files: &SimFiles) -> disk::Result<()> {
    Disk::format(&env(files), path(), IDENTITY)
}

fn open_error(files: &SimFiles) -> Error {
    Disk::open(&env(files), path(), &config()).map(drop).unwrap_err()
}

/// The message names the directory and says what to do.
fn assert_helps(error: &Error, advice: &str) {
    let message = error.to_string();
    assert!(message.contains("/disk") && message.contains(advice), "{message}");
}

#[test]
fn a_missing_or_empty_directory_is_refused() {
    let files = SimFiles::new(1);
    let error = open_error(&files);
    assert!(matches!(error, Error::Missing { .. }));
    assert_helps(&error, "create the directory, or mount");
    files.create_directories(path()).unwrap();
    let error = open_error(&files);
    assert!(matches!(error, Error::NotFormatted { .. }));
    assert_helps(&error, "not mounted");
}

#[test]
fn another_clusters_disk_is_refused() {
    let files = formatted(1);
    let other = DiskConfig { cluster_id: CLUSTER + 1, ..config() };
    let error = Disk::open(&env(&files), path(), &other).map(drop).unwrap_err();
    assert!(matches!(error, Error::AnotherCluster { found: CLUSTER, .. }));
    assert_helps(&error, "remove it from this command line");
}

#[test]
fn a_disk_in_use_is_refused_and_can_be_inspected() {
    let files = formatted(1);
    let (disk, _) = open(&files);
    let error = open_error(&files);
    assert!(matches!(error, Error::InUse { .. }));
    assert_helps(&error, "stop it");
    let superblock = Disk::inspect(&env(&files), path()).unwrap();
    assert_eq!((superblock.identity, superblock.is_mount_point), (IDENTITY, false));
    run(disk.close()).unwrap();
    open(&files);
}

#[test]
fn a_foreign_directory_is_not_formatted() {
    let files = SimFiles::new(1);
    files.create_directories(&path().join("photos")).unwrap();
    let error = format(&files).unwrap_err();
    assert!(matches!(&error, Error::NotEmpty { name, .. } if name == "photos"));
    assert_helps(&error, "choose an empty directory");
}

#[test]
fn a_formatted_directory_is_not_formatted_again() {
    let files = formatted(1);
    let error = format(&files).unwrap_err();
    assert!(matches!(error, Error::AlreadyFormatted { .. }));
    assert_helps(&error, "remove its contents");
    // Not even if both superblocks are gone, as long as there are extents.
    let (disk, _) = open(&files);
    run(async {
        disk.append(shard(1, 1, 10)).await.unwrap();
        disk.close().await.unwrap();
    });
    for name in ["superblock-0", "superblock-1"] {
        files.remove(&path().join(name)).unwrap();
    }
    assert!(matches!(format(&files).unwrap_err(), Error::AlreadyFormatted { .. }));
}

#[test]
fn another_version_is_refused() {
    let files = formatted(1);
    for name in ["superblock-0", "superblock-1"] {
        let file = files.open(&path().join(name), OpenMode::ReadWrite).unwrap();
        let mut bytes = [0; 64];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes[8] = 2;
        let crc = crc_fast::crc32_iscsi(&bytes[..60]).to_le_bytes();
        bytes[60..].copy_from_slice(&crc);
        file.write_all_at(&[&bytes], 0).unwrap();
    }
    let error = open_error(&files);
    assert!(matches!(error, Error::UnknownVersion { found: 2, supported: 1, .. }));
    assert_helps(&error, "run the version that wrote it");
    assert!(matches!(format(&files).unwrap_err(), Error::AlreadyFormatted { .. }));
}

#[test]
fn an_unmounted_mount_point_is_refused() {
    let files = SimFiles::new(1);
    files.mount(path());
    format(&files).unwrap();
    assert!(Disk::inspect(&env(&files), path()).unwrap().is_mount_point);
    files.unmount(path());
    assert!(matches!(open_error(&files), Error::NotFormatted { .. }));
    files.remount(path());
    drop(open(&files));

    // The bytes of a mounted disk, copied into a plain directory.
    let plain = SimFiles::new(2);
    format(&plain).unwrap();
    for name in ["superblock-0", "superblock-1"] {
        let mut bytes = [0; 64];
        files.open(&path().join(name), OpenMode::Read).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        plain.open(&path().join(name), OpenMode::ReadWrite).unwrap().write_all_at(&[&bytes], 0).unwrap();
    }
    let error = open_error(&plain);
    assert!(matches!(error, Error::Unmounted { .. }));
    assert_helps(&error, "mount the disk");
}

#[test]
fn one_damaged_superblock_is_healed_and_two_are_refused() {
    for name in ["superblock-0", "superblock-1"] {
        let files = formatted(1);
        files.flip_bit(&Flip { path: path().join(name), offset: 20, bit: 1 });
        let (disk, _) = open(&files);
        run(disk.close()).unwrap();
        let other = if name == "superblock-0" { "superblock-1" } else { "superblock-0" };
        files.flip_bit(&Flip { path: path().join(other), offset: 50, bit: 1 });
        let (disk, _) = open(&files);
        run(disk.close()).unwrap();
    }
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(disk.close()).unwrap();
    files.flip_bits(&path().join("superblock-0"), 3, 1);
    files.flip_bits(&path().join("superblock-1"), 3, 2);
    let error = open_error(&files);
    assert!(matches!(error, Error::DamagedSuperblock { .. }));
    assert_helps(&error, "let repair fill it");
}

#[test]
fn an_interrupted_format_can_be_repeated() {
    let calls = {
        let files = SimFiles::new(1);
        format(&files).unwrap();
        files.calls()
    };
    for crash_at in 0..calls {
        for seed in 0..8 {
            let files = SimFiles::new(seed);
            files.fail_call(crash_at, Failure::Crash);
            let acknowledged = format(&files).is_ok();
            let files = files.power_cut(seed);
            match format(&files) {
                Ok(()) => assert!(!acknowledged),
                Err(error) => assert!(matches!(error, Error::AlreadyFormatted { .. }), "{error}"),
            }
            let files = files.power_cut(seed);
            let (disk, _) = open(&files);
            run(async {
                disk.append(shard(1, 1, 10)).await.unwrap();
                drop(disk);
                let (disk, _) = open(&files.power_cut(seed));
                assert_eq!(disk.read_all(&identity(1)).await.unwrap(), payload(1, 1, 10));
            });
        }
    }
}

#[test]
fn two_disks_on_one_machine_are_two() {
    let files = SimFiles::new(1);
    for (name, disk_id) in [("/disk", 1), ("/other", 2)] {
        let identity = DiskIdentity { cluster_id: CLUSTER, disk_id };
        Disk::format(&env(&files), std::path::Path::new(name), identity).unwrap();
    }
    let (first, _) = open(&files);
    let (second, _) = Disk::open(&env(&files), std::path::Path::new("/other"), &config()).unwrap();
    assert_eq!((first.identity().disk_id, second.identity().disk_id), (1, 2));
    run(async {
        first.append(shard(1, 1, 10)).await.unwrap();
        assert!(matches!(second.read_all(&identity(1)).await, Err(Error::NotFound { .. })));
    });
}
