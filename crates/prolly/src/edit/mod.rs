//! Making new pages: building a tree, folding edits into one, splitting and joining.
//!
//! All of it works level by level from the leaves up. A level is recut in *runs*: consecutive natural chunks with the
//! edits merged in, extended to either side until the outermost boundaries stand. What changed in the pages of a level
//! is the list of edits for the next.

mod apply;
mod build;
mod level;
mod output;
mod records;
mod run;
mod splice;

pub(crate) use apply::apply;
pub(crate) use build::build;
pub(crate) use splice::{join, split};
