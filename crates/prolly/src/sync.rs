//! Catching up with a tree that is elsewhere: the walk of a diff, in steps that can be cut off at any point.

use crate::error::Result;
use crate::store::{PageSink, Written};
use crate::tree::{Edit, Tree};

/// One step of catching up.
pub struct Pulled {
    /// The local tree with the changes taken so far; equal to the remote one when `is_done`.
    pub tree: Tree,
    /// Whether nothing is left to take.
    pub is_done: bool,
    /// What the step wrote.
    pub written: Written,
}

/// Moves `local` towards `remote` by the first `changes_max` changes, in key order. Call it again on the result, once
/// the sink is sealed, until it is done; whatever was taken need not be taken again, whatever happens in between.
///
/// `remote` reads through a page store that fetches from its owner and accepts only pages that
/// [`verify`](crate::Page::verify). Subtrees that both trees have are not fetched.
///
/// # Errors
///
/// [`ParamsDiffer`](crate::Error::ParamsDiffer), and what stores and sink report.
pub fn pull(local: &Tree, remote: &Tree, changes_max: usize, sink: &mut dyn PageSink) -> Result<Pulled> {
    let mut diff = local.diff(remote)?;
    let changes = diff.by_ref().take(changes_max).collect::<Result<Vec<_>>>()?;
    let edits: Vec<_> =
        changes.iter().map(|change| Edit { key: &change.key, value: change.after.as_deref() }).collect();
    let (tree, written) = local.apply(&edits, sink)?;
    let is_done = tree.root().hash == remote.root().hash;
    Ok(Pulled { tree, is_done, written })
}
