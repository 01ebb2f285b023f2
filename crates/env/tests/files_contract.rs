//! What every implementation of `Files` does, checked against the machine's file system and the simulated one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::ErrorKind;
use std::path::Path;

use env::{Files, OpenMode, RealFiles, SimFiles};

const MIB: u64 = 1024 * 1024;

/// Runs `contract` on both implementations, each in an empty directory.
fn check(contract: fn(&dyn Files, &Path)) {
    let directory = tempfile::tempdir().unwrap();
    contract(&RealFiles::default(), &directory.path().canonicalize().unwrap());

    let files = SimFiles::new(1);
    files.create_directories(Path::new("/sim")).unwrap();
    contract(&files, Path::new("/sim"));
}

fn kind<T>(result: std::io::Result<T>) -> ErrorKind {
    result.err().expect("the call fails").kind()
}

#[test]
fn open_modes_decide_by_existence() {
    check(|files, root| {
        let path = root.join("file");
        assert_eq!(kind(files.open(&path, OpenMode::Read)), ErrorKind::NotFound);
        assert_eq!(kind(files.open(&path, OpenMode::ReadWrite)), ErrorKind::NotFound);
        assert!(!files.exists(&path).unwrap());
        files.open(&path, OpenMode::CreateNew).unwrap();
        assert!(files.exists(&path).unwrap());
        assert_eq!(kind(files.open(&path, OpenMode::CreateNew)), ErrorKind::AlreadyExists);
        files.open(&path, OpenMode::CreateOrOpen).unwrap().write_all_at(&[b"kept"], 0).unwrap();
        assert_eq!(files.open(&path, OpenMode::CreateOrOpen).unwrap().size().unwrap(), 4);
        assert_eq!(kind(files.open(&root.join("missing/file"), OpenMode::CreateNew)), ErrorKind::NotFound);
    });
}

#[test]
fn reads_return_what_was_written_and_fail_past_the_end() {
    check(|files, root| {
        let file = files.open(&root.join("file"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"", b"hello", b"", b" world"], 3).unwrap();
        file.sync_data().unwrap();
        let mut buffer = [7; 14];
        file.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"\0\0\0hello world");
        assert_eq!(kind(file.read_exact_at(&mut buffer, 1)), ErrorKind::UnexpectedEof);
        file.read_exact_at(&mut [], 14).unwrap();
    });
}

#[test]
fn direct_transfers_and_others_see_the_same_bytes() {
    check(|files, root| {
        let path = root.join("file");
        let written = files.open(&path, OpenMode::CreateNewDirect).unwrap();
        assert_eq!(kind(files.open(&path, OpenMode::CreateNewDirect)), ErrorKind::AlreadyExists);
        written.allocate(3 * MIB).unwrap();
        let bytes: Vec<u8> = (0..251).cycle().take(2 * 1024 * 1024).collect();
        let cached = files.open(&path, OpenMode::Read).unwrap();
        assert_eq!(cached.read_at(4096, 10).unwrap(), [0; 10][..]);
        // More than one transfer, from buffers of any size.
        let (first, second) = bytes.split_at(1_000_001);
        written.write_all_at(&[first, &[], second], 4096).unwrap();
        written.sync_data().unwrap();
        written.set_size(2 * MIB - 77).unwrap();

        let direct = files.open(&path, OpenMode::ReadDirect).unwrap();
        for file in [&written, &direct, &cached] {
            for (offset, size) in [(4096, 0), (4096, 1), (5000, 70_000), (8191, 2), (0, 5000), (MIB - 5, 1_000_000)] {
                let read = file.read_at(offset, size).unwrap();
                let expected = |position: u64| match usize::try_from(position).unwrap().checked_sub(4096) {
                    Some(position) => bytes[position],
                    None => 0,
                };
                assert!(read.iter().zip(offset..).all(|(byte, position)| *byte == expected(position)));
                assert_eq!(read.len(), size);
                let mut buffer = vec![1; size];
                file.read_exact_at(&mut buffer, offset).unwrap();
                assert_eq!(read, buffer);
            }
            assert_eq!(file.read_at(2 * MIB - 177, 100).unwrap().len(), 100, "to the end");
            assert_eq!(kind(file.read_at(2 * MIB - 177, 101)), ErrorKind::UnexpectedEof);
            assert_eq!(kind(file.read_at(4 * MIB, 1)), ErrorKind::UnexpectedEof);
        }
    });
}

