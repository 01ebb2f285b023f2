//! The packs of one store: reads with checks, copies and a cache.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::cache::{Cache, Cached};
use super::format::{self, FooterEntry, Kind};
use super::storage::{Damage, PackStorage};
use super::writer::PackWriter;
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::{Location, PackId};
use crate::page::Page;
use crate::store::PageStore;

/// Settings of [`Packs`].
#[derive(Clone, Copy, Debug)]
pub struct PacksConfig {
    /// Identity of the store, written into every pack.
    pub realm: [u8; 16],
    /// Memory for decoded pages and blobs, in bytes.
    pub cache_bytes: usize,
    /// A writer begins another pack when one has grown to this size, in bytes.
    pub pack_bytes_max: u32,
}

/// A pack that is durable. The root record lists it: whatever is not listed may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedPack {
    /// Its number.
    pub id: PackId,
    /// Its length in bytes.
    pub length: u64,
}

/// The packs of one store: a page store with a bounded cache.
pub struct Packs {
    pub(super) storage: Arc<dyn PackStorage>,
    pub(super) config: PacksConfig,
    cached: CachedPages,
    writing: Mutex<Writing>,
}

/// What of a store's packs is in memory.
struct CachedPages(Cache);

/// Packs that writers have begun.
struct Writing {
    /// The next pack's number; `None` when numbers are used up.
    next: Option<PackId>,
    open: BTreeSet<PackId>,
}

impl Packs {
    /// Opens the packs in `storage`. `listed` are those that the root record names.
    ///
    /// # Errors
    ///
    /// `ForeignPack`, `Unsupported` or `Corrupt` when a listed pack cannot be this store's; `Io` when it cannot be read.
    pub fn open(storage: Arc<dyn PackStorage>, config: PacksConfig, listed: &[SealedPack]) -> Result<Arc<Self>> {
        let present = storage.list().map_err(|source| io_error("list", PackId(0), source))?;
        let newest = present.into_iter().chain(listed.iter().map(|pack| pack.id)).max();
        let next = newest.map_or(Some(PackId(1)), |newest| newest.0.checked_add(1).map(PackId));
        let writing = Mutex::new(Writing { next, open: BTreeSet::new() });
        let packs = Packs { storage, config, cached: CachedPages(Cache::new(config.cache_bytes)), writing };
        listed.iter().try_for_each(|pack| packs.check_ends(pack))?;
        Ok(Arc::new(packs))
    }

    /// Checks that a listed pack is ours and was sealed at the listed length.
    fn check_ends(&self, pack: &SealedPack) -> Result<()> {
        let piece = |offset, length| Piece { pack: pack.id, offset, length };
        self.read_checked(piece(0, format::HEADER_SIZE), |header| {
            format::check_header(header, pack.id, &self.config.realm)
        })?;
        let tail_at = pack.length.saturating_sub(format::TAIL_SIZE as u64);
        self.read_checked(piece(tail_at, format::TAIL_SIZE), |tail| match format::footer_size(tail) {
            Some(_) => Ok(()),
            None => Err(corrupt(pack.id, tail_at, "the pack does not end with its footer")),
        })
    }

    /// Removes the packs in storage that are neither in `listed` nor being written; returns their numbers.
    ///
    /// # Errors
    ///
    /// `Io`; what could be removed is removed.
    pub fn discard_unlisted(&self, listed: &[SealedPack]) -> Result<Vec<PackId>> {
        // Numbers below `end` that are not open are sealed or abandoned; a pack begun later has a higher number.
        let (end, open) = {
            let writing = self.writing.lock();
            (writing.next, writing.open.clone())
        };
        let present = self.storage.list().map_err(|source| io_error("list", PackId(0), source))?;
        let keep: BTreeSet<PackId> = listed.iter().map(|pack| pack.id).chain(open).collect();
        let is_garbage = |pack: &PackId| !keep.contains(pack) && end.is_none_or(|end| *pack < end);
        let mut garbage: Vec<PackId> = present.into_iter().filter(is_garbage).collect();
        garbage.sort_unstable();
        for &pack in &garbage {
            self.storage.remove(pack).map_err(|source| io_error("remove", pack, source))?;
        }
        Ok(garbage)
    }

    /// A writer of new packs.
    pub fn writer(self: &Arc<Self>) -> PackWriter {
        PackWriter::new(Arc::clone(self))
    }

    /// Forgets all cached pages, to give their memory back.
    pub fn clear_cache(&self) {
        self.cached.0.clear();
    }

