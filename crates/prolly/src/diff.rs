//! The difference of two trees: both are walked in step, and subtrees with equal hashes are skipped unread.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::page::{Link, Page};
use crate::path::read_page;
use crate::root::RootRef;
use crate::store::PageStore;
use crate::tree::{Tree, load};

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

/// Yields the changes from one tree to another in key order. Ends after the first error.
pub struct Diff {
    before: Walk,
    after: Walk,
    before_key: Vec<u8>,
    after_key: Vec<u8>,
}

/// What comes next on a walk.
enum Next {
    End,
    /// A page at this level, unread.
    Page(Link, u8),
    /// Record of a leaf.
    Record,
}

/// A walk over a tree that descends only when told to.
struct Walk {
    pages: Arc<dyn PageStore>,
    /// The root page, until it is entered or skipped.
    root: Option<(Link, u8)>,
    /// From the root down; the index of each step is what comes next there.
    steps: Vec<(Arc<Page>, usize)>,
}

impl Walk {
    fn new(tree: &Tree) -> Self {
        let RootRef { hash, location, spills, level, .. } = *tree.root();
        let root = (!tree.root().is_empty()).then_some((Link { hash, location, spills }, level));
        Walk { pages: Arc::clone(tree.pages()), root, steps: Vec::new() }
    }

    fn next(&self) -> Next {
        match (self.root, self.steps.last()) {
            (Some((link, level)), _) => Next::Page(link, level),
            (None, None) => Next::End,
            (None, Some((page, _))) if page.level() == 0 => Next::Record,
            (None, Some((page, index))) => Next::Page(page.child(*index), page.level() - 1),
        }
    }

    fn enter(&mut self, link: Link, level: u8) -> Result<()> {
        let page = read_page(&*self.pages, &link, level)?;
        self.root = None;
        self.steps.push((page, 0));
        Ok(())
    }

    fn skip(&mut self) {
        self.root = None;
        while let Some((page, index)) = self.steps.last_mut() {
            *index += 1;
            if *index < page.count() {
                break;
            }
            self.steps.pop();
        }
    }

    fn record(&self) -> (&Page, usize) {
        let (page, index) = self.steps.last().expect("the walk is at a record");
        (page, *index)
    }

    fn read_key(&self, key: &mut Vec<u8>) {
        let (page, index) = self.record();
        key.clear();
        page.push_key(index, key);
    }

    fn value(&self) -> Result<Bytes> {
        let (page, index) = self.record();
        load(&*self.pages, page, page.stored(index))
    }
}

impl Diff {
    pub(crate) fn new(before: &Tree, after: &Tree) -> Self {
        let (before, after) = (Walk::new(before), Walk::new(after));
        Diff { before, after, before_key: Vec::new(), after_key: Vec::new() }
    }

    fn step(&mut self) -> Result<Option<Change>> {
        loop {
            match (self.before.next(), self.after.next()) {
                (Next::End, Next::End) => return Ok(None),
                (Next::Page(left, _), Next::Page(right, _)) if left.hash == right.hash => {
                    self.before.skip();
                    self.after.skip();
                }
                (Next::Page(left, left_level), Next::Page(right, right_level)) => {
                    if right_level <= left_level {
                        self.before.enter(left, left_level)?;
                    }
                    if left_level <= right_level {
                        self.after.enter(right, right_level)?;
                    }
                }
                (Next::Page(link, level), _) => self.before.enter(link, level)?,
                (_, Next::Page(link, level)) => self.after.enter(link, level)?,
                (Next::Record, Next::End) => return self.take(Ordering::Less).map(Some),
                (Next::End, Next::Record) => return self.take(Ordering::Greater).map(Some),
                (Next::Record, Next::Record) => {
                    self.before.read_key(&mut self.before_key);
                    self.after.read_key(&mut self.after_key);
                    let order = self.before_key.cmp(&self.after_key);
                    if order == Ordering::Equal && self.is_same_record() {
                        self.before.skip();
                        self.after.skip();
                    } else {
                        return self.take(order).map(Some);
                    }
                }
            }
        }
    }

    /// Whether both records, whose keys are equal, have equal values. Payloads are canonical: blobs need not be read.
    fn is_same_record(&self) -> bool {
        let ((left, i), (right, j)) = (self.before.record(), self.after.record());
        left.is_spilled(i) == right.is_spilled(j) && left.payload(i) == right.payload(j)
    }

    /// The change at hand: of the lower key, or of both when they are equal.
    fn take(&mut self, order: Ordering) -> Result<Change> {
        let mut key = Vec::new();
        let (mut before, mut after) = (None, None);
        if order.is_le() {
            self.before.read_key(&mut key);
            before = Some(self.before.value()?);
            self.before.skip();
        }
        if order.is_ge() {
            self.after.read_key(&mut key);
            after = Some(self.after.value()?);
            self.after.skip();
        }
        Ok(Change { key: Bytes::from(key), before, after })
    }

    /// Ends the walk.
    fn stop(&mut self) {
        for walk in [&mut self.before, &mut self.after] {
            walk.root = None;
            walk.steps.clear();
        }
    }
}

impl Iterator for Diff {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        let step = self.step();
        if step.is_err() {
            self.stop();
        }
        step.transpose()
    }
}
