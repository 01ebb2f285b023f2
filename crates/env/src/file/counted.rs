//! A file system that counts what it is asked to make durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{DirectoryId, File, FileLock, Files, OpenMode, Space};

/// Counts of a [`CountedFiles`], since it was made.
#[derive(Debug, Default)]
pub struct FileCounts {
    syncs: AtomicU64,
    bytes_written: AtomicU64,
}

impl FileCounts {
    /// Syncs of files and directories that were asked for, failed ones included.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Bytes that were written, failed writes included.
    pub fn bytes_written(&self) -> u64 {
        self.bytes_written.load(Ordering::Relaxed)
    }
}

/// Passes everything on to another file system, and counts.
pub struct CountedFiles {
    inner: Arc<dyn Files>,
    counts: Arc<FileCounts>,
}

struct CountedFile {
    inner: Arc<dyn File>,
    counts: Arc<FileCounts>,
}

impl CountedFiles {
    /// Counts what `inner` is asked for.
    pub fn new(inner: Arc<dyn Files>) -> Self {
        Self { inner, counts: Arc::new(FileCounts::default()) }
    }

    /// The counts, which go on while the files are used.
    pub fn counts(&self) -> Arc<FileCounts> {
        self.counts.clone()
    }
}

impl Files for CountedFiles {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(CountedFile { inner, counts: self.counts.clone() }))
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.inner.create_directories(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        self.inner.rename(source, target)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.inner.space(path)
    }

    fn directory_id(&self, path: &Path) -> io::Result<DirectoryId> {
        self.inner.directory_id(path)
    }

    fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        self.inner.canonical(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.inner.try_lock(path)
    }
}

impl File for CountedFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }

    fn read_at(&self, offset: u64, size: usize) -> io::Result<Bytes> {
        self.inner.read_at(offset, size)
    }

    fn write_all_at(&self, buffers: &[&[u8]], offset: u64) -> io::Result<()> {
        let size: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        self.counts.bytes_written.fetch_add(size as u64, Ordering::Relaxed);
        self.inner.write_all_at(buffers, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.counts.syncs.fetch_add(1, Ordering::Relaxed);
        self.inner.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.inner.set_size(size)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.inner.allocate(size)
    }

    fn drop_cache(&self) {
        self.inner.drop_cache();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SimFiles;

    #[test]
    fn syncs_and_written_bytes_are_counted() {
        let files = CountedFiles::new(Arc::new(SimFiles::new(1)));
        let file = files.open(Path::new("/file"), OpenMode::CreateNew).unwrap();
        file.write_all_at(&[b"abc", b"de"], 0).unwrap();
        file.sync_data().unwrap();
        files.sync_directory(Path::new("/")).unwrap();
        assert_eq!((files.counts().syncs(), files.counts().bytes_written()), (2, 5));
    }
}
