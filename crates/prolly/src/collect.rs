//! Finding what is live, and moving it out of sparse packs.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::location::PackId;
use crate::root::RootRef;
use crate::store::{PageSink, PageStore};

/// What is reachable from a set of roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// By pack; a pack that is not listed holds nothing live.
    pub packs: BTreeMap<PackId, LivePack>,
}

/// What is reachable in one pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LivePack {
    /// Pages and blobs.
    pub frames: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// Counts what `roots` reach. Reads inner pages, and of the leaves only those with spilled values.
///
/// # Errors
///
/// What the page store reports.
pub fn mark(pages: &dyn PageStore, roots: &[RootRef]) -> Result<Live> {
    todo!()
}

/// Copies everything that `roots` reach in `victims` into `sink`, in key order, with the pages above that name it.
/// Returns the roots with their new locations; hashes do not change. The victims may be removed once the new roots
/// are durable and no reader of an older root is left.
///
/// # Errors
///
/// What store and sink report.
pub fn collect(
    pages: &dyn PageStore,
    roots: &[RootRef],
    victims: &BTreeSet<PackId>,
    sink: &mut dyn PageSink,
) -> Result<Vec<RootRef>> {
    todo!()
}
