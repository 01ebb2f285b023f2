//! Ordered reading.

use bytes::Bytes;

use crate::error::Result;

/// A place in a tree, between two records. Holds the pages from the root to its leaf, so nearby seeks are cheap.
pub struct Cursor {}

/// A record under a cursor.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The whole key.
    pub key: &'a [u8],
}

impl Record<'_> {
    /// Length of the value in bytes. Reads nothing.
    pub fn value_length(&self) -> usize {
        todo!()
    }

    /// The value; reads a blob when it is spilled.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn value(&self) -> Result<Bytes> {
        todo!()
    }

    /// The value, unless it is spilled. Copies nothing.
    pub fn inline_value(&self) -> Option<&[u8]> {
        todo!()
    }
}

impl Cursor {
    /// Moves before the first record whose key is at least `key`, forwards or backwards.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        todo!()
    }

    /// Moves before the first record whose key is above every key that starts with `prefix`.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn skip_prefix(&mut self, prefix: &[u8]) -> Result<()> {
        todo!()
    }

    /// Returns the next record and moves behind it; `None` at the end.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    #[expect(clippy::should_implement_trait, reason = "the record borrows the cursor, which Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        todo!()
    }
}
