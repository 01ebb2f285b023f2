//! Three-way merge.

use bytes::Bytes;

use crate::error::Result;
use crate::store::{PageSink, Written};
use crate::tree::Tree;

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
/// With a symmetric `resolve` the result does not depend on which side is ours.
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
    todo!()
}
