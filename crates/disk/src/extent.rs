//! The extents' files: created durably, opened on demand, removed once retired.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{File, Files, OpenMode};
use parking_lot::Mutex;

use crate::frame::Frame;
use crate::record::{BATCH_ALIGNMENT, BATCH_UNIT};
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"SEXT";
const VERSION: u8 = 1;
const HEADER_SIZE: usize = 64;
const SUFFIX: &str = ".extent";
/// Where the first batch starts.
pub(crate) const RECORDS_START: u64 = BATCH_ALIGNMENT;
/// Files kept open for reading. A large disk has more extents than a process may open files.
const OPEN_FILES_MAX: usize = 256;

/// An extent as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) id: u32,
    pub(crate) nonce: u64,
    /// End of the durable records, in bytes.
    pub(crate) end: u64,
    pub(crate) is_sealed: bool,
}

/// How an extent is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    /// By the page cache: little at a time, and likely again.
    Cached,
    /// Past the page cache.
    Direct,
}

impl Access {
    /// From here on a read is worth a transfer of its own. Smaller ones are where seeking costs more than the bytes, and
    /// where a cache that holds them again holds many.
    const DIRECT_SIZE_MIN: usize = 128 * 1024;

    /// How to read `size` bytes for a client.
    pub(crate) fn for_size(size: usize) -> Self {
        if size < Self::DIRECT_SIZE_MIN { Self::Cached } else { Self::Direct }
    }
}

/// The extents of a disk.
pub(crate) struct Extents {
    files: Arc<dyn Files>,
    directory: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    extents: BTreeMap<u32, Extent>,
    open: BTreeMap<(u32, Access), Opened>,
    uses: u64,
}

struct Opened {
    file: Arc<dyn File>,
    last_use: u64,
}

impl Extents {
    pub(crate) fn new(files: Arc<dyn Files>, directory: PathBuf) -> Self {
        Self { files, directory, state: Mutex::default() }
    }

    pub(crate) fn path(&self, id: u32) -> PathBuf {
        path(&self.directory, id)
    }

    pub(crate) fn insert(&self, extent: Extent) {
        self.state.lock().extents.insert(extent.id, extent);
    }

    /// Adds a new extent whose file is open already, past the page cache.
    pub(crate) fn insert_open(&self, extent: Extent, file: Arc<dyn File>) {
        let mut state = self.state.lock();
        state.extents.insert(extent.id, extent);
        state.keep_open((extent.id, Access::Direct), file);
    }

    pub(crate) fn get(&self, id: u32) -> Option<Extent> {
        self.state.lock().extents.get(&id).copied()
    }

    /// The extent with the lowest number at or above `id`.
    pub(crate) fn at_or_after(&self, id: u32) -> Option<Extent> {
        self.state.lock().extents.range(id..).next().map(|(_, extent)| *extent)
    }

    pub(crate) fn all(&self) -> Vec<Extent> {
        self.state.lock().extents.values().copied().collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.state.lock().extents.len() as u64
    }

    pub(crate) fn set_end(&self, id: u32, end: u64) {
        if let Some(extent) = self.state.lock().extents.get_mut(&id) {
            extent.end = end;
        }
    }

    pub(crate) fn set_sealed(&self, id: u32) {
        if let Some(extent) = self.state.lock().extents.get_mut(&id) {
            extent.is_sealed = true;
        }
    }

    /// The file of extent `id`, kept open for a while.
    pub(crate) fn file(&self, id: u32, access: Access) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.state.lock().used((id, access)) {
            return Ok(file);
        }
        let mode = match access {
            Access::Cached => OpenMode::Read,
            Access::Direct => OpenMode::ReadDirect,
        };
        let file = self.files.open(&self.path(id), mode)?;
        self.state.lock().keep_open((id, access), file.clone());
        Ok(file)
    }

    pub(crate) fn exists(&self, id: u32) -> io::Result<bool> {
        self.files.exists(&self.path(id))
    }

    /// Forgets extent `id` and removes its file, if it is not lost already. Readers that hold the file read on.
    pub(crate) fn remove(&self, id: u32) -> Result<()> {
        {
            let mut state = self.state.lock();
            state.extents.remove(&id);
            state.open.retain(|(open, _), _| *open != id);
        }
        let path = self.path(id);
        match self.files.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
            _ => Ok(()),
        }
    }
}

