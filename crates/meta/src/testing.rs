//! A whole state in memory, for the unit tests of the crates above.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

use bytes::Bytes;
use env::UnixMillis;
use placement::{Epoch, GroupId};

use crate::apply::apply;
use crate::command::{Command, LogStamp, SetTable};
use crate::error::Result;
use crate::outcome::Outcome;
use crate::record::GroupFence;
use crate::summary::{Summary, summarize};
use crate::view::{Cursor, Edit, TreeId, View};

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
        let (outcome, edits) = apply(self, command, stamp)?;
        edits.into_iter().for_each(|edit| self.edit(edit));
        Ok(outcome)
    }

    /// Performs one edit.
    pub fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::Put { tree, key, value } => {
                self.trees.entry(tree).or_default().insert(key, value);
            }
            Edit::Remove { tree, key } => {
                if let Some(records) = self.trees.get_mut(&tree) {
                    records.remove(&key);
                }
            }
            Edit::DropTree { tree } => {
                self.trees.remove(&tree);
            }
        }
    }

    /// Accepts commits at epoch 1 of the groups below `count`, as a first placement table does.
    ///
    /// # Errors
    ///
    /// As [`crate::apply`].
    pub fn accept_groups(&mut self, count: u32) -> Result<Outcome> {
        let fence = |group| GroupFence { group: GroupId(group), epoch: Epoch(1), accepted_from: Epoch(1) };
        let command = SetTable { based_on: 0, table: Vec::new(), fences: (0..count).map(fence).collect() };
        self.apply(&Command::SetTable(command), LogStamp { index: 1, time: UnixMillis(0) })
    }

    /// Every record of a tree, in order.
    pub fn records(&self, tree: TreeId) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.trees.get(&tree).into_iter().flatten()
    }
}

impl View for MemoryView {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.trees.get(&tree).and_then(|records| records.get(key)).cloned())
    }

    fn get_in_memory(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        self.get(tree, key)
    }

    fn cursor(&self, tree: TreeId) -> Result<Box<dyn Cursor + '_>> {
        let records = self.trees.get(&tree);
        Ok(Box::new(MemoryCursor {
            records,
            rest: records.map(|records| records.range::<[u8], _>(..)).unwrap_or_default(),
        }))
    }

    fn summary(&self, tree: TreeId, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        let Some(records) = self.trees.get(&tree) else { return Ok(Summary::EMPTY) };
        let summaries = records.range::<[u8], _>(range).map(|(key, value)| summarize(key, value));
        Ok(summaries.fold(Summary::EMPTY, |sum, summary| sum.plus(&summary)))
    }
}

/// Counts what is asked of a view.
#[cfg(test)]
pub(crate) struct CountingView {
    view: MemoryView,
    counts: parking_lot::Mutex<Counts>,
}

#[cfg(test)]
#[derive(Default)]
struct Counts {
    steps: usize,
    lookups: Vec<(TreeId, Vec<u8>)>,
}

#[cfg(test)]
impl CountingView {
    pub(crate) fn new(view: MemoryView) -> Self {
        Self { view, counts: parking_lot::Mutex::default() }
    }

    /// Moves of cursors since this was last called.
    pub(crate) fn steps(&self) -> usize {
        std::mem::take(&mut self.counts.lock().steps)
    }

    /// Records looked up since this was last called.
    pub(crate) fn lookups(&self) -> Vec<(TreeId, Vec<u8>)> {
        std::mem::take(&mut self.counts.lock().lookups)
    }
}

#[cfg(test)]
impl View for CountingView {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        self.counts.lock().lookups.push((tree, key.to_vec()));
        self.view.get(tree, key)
    }

    fn get_in_memory(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        self.get(tree, key)
    }

    fn cursor(&self, tree: TreeId) -> Result<Box<dyn Cursor + '_>> {
        Ok(Box::new(CountingCursor { cursor: self.view.cursor(tree)?, counts: &self.counts }))
    }

    fn summary(&self, tree: TreeId, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        self.view.summary(tree, range)
    }
}

#[cfg(test)]
struct CountingCursor<'a> {
    cursor: Box<dyn Cursor + 'a>,
    counts: &'a parking_lot::Mutex<Counts>,
}

#[cfg(test)]
impl Cursor for CountingCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.counts.lock().steps += 1;
        self.cursor.seek(key)
    }

    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        self.counts.lock().steps += 1;
        self.cursor.next()
    }
}

struct MemoryCursor<'a> {
    records: Option<&'a BTreeMap<Bytes, Bytes>>,
    rest: btree_map::Range<'a, Bytes, Bytes>,
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        if let Some(records) = self.records {
            self.rest = records.range::<[u8], _>((Bound::Included(key), Bound::Unbounded));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        Ok(self.rest.next().map(|(key, value)| (key.clone(), value.clone())))
    }
}
