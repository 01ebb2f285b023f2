//! Building a tree from sorted records, front to back, in memory bounded by a few pages a level.
//!
//! Finds boundaries as records stream by, unlike `apply`, which looks at whole runs: the two check each other.

use super::level::LevelEdit;
use super::output::{Child, Output, check_lengths};
use super::records::{Cut, Records};
use crate::boundary;
use crate::error::{Error, Result};
use crate::params::Schema;
use crate::root::RootRef;
use crate::store::{PageSink, Written};
use crate::tree::Edit;

/// The tree of `records`, which ascend.
pub(crate) fn build<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    schema: &Schema,
    records: impl IntoIterator<Item = (K, V)>,
    sink: &mut dyn PageSink,
) -> Result<(RootRef, Written)> {
    let mut output = Output::new(schema, sink);
    let mut levels = vec![Level::new(0)];
    let mut previous: Option<K> = None;
    for (key, value) in records {
        let value = value.as_ref();
        check_lengths(key.as_ref(), Some(value))?;
        if previous.as_ref().is_some_and(|previous| key.as_ref() <= previous.as_ref()) {
            return Err(Error::Unsorted);
        }
        let edit = Edit { key: key.as_ref(), value: Some(value) };
        edit.push_new(&mut levels[0].pending, &mut output)?;
        let cuts = levels[0].cut_settled(&mut output)?;
        push_up(&mut levels, 1, cuts, &mut output)?;
        previous = Some(key);
    }
    let root = finish(levels, &mut output)?;
    Ok((root, output.written))
}

/// Hands pages to their parents' level, and what that completes to the next.
fn push_up(levels: &mut Vec<Level>, level: usize, cuts: Vec<Cut>, output: &mut Output<'_>) -> Result<()> {
    for cut in cuts {
        let (Cut::Fresh(child) | Cut::Kept { child, .. }) = cut;
        if levels.len() == level {
            levels.push(Level::new(levels[level - 1].pending.level() + 1));
        }
        levels[level].pending.push_child(output.schema, &child);
        let cuts = levels[level].cut_settled(output)?;
        push_up(levels, level + 1, cuts, output)?;
    }
    Ok(())
}

/// Cuts what is left, level by level, up to the first level of one page.
fn finish(mut levels: Vec<Level>, output: &mut Output<'_>) -> Result<RootRef> {
    let mut level = 0;
    loop {
        let is_root = 0 < level && !levels[level].has_cut && levels[level].pending.len() == 1;
        if is_root {
            let child: Child = levels[level].pending.only_child();
            return Ok(output.root(levels[level - 1].pending.level(), Some(child)));
        }
        let count = levels[level].pending.len();
        if level == 0 && count == 0 && !levels[0].has_cut {
            return Ok(output.root(0, None));
        }
        let cuts = levels[level].pending.cut(count, &[], output)?;
        level += 1;
        push_up(&mut levels, level, cuts, output)?;
    }
}

/// The records of one level since its last boundary.
struct Level {
    pending: Records,
    has_cut: bool,
}

impl Level {
    fn new(level: u8) -> Self {
        Level { pending: Records::new(level), has_cut: false }
    }

    /// Cuts the pending chunk if the newest record is the last that its boundary waited for.
    fn cut_settled(&mut self, output: &mut Output<'_>) -> Result<Vec<Cut>> {
        let width = output.schema.width(self.pending.level());
        let count = self.pending.len();
        let Some(position) = count.checked_sub(width + 1) else { return Ok(Vec::new()) };
        let hash = |position| self.pending.hash(position);
        let is_boundary = boundary::exceeds_right(hash(position), hash, position + 1, width, count)
            && boundary::exceeds_left(hash, position, width);
        if !is_boundary {
            return Ok(Vec::new());
        }
        let cuts = self.pending.cut(position + 1, &[], output)?;
        self.pending.drop_front(position + 1, 0);
        self.has_cut = true;
        Ok(cuts)
    }
}
