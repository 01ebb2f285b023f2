//! The machine's file system.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, FlockOperation};

use super::direct::DirectFile;
use super::{DirectoryId, File, FileLock, Files, OpenMode, Space};
use crate::buffer::Buffers;

/// The most buffers one `pwritev(2)` takes (Linux `IOV_MAX`).
const VECTORED_BUFFERS_MAX: usize = 1024;

/// Permissions of files we create: other users of the machine can read neither objects nor credentials.
const OWNER_ONLY: u32 = 0o600;

/// The machine's file system.
#[derive(Default)]
pub struct RealFiles {
    buffers: Buffers,
}

struct RealFile {
    file: fs::File,
}

struct RealFileLock {
    _file: fs::File,
}

impl FileLock for RealFileLock {}

impl RealFiles {
    /// The machine's file system, with buffers for direct transfers.
    pub fn new(buffers: Buffers) -> Self {
        Self { buffers }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that may touch the file system")]
impl Files for RealFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true).mode(OWNER_ONLY);
        match mode {
            OpenMode::Read | OpenMode::ReadDirect => {}
            OpenMode::ReadWrite => {
                options.write(true);
            }
            OpenMode::CreateNew | OpenMode::CreateNewDirect => {
                options.write(true).create_new(true);
            }
            OpenMode::CreateOrOpen => {
                options.write(true).create(true).truncate(false);
            }
        }
        let file = options.open(path)?;
        let direct = match mode {
            // A second open: one that both creates and is refused as direct would leave the file behind.
            OpenMode::ReadDirect | OpenMode::CreateNewDirect => {
                DirectFile::open(options.create_new(false), path, &self.buffers)?
            }
            _ => None,
        };
        Ok(direct.map_or_else(|| -> Arc<dyn File> { Arc::new(RealFile { file }) }, |direct| Arc::new(direct)))
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // Our own names are ASCII; anything else is a stray file that no caller looks for.
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::rename(source, target)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space { total: stat.f_blocks * stat.f_frsize, available: stat.f_bavail * stat.f_frsize })
    }

    fn directory_id(&self, path: &Path) -> io::Result<DirectoryId> {
        let own = fs::metadata(path)?;
        let parent = fs::metadata(path.join(".."))?;
        let is_mount_point = own.dev() != parent.dev() || own.ino() == parent.ino();
        Ok(DirectoryId { device: own.dev(), is_mount_point })
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(RealFileLock { _file: file }))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl File for RealFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, buffers: &[&[u8]], mut offset: u64) -> io::Result<()> {
        for group in buffers.chunks(VECTORED_BUFFERS_MAX) {
            let mut slices: Vec<IoSlice<'_>> = group.iter().map(|buffer| IoSlice::new(buffer)).collect();
            let mut rest = &mut slices[..];
            // Skips empty buffers, so that a zero count below can only mean that the device takes no more.
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                let written = match rustix::io::pwritev(&self.file, rest, offset) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                IoSlice::advance_slices(&mut rest, written);
                offset += written as u64;
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        allocate(&self.file, size)
    }

    fn drop_cache(&self) {
        drop_cache(&self.file);
    }
}

/// Reserves blocks for the first `size` bytes.
pub(super) fn allocate(file: &fs::File, size: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size)?)
}

/// Lets the kernel forget what it has cached of `file`.
pub(super) fn drop_cache(file: &fs::File) {
    // A hint: the data is already durable, so a refusal costs memory only.
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}
