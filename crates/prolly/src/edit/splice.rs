//! Splitting a tree at a key and joining two: one run a level, at the seam.

use std::sync::Arc;

use super::apply::grow_level;
use super::level::push_all;
use super::output::{Child, Output};
use super::run::{OldLevel, Run};
use crate::error::Result;
use crate::params::Schema;
use crate::path::Path;
use crate::root::RootRef;
use crate::store::{PageSink, PageStore, Written};

/// What remains of a tree on one side of the seam, at one level.
#[derive(Clone)]
enum Side {
    Nothing,
    /// On the left: the records up to this key. On the right: those behind it.
    Until(Vec<u8>),
    /// All records.
    Everything,
}

/// One tree at the seam.
struct Half<'a> {
    pages: &'a Arc<dyn PageStore>,
    root: &'a RootRef,
    side: Side,
}

/// The trees of the records below `key` and of the others.
pub(crate) fn split(
    schema: &Schema,
    pages: &Arc<dyn PageStore>,
    root: &RootRef,
    key: &[u8],
    sink: &mut dyn PageSink,
) -> Result<((RootRef, RootRef), Written)> {
    let mut output = Output::new(schema, sink);
    if root.is_empty() {
        return Ok(((*root, *root), output.written));
    }
    let side = last_below(pages, root, key)?.map_or(Side::Nothing, Side::Until);
    let right_side = if let Side::Until(last) = &side { Side::Until(last.clone()) } else { Side::Everything };
    let nothing = || Half { pages, root, side: Side::Nothing };
    let left = splice(Half { pages, root, side }, nothing(), &mut output)?;
    let right = splice(nothing(), Half { pages, root, side: right_side }, &mut output)?;
    Ok(((left, right), output.written))
}

/// The tree of the records of both; the caller has checked that all of `left` are below all of `right`.
pub(crate) fn join(
    schema: &Schema,
    pages: (&Arc<dyn PageStore>, &Arc<dyn PageStore>),
    roots: (&RootRef, &RootRef),
    sink: &mut dyn PageSink,
) -> Result<(RootRef, Written)> {
    let mut output = Output::new(schema, sink);
    let (left, right) = roots;
    if left.is_empty() || right.is_empty() {
        return Ok((if left.is_empty() { *right } else { *left }, output.written));
    }
    let half = |pages, root| Half { pages, root, side: Side::Everything };
    let root = splice(half(pages.0, left), half(pages.1, right), &mut output)?;
    Ok((root, output.written))
}

/// The last key below `key`.
fn last_below(pages: &Arc<dyn PageStore>, root: &RootRef, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut path = Path::new(Arc::clone(pages), root, 0)?;
    path.seek(key)?;
    Ok(match path.page().search(key).0 {
        0 => path.separator_before(),
        index => Some(path.page().key(index - 1)),
    })
}

/// Recuts the seam level by level, until one page holds what both halves leave.
fn splice(mut left: Half<'_>, mut right: Half<'_>, output: &mut Output<'_>) -> Result<RootRef> {
    let mut children: Vec<Child> = Vec::new();
    let mut level = 0;
    loop {
        let is_alone = matches!((&left.side, &right.side), (Side::Nothing, Side::Nothing));
        if is_alone && children.len() <= 1 {
            return Ok(output.root(u8::saturating_sub(level, 1), children.pop()));
        }
        children = match is_alone {
            true => grow_level(level, children, output)?,
            false => recut_seam(level, &mut left, children, &mut right, output)?,
        };
        level += 1;
    }
}

/// Recuts one level around the seam. Afterwards the sides say what is untouched, by the pages of this level.
fn recut_seam(
    level: u8,
    left: &mut Half<'_>,
    children: Vec<Child>,
    right: &mut Half<'_>,
    output: &mut Output<'_>,
) -> Result<Vec<Child>> {
    let mut run = Run::new(output.schema, level);
    let mut left_path = left.path(level)?;
    let mut right_path = right.path(level)?;
    if let Some(path) = &mut left_path {
        left.pull_seam_chunk(&mut run, path)?;
    }
    children.iter().for_each(|child| run.records.push_child(output.schema, child));
    if let Some(path) = &mut right_path {
        right.push_seam_chunk(&mut run, path)?;
    }
    loop {
        match (&mut right_path, &mut left_path) {
            (Some(path), _) if !run.last_stands() => run.pull_right(path)?,
            (_, Some(path)) if !run.left_stands() => run.pull_left(path)?,
            _ => break,
        }
    }
    left.side = run.left.clone().map_or(Side::Nothing, Side::Until);
    right.side = match right_path {
        Some(path) if run.is_open => Side::Until(path.page().last_key()),
        _ => Side::Nothing,
    };
    let mut parents = Vec::new();
    push_all(run.finish(output)?, &mut parents);
    Ok(parents)
}

impl Half<'_> {
    /// A path on `level`, if anything of the tree remains there.
    fn path(&self, level: u8) -> Result<Option<Path>> {
        match self.side {
            Side::Nothing => Ok(None),
            _ => OldLevel { pages: self.pages, root: self.root, level }.path().map(Some),
        }
    }

    /// Begins `run` with the left side's last natural chunk, up to the seam.
    fn pull_seam_chunk(&self, run: &mut Run<'_>, path: &mut Path) -> Result<()> {
        match &self.side {
            Side::Until(last) => path.seek(last)?,
            _ => path.seek_last()?,
        }
        let seam = path.old_page();
        let count = match &self.side {
            Side::Until(last) => seam.page.search(last).0 + 1,
            _ => seam.page.count(),
        };
        run.left = path.separator_before();
        let begins = run.natural(&seam.page).start;
        run.records.push_page(seam);
        (0..count).for_each(|index| run.records.push_old(run.schema, index));
        if begins { Ok(()) } else { run.pull_left(path) }
    }

    /// Ends `run` with the right side's first natural chunk, from the seam on.
    fn push_seam_chunk(&self, run: &mut Run<'_>, path: &mut Path) -> Result<()> {
        let mut start = 0;
        match &self.side {
            Side::Until(last) => {
                path.seek(last)?;
                start = path.page().search(last).0 + 1;
            }
            _ => path.seek_first()?,
        }
        if start == path.page().count() {
            return run.pull_right(path);
        }
        let seam = path.old_page();
        let (count, ends) = (seam.page.count(), run.natural(&seam.page).end);
        run.records.push_page(seam);
        (start..count).for_each(|index| run.records.push_old(run.schema, index));
        run.has_last_boundary = true;
        run.is_open = !path.is_last();
        if ends { Ok(()) } else { run.pull_right(path) }
    }
}
