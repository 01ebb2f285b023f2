//! What repair, collection and placement ask.

use std::collections::BTreeSet;

use crate::placed::GroupId;

use crate::error::Result;
use crate::record::{
    DocumentRecord, GroupFence, Hlc, IntentEpoch, PinnedWrite, RetiredId, Segment, WriteId, WriteOwner,
};
use crate::view::View;

/// A stripe that waits for repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairEntry {
    /// Shards that it can still lose; 0 is urgent, negative is unreadable.
    pub spare_shards: i16,
    /// When the first absent shard was reported.
    pub since: Hlc,
    /// The write.
    pub write_id: WriteId,
    /// Stripe number.
    pub stripe: u32,
    /// Indices of the absent shards.
    pub missing: BTreeSet<u8>,
}

/// A document.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn document(view: &dyn View, name: &str) -> Result<Option<DocumentRecord>> {
    let _ = (view, name);
    unimplemented!()
}

/// The placement table as last set.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn placement_table(view: &dyn View) -> Result<Option<DocumentRecord>> {
    let _ = view;
    unimplemented!()
}

/// Which epochs of a group may commit.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn group_fence(view: &dyn View, group: GroupId) -> Result<Option<GroupFence>> {
    let _ = (view, group);
    unimplemented!()
}

/// The epoch that new writes carry, and the oldest that may still commit (E_min).
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn intent_epochs(view: &dyn View) -> Result<(IntentEpoch, IntentEpoch)> {
    let _ = view;
    unimplemented!()
}

/// Whether any object, part or retired segment names this write: one lookup.
///
/// A shard with (write, epoch E) is an orphan exactly when, in one view, E is below the minimum of [`intent_epochs`],
/// [`pinned_write`] is `None` and this is false (`distributed.md` §2.3).
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn is_referenced(view: &dyn View, write_id: WriteId) -> Result<bool> {
    let _ = (view, write_id);
    unimplemented!()
}

/// Where the manifest that names this write is.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn owner_of(view: &dyn View, write_id: WriteId) -> Result<Option<WriteOwner>> {
    let _ = (view, write_id);
    unimplemented!()
}

/// The manifest of this write, wherever it is.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn segment_of(view: &dyn View, write_id: WriteId) -> Result<Option<Segment>> {
    let _ = (view, write_id);
    unimplemented!()
}

/// At most `limit` manifests of writes above `after`, in order of write: the complete walk that a census, `fsck` or the
/// repair of a whole disk makes, resumable by its last write. Retired segments are included.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn segments(view: &dyn View, after: Option<WriteId>, limit: usize) -> Result<Vec<Segment>> {
    let _ = (view, after, limit);
    unimplemented!()
}

/// Whether and how a write is pinned.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn pinned_write(view: &dyn View, write_id: WriteId) -> Result<Option<PinnedWrite>> {
    let _ = (view, write_id);
    unimplemented!()
}

/// At most `limit` pinned writes above `after`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn pinned_writes(view: &dyn View, after: Option<WriteId>, limit: usize) -> Result<Vec<(WriteId, PinnedWrite)>> {
    let _ = (view, after, limit);
    unimplemented!()
}

/// At most `limit` stripes that wait for repair: fewest spare shards first, then the longest waiting. `after` skips an
/// entry and all before it.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn repair_queue(view: &dyn View, after: Option<&RepairEntry>, limit: usize) -> Result<Vec<RepairEntry>> {
    let _ = (view, after, limit);
    unimplemented!()
}

/// At most `limit` segments that were retired at or before log index `up_to`, oldest first. Their shards may be deleted
/// once no reader holds a view older than `up_to`; then propose [`crate::command::FreeRetired`].
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn retired_segments(view: &dyn View, up_to: u64, limit: usize) -> Result<Vec<(RetiredId, Segment)>> {
    let _ = (view, up_to, limit);
    unimplemented!()
}