impl State {
    fn used(&mut self, id: (u32, Access)) -> Option<Arc<dyn File>> {
        self.uses += 1;
        let opened = self.open.get_mut(&id)?;
        opened.last_use = self.uses;
        Some(opened.file.clone())
    }

    fn keep_open(&mut self, id: (u32, Access), file: Arc<dyn File>) {
        self.uses += 1;
        if OPEN_FILES_MAX <= self.open.len() {
            let oldest = self.open.iter().min_by_key(|(_, opened)| opened.last_use).map(|(id, _)| *id);
            oldest.and_then(|id| self.open.remove(&id));
        }
        self.open.insert(id, Opened { file, last_use: self.uses });
    }
}

/// Path of extent `id`.
pub(crate) fn path(directory: &Path, id: u32) -> PathBuf {
    directory.join(format!("{id:08x}{SUFFIX}"))
}

/// The number in the name of an extent's file; `None` for other names.
pub(crate) fn parse_name(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let canonical = digits.len() == 8 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let id = if canonical { u32::from_str_radix(digits, 16).ok()? } else { return None };
    // The last number is never given out, so that there always is a next one.
    (id != u32::MAX).then_some(id)
}

/// Creates the file of a new extent with room for `allocated` bytes. On return file, header and name are durable.
pub(crate) fn create(
    files: &dyn Files,
    directory: &Path,
    header: ExtentHeader,
    allocated: u64,
) -> Result<Arc<dyn File>> {
    let path = path(directory, header.id);
    let file = files.open(&path, OpenMode::CreateNewDirect).map_err(|error| Error::io("create", &path, error))?;
    let filled = allocate(&*file, allocated)
        .and_then(|()| file.write_all_at(&[&header.encode(), &[0; BATCH_UNIT - HEADER_SIZE]], 0))
        .and_then(|()| file.sync_data())
        .and_then(|()| files.sync_directory(directory));
    match filled {
        Ok(()) => Ok(file),
        Err(error) => {
            // Gives the room back; a file without a root entry is removed by recovery anyhow.
            let _ = files.remove(&path);
            Err(Error::io("create", path, error))
        }
    }
}

/// Reserves room where the file system can, and merely extends the file where it cannot.
pub(crate) fn allocate(file: &dyn File, size: u64) -> io::Result<()> {
    match file.allocate(size) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => file.set_size(size),
        result => result,
    }
}

/// First bytes of an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtentHeader {
    pub(crate) id: u32,
    pub(crate) nonce: u64,
    pub(crate) disk_id: u128,
}

impl ExtentHeader {
    fn encode(&self) -> [u8; HEADER_SIZE] {
        let mut frame = Frame::new(MAGIC);
        frame.put(4, &[VERSION]);
        frame.put(8, &self.id.to_le_bytes());
        frame.put(16, &self.nonce.to_le_bytes());
        frame.put(32, &self.disk_id.to_le_bytes());
        frame.seal()
    }

    /// Reads the header of `file`; `None` if there is no intact one of this version.
    pub(crate) fn read(file: &dyn File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER_SIZE];
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let Some(frame) = Frame::<HEADER_SIZE>::check(&bytes, MAGIC) else { return Ok(None) };
        let header = Self { id: frame.u32(8), nonce: frame.u64(16), disk_id: frame.u128(32) };
        Ok((frame.u8(4) == VERSION).then_some(header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_extents() {
        assert_eq!(parse_name("0000001f.extent"), Some(31));
        for name in [
            "1f.extent",
            "0000001F.extent",
            "+000001f.extent",
            "0000001f",
            "roots",
            "0000001f.extent.new",
            "ffffffff.extent",
        ] {
            assert_eq!(parse_name(name), None, "{name}");
        }
        assert_eq!(parse_name(path(Path::new("/d"), 77).file_name().unwrap().to_str().unwrap()), Some(77));
    }
}
