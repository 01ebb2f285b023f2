//! Three-way merge.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::diff::{Change, Diff};
use crate::error::Result;
use crate::store::{PageSink, Written};
use crate::tree::{Edit, Tree};

/// A key that both sides changed, differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: Bytes,
    /// Its value in the common ancestor.
    pub base: Option<Bytes>,
    /// Its value on our side.
    pub ours: Option<Bytes>,
    /// Its value on their side.
    pub theirs: Option<Bytes>,
}

/// Our tree with the changes from `base` to `theirs`. `resolve` gives the value of each key that both sides changed.
/// With a symmetric `resolve` the result does not depend on which side is ours. Holds their changes in memory.
///
/// # Errors
///
/// [`ParamsDiffer`](crate::Error::ParamsDiffer), and what store and sink report.
pub fn merge(
    base: &Tree,
    ours: &Tree,
    theirs: &Tree,
    resolve: &mut dyn FnMut(&Conflict) -> Option<Bytes>,
    sink: &mut dyn PageSink,
) -> Result<(Tree, Written)> {
    let mut our_changes = Ahead::new(base.diff(ours)?)?;
    let mut edits = Vec::new();
    for their_change in base.diff(theirs)? {
        let Change { key, before, after } = their_change?;
        let edit = match our_changes.find(&key)? {
            None => after,
            Some(our_change) if our_change.after == after => continue,
            Some(our_change) => {
                let conflict = Conflict { key: key.clone(), base: before, ours: our_change.after, theirs: after };
                resolve(&conflict)
            }
        };
        edits.push((key, edit));
    }
    let edits: Vec<_> = edits.iter().map(|(key, value)| Edit { key, value: value.as_deref() }).collect();
    ours.apply(&edits, sink)
}

/// A diff with its next change at hand.
struct Ahead {
    diff: Diff,
    next: Option<Change>,
}

impl Ahead {
    fn new(mut diff: Diff) -> Result<Self> {
        let next = diff.next().transpose()?;
        Ok(Ahead { diff, next })
    }

    /// The change of `key`, if there is one. Keys are asked for in ascending order.
    fn find(&mut self, key: &[u8]) -> Result<Option<Change>> {
        while let Some(change) = self.next.take() {
            match change.key[..].cmp(key) {
                Ordering::Greater => {
                    self.next = Some(change);
                    return Ok(None);
                }
                order => {
                    self.next = self.diff.next().transpose()?;
                    if order == Ordering::Equal {
                        return Ok(Some(change));
                    }
                }
            }
        }
        Ok(None)
    }
}