    /// Where a page or blob with `hash` lies in `pack`, if it does. Reads the footer.
    ///
    /// # Errors
    ///
    /// `Corrupt` or `Io` when neither footer nor frames can be read.
    pub fn find(&self, pack: &SealedPack, hash: &Hash) -> Result<Option<Location>> {
        let wanted = FooterEntry::new(hash, 0);
        let entries = self.footer(pack)?;
        let first = entries.partition_point(|entry| *entry < wanted);
        for entry in entries[first..].iter().take_while(|entry| entry.hash64 == wanted.hash64) {
            let (location, found) = self.frame_at(pack.id, entry.offset)?;
            if found == *hash {
                return Ok(Some(location));
            }
        }
        Ok(None)
    }

    /// The footer's entries, rebuilt from the frames if no copy of the footer is whole.
    pub(super) fn footer(&self, pack: &SealedPack) -> Result<Vec<FooterEntry>> {
        self.read_footer(pack).or_else(|_| self.walk_frames(pack))
    }

    fn read_footer(&self, pack: &SealedPack) -> Result<Vec<FooterEntry>> {
        let tail_at = pack.length.saturating_sub(format::TAIL_SIZE as u64);
        let bad = || corrupt(pack.id, tail_at, "the footer does not verify");
        let tail = Piece { pack: pack.id, offset: tail_at, length: format::TAIL_SIZE };
        let length = self.read_checked(tail, |tail| {
            let size = format::footer_size(tail).filter(|&size| size as u64 <= pack.length);
            size.ok_or_else(bad)
        })?;
        let footer = Piece { pack: pack.id, offset: pack.length - length as u64, length };
        self.read_checked(footer, |footer| format::decode_footer(footer).ok_or_else(bad))
    }

