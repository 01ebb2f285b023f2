//! The index in a file, so that opening reads few records. A cache: anything wrong with it, and it is ignored.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use env::{File, Files, OpenMode};
use erasure::ShardIdentity;

use crate::device::Device;
use crate::frame::{Frame, crc};
use crate::index::{PACKED_SIZE, Packed, Position};
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"SCKP";
const VERSION: u8 = 1;
const NAME: &str = "checkpoint";
const NEW_NAME: &str = "checkpoint.new";
const HEADER_SIZE: usize = 64;
const KEY_SIZE: usize = ShardIdentity::ENCODED_SIZE;
const ENTRY_SIZE: usize = KEY_SIZE + PACKED_SIZE;
/// Entries written under one CRC, and copied under one lock.
const RUN_ENTRIES: usize = 4096;

/// What a checkpoint says.
pub(crate) struct Checkpoint {
    /// All records before this place are in it.
    pub(crate) place: Position,
    /// Extents that existed, with their nonces.
    pub(crate) extents: BTreeMap<u32, u64>,
    /// Entries in ascending order of identity.
    pub(crate) entries: Vec<([u8; KEY_SIZE], Packed)>,
}

/// Writes a checkpoint of the index as it is now, or a little later.
pub(crate) fn write(device: &Device) -> Result<()> {
    let new_path = device.directory.join(NEW_NAME);
    let path = device.directory.join(NAME);
    let result = write_new(device, &new_path)
        .and_then(|()| device.files.rename(&new_path, &path))
        .and_then(|()| device.files.sync_directory(&device.directory));
    result.map_err(|error| {
        // Gives the room back; the next one overwrites it anyhow.
        let _ = device.files.remove(&new_path);
        Error::io("write", new_path, error)
    })
}

fn write_new(device: &Device, path: &Path) -> io::Result<()> {
    // Before the first entry is copied: what changes meanwhile is replayed.
    let place = device.index.applied();
    let extents: Vec<u8> =
        device.extents.all().iter().flat_map(|extent| encode_extent(extent.id, extent.nonce)).collect();
    let mut header = Frame::<HEADER_SIZE>::new(MAGIC);
    header.put(4, &[VERSION]);
    header.put(8, &u32::try_from(extents.len() / 16).expect("numbers of extents have 32 bits").to_le_bytes());
    header.put(12, &place.extent.to_le_bytes());
    header.put(16, &place.offset.to_le_bytes());
    header.put(32, &device.identity.disk_id.to_le_bytes());

    let file = device.files.open(path, OpenMode::CreateOrOpen)?;
    file.set_size(0)?;
    let mut appender = Appender { file: &*file, offset: 0 };
    appender.append(&[&header.seal(), &extents, &crc(&extents).to_le_bytes()])?;
    let (mut after, mut total) = (None, 0u64);
    loop {
        let run = device.index.page(after, RUN_ENTRIES);
        let Some((last, _)) = run.last() else { break };
        after = Some(*last);
        total += run.len() as u64;
        let count = u32::try_from(run.len()).expect("at most RUN_ENTRIES");
        let entries: Vec<u8> = run.iter().flat_map(|(key, packed)| key.iter().chain(packed.bytes()).copied()).collect();
        appender.append(&[&count.to_le_bytes(), &crc(&entries).to_le_bytes(), &entries])?;
    }
    let total = total.to_le_bytes();
    appender.append(&[&[0; 4], &crc(&total).to_le_bytes(), &total])?;
    file.sync_data()
}

fn encode_extent(id: u32, nonce: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&id.to_le_bytes());
    bytes[8..].copy_from_slice(&nonce.to_le_bytes());
    bytes
}

struct Appender<'a> {
    file: &'a dyn File,
    offset: u64,
}

impl Appender<'_> {
    fn append(&mut self, buffers: &[&[u8]]) -> io::Result<()> {
        self.file.write_all_at(buffers, self.offset)?;
        self.offset += buffers.iter().map(|buffer| buffer.len() as u64).sum::<u64>();
        Ok(())
    }
}

/// Reads the checkpoint in `directory`; `None` if there is none that can be trusted.
pub(crate) fn read(files: &dyn Files, directory: &Path, disk_id: u128) -> Option<Checkpoint> {
    let path = directory.join(NAME);
    let file = match files.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot open the checkpoint: reading all extents");
            return None;
        }
    };
    let checkpoint = Reader { file, offset: 0 }.read(disk_id);
    if checkpoint.is_none() {
        tracing::warn!(path = %path.display(), "unusable checkpoint: reading all extents");
    }
    checkpoint
}

struct Reader {
    file: Arc<dyn File>,
    offset: u64,
}

impl Reader {
    fn read(mut self, disk_id: u128) -> Option<Checkpoint> {
        let header = Frame::<HEADER_SIZE>::check(&self.take(HEADER_SIZE)?, MAGIC)?;
        if header.u8(4) != VERSION || header.u128(32) != disk_id {
            return None;
        }
        let place = Position { extent: header.u32(12), offset: header.u64(16) };
        let list = self.take(16 * header.u32(8) as usize)?;
        if self.take(4)? != crc(&list).to_le_bytes() {
            return None;
        }
        let extents = list.chunks_exact(16).map(decode_extent).collect();
        let entries = self.read_entries()?;
        Some(Checkpoint { place, extents, entries })
    }

    fn read_entries(&mut self) -> Option<Vec<([u8; KEY_SIZE], Packed)>> {
        let mut entries: Vec<([u8; KEY_SIZE], Packed)> = Vec::new();
        loop {
            let run = self.take(8)?;
            let (count, sum) = run.split_at(4);
            let count = u32::from_le_bytes(*count.first_chunk()?) as usize;
            let bytes = self.take(if count == 0 { 8 } else { count.checked_mul(ENTRY_SIZE)? })?;
            if sum != crc(&bytes).to_le_bytes() || RUN_ENTRIES < count {
                return None;
            }
            if count == 0 {
                let is_complete = bytes == (entries.len() as u64).to_le_bytes();
                return is_complete.then_some(entries);
            }
            for entry in bytes.chunks_exact(ENTRY_SIZE) {
                let key = *entry.first_chunk()?;
                let is_ascending = entries.last().is_none_or(|(last, _)| *last < key);
                let packed = Packed::from_bytes(*entry.last_chunk()?).filter(|_| is_ascending)?;
                entries.push((key, packed));
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let size = self.file.size().ok()?;
        if size < self.offset + length as u64 {
            return None;
        }
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.offset).ok()?;
        self.offset += length as u64;
        Some(bytes)
    }
}

fn decode_extent(bytes: &[u8]) -> (u32, u64) {
    let id = u32::from_le_bytes(*bytes.first_chunk().expect("16 bytes"));
    let nonce = u64::from_le_bytes(*bytes.last_chunk().expect("16 bytes"));
    (id, nonce)
}
