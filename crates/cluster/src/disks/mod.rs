//! This node's disks: which directory is which disk, who joins, who is missing.
//!
//! [`survey`] looks at the directories without touching them; the roster, a document in the metadata, says which
//! disks the node had; [`reconcile`] compares the two, and the [`DiskSet`] does what follows. The same steps serve the
//! start of the node and, later, the monitor.

mod admit;
mod marker;
mod reconcile;
mod roster;
mod set;
mod survey;

pub(crate) use admit::{format, meta_directory, open_known};
pub(crate) use marker::is_marked;
pub(crate) use reconcile::{Step, reconcile, refuse};
pub(crate) use roster::{Entry, Roster, RosterKeeper, roster_name};
pub(crate) use set::{DiskSet, OFFLINE};
pub(crate) use survey::{Found, Site, look, resolve, survey};
