//! Disks of every released format, as files: the newest code opens each, and still writes the newest the same way.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::{Path, PathBuf};

use disk::{Disk, Error};
use env::{Files, OpenMode, RealFiles, SimFiles};
use support::{IDENTITY, formatted, identity, open, path, payload, run, shard};

const NAMES: [&str; 8] = [
    "superblock-0",
    "superblock-1",
    "extents/roots",
    "extents/checkpoint",
    "extents/00000001.extent",
    "extents/00000002.extent",
    "extents/00000003.extent",
    "extents/00000004.extent",
];

/// Golden files leave out the zeros that these files are allocated with.
const ROOTS_SIZE: u64 = 64 << 10;

fn golden(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/version-{version}"))
}

fn content(files: &dyn Files, path: &Path) -> Vec<u8> {
    let file = files.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A disk of two short lives, each of two extents: shards of one and of two blocks, an empty one, an overwritten and a deleted one.
fn write_newest() -> SimFiles {
    let files = formatted(1);
    for versions in [[1, 2], [3, 4]] {
        let (disk, _) = open(&files);
        run(async {
            for version in versions {
                disk.append(shard(version, version, 100)).await.unwrap();
                disk.append(shard(9, version, 20)).await.unwrap();
            }
            disk.append(shard(10 + versions[0], 1, 0)).await.unwrap();
            disk.append(shard(20 + versions[0], 1, 65_540)).await.unwrap();
            disk.delete(vec![identity(versions[0])]).await.unwrap();
            disk.close().await.unwrap();
        });
    }
    files
}

/// Opens the golden disk of `version` without its `left_out` files.
fn open_golden(version: u32, left_out: &[&str]) -> (Disk, disk::Recovery) {
    let files = SimFiles::new(1);
    files.create_directories(&path().join("extents")).unwrap();
    for name in NAMES.iter().filter(|name| !left_out.contains(name)) {
        let file = files.open(&path().join(name), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[&content(&RealFiles::default(), &golden(version).join(name))], 0).unwrap();
        if *name == "extents/roots" {
            file.allocate(ROOTS_SIZE).unwrap();
        }
    }
    open(&files)
}

#[test]
fn version_1_opens_with_and_without_its_checkpoint() {
    for left_out in [&[][..], &["extents/checkpoint"], &["superblock-0"], &["superblock-1", "extents/roots"]] {
        let (disk, recovery) = open_golden(1, left_out);
        assert_eq!(recovery.findings, [], "without {left_out:?}");
        assert_eq!((recovery.shards, disk.identity()), (7, IDENTITY));
        assert_eq!(recovery.used_checkpoint, !left_out.contains(&"extents/checkpoint"));
        run(async {
            for (number, version, size) in [(2, 2, 100), (4, 4, 100), (9, 4, 20), (11, 1, 0), (23, 1, 65_540)] {
                assert_eq!(disk.read_all(&identity(number)).await.unwrap(), payload(number, version, size));
            }
            assert!(matches!(disk.read_all(&identity(1)).await, Err(Error::NotFound { .. })));
        });
    }
}

#[test]
fn version_1_is_written_as_ever() {
    let files = write_newest();
    for name in NAMES {
        let mut written = content(&files, &path().join(name));
        let expected = content(&RealFiles::default(), &golden(1).join(name));
        if name == "extents/roots" {
            assert_eq!(written.len() as u64, ROOTS_SIZE);
            let used = written.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            written.truncate(used);
        }
        assert!(written == expected, "{name} differs: a change of format needs a new version");
    }
}
