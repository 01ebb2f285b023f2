//! One consistent state: the overlay of recent changes over the durable trees.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use env::Bug;
use prolly::Tree;

use super::base::Base;
use super::effects::EffectsHash;
use crate::error::Result;
use crate::log::LogId;
use crate::overlay::{Change, MapCursor, Overlay, TreeOverlay};
use crate::summary::{Summary, summarize};
use crate::view::{Cursor, TreeId, View};

/// What belongs to the state as of one entry, besides the records.
#[derive(Clone)]
pub(super) struct Marks {
    /// The entry applied last.
    pub(super) applied: Option<LogId>,
    pub(super) membership: Option<Bytes>,
    pub(super) effects: EffectsHash,
}

/// An overlay that takes no more changes, and the state's marks when it was frozen.
pub(super) struct Frozen {
    pub(super) overlay: Overlay,
    pub(super) marks: Marks,
}

/// A state, immutable once it is published. Later layers hide earlier ones.
#[derive(Clone)]
pub(super) struct Layers {
    pub(super) marks: Marks,
    /// Changes since the last freeze.
    pub(super) active: Overlay,
    /// Changes that a flush is folding into the trees.
    pub(super) frozen: Option<Arc<Frozen>>,
    pub(super) base: Arc<Base>,
}

impl Layers {
    /// The overlays, newest first.
    fn overlays(&self) -> impl Iterator<Item = &Overlay> {
        let frozen = self.frozen.as_ref().filter(|_| !Bug::FrozenUnread.is_planted());
        [Some(&self.active), frozen.map(|frozen| &frozen.overlay)].into_iter().flatten()
    }

    /// The overlays' changes of `tree`, newest first, and the tree below them unless it is hidden.
    fn of_tree(&self, tree: TreeId) -> Result<(Vec<&TreeOverlay>, Option<Tree>)> {
        let mut changes = Vec::with_capacity(2);
        for overlay in self.overlays() {
            if let Some(overlay) = overlay.tree(tree) {
                changes.push(overlay);
                if overlay.replaces {
                    return Ok((changes, None));
                }
            }
        }
        Ok((changes, Some(self.base.tree(tree)?)))
    }
}

/// What the overlays know of a key.
enum Overlaid<'a> {
    Changed(&'a Change),
    /// The tree below is hidden, and nothing took the key's place.
    Hidden,
    Unchanged,
}

impl Layers {
    fn overlaid(&self, tree: TreeId, key: &[u8]) -> Overlaid<'_> {
        for overlay in self.overlays() {
            if let Some(overlay) = overlay.tree(tree) {
                if let Some(change) = overlay.changes.get(key) {
                    return Overlaid::Changed(change);
                }
                if overlay.replaces {
                    return Overlaid::Hidden;
                }
            }
        }
        Overlaid::Unchanged
    }
}