#[test]
fn sizes_change_by_cutting_extending_and_allocating() {
    check(|files, root| {
        let file = files.open(&root.join("file"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abcdef"], 0).unwrap();
        file.set_size(3).unwrap();
        file.set_size(5).unwrap();
        let mut buffer = [7; 5];
        file.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"abc\0\0");
        file.allocate(4096).unwrap();
        assert_eq!(file.size().unwrap(), 4096);
        file.allocate(10).unwrap();
        assert_eq!(file.size().unwrap(), 4096, "allocation never shrinks");
        file.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(&buffer, b"abc\0\0");
        file.drop_cache();
    });
}

#[test]
fn directories_list_their_own_names_in_order() {
    check(|files, root| {
        files.create_directories(&root.join("a/b/c")).unwrap();
        files.create_directories(&root.join("a/b/c")).unwrap();
        files.open(&root.join("a/z"), OpenMode::CreateNew).unwrap();
        files.open(&root.join("a/file"), OpenMode::CreateNew).unwrap();
        files.sync_directory(&root.join("a")).unwrap();
        assert_eq!(files.list(&root.join("a")).unwrap(), ["b", "file", "z"]);
        assert_eq!(kind(files.list(&root.join("none"))), ErrorKind::NotFound);
        assert_eq!(kind(files.sync_directory(&root.join("none"))), ErrorKind::NotFound);
        assert_eq!(files.canonical(&root.join("a/./b/../z")).unwrap(), root.join("a/z"));
        assert_eq!(kind(files.canonical(&root.join("none"))), ErrorKind::NotFound);
    });
}

#[test]
fn rename_replaces_and_remove_removes() {
    check(|files, root| {
        let (first, second) = (root.join("first"), root.join("second"));
        files.open(&first, OpenMode::CreateNew).unwrap().write_all_at(&[b"new"], 0).unwrap();
        let old = files.open(&second, OpenMode::CreateNew).unwrap();
        old.write_all_at(&[b"old!"], 0).unwrap();
        files.rename(&first, &second).unwrap();
        assert_eq!(files.list(root).unwrap(), ["second"]);
        assert_eq!(files.open(&second, OpenMode::Read).unwrap().size().unwrap(), 3);
        assert_eq!(old.size().unwrap(), 4, "the replaced file lives as long as its handle");
        assert_eq!(kind(files.rename(&first, &second)), ErrorKind::NotFound);
        files.remove(&second).unwrap();
        assert_eq!(kind(files.remove(&second)), ErrorKind::NotFound);
    });
}

#[test]
fn a_lock_excludes_until_it_is_dropped() {
    check(|files, root| {
        let path = root.join("lock");
        let lock = files.try_lock(&path).unwrap().expect("nobody holds it");
        assert!(files.try_lock(&path).unwrap().is_none());
        drop(lock);
        assert!(files.try_lock(&path).unwrap().is_some());
    });
}

#[test]
fn a_plain_directory_is_on_its_parents_device() {
    check(|files, root| {
        let inside = root.join("inside");
        files.create_directories(&inside).unwrap();
        let id = files.directory_id(&inside).unwrap();
        assert!(!id.is_mount_point);
        assert_eq!(id.device, files.directory_id(root).unwrap().device);
        assert_eq!(kind(files.directory_id(&root.join("none"))), ErrorKind::NotFound);
        let space = files.space(&inside).unwrap();
        assert!(space.available <= space.total);
    });
}
