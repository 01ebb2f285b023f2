//! The summary of a range of keys.

use std::ops::Bound;

use crate::error::Result;
use crate::page::{Page, Stored};
use crate::path::read_child;
use crate::summary::Summary;
use crate::tree::Tree;

/// A place between two keys.
#[derive(Clone, Copy)]
enum Point<'a> {
    Before(&'a [u8]),
    After(&'a [u8]),
}

/// Where a point falls in a page.
#[derive(Clone, Copy)]
enum Place {
    /// Just before this record (or child).
    Between(usize),
    /// Somewhere below this child.
    Inside(usize),
}

impl Point<'_> {
    fn place(self, page: &Page) -> Place {
        let (key, is_after) = match self {
            Point::Before(key) => (key, false),
            Point::After(key) => (key, true),
        };
        let (index, found) = page.search(key);
        let skips_record = found && is_after;
        match skips_record {
            true => Place::Between(index + 1),
            false if page.level() == 0 || index == page.count() => Place::Between(index),
            false => Place::Inside(index),
        }
    }
}

/// Summary of the records of `tree` in `range`.
pub(crate) fn summary(tree: &Tree, range: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Summary> {
    let low = match range.0 {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(Point::Before(key)),
        Bound::Excluded(key) => Some(Point::After(key)),
    };
    let high = match range.1 {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(Point::After(key)),
        Bound::Excluded(key) => Some(Point::Before(key)),
    };
    match tree.root_page()? {
        Some(page) if low.is_some() || high.is_some() => between(tree, &page, low, high),
        _ => Ok(tree.root().summary),
    }
}

fn between(tree: &Tree, page: &Page, low: Option<Point<'_>>, high: Option<Point<'_>>) -> Result<Summary> {
    let low_place = low.map_or(Place::Between(0), |point| point.place(page));
    let high_place = high.map_or(Place::Between(page.count()), |point| point.place(page));
    let below = |index, low, high| {
        let child = read_child(&**tree.pages(), page, index)?;
        between(tree, &child, low, high)
    };
    let (start, first) = match (low_place, high_place) {
        (Place::Inside(left), Place::Inside(right)) if left == right => return below(left, low, high),
        (Place::Inside(index), _) => (index + 1, Some(index)),
        (Place::Between(index), _) => (index, None),
    };
    let (end, last) = match high_place {
        Place::Inside(index) => (index, Some(index)),
        Place::Between(index) => (index, None),
    };
    let is_inverted = end < start - usize::from(first.is_some()) || (first.is_some() && end < start);
    if is_inverted {
        return Ok(Summary::EMPTY);
    }
    let mut sum = (start..end).fold(Summary::EMPTY, |sum, index| sum.plus(&record_summary(tree, page, index)));
    if let Some(index) = first {
        sum = below(index, low, None)?.plus(&sum);
    }
    if let Some(index) = last {
        sum = sum.plus(&below(index, None, high)?);
    }
    Ok(sum)
}

fn record_summary(tree: &Tree, page: &Page, index: usize) -> Summary {
    if 0 < page.level() {
        return page.child_summary(index);
    }
    match page.stored(index) {
        Stored::Inline(value) => tree.schema().summarize(&page.key(index), value),
        Stored::Spilled { summary, .. } => summary,
    }
}