impl View for Layers {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        match self.overlaid(tree, key) {
            Overlaid::Changed(change) => Ok(change.clone()),
            Overlaid::Hidden => Ok(None),
            Overlaid::Unchanged => Ok(self.base.tree(tree)?.get(key)?),
        }
    }

    fn get_in_memory(&self, tree: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        match self.overlaid(tree, key) {
            Overlaid::Changed(change) => Ok(change.clone()),
            Overlaid::Hidden => Ok(None),
            Overlaid::Unchanged => self.base.get_in_memory(tree, key),
        }
    }

    fn cursor(&self, tree: TreeId) -> Result<Box<dyn Cursor + '_>> {
        let (overlays, below) = self.of_tree(tree)?;
        let changes = Changes::new(&overlays);
        let below = below.map(|tree| Below { cursor: tree.cursor(), next: None });
        Ok(Box::new(LayersCursor { changes, below }))
    }

    /// Summaries have no differences (the oldest record may go), so the tree is summed between the changed keys.
    fn summary(&self, tree: TreeId, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
        let (overlays, below) = self.of_tree(tree)?;
        let sum_below = |start: Bound<&[u8]>, end: Bound<&[u8]>| match &below {
            Some(tree) => Ok(tree.summary((start, end))?),
            None => Ok::<_, crate::error::Error>(Summary::EMPTY),
        };
        let mut changes = Changes::new(&overlays);
        if let Bound::Included(start) | Bound::Excluded(start) = range.0 {
            changes.seek(start);
        }
        let mut sum = Summary::EMPTY;
        let mut after: Option<Bytes> = None;
        while let Some((key, change)) = changes.next() {
            let is_before = matches!(range.0, Bound::Excluded(start) if key.as_ref() == start);
            let is_behind = match range.1 {
                Bound::Included(end) => end < key.as_ref(),
                Bound::Excluded(end) => end <= key.as_ref(),
                Bound::Unbounded => false,
            };
            if is_behind {
                break;
            }
            if is_before {
                continue;
            }
            let start = after.as_deref().map_or(range.0, Bound::Excluded);
            sum = sum.plus(&sum_below(start, Bound::Excluded(&key))?);
            if let Some(value) = change {
                sum = sum.plus(&summarize(&key, &value));
            }
            after = Some(key);
        }
        let start = after.as_deref().map_or(range.0, Bound::Excluded);
        Ok(sum.plus(&sum_below(start, range.1)?))
    }
}

/// The changes of the overlays in one order; of a key, the newest.
struct Changes {
    /// Newest first.
    overlays: Vec<MapCursor<Bytes, Change>>,
}

impl Changes {
    fn new(overlays: &[&TreeOverlay]) -> Self {
        Self { overlays: overlays.iter().map(|overlay| overlay.changes.cursor()).collect() }
    }

    fn seek(&mut self, key: &[u8]) {
        self.overlays.iter_mut().for_each(|overlay| overlay.seek(key));
    }

    fn peek_key(&mut self) -> Option<&Bytes> {
        let keys = self.overlays.iter_mut().filter_map(|overlay| overlay.peek().map(|(key, _)| key));
        keys.min()
    }

    fn next(&mut self) -> Option<(Bytes, Change)> {
        let key = self.peek_key()?.clone();
        let mut newest = None;
        for overlay in &mut self.overlays {
            match overlay.peek() {
                Some((found, change)) if *found == key => {
                    newest = newest.or_else(|| Some(change.clone()));
                    overlay.advance();
                }
                _ => {}
            }
        }
        newest.map(|change| (key, change))
    }
}

/// The durable tree below the overlays, one record ahead.
struct Below {
    cursor: prolly::Cursor,
    next: Option<(Bytes, Bytes)>,
}

impl Below {
    fn peek_key(&mut self) -> Result<Option<&Bytes>> {
        if self.next.is_none()
            && let Some(record) = self.cursor.next()?
        {
            self.next = Some((Bytes::copy_from_slice(record.key), record.value()?));
        }
        Ok(self.next.as_ref().map(|(key, _)| key))
    }
}

struct LayersCursor {
    changes: Changes,
    below: Option<Below>,
}

impl Cursor for LayersCursor {
    fn seek(&mut self, key: &[u8]) -> Result<()> {
        self.changes.seek(key);
        if let Some(below) = &mut self.below {
            below.next = None;
            below.cursor.seek(key)?;
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>> {
        loop {
            let below = match &mut self.below {
                Some(below) => below.peek_key()?,
                None => None,
            };
            let order = match (self.changes.peek_key(), below) {
                (None, None) => return Ok(None),
                (Some(changed), Some(below)) => changed.cmp(below),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
            };
            if order.is_ge()
                && let Some(below) = &mut self.below
            {
                let record = below.next.take();
                if order.is_gt() {
                    return Ok(record);
                }
            }
            // The change hides the tree's record, if that was equal.
            if let Some((key, Some(value))) = self.changes.next() {
                return Ok(Some((key, value)));
            }
        }
    }
}
