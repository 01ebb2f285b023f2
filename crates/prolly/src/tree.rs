//! One state of a tree: an immutable value that is cheap to clone.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::diff::Diff;
use crate::edit;
use crate::error::{Error, Result};
use crate::page::{Link, Page, Stored};
use crate::params::Schema;
use crate::path::{read_child, read_page};
use crate::range;
use crate::root::RootRef;
use crate::store::{PageSink, PageStore, Written};
use crate::summary::Summary;

/// One state of a tree. Edits make another tree that shares the unchanged pages.
#[derive(Clone)]
pub struct Tree {
    schema: Arc<Schema>,
    pages: Arc<dyn PageStore>,
    root: RootRef,
}

/// One edit: `None` deletes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// The key, at most 4096 bytes.
    pub key: &'a [u8],
    /// The new value, at most 8 MiB.
    pub value: Option<&'a [u8]>,
}

impl Tree {
    /// Longest key in bytes.
    pub const KEY_LENGTH_MAX: usize = 4096;
    /// Longest value in bytes.
    pub const VALUE_LENGTH_MAX: usize = 8 << 20;

    /// The tree without records.
    pub fn empty(schema: Arc<Schema>, pages: Arc<dyn PageStore>) -> Self {
        let root = RootRef::empty(schema.params_hash());
        Tree { schema, pages, root }
    }

    /// The tree that `root` names. Reads nothing.
    ///
    /// # Errors
    ///
    /// [`ParamsDiffer`](crate::Error::ParamsDiffer) unless `root` was made under `schema`.
    pub fn open(schema: Arc<Schema>, pages: Arc<dyn PageStore>, root: RootRef) -> Result<Self> {
        if root.params_hash != schema.params_hash() {
            return Err(Error::ParamsDiffer);
        }
        Ok(Tree { schema, pages, root })
    }

    /// Builds a tree from records in ascending key order, in memory bounded by a few pages a level.
    ///
    /// # Errors
    ///
    /// `Unsorted`, `KeyTooLong`, `ValueTooLong` for bad records, and what the sink reports.
    pub fn build<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        schema: Arc<Schema>,
        pages: Arc<dyn PageStore>,
        records: impl IntoIterator<Item = (K, V)>,
        sink: &mut dyn PageSink,
    ) -> Result<(Self, Written)> {
        let (root, written) = edit::build(&schema, records, sink)?;
        Ok((Tree { schema, pages, root }, written))
    }

    /// The reference that names this tree; valid once the sink that took the pages is sealed.
    pub fn root(&self) -> &RootRef {
        &self.root
    }

    /// What the trees of this lineage have in common.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Where this tree reads its pages.
    pub fn pages(&self) -> &Arc<dyn PageStore> {
        &self.pages
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.get_from(&*self.pages, key)
    }

    /// As [`Tree::get`], without reading from a disk.
    ///
    /// # Errors
    ///
    /// [`NotInMemory`](crate::Error::NotInMemory) where a page or the value would have to be read.
    pub fn get_in_memory(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.get_from(self.pages.in_memory(), key)
    }

    fn get_from(&self, pages: &dyn PageStore, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(mut page) = self.root_page_from(pages)? else { return Ok(None) };
        loop {
            let (index, found) = page.search(key);
            if page.level() == 0 {
                return found.then(|| load(pages, &page, page.stored(index))).transpose();
            }
            if index == page.count() {
                return Ok(None);
            }
            page = read_child(pages, &page, index)?;
        }
    }

    pub(crate) fn root_page(&self) -> Result<Option<Arc<Page>>> {
        self.root_page_from(&*self.pages)
    }

    fn root_page_from(&self, pages: &dyn PageStore) -> Result<Option<Arc<Page>>> {
        let RootRef { hash, location, spills, level, .. } = self.root;
        if self.root.is_empty() {
            return Ok(None);
        }
        read_page(pages, &Link { hash, location, spills }, level).map(Some)
    }

    /// A cursor before the first record.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(Arc::clone(&self.pages), self.root)
    }

    /// Summary of the records whose keys are in `range`; reads two paths at most.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn summary(&self, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        range::summary(self, range)
    }

    /// The tree after `edits`, which come in ascending key order, each key once. Only changed pages are put into `sink`;
    /// an equal value changes nothing.
    ///
    /// # Errors
    ///
    /// `Unsorted`, `KeyTooLong`, `ValueTooLong` for bad edits, and what store and sink report.
    pub fn apply(&self, edits: &[Edit<'_>], sink: &mut dyn PageSink) -> Result<(Self, Written)> {
        let (root, written) = edit::apply(&self.schema, &self.pages, &self.root, edits, sink)?;
        Ok((self.at(root), written))
    }

    fn at(&self, root: RootRef) -> Self {
        Tree { root, ..self.clone() }
    }

    /// What turns this tree into `other`, in key order. Skips subtrees with equal hashes unread.
    ///
    /// # Errors
    ///
    /// [`ParamsDiffer`](crate::Error::ParamsDiffer) unless both were made under the same parameters.
    pub fn diff(&self, other: &Tree) -> Result<Diff> {
        self.check_params(other)?;
        Ok(Diff::new(self, other))
    }

    pub(crate) fn check_params(&self, other: &Tree) -> Result<()> {
        let same = self.root.params_hash == other.root.params_hash;
        if same { Ok(()) } else { Err(Error::ParamsDiffer) }
    }

    /// The trees of the records below `key`, and of those at or above it. Writes a page or two a level for each.
    ///
    /// # Errors
    ///
    /// What store and sink report.
    pub fn split(&self, key: &[u8], sink: &mut dyn PageSink) -> Result<((Self, Self), Written)> {
        let ((left, right), written) = edit::split(&self.schema, &self.pages, &self.root, key, sink)?;
        Ok(((self.at(left), self.at(right)), written))
    }

    /// The tree of the records of both, where every key of `self` is below every key of `right`.
    ///
    /// # Errors
    ///
    /// `Unsorted` unless that holds, `ParamsDiffer`, and what store and sink report.
    pub fn join(&self, right: &Tree, sink: &mut dyn PageSink) -> Result<(Self, Written)> {
        self.check_params(right)?;
        if let (Some(below), Some(above)) = (self.last_key()?, right.first_key()?)
            && above <= below
        {
            return Err(Error::Unsorted);
        }
        let (root, written) = edit::join(&self.schema, (&self.pages, &right.pages), (&self.root, &right.root), sink)?;
        Ok((self.at(root), written))
    }

    /// The lowest key.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn first_key(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.cursor().next()?.map(|record| record.key.to_vec()))
    }

    /// The highest key.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn last_key(&self) -> Result<Option<Vec<u8>>> {
        // The last key of a page is the last key below it, on every level.
        Ok(self.root_page()?.map(|page| page.last_key()))
    }
}

/// The value that `stored`, of leaf `page`, stands for.
pub(crate) fn load(pages: &dyn PageStore, page: &Page, stored: Stored<'_>) -> Result<Bytes> {
    match stored {
        Stored::Inline(value) => Ok(page.slice(value)),
        Stored::Spilled { link, length, .. } => {
            let value = pages.blob(&link.hash, link.location)?;
            match value.len() == length {
                true => Ok(value),
                false => Err(Error::Malformed { what: "blob", reason: "its length is not what its record says" }),
            }
        }
    }
}
