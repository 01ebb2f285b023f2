//! The pages from a root down to one page of some level: a finger that moves cheaply.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::page::{Link, Page};
use crate::root::RootRef;
use crate::store::PageStore;
use crate::summary::Summary;

/// A page together with what its parent says of it.
#[derive(Clone)]
pub(crate) struct OldPage {
    pub(crate) page: Arc<Page>,
    pub(crate) link: Link,
    pub(crate) summary: Summary,
}

/// A place on one level of a tree that has at least one page there.
#[derive(Clone)]
pub(crate) struct Path {
    pages: Arc<dyn PageStore>,
    root: RootRef,
    level: u8,
    /// From the root to `level`. An inner step's index is that of the child in the next step.
    steps: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    page: Arc<Page>,
    index: usize,
}

/// Reads the page that `link` names, which is at `level`.
pub(crate) fn read_page(pages: &dyn PageStore, link: &Link, level: u8) -> Result<Arc<Page>> {
    let page = pages.page(&link.hash, link.location)?;
    if page.level() != level {
        return Err(Error::Malformed { what: "page", reason: "its parent is not one level above" });
    }
    Ok(page)
}

/// The child of record `index` of `parent`: as it is in memory, or read.
pub(crate) fn read_child(pages: &dyn PageStore, parent: &Page, index: usize) -> Result<Arc<Page>> {
    if let Some(child) = parent.resident_child(index) {
        return Ok(child);
    }
    let child = read_page(pages, &parent.child(index), parent.level() - 1)?;
    parent.note_child(index, &child);
    Ok(child)
}

impl Path {
    /// A path to some page of `level`, which is not above the root.
    pub(crate) fn new(pages: Arc<dyn PageStore>, root: &RootRef, level: u8) -> Result<Self> {
        assert!(!root.is_empty() && level <= root.level, "the tree has that level");
        let link = Link { hash: root.hash, location: root.location, spills: root.spills };
        let page = read_page(&*pages, &link, root.level)?;
        let mut path = Path { pages, root: *root, level, steps: Vec::with_capacity(usize::from(root.level) + 1) };
        path.steps.push(Step { page, index: 0 });
        Ok(path)
    }

    /// Moves to the page that would hold `key`: the first whose last key is not below it, or the level's last page.
    pub(crate) fn seek(&mut self, key: &[u8]) -> Result<()> {
        while !self.lowest_covers(key) {
            self.steps.pop();
        }
        while !self.is_complete() {
            let step = self.lowest_mut();
            step.index = step.page.search(key).0.min(step.page.count() - 1);
            self.descend()?;
        }
        Ok(())
    }

    /// Whether the lowest page on the path is surely above or on the way to `key`.
    fn lowest_covers(&self, key: &[u8]) -> bool {
        if self.steps.len() == 1 {
            return true;
        }
        let page = &self.lowest().page;
        let (index, found) = page.search(key);
        found || (0 < index && index < page.count())
    }

    fn is_complete(&self) -> bool {
        self.steps.len() == usize::from(self.root.level - self.level) + 1
    }

    fn lowest(&self) -> &Step {
        self.steps.last().expect("the root is always on the path")
    }

    fn lowest_mut(&mut self) -> &mut Step {
        self.steps.last_mut().expect("the root is always on the path")
    }

    /// Steps down to the child at the lowest step's index.
    fn descend(&mut self) -> Result<()> {
        let Step { page, index } = self.lowest();
        let page = read_child(&*self.pages, page, *index)?;
        self.steps.push(Step { page, index: 0 });
        Ok(())
    }

    /// Moves to the level's first page.
    pub(crate) fn seek_first(&mut self) -> Result<()> {
        self.steps.truncate(1);
        self.lowest_mut().index = 0;
        while !self.is_complete() {
            self.descend()?;
        }
        Ok(())
    }

    /// Moves to the level's last page.
    pub(crate) fn seek_last(&mut self) -> Result<()> {
        self.steps.truncate(1);
        while !self.is_complete() {
            let step = self.lowest_mut();
            step.index = step.page.count() - 1;
            self.descend()?;
        }
        Ok(())
    }

    /// Moves to the next page of the level; `false`, and no move, at the last one.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        assert!(self.is_complete(), "the path leads to a page");
        let above = self.steps.len() - 1;
        let Some(turn) = self.steps[..above].iter().rposition(|step| step.index + 1 < step.page.count()) else {
            return Ok(false);
        };
        self.steps.truncate(turn + 1);
        self.lowest_mut().index += 1;
        while !self.is_complete() {
            self.descend()?;
        }
        Ok(true)
    }

    /// The page the path leads to.
    pub(crate) fn page(&self) -> &Arc<Page> {
        assert!(self.is_complete(), "the path leads to a page");
        &self.lowest().page
    }

    /// The page the path leads to, with what its parent says of it.
    pub(crate) fn old_page(&self) -> OldPage {
        let page = Arc::clone(self.page());
        match self.steps.len().checked_sub(2).map(|parent| &self.steps[parent]) {
            None => {
                let RootRef { hash, location, spills, summary, .. } = self.root;
                OldPage { page, link: Link { hash, location, spills }, summary }
            }
            Some(Step { page: parent, index }) => {
                OldPage { page, link: parent.child(*index), summary: parent.child_summary(*index) }
            }
        }
    }

    /// Last key of the page before, if the level has one.
    pub(crate) fn separator_before(&self) -> Option<Vec<u8>> {
        let above = &self.steps[..self.steps.len() - 1];
        above.iter().rev().find(|step| 0 < step.index).map(|step| step.page.key(step.index - 1))
    }

    /// Whether the level has no page behind this one.
    pub(crate) fn is_last(&self) -> bool {
        self.steps[..self.steps.len() - 1].iter().all(|step| step.index + 1 == step.page.count())
    }

    /// Whether `key`, which lies behind this page, may lie in the next one. Surely so if it does.
    pub(crate) fn next_may_hold(&self, key: &[u8]) -> bool {
        let above = &self.steps[..self.steps.len() - 1];
        let turn = above.iter().rev().find(|step| step.index + 1 < step.page.count());
        turn.is_some_and(|step| step.page.search(key).0 <= step.index + 1)
    }
}
