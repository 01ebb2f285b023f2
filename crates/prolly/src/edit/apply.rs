//! Folding sorted edits into a tree.

use std::sync::Arc;

use super::level::{ChildEdit, LevelEdit, push_all, push_changes};
use super::output::{Child, Output, check_lengths};
use super::run::{OldLevel, Recut, Run};
use crate::error::{Error, Result};
use crate::params::Schema;
use crate::path::Path;
use crate::root::RootRef;
use crate::store::{PageSink, PageStore, Written};
use crate::tree::Edit;

/// What recutting a level leads to.
enum Outcome {
    /// No page changed.
    Unchanged,
    /// No record is left.
    Empty,
    /// The level below has one page, which is the root.
    Root(Child),
    /// Edits of the next level of the old tree.
    Edits(Vec<ChildEdit>),
    /// All pages of a level above which the old tree has none.
    Children(Vec<Child>),
}

/// The tree `root` after `edits`.
pub(crate) fn apply(
    schema: &Schema,
    pages: &Arc<dyn PageStore>,
    root: &RootRef,
    edits: &[Edit<'_>],
    sink: &mut dyn PageSink,
) -> Result<(RootRef, Written)> {
    check_edits(edits)?;
    if edits.is_empty() {
        return Ok((*root, Written::default()));
    }
    let mut output = Output::new(schema, sink);
    let mut outcome = match root.is_empty() {
        true => fill_empty(edits, &mut output)?,
        false => recut_level(OldLevel { pages, root, level: 0 }, edits, &mut output)?,
    };
    let mut level = 0;
    let new_root = loop {
        level += 1;
        outcome = match outcome {
            Outcome::Unchanged => break *root,
            Outcome::Empty => break RootRef::empty(schema.params_hash()),
            Outcome::Root(child) => break output.root(level - 2, Some(child)),
            Outcome::Edits(edits) => recut_level(OldLevel { pages, root, level }, &edits, &mut output)?,
            Outcome::Children(children) => grow(level, children, &mut output)?,
        };
    };
    Ok((new_root, output.written))
}

fn check_edits(edits: &[Edit<'_>]) -> Result<()> {
    edits.iter().try_for_each(|edit| check_lengths(edit.key, edit.value))?;
    let ascends = edits.windows(2).all(|pair| pair[0].key < pair[1].key);
    if ascends { Ok(()) } else { Err(Error::Unsorted) }
}

/// Makes the leaves of a tree that had none.
fn fill_empty(edits: &[Edit<'_>], output: &mut Output<'_>) -> Result<Outcome> {
    let mut run = Run::new(output.schema, 0);
    let mut leaves = Vec::new();
    for edit in edits {
        edit.push_new(&mut run.records, output)?;
        if run.is_long() {
            push_all(run.settle(output)?, &mut leaves);
        }
    }
    push_all(run.finish(output)?, &mut leaves);
    Ok(if leaves.is_empty() { Outcome::Empty } else { Outcome::Children(leaves) })
}

/// Makes a level above the old tree's root from all pages of the level below.
pub(super) fn grow_level(level: u8, children: Vec<Child>, output: &mut Output<'_>) -> Result<Vec<Child>> {
    let mut run = Run::new(output.schema, level);
    let mut parents = Vec::new();
    for child in children {
        run.records.push_child(output.schema, &child);
        if run.is_long() {
            push_all(run.settle(output)?, &mut parents);
        }
    }
    push_all(run.finish(output)?, &mut parents);
    Ok(parents)
}

fn grow(level: u8, mut children: Vec<Child>, output: &mut Output<'_>) -> Result<Outcome> {
    match children.len() {
        1 => Ok(Outcome::Root(children.swap_remove(0))),
        _ => Ok(Outcome::Children(grow_level(level, children, output)?)),
    }
}

/// Recuts the runs of a level that `edits` touch.
fn recut_level<E: LevelEdit>(old: OldLevel<'_>, edits: &[E], output: &mut Output<'_>) -> Result<Outcome> {
    let mut changes = Changes::new(
        old,
        #[cfg(test)]
        output.schema,
    );
    let mut run = Run::new(output.schema, old.level);
    let mut path = old.path()?;
    let mut left_path = None;
    let mut rest = edits;
    while let Some(first) = rest.first() {
        seek_chunk(&mut run, &mut path, first.key())?;
        rest = pull_edited(&mut run, &mut path, rest, output)?;
        loop {
            let next_is_edited = run.is_open && rest.first().is_some_and(|edit| path.next_may_hold(edit.key()));
            if next_is_edited || !run.last_stands() {
                if run.is_long() && run.left_stands() {
                    changes.push(run.settle(output)?);
                }
                path.advance()?;
                rest = pull_edited(&mut run, &mut path, rest, output)?;
            } else if !run.left_stands() {
                let left_path = match &mut left_path {
                    Some(path) => path,
                    None => left_path.insert(old.path()?),
                };
                run.pull_left(left_path)?;
            } else {
                break;
            }
        }
        if let Some(child) = run.only_child() {
            return Ok(Outcome::Root(child));
        }
        if run.is_whole_level() && run.records.len() == 0 {
            return Ok(Outcome::Empty);
        }
        changes.push(run.finish(output)?);
    }
    Ok(changes.outcome())
}

/// Restarts `run` at the natural chunk that would hold `key`, and leads `path` to the chunk's first page.
fn seek_chunk(run: &mut Run<'_>, path: &mut Path, key: &[u8]) -> Result<()> {
    path.seek(key)?;
    run.restart(path.separator_before());
    while !run.natural(path.page()).start {
        let Some(left) = run.left.take() else { break };
        path.seek(&left)?;
        run.left = path.separator_before();
    }
    Ok(())
}

/// Extends `run` by the natural chunk that begins at `path`, merged with its edits; returns the edits behind it.
fn pull_edited<'e, E: LevelEdit>(
    run: &mut Run<'_>,
    path: &mut Path,
    mut edits: &'e [E],
    output: &mut Output<'_>,
) -> Result<&'e [E]> {
    loop {
        edits = merge_page(run, path, edits, output)?;
        run.is_open = !path.is_last();
        if run.natural(path.page()).end || !path.advance()? {
            return Ok(edits);
        }
    }
}

/// Pushes the records of the page at `path`, merged with its edits; returns the edits behind it.
fn merge_page<'e, E: LevelEdit>(
    run: &mut Run<'_>,
    path: &Path,
    mut edits: &'e [E],
    output: &mut Output<'_>,
) -> Result<&'e [E]> {
    let old = path.old_page();
    let (page, is_last) = (Arc::clone(&old.page), path.is_last());
    run.records.push_page(old.clone());
    run.has_last_boundary = true;
    let mut pushed = 0;
    while let Some((edit, behind)) = edits.split_first() {
        let (index, found) = page.search(edit.key());
        if index == page.count() && !is_last {
            break;
        }
        (pushed..index).for_each(|index| run.records.push_old(run.schema, index));
        edit.push(&old, found.then_some(index), &mut run.records, output)?;
        pushed = index + usize::from(found);
        run.has_last_boundary = !(edit.removes() && pushed == page.count() && found);
        edits = behind;
    }
    (pushed..page.count()).for_each(|index| run.records.push_old(run.schema, index));
    Ok(edits)
}

