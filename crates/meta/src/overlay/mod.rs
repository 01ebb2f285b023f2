//! Changes that are applied but not yet folded into the trees.
//!
//! Readers and the one writer never wait for each other, because an [`Overlay`] is a value: taking a copy costs two
//! counters, and a change copies only what a copy still shares (see [`map`]). The alternative, one mutable map with a
//! version list under each key, needs a lock around every step of a reader and a rule for forgetting old versions; this
//! needs neither, for about a microsecond more a change.

mod map;

use bytes::Bytes;

pub(crate) use self::map::{MapCursor, PersistentMap};
use crate::view::{Edit, TreeId};

/// What a record of the overlay costs beside key and value: entry, counters, its share of the nodes.
const ENTRY_OVERHEAD: usize = 160;

/// The newest value of a key, or that it was removed.
pub(crate) type Change = Option<Bytes>;

/// Changes of all trees. A copy is a snapshot.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    trees: PersistentMap<TreeId, TreeOverlay>,
    size: usize,
}

/// Changes of one tree.
#[derive(Clone, Default)]
pub(crate) struct TreeOverlay {
    /// Whether whatever lies below was dropped before these changes.
    pub(crate) replaces: bool,
    pub(crate) changes: PersistentMap<Bytes, Change>,
}

impl Overlay {
    /// Bytes of memory that it takes, about.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.trees.len() == 0
    }

    /// The changes of one tree.
    pub(crate) fn tree(&self, tree: TreeId) -> Option<&TreeOverlay> {
        self.trees.get(&tree)
    }

    /// The changes of all trees, in order of tree.
    pub(crate) fn trees(&self) -> impl Iterator<Item = (&TreeId, &TreeOverlay)> {
        self.trees.iter()
    }

    pub(crate) fn take(&mut self, edit: Edit) {
        match edit {
            Edit::Put { tree, key, value } => self.change(tree, key, Some(value)),
            Edit::Remove { tree, key } => self.change(tree, key, None),
            Edit::DropTree { tree } => {
                self.size += ENTRY_OVERHEAD;
                let forgotten = self.trees.update(tree, |overlay| {
                    std::mem::replace(overlay, TreeOverlay { replaces: true, changes: PersistentMap::default() })
                });
                let sizes = forgotten.changes.iter().map(|(key, change)| size_of_change(key.len(), change));
                self.size = self.size.saturating_sub(sizes.sum());
            }
        }
    }

    fn change(&mut self, tree: TreeId, key: Bytes, change: Change) {
        let added = size_of_change(key.len(), &change);
        let key_length = key.len();
        let replaced = self.trees.update(tree, |overlay| {
            let known = overlay.changes.len();
            let before = overlay.changes.update(key, |value| std::mem::replace(value, change));
            let is_new = known < overlay.changes.len();
            if is_new { 0 } else { size_of_change(key_length, &before) }
        });
        self.size = (self.size + added).saturating_sub(replaced);
    }
}

fn size_of_change(key_length: usize, change: &Change) -> usize {
    ENTRY_OVERHEAD + key_length + change.as_ref().map_or(0, Bytes::len)
}
