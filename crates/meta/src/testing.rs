//! A whole state in memory, for the unit tests of the crates above.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::command::{Command, LogStamp};
use crate::error::Result;
use crate::outcome::Outcome;
use crate::summary::Summary;
use crate::view::{Cursor, TreeId, View};

/// A [`View`] that keeps every tree in a `BTreeMap`, and applies commands to itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryView {
    trees: BTreeMap<TreeId, BTreeMap<Bytes, Bytes>>,
}

impl MemoryView {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one command and its edits.
    ///
    /// # Errors
    ///
    /// As [`crate::apply`].
    pub fn apply(&mut self, command: &Command, stamp: LogStamp) -> Result<Outcome> {
        let _ = (command, stamp);
        unimplemented!()
    }

    /// Accepts commits at epoch 1 of the groups 0 to `count`, as the first placement table does.
    pub fn accept_groups(&mut self, count: u32) {
        let _ = count;
        unimplemented!()
    }
}

impl View for MemoryView {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        let _ = (&self.trees, tree, key);
        unimplemented!()
    }

    fn cursor(&self, tree: TreeId) -> Result<Box<dyn Cursor + '_>> {
        let _ = tree;
        unimplemented!()
    }

    fn summary(&self, tree: TreeId, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        let _ = (tree, range);
        unimplemented!()
    }
}
