//! Packs: pages and blobs in append-only files.

mod storage;

pub use storage::{Damage, PackFile, PackStorage};

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::hash::Hash;
use crate::location::{Location, PackId};
use crate::page::Page;
use crate::store::{PageSink, PageStore};

/// Settings of [`Packs`].
#[derive(Clone, Copy, Debug)]
pub struct PacksConfig {
    /// Identity of the store, written into every pack.
    pub realm: [u8; 16],
    /// Memory for decoded pages, in bytes.
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
pub struct Packs {}

impl Packs {
    /// Opens the packs in `storage`. `listed` are those that the root record names.
    ///
    /// # Errors
    ///
    /// `ForeignPack`, `Unsupported` or `Corrupt` when a listed pack cannot be this store's; `Io` when it cannot be read.
    pub fn open(storage: Arc<dyn PackStorage>, config: PacksConfig, listed: &[SealedPack]) -> Result<Arc<Self>> {
        todo!()
    }

    /// Removes the packs in storage that are neither in `listed` nor being written.
    ///
    /// # Errors
    ///
    /// `Io`; what could be removed is removed.
    pub fn discard_unlisted(&self, listed: &[SealedPack]) -> Result<Vec<PackId>> {
        todo!()
    }

    /// A writer of new packs.
    pub fn writer(self: &Arc<Self>) -> PackWriter {
        todo!()
    }
}

impl PageStore for Packs {
    fn page(&self, hash: &Hash, location: Location) -> Result<Arc<Page>> {
        todo!()
    }

    fn blob(&self, hash: &Hash, location: Location) -> Result<Bytes> {
        todo!()
    }
}

/// Writes pages and blobs to new packs.
pub struct PackWriter {}

impl PackWriter {
    /// Makes everything put durable and returns the packs written, none if nothing was put.
    ///
    /// # Errors
    ///
    /// `Io`; nothing that was put may be used then.
    pub fn seal(self) -> Result<Vec<SealedPack>> {
        todo!()
    }
}

impl PageSink for PackWriter {
    fn put_page(&mut self, page: &Arc<Page>) -> Result<Location> {
        todo!()
    }

    fn put_blob(&mut self, hash: &Hash, value: &[u8]) -> Result<Location> {
        todo!()
    }
}