/// Collects the recuts of one level.
struct Changes {
    is_top: bool,
    #[cfg(test)]
    mutation: Option<crate::testing::Mutation>,
    edits: Vec<ChildEdit>,
    children: Vec<Child>,
}

impl Changes {
    fn new(old: OldLevel<'_>, #[cfg(test)] schema: &Schema) -> Self {
        Changes {
            is_top: old.level == old.root.level,
            #[cfg(test)]
            mutation: schema.mutation,
            edits: Vec::new(),
            children: Vec::new(),
        }
    }

    fn push(&mut self, recut: Recut) {
        #[cfg(test)]
        let recut = self.forget_kept(recut);
        match self.is_top {
            // The old root may reappear unchanged as one child of several: it must not be left out.
            true => push_all(recut, &mut self.children),
            false => push_changes(recut, &mut self.edits),
        }
    }

    #[cfg(test)]
    fn forget_kept(&self, mut recut: Recut) -> Recut {
        let is_seeded = self.mutation == Some(crate::testing::Mutation::DropReappearingRoot);
        if is_seeded && self.is_top && 1 < recut.cuts.len() {
            recut.cuts.retain(|cut| matches!(cut, super::records::Cut::Fresh(_)));
        }
        recut
    }

    fn outcome(self) -> Outcome {
        match self.is_top {
            true => Outcome::Children(self.children),
            false if self.edits.is_empty() => Outcome::Unchanged,
            false => Outcome::Edits(self.edits),
        }
    }
}
