//! Edits of one level, and what recutting it asks of the next.

use super::output::{Child, Output};
use super::records::{Cut, Records, is_inline};
use super::run::Recut;
use crate::error::Result;
use crate::path::OldPage;
use crate::tree::Edit;

/// An edit of one level.
pub(super) trait LevelEdit {
    fn key(&self) -> &[u8];

    /// Pushes the record that the edit makes. `index` says which record of `page`, if any, has the key now; that one is
    /// pushed unchanged when the edit makes no difference.
    fn push(&self, page: &OldPage, index: Option<usize>, records: &mut Records, output: &mut Output<'_>) -> Result<()>;

    /// Pushes the record that the edit makes where the level has no record with its key.
    fn push_new(&self, records: &mut Records, output: &mut Output<'_>) -> Result<()>;

    fn removes(&self) -> bool;
}

impl LevelEdit for Edit<'_> {
    fn key(&self) -> &[u8] {
        self.key
    }

    fn push(&self, page: &OldPage, index: Option<usize>, records: &mut Records, output: &mut Output<'_>) -> Result<()> {
        let (Some(index), Some(value)) = (index, self.value) else { return self.push_new(records, output) };
        let old = page.page.raw(index);
        if is_inline(value) {
            match !old.spilled && old.payload == value {
                true => records.push_old(output.schema, index),
                false => records.push_new(output.schema, self.key, value, None),
            }
            return Ok(());
        }
        let existing = old.spilled.then_some(old.payload);
        match output.spill(self.key, value, existing)? {
            None => records.push_old(output.schema, index),
            Some(placed) => records.push_new(output.schema, self.key, &placed.payload, Some(placed.place)),
        }
        Ok(())
    }

    fn push_new(&self, records: &mut Records, output: &mut Output<'_>) -> Result<()> {
        match self.value {
            None => {}
            Some(value) if is_inline(value) => records.push_new(output.schema, self.key, value, None),
            Some(value) => {
                let placed = output.spill(self.key, value, None)?.expect("nothing is there yet");
                records.push_new(output.schema, self.key, &placed.payload, Some(placed.place));
            }
        }
        Ok(())
    }

    fn removes(&self) -> bool {
        self.value.is_none()
    }
}

/// One edit of an inner level.
pub(super) enum ChildEdit {
    /// The child with this last key goes.
    Remove(Vec<u8>),
    /// This child comes, perhaps in place of one with the same last key.
    Put(Child),
}

impl LevelEdit for ChildEdit {
    fn key(&self) -> &[u8] {
        match self {
            ChildEdit::Remove(key) => key,
            ChildEdit::Put(child) => &child.last_key,
        }
    }

    fn push(&self, _: &OldPage, _: Option<usize>, records: &mut Records, output: &mut Output<'_>) -> Result<()> {
        self.push_new(records, output)
    }

    fn push_new(&self, records: &mut Records, output: &mut Output<'_>) -> Result<()> {
        if let ChildEdit::Put(child) = self {
            records.push_child(output.schema, child);
        }
        Ok(())
    }

    fn removes(&self) -> bool {
        matches!(self, ChildEdit::Remove(_))
    }
}

/// Adds the difference between replaced and new pages to the edits of the next level. Pages that stand are left out.
pub(super) fn push_changes(recut: Recut, edits: &mut Vec<ChildEdit>) {
    let mut is_kept = vec![false; recut.old.len()];
    let mut fresh = Vec::with_capacity(recut.cuts.len());
    for cut in recut.cuts {
        match cut {
            Cut::Kept { page, .. } => is_kept[page] = true,
            Cut::Fresh(child) => fresh.push(child),
        }
    }
    let replaced = recut.old.iter().zip(is_kept).filter(|(_, kept)| !kept).map(|(old, _)| old.page.last_key());
    let mut removed = replaced.peekable();
    for child in fresh {
        while let Some(key) = removed.next_if(|key| *key < child.last_key) {
            edits.push(ChildEdit::Remove(key));
        }
        removed.next_if(|key| *key == child.last_key);
        edits.push(ChildEdit::Put(child));
    }
    edits.extend(removed.map(ChildEdit::Remove));
}

/// Adds every page of a recut, kept or fresh: the level above is made from nothing.
pub(super) fn push_all(recut: Recut, children: &mut Vec<Child>) {
    children.extend(recut.cuts.into_iter().map(|cut| match cut {
        Cut::Kept { child, .. } | Cut::Fresh(child) => child,
    }));
}
