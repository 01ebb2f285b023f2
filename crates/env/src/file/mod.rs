//! The file system as a trait.
//!
//! All calls block; callers run them on threads that may. A name is durable only after
//! [`Files::sync_directory`] on its directory, bytes only after [`File::sync_data`].

mod counted;
mod direct;
mod real;
mod sim;

pub use counted::{CountedFiles, FileCounts};
pub use real::RealFiles;
pub use sim::{Failure, Flip, SimFiles};

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::DIRECT_ALIGNMENT;

/// How [`Files::open`] treats the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file exists; open it for reading.
    Read,
    /// As `Read`, past the page cache where the file system knows how to.
    ReadDirect,
    /// The file exists; open it for reading and writing.
    ReadWrite,
    /// The file must not exist; create it for reading and writing.
    CreateNew,
    /// As `CreateNew`, past the page cache where the file system knows how to. Writes begin at multiples of
    /// [`DIRECT_ALIGNMENT`] and have such sizes.
    CreateNewDirect,
    /// Open for reading and writing, creating an empty file when there is none.
    CreateOrOpen,
}

/// Room on the file system that holds a path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged process may still write.
    pub available: u64,
}

/// Identity of the file system (device) that holds a directory; tells a mounted disk from its empty mount point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId {
    /// Device number of the file system.
    pub device: u64,
    /// Whether the directory is the root of its file system (its parent is on another device).
    pub is_mount_point: bool,
}

/// An exclusive advisory lock on a file, held until dropped (or the process ends).
pub trait FileLock: Send + Sync {}

/// A file system.
pub trait Files: Send + Sync + 'static {
    /// Opens or creates the file at `path`.
    ///
    /// # Errors
    ///
    /// As `open(2)`; `AlreadyExists` and `NotFound` by `mode`.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Creates `path` and its missing parents. The new names are durable only after their directories are synced.
    ///
    /// # Errors
    ///
    /// As `mkdir(2)`.
    fn create_directories(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in directory `path` durable: creations, renames and removals before the call.
    ///
    /// # Errors
    ///
    /// As `fsync(2)`.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Names (not paths) in directory `path`, sorted.
    ///
    /// # Errors
    ///
    /// As `readdir(3)`.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Replaces `target` by `source` atomically; durable after the directory is synced.
    ///
    /// # Errors
    ///
    /// As `rename(2)`.
    fn rename(&self, source: &Path, target: &Path) -> io::Result<()>;

    /// Removes the file at `path`; durable after the directory is synced.
    ///
    /// # Errors
    ///
    /// As `unlink(2)`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Whether anything exists at `path`.
    ///
    /// # Errors
    ///
    /// As `stat(2)`, except that a missing name is `Ok(false)`.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Room on the file system that holds `path`.
    ///
    /// # Errors
    ///
    /// As `statvfs(3)`.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Which file system holds directory `path`.
    ///
    /// # Errors
    ///
    /// As `stat(2)`.
    fn directory_id(&self, path: &Path) -> io::Result<DirectoryId>;

    /// `path` made absolute, with symbolic links resolved.
    ///
    /// # Errors
    ///
    /// As `realpath(3)`.
    fn canonical(&self, path: &Path) -> io::Result<PathBuf>;

    /// Locks the file at `path`, creating it when missing; `None` when another process (or handle) holds the lock.
    ///
    /// # Errors
    ///
    /// As `open(2)` and `flock(2)`.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;
}

/// An open file. Methods take `&self`: positions are explicit, so handles are shared freely.
pub trait File: Send + Sync + 'static {
    /// Fills `buffer` from byte `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the file ends before `buffer` is full; as `pread(2)` otherwise.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Reads `size` bytes from byte `offset`, with the fewest copies.
    ///
    /// # Errors
    ///
    /// As [`File::read_exact_at`].
    fn read_at(&self, offset: u64, size: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; size];
        self.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    /// Writes `buffers`, one after the other, at byte `offset`. Not durable before [`File::sync_data`].
    ///
    /// # Errors
    ///
    /// As `pwritev(2)`; any prefix may have been written then.
    fn write_all_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()>;

    /// Makes all bytes (and the length) written before the call durable.
    ///
    /// # Errors
    ///
    /// As `fdatasync(2)`. After an error the state of the bytes is unknown; never call it again on this file.
    fn sync_data(&self) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    ///
    /// As `fstat(2)`.
    fn size(&self) -> io::Result<u64>;

    /// Cuts or extends (with zeros) the file to `size` bytes.
    ///
    /// # Errors
    ///
    /// As `ftruncate(2)`.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Reserves blocks so that the file is `size` bytes of zeros that later writes cannot fail for lack of space.
    ///
    /// # Errors
    ///
    /// As `fallocate(2)`.
    fn allocate(&self, size: u64) -> io::Result<()>;

    /// Tells the kernel that cached pages of the file are not needed soon. A hint: failures are ignored.
    fn drop_cache(&self);
}

/// Checks what [`OpenMode::CreateNewDirect`] asks of a write of `size` bytes at `offset`.
fn assert_direct(offset: u64, size: usize) {
    let alignment = DIRECT_ALIGNMENT as u64;
    let aligned = offset.is_multiple_of(alignment) && (size as u64).is_multiple_of(alignment);
    assert!(aligned, "a direct write of {size} bytes at {offset}");
}
