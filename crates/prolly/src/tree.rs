//! One state of a tree: an immutable value that is cheap to clone.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::cursor::Cursor;
use crate::diff::Diff;
use crate::error::Result;
use crate::params::Schema;
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
        todo!()
    }

    /// Builds a tree from records in ascending key order, in memory bounded by a few pages a level.
    ///
    /// # Errors
    ///
    /// `Unsorted`, `KeyTooLong`, `ValueTooLong` for bad records, and what the sink reports.
    pub fn build<'a>(
        schema: Arc<Schema>,
        pages: Arc<dyn PageStore>,
        records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        sink: &mut dyn PageSink,
    ) -> Result<(Self, Written)> {
        todo!()
    }

    /// The reference that names this tree; valid once the sink that took the pages is sealed.
    pub fn root(&self) -> &RootRef {
        &self.root
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        todo!()
    }

    /// A cursor before the first record.
    pub fn cursor(&self) -> Cursor {
        todo!()
    }

    /// Summary of the records whose keys are in `range`; reads two paths at most.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn summary(&self, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        todo!()
    }

    /// The tree after `edits`, which come in ascending key order, each key once. Only changed pages are put into `sink`;
    /// an equal value changes nothing.
    ///
    /// # Errors
    ///
    /// `Unsorted`, `KeyTooLong`, `ValueTooLong` for bad edits, and what store and sink report.
    pub fn apply<'a>(
        &self,
        edits: impl IntoIterator<Item = Edit<'a>>,
        sink: &mut dyn PageSink,
    ) -> Result<(Self, Written)> {
        todo!()
    }

    /// What turns this tree into `other`, in key order. Skips subtrees with equal hashes unread.
    ///
    /// # Errors
    ///
    /// [`ParamsDiffer`](crate::Error::ParamsDiffer), and what the page store reports.
    pub fn diff(&self, other: &Tree) -> Result<Diff> {
        todo!()
    }

    /// The trees of the records below `key`, and of those at or above it. Writes a page or two a level for each.
    ///
    /// # Errors
    ///
    /// What store and sink report.
    pub fn split(&self, key: &[u8], sink: &mut dyn PageSink) -> Result<(Self, Self)> {
        todo!()
    }

    /// The tree of the records of both, where every key of `self` is below every key of `right`.
    ///
    /// # Errors
    ///
    /// `Unsorted` unless that holds, `ParamsDiffer`, and what store and sink report.
    pub fn join(&self, right: &Tree, sink: &mut dyn PageSink) -> Result<Self> {
        todo!()
    }
}