    /// Entries for the frames from the header on, up to the first that does not verify.
    fn walk_frames(&self, pack: &SealedPack) -> Result<Vec<FooterEntry>> {
        let mut entries = Vec::new();
        let mut offset = format::FRAMES_AT;
        let mut frame = self.frame_at(pack.id, offset)?;
        loop {
            let (location, hash) = frame;
            entries.push(FooterEntry::new(&hash, offset));
            offset = offset.saturating_add(location.length);
            frame = match self.frame_at(pack.id, offset) {
                Ok(next) if u64::from(offset) < pack.length => next,
                _ => break,
            };
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// The frame that begins at `offset`: its location and hash.
    fn frame_at(&self, pack: PackId, offset: u32) -> Result<(Location, Hash)> {
        let piece = |length| Piece { pack, offset: u64::from(offset), length };
        let length = self.read_checked(piece(format::FRAME_HEADER_SIZE), |header| {
            let header = header[..].try_into().ok().and_then(format::frame_length);
            header.ok_or_else(|| corrupt(pack, u64::from(offset), "no frame begins here"))
        })?;
        let frame = self.read_checked(piece(length as usize), |bytes| {
            format::decode_frame(bytes).map_err(|reason| corrupt(pack, u64::from(offset), reason))
        })?;
        Ok((Location { pack, offset, length }, frame.hash))
    }

    /// Reads the frame at `location`, which must hold `hash`, and decodes it.
    fn read_frame<T>(
        &self,
        hash: &Hash,
        location: Location,
        kind: Kind,
        decode: impl Fn(Bytes) -> Result<T>,
    ) -> Result<T> {
        let Location { pack, offset, length } = location;
        let piece = Piece { pack, offset: u64::from(offset), length: length as usize };
        self.read_checked(piece, |bytes| {
            let bad = |reason| corrupt(pack, piece.offset, reason);
            let frame = format::decode_frame(bytes).map_err(bad)?;
            if frame.kind != kind || frame.hash != *hash {
                return Err(bad("another frame lies there"));
            }
            decode(frame.body).map_err(|error| match error {
                Error::Malformed { reason, .. } => bad(reason),
                error => error,
            })
        })
    }

    /// Reads a piece from the first copy that `check` accepts, and tells the storage of those that it did not.
    pub(super) fn read_checked<T>(&self, piece: Piece, check: impl Fn(&Bytes) -> Result<T>) -> Result<T> {
        let Piece { pack, offset, length } = piece;
        let mut failure: Option<Error> = None;
        let mut bad = Vec::new();
        for copy in 0..self.storage.copies() {
            let read = self.storage.read(pack, copy, offset, length);
            match read.map_err(|source| io_error("read", pack, source)).and_then(|bytes| Ok((check(&bytes)?, bytes))) {
                Ok((value, bytes)) => {
                    self.report(piece, &bad, Some(&bytes));
                    return Ok(value);
                }
                Err(error) => {
                    bad.push(copy);
                    // What a copy holds says more than that another cannot be read.
                    let says_more = !matches!(error, Error::Io { .. });
                    if failure.is_none() || says_more {
                        failure = Some(error);
                    }
                }
            }
        }
        self.report(piece, &bad, None);
        Err(failure.unwrap_or_else(|| io_error("read", pack, io::ErrorKind::NotFound.into())))
    }

    /// Reads a piece from every copy; returns how many `check` refused, and whether it accepted any.
    pub(super) fn check_copies(&self, piece: Piece, check: impl Fn(&Bytes) -> bool) -> (usize, bool) {
        let Piece { pack, offset, length } = piece;
        let mut intact = None;
        let mut bad = Vec::new();
        for copy in 0..self.storage.copies() {
            match self.storage.read(pack, copy, offset, length) {
                Ok(bytes) if check(&bytes) => intact = Some(bytes),
                _ => bad.push(copy),
            }
        }
        self.report(piece, &bad, intact.as_deref());
        (bad.len(), intact.is_some())
    }

    fn report(&self, piece: Piece, copies: &[usize], intact: Option<&[u8]>) {
        for &copy in copies {
            self.storage.damaged(Damage { pack: piece.pack, copy, offset: piece.offset, intact });
        }
    }

    /// Begins a pack: its number is used up whatever becomes of it.
    pub(super) fn begin(&self) -> Result<PackId> {
        let mut writing = self.writing.lock();
        let id = writing.next.ok_or(Error::PackNumbersUsedUp)?;
        writing.next = id.0.checked_add(1).map(PackId);
        writing.open.insert(id);
        Ok(id)
    }

    /// A pack is sealed or abandoned.
    pub(super) fn end(&self, packs: impl IntoIterator<Item = PackId>) {
        let mut writing = self.writing.lock();
        packs.into_iter().for_each(|pack| {
            writing.open.remove(&pack);
        });
    }

    #[cfg(test)]
    pub(super) fn cached_bytes(&self) -> usize {
        self.cached.0.bytes()
    }

    /// Keeps a page that was just written.
    pub(super) fn remember(&self, location: Location, page: &Arc<Page>) {
        self.cached.0.insert(location, Cached::Page(Arc::clone(page)));
    }
}

/// Some bytes of a pack.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) pack: PackId,
    pub(super) offset: u64,
    pub(super) length: usize,
}

fn corrupt(pack: PackId, offset: u64, reason: &'static str) -> Error {
    Error::Corrupt { pack, offset: u32::try_from(offset).unwrap_or(u32::MAX), reason }
}

pub(super) fn io_error(operation: &'static str, pack: PackId, source: io::Error) -> Error {
    Error::Io { operation, pack, source }
}

impl PageStore for Packs {
    fn page(&self, hash: &Hash, location: Location) -> Result<Arc<Page>> {
        match self.cached.page(hash, location) {
            Err(Error::NotInMemory) => {}
            found => return found,
        }
        let page = self.read_frame(hash, location, Kind::Page, |body| Page::decode(*hash, body))?;
        let page = Arc::new(page);
        self.remember(location, &page);
        Ok(page)
    }

    fn blob(&self, hash: &Hash, location: Location) -> Result<Bytes> {
        match self.cached.blob(hash, location) {
            Err(Error::NotInMemory) => {}
            found => return found,
        }
        let blob = self.read_frame(hash, location, Kind::Blob, Ok)?;
        self.cached.0.insert(location, Cached::Blob(Arc::new(blob.clone())));
        Ok(blob)
    }

    fn in_memory(&self) -> &dyn PageStore {
        &self.cached
    }
}

impl PageStore for CachedPages {
    fn page(&self, hash: &Hash, location: Location) -> Result<Arc<Page>> {
        match self.0.get(location) {
            Some(Cached::Page(page)) if page.hash() == hash => {
                page.touch();
                Ok(page)
            }
            _ => Err(Error::NotInMemory),
        }
    }

    fn blob(&self, _: &Hash, location: Location) -> Result<Bytes> {
        match self.0.get(location) {
            Some(Cached::Blob(blob)) => Ok(Bytes::clone(&blob)),
            _ => Err(Error::NotInMemory),
        }
    }

    fn in_memory(&self) -> &dyn PageStore {
        self
    }
}
