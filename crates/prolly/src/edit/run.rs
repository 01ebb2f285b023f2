//! A run: consecutive natural chunks of one level, with edits merged in, that is recut as a whole.
//!
//! The outermost boundaries of a run must be boundaries of the new level too. A boundary that stands suppresses all
//! others within the width, so the cut of a run whose ends stand depends on its own records alone.

use std::sync::Arc;

use super::output::{Child, Output};
use super::records::{Cut, Records};
use crate::boundary;
use crate::error::Result;
use crate::page::{Natural, Page};
use crate::params::Schema;
use crate::path::{OldPage, Path};
use crate::root::RootRef;
use crate::store::PageStore;

/// Records that a run holds before it hands on what is settled. Any number gives the same pages; tests take a small one
/// so that short histories settle too.
const SETTLE_AT: usize = if cfg!(test) { 64 } else { 2048 };

/// One level of an existing tree.
#[derive(Clone, Copy)]
pub(super) struct OldLevel<'a> {
    pub(super) pages: &'a Arc<dyn PageStore>,
    pub(super) root: &'a RootRef,
    pub(super) level: u8,
}

impl OldLevel<'_> {
    pub(super) fn path(&self) -> Result<Path> {
        Path::new(Arc::clone(self.pages), self.root, self.level)
    }
}

/// A run in the making.
pub(super) struct Run<'a> {
    pub(super) schema: &'a Schema,
    pub(super) records: Records,
    /// Last key of the level before the run; `None` when the run begins the level.
    pub(super) left: Option<Vec<u8>>,
    /// Whether the level goes on behind the run.
    pub(super) is_open: bool,
    /// Whether the last record pushed is the boundary that ends the last old chunk.
    pub(super) has_last_boundary: bool,
}

/// Pages that a run hands on: the old ones it replaces and what stands in their place, both in order.
pub(super) struct Recut {
    pub(super) old: Vec<OldPage>,
    pub(super) cuts: Vec<Cut>,
}

impl<'a> Run<'a> {
    pub(super) fn new(schema: &'a Schema, level: u8) -> Self {
        Run { schema, records: Records::new(level), left: None, is_open: false, has_last_boundary: false }
    }

    /// Empties the run, which then begins behind `left`.
    pub(super) fn restart(&mut self, left: Option<Vec<u8>>) {
        self.records.clear();
        self.left = left;
        self.has_last_boundary = false;
    }

    fn width(&self) -> usize {
        self.schema.width(self.records.level())
    }

    /// The width the editor believes in; differs from the schema's only under a seeded mistake.
    fn believed_width(&self) -> usize {
        #[cfg(test)]
        if self.schema.mutation == Some(crate::testing::Mutation::WidthOffByOne) {
            return self.width() - 1;
        }
        self.width()
    }

    /// Which ends of an old page are natural.
    pub(super) fn natural(&self, old: &Page) -> Natural {
        #[cfg(test)]
        if self.schema.mutation == Some(crate::testing::Mutation::DropNaturalEnd) {
            return Natural { start: true, end: true };
        }
        old.natural()
    }

    /// Whether the boundary at the run's right end stands, as far as the run's own records tell. What follows it is
    /// unchanged, or is pulled in before this is asked.
    pub(super) fn last_stands(&self) -> bool {
        if !self.is_open {
            return true;
        }
        let (count, width) = (self.records.len(), self.believed_width());
        if count == 0 || !self.has_last_boundary {
            return false;
        }
        let last = count - 1;
        if width <= last {
            return boundary::exceeds_left(|i| self.records.hash(i), last, width);
        }
        // The neighbour before the run is a boundary, so it exceeds all that lie further left.
        let exceeds_own = boundary::exceeds_left(|i| self.records.hash(i), last, last);
        exceeds_own && self.left_hash().is_some_and(|left| left <= self.records.hash(last))
    }

    /// Whether the boundary before the run stands. Asked after [`Run::last_stands`] holds.
    pub(super) fn left_stands(&self) -> bool {
        let Some(left) = self.left_hash() else { return true };
        let (count, width) = (self.records.len(), self.believed_width());
        boundary::exceeds_right(left, |i| self.records.hash(i), 0, width, count)
    }

    fn left_hash(&self) -> Option<u64> {
        self.left.as_ref().map(|key| self.schema.boundary_hash(self.records.level(), key))
    }

    /// Extends the run by the natural chunk before it. `path` is any path on the level.
    pub(super) fn pull_left(&mut self, path: &mut Path) -> Result<()> {
        let mut chunk = Vec::new();
        while let Some(left) = &self.left {
            path.seek(left)?;
            let page = path.old_page();
            self.left = path.separator_before();
            let begins = self.natural(&page.page).start;
            chunk.push(page);
            if begins {
                break;
            }
        }
        chunk.reverse();
        self.records.prepend(self.schema, chunk);
        Ok(())
    }

    /// Extends the run by the unchanged natural chunk behind `path`, which leads to the run's last old page.
    pub(super) fn pull_right(&mut self, path: &mut Path) -> Result<()> {
        while path.advance()? {
            let page = path.old_page();
            let (count, ends) = (page.page.count(), self.natural(&page.page).end);
            self.records.push_page(page);
            (0..count).for_each(|index| self.records.push_old(self.schema, index));
            self.has_last_boundary = true;
            if ends {
                break;
            }
        }
        self.is_open = !path.is_last();
        Ok(())
    }

    /// Whether enough records wait that what is settled should be handed on.
    pub(super) fn is_long(&self) -> bool {
        SETTLE_AT <= self.records.len()
    }

    /// Hands on everything up to the last boundary that no further record can move. The run goes on behind it.
    pub(super) fn settle(&mut self, output: &mut Output<'_>) -> Result<Recut> {
        let ends = boundary::natural_ends(|i| self.records.hash(i), self.records.len(), self.width());
        let Some(&last) = ends.last() else { return Ok(Recut { old: Vec::new(), cuts: Vec::new() }) };
        let boundary_key = self.records.key(last).to_vec();
        let old_count = self.records.pages().iter().take_while(|old| old.page.last_key() <= boundary_key).count();
        let cuts = self.records.cut(last + 1, &ends, output)?;
        let old = self.records.pages()[..old_count].to_vec();
        self.records.drop_front(last + 1, old_count);
        self.left = Some(boundary_key);
        Ok(Recut { old, cuts })
    }

    /// Hands on everything. The run must then be restarted.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) -> Result<Recut> {
        let count = self.records.len();
        let ends = boundary::natural_ends(|i| self.records.hash(i), count, self.width());
        let cuts = self.records.cut(count, &ends, output)?;
        Ok(Recut { old: self.records.take_pages(), cuts })
    }

    /// Whether nothing of the level lies outside the run.
    pub(super) fn is_whole_level(&self) -> bool {
        self.left.is_none() && !self.is_open
    }

    /// The root of the tree, if the run holds the whole level, and that is just one child.
    pub(super) fn only_child(&self) -> Option<Child> {
        let is_inner = 0 < self.records.level();
        (is_inner && self.is_whole_level() && self.records.len() == 1).then(|| self.records.only_child())
    }
}
