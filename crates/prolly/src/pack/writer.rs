//! Writing packs front to back.

use std::sync::Arc;

use super::format::{self, FooterEntry, Kind};
use super::packs::{Packs, SealedPack, io_error};
use super::storage::PackFile;
use crate::error::Result;
use crate::hash::Hash;
use crate::location::{Location, PackId};
use crate::page::Page;
use crate::store::PageSink;

/// Bytes gathered before they are handed to the storage.
const BUFFER_SIZE: usize = 1 << 18;

/// Writes pages and blobs to new packs. Dropped before [`PackWriter::seal`], it leaves packs that nothing lists.
pub struct PackWriter {
    packs: Arc<Packs>,
    open: Option<OpenPack>,
    sealed: Vec<SealedPack>,
}

/// The pack being written.
struct OpenPack {
    id: PackId,
    file: Box<dyn PackFile>,
    /// Bytes so far, of which the last are in `buffer`.
    length: u32,
    buffer: Vec<u8>,
    footer: Vec<FooterEntry>,
}

impl OpenPack {
    fn create(packs: &Packs) -> Result<Self> {
        let id = packs.begin()?;
        let created = packs.storage.create(id).map_err(|source| io_error("create", id, source));
        let file = created.inspect_err(|_| packs.end([id]))?;
        let mut buffer = Vec::with_capacity(BUFFER_SIZE + (64 << 10));
        buffer.extend_from_slice(&format::encode_header(id, &packs.config.realm));
        Ok(OpenPack { id, file, length: format::FRAMES_AT, buffer, footer: Vec::new() })
    }

    fn put(&mut self, kind: Kind, hash: &Hash, body: &[u8]) -> Result<Location> {
        let length = format::encode_frame(kind, hash, body, &mut self.buffer);
        let location = Location { pack: self.id, offset: self.length, length };
        self.footer.push(FooterEntry::new(hash, self.length));
        self.length = self.length.checked_add(length).expect("a pack is limited far below 4 GiB");
        if BUFFER_SIZE <= self.buffer.len() {
            self.flush()?;
        }
        Ok(location)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.append(&self.buffer).map_err(|source| io_error("append", self.id, source))?;
        self.buffer.clear();
        Ok(())
    }

    fn seal(mut self) -> Result<SealedPack> {
        let footer = format::encode_footer(&mut self.footer);
        self.buffer.extend_from_slice(&footer);
        self.flush()?;
        let id = self.id;
        self.file.seal().map_err(|source| io_error("seal", id, source))?;
        Ok(SealedPack { id, length: u64::from(self.length) + footer.len() as u64 })
    }
}

impl PackWriter {
    pub(super) fn new(packs: Arc<Packs>) -> Self {
        PackWriter { packs, open: None, sealed: Vec::new() }
    }

    /// Makes everything put durable and returns the packs written, none if nothing was put. The caller lists them in
    /// its root record before it next discards what is not listed.
    ///
    /// # Errors
    ///
    /// `Io`; nothing that was put may be used then.
    pub fn seal(mut self) -> Result<Vec<SealedPack>> {
        self.seal_open()?;
        Ok(self.sealed.clone())
    }

    fn seal_open(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let id = open.id;
        let sealed = open.seal().inspect_err(|_| self.packs.end([id]))?;
        self.sealed.push(sealed);
        Ok(())
    }

    fn put(&mut self, kind: Kind, hash: &Hash, body: &[u8]) -> Result<Location> {
        let length = format::FRAME_HEADER_SIZE + body.len();
        let length_max = self.packs.config.pack_bytes_max as usize;
        if self.open.as_ref().is_some_and(|open| length_max < open.length as usize + length) {
            self.seal_open()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenPack::create(&self.packs)?),
        };
        open.put(kind, hash, body)
    }
}

impl PageSink for PackWriter {
    fn put_page(&mut self, page: &Page) -> Result<Location> {
        let location = self.put(Kind::Page, page.hash(), page.with_trailer())?;
        if 0 < page.level() {
            self.packs.remember(location, &Arc::new(page.copy()));
        }
        Ok(location)
    }

    fn put_blob(&mut self, hash: &Hash, value: &[u8]) -> Result<Location> {
        self.put(Kind::Blob, hash, value)
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        let open = self.open.take().map(|open| open.id);
        self.packs.end(self.sealed.drain(..).map(|pack| pack.id).chain(open));
    }
}
