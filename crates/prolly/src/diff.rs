//! The difference of two trees.

use bytes::Bytes;

use crate::error::Result;

/// One key that differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// Its value in the first tree.
    pub before: Option<Bytes>,
    /// Its value in the second tree.
    pub after: Option<Bytes>,
}

/// Yields the changes from one tree to another in key order.
pub struct Diff {}

impl Iterator for Diff {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        todo!()
    }
}
