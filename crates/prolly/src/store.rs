//! Where a tree reads its pages and writes new ones.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::hash::Hash;
use crate::location::Location;
use crate::page::Page;

/// Reads pages and blobs. `Packs` is the implementation that lasts.
pub trait PageStore: Send + Sync {
    /// The page with `hash` at `location`, decoded.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::Error::Corrupt) when no intact copy of that page is there, `Io` when none can be read.
    fn page(&self, hash: &Hash, location: Location) -> Result<Arc<Page>>;

    /// The spilled value with `hash` at `location`.
    ///
    /// # Errors
    ///
    /// As [`PageStore::page`].
    fn blob(&self, hash: &Hash, location: Location) -> Result<Bytes>;

    /// The same pages and blobs as far as they are in memory; the others are
    /// [`NotInMemory`](crate::Error::NotInMemory). Never blocks for long.
    fn in_memory(&self) -> &dyn PageStore;
}

/// Takes new pages and blobs. What was put need not be readable before the sink is sealed, a matter of its type.
pub trait PageSink {
    /// Adds a page and says where it will lie.
    ///
    /// # Errors
    ///
    /// `Io` when the storage fails; the sink must then be dropped.
    fn put_page(&mut self, page: &Page) -> Result<Location>;

    /// Adds a blob and says where it will lie.
    ///
    /// # Errors
    ///
    /// As [`PageSink::put_page`].
    fn put_blob(&mut self, hash: &Hash, value: &[u8]) -> Result<Location>;
}

/// What an operation added to its sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Pages put.
    pub pages: u64,
    /// Bytes of these pages, trailers included, frames not.
    pub page_bytes: u64,
    /// Blobs put.
    pub blobs: u64,
    /// Bytes of these blobs.
    pub blob_bytes: u64,
}
