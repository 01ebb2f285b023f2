//! What the state machine and the queries see of the state: trees of records, and the edits that change them.

use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::record::Record;
use crate::summary::Summary;

/// A bucket for as long as it exists. A bucket that is deleted and created again has a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BucketId(pub u64);

/// Names one ordered map of records. `docs/formats/metadata-keys.md` lists the keys of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TreeId {
    /// Bucket names and what belongs to a bucket as a whole.
    Catalog,
    /// The objects of one bucket. Its keys carry no bucket, so that a fork can share its pages.
    Objects(BucketId),
    /// The unfinished multipart uploads of one bucket. Never part of a snapshot.
    Uploads(BucketId),
    /// What the system keeps for itself: repair index, retire list, placement table, documents.
    Internal,
}

impl TreeId {
    /// Length of [`TreeId::encode`].
    pub const ENCODED_SIZE: usize = 9;

    /// A fixed form that sorts as the ids do: kind byte, then the bucket (zero for the trees that have none).
    pub fn encode(self) -> [u8; Self::ENCODED_SIZE] {
        let (kind, bucket) = match self {
            Self::Catalog => (1, 0),
            Self::Objects(BucketId(bucket)) => (2, bucket),
            Self::Uploads(BucketId(bucket)) => (3, bucket),
            Self::Internal => (4, 0),
        };
        let mut encoded = [0; Self::ENCODED_SIZE];
        encoded[0] = kind;
        encoded[1..].copy_from_slice(&u64::to_be_bytes(bucket));
        encoded
    }

    /// The inverse of [`TreeId::encode`]; `None` for anything that it does not produce.
    pub fn decode(encoded: [u8; Self::ENCODED_SIZE]) -> Option<Self> {
        let [kind, bucket @ ..] = encoded;
        match (kind, u64::from_be_bytes(bucket)) {
            (1, 0) => Some(Self::Catalog),
            (2, bucket) => Some(Self::Objects(BucketId(bucket))),
            (3, bucket) => Some(Self::Uploads(BucketId(bucket))),
            (4, 0) => Some(Self::Internal),
            _ => None,
        }
    }
}

/// One consistent state: the overlay of recent changes over the trees. Immutable while it is held.
///
/// Values are whole encoded records, wherever the implementation keeps them.
pub trait View: Send + Sync {
    /// The value under `key`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Corrupt`] and [`crate::Error::Io`] when pages cannot be read.
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>>;

    /// As [`View::get`], without reading from a disk.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotInMemory`] where a page would have to be read.
    fn get_in_memory(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>>;

    /// A cursor before the first record of `tree`. A tree that was never written to is empty.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    fn cursor(&self, tree: TreeId) -> Result<Box<dyn Cursor + '_>>;

    /// The exact summary of the records of `tree` whose keys lie in `range`.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    fn summary(&self, tree: TreeId, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary>;
}

/// What of a view is in memory, for lookups that must not block. All but single records is
/// [`crate::Error::NotInMemory`].
pub struct InMemory<'a>(pub &'a dyn View);

impl View for InMemory<'_> {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.get_in_memory(tree, key)
    }

    fn get_in_memory(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.get_in_memory(tree, key)
    }

    fn cursor(&self, _: TreeId) -> Result<Box<dyn Cursor + '_>> {
        Err(Error::NotInMemory)
    }

    fn summary(&self, _: TreeId, _: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        Err(Error::NotInMemory)
    }
}

/// Walks the records of one tree in order of key.
pub trait Cursor {
    /// Moves before the first record whose key is not below `key`. Cheap for keys close ahead.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    fn seek(&mut self, key: &[u8]) -> Result<()>;

    /// Returns the next record and moves behind it; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`View::get`].
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>>;
}

/// One change of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Inserts or replaces a record.
    Put {
        /// The tree to change.
        tree: TreeId,
        /// Where.
        key: Bytes,
        /// The whole encoded record.
        value: Bytes,
    },
    /// Removes a record; it is no error when there is none.
    Remove {
        /// The tree to change.
        tree: TreeId,
        /// Where.
        key: Bytes,
    },
    /// Forgets a tree with all its records. Its id is never used again.
    DropTree {
        /// The tree to forget.
        tree: TreeId,
    },
}

/// The effect of one command. Each (tree, key) occurs at most once, so the order within does not matter.
pub type Edits = Vec<Edit>;

/// The record under `key`.
pub(crate) fn read<R: Record>(view: &dyn View, tree: TreeId, key: &[u8]) -> Result<Option<R>> {
    view.get(tree, key)?.map(|value| decode(tree, key, &value)).transpose()
}

/// The record that `value`, found under `key`, encodes.
pub(crate) fn decode<R: Record>(tree: TreeId, key: &[u8], value: &Bytes) -> Result<R> {
    R::decode(value).map_err(|source| Error::Record { tree, key: key.to_owned(), source })
}
