//! What repair, collection and placement ask.

use std::collections::BTreeSet;

use placement::GroupId;

use super::scan;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{
    Body, DocumentRecord, FenceRecord, GroupFence, Hlc, IntentEpoch, ObjectRecord, PartRecord, PinnedWrite,
    RepairRecord, RetiredId, RetiredRecord, Segment, StateRecord, WriteId, WriteOwner,
};
use crate::view::{BucketId, TreeId, View, decode, read};

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
    read(view, TreeId::Internal, &keys::document(name))
}

/// At most `limit` documents whose names start with `prefix` and come after `after`, by name.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn documents(
    view: &dyn View,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, DocumentRecord)>> {
    let start = after.map(|after| keys::just_above(keys::document(after)));
    let start = start.filter(|start| keys::document(prefix) < *start);
    scan(view, TreeId::Internal, &keys::document(prefix), start, limit, |key, value| {
        let name = keys::parse_document(key).ok_or(Error::Inconsistent("malformed key of a document"))?;
        Ok((name, decode(TreeId::Internal, key, value)?))
    })
}

/// The placement table as last set.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn placement_table(view: &dyn View) -> Result<Option<DocumentRecord>> {
    read(view, TreeId::Internal, &keys::table())
}

/// Which epochs of a group may commit.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn group_fence(view: &dyn View, group: GroupId) -> Result<Option<GroupFence>> {
    let fence: Option<FenceRecord> = read(view, TreeId::Internal, &keys::fence(group))?;
    Ok(fence.map(|FenceRecord { epoch, accepted_from, .. }| GroupFence { group, epoch, accepted_from }))
}

/// The epoch that new writes carry, and the oldest that may still commit (E_min).
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn intent_epochs(view: &dyn View) -> Result<(IntentEpoch, IntentEpoch)> {
    let state: StateRecord = read(view, TreeId::Internal, &keys::state())?.unwrap_or_default();
    Ok((state.intent_epoch, state.intent_epoch_min))
}

/// Whether any object, annotation, part or retired segment names this write: one lookup.
///
/// A shard with (write, epoch E) is an orphan exactly when, in one view, E is below the minimum of [`intent_epochs`],
/// [`pinned_write`] is `None` and this is false (`distributed.md` §2.3).
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn is_referenced(view: &dyn View, write_id: WriteId) -> Result<bool> {
    Ok(view.get(TreeId::Internal, &keys::owner(write_id))?.is_some())
}

/// Where the manifest that names this write is.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn owner_of(view: &dyn View, write_id: WriteId) -> Result<Option<WriteOwner>> {
    read(view, TreeId::Internal, &keys::owner(write_id))
}

/// The object that names this write, whichever version of its key it is, or whose annotation does: its bucket and key;
/// `None` for a part, a retired segment or nothing at all.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn object_of(view: &dyn View, write_id: WriteId) -> Result<Option<(BucketId, String)>> {
    let owner = owner_of(view, write_id)?;
    Ok(owner.and_then(|owner| match owner.tree {
        TreeId::Objects(bucket) => {
            let noncurrent = || keys::parse_version(&owner.key).map(|(key, _)| key);
            let annotated = || keys::parse_annotation(&owner.key).map(|(key, _, _)| key);
            let key = keys::parse_object(&owner.key).or_else(noncurrent).or_else(annotated);
            key.map(|key| (bucket, key))
        }
        _ => None,
    }))
}

/// The manifest of this write, wherever it is.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn segment_of(view: &dyn View, write_id: WriteId) -> Result<Option<Segment>> {
    match owner_of(view, write_id)? {
        Some(owner) => find_segment(read_segments(view, &owner)?, write_id).map(Some),
        None => Ok(None),
    }
}

/// At most `limit` manifests of writes above `after`, in order of write: the complete walk that a census, `fsck` or the
/// repair of a whole disk makes, resumable by its last write. Retired segments are left out: their shards may be deleted
/// at any time, so nothing follows from a missing one.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn segments(view: &dyn View, after: Option<WriteId>, limit: usize) -> Result<Vec<Segment>> {
    let prefix = keys::owners();
    let start = after.map(|after| keys::just_above(keys::owner(after)));
    let mut cursor = view.cursor(TreeId::Internal)?;
    cursor.seek(start.as_deref().unwrap_or(&prefix))?;
    let mut found = Vec::new();
    // Parts of one object have neighbouring write ids: reading their object once is enough.
    let mut recent: Option<(WriteOwner, Vec<Segment>)> = None;
    while found.len() < limit
        && let Some((key, value)) = cursor.next()?.filter(|(key, _)| key.starts_with(&prefix))
    {
        let write_id = keys::parse_owner(&key).ok_or(Error::Inconsistent("malformed key of the index by write"))?;
        let owner: WriteOwner = decode(TreeId::Internal, &key, &value)?;
        if owner.is_retired() {
            continue;
        }
        let segments = match recent.take() {
            Some((same, segments)) if same == owner => segments,
            _ => read_segments(view, &owner)?,
        };
        found.push(find_segment(segments.iter().cloned(), write_id)?);
        recent = Some((owner, segments));
    }
    Ok(found)
}

/// Whether and how a write is pinned.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn pinned_write(view: &dyn View, write_id: WriteId) -> Result<Option<PinnedWrite>> {
    read(view, TreeId::Internal, &keys::pinned(write_id))
}

/// At most `limit` pinned writes above `after`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn pinned_writes(view: &dyn View, after: Option<WriteId>, limit: usize) -> Result<Vec<(WriteId, PinnedWrite)>> {
    let start = after.map(|after| keys::just_above(keys::pinned(after)));
    scan(view, TreeId::Internal, &keys::pinned_writes(), start, limit, |key, value| {
        let write_id = keys::parse_pinned(key).ok_or(Error::Inconsistent("malformed key of a pinned write"))?;
        Ok((write_id, decode(TreeId::Internal, key, value)?))
    })
}

/// At most `limit` stripes that wait for repair: fewest spare shards first, then the longest waiting. `after` skips an
/// entry and all before it.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn repair_queue(view: &dyn View, after: Option<&RepairEntry>, limit: usize) -> Result<Vec<RepairEntry>> {
    let start = after
        .map(|entry| keys::just_above(keys::repair(entry.spare_shards, entry.since, entry.write_id, entry.stripe)));
    scan(view, TreeId::Internal, &keys::repairs(), start, limit, |key, value| {
        let (spare_shards, since, write_id, stripe) =
            keys::parse_repair(key).ok_or(Error::Inconsistent("malformed key of the repair index"))?;
        let RepairRecord { missing, .. } = decode(TreeId::Internal, key, value)?;
        Ok(RepairEntry { spare_shards, since, write_id, stripe, missing })
    })
}

/// At most `limit` segments that were retired at or before log index `up_to`, oldest first. Their shards may be deleted
/// once no reader holds a view older than `up_to`; then propose [`crate::command::FreeRetired`].
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn retired_segments(view: &dyn View, up_to: u64, limit: usize) -> Result<Vec<(RetiredId, Segment)>> {
    let tree_prefix = keys::retired_segments();
    let mut cursor = view.cursor(TreeId::Internal)?;
    cursor.seek(&tree_prefix)?;
    let mut retired = Vec::new();
    while retired.len() < limit
        && let Some((key, value)) = cursor.next()?.filter(|(key, _)| key.starts_with(&tree_prefix))
    {
        let id = keys::parse_retired(&key).ok_or(Error::Inconsistent("malformed key of the retire list"))?;
        if up_to < id.index {
            break;
        }
        let RetiredRecord { segment, .. } = decode(TreeId::Internal, &key, &value)?;
        retired.push((id, segment));
    }
    Ok(retired)
}

/// The segments of the object, part or retire entry that owns a write.
fn read_segments(view: &dyn View, owner: &WriteOwner) -> Result<Vec<Segment>> {
    let segments = match owner.tree {
        TreeId::Objects(_) => read(view, owner.tree, &owner.key)?.map(|object: ObjectRecord| match object.body {
            Body::Striped(segments) => segments,
            Body::Inline(_) | Body::Apart => Vec::new(),
        }),
        TreeId::Uploads(_) => read(view, owner.tree, &owner.key)?.map(|part: PartRecord| vec![part.segment]),
        TreeId::Internal => read(view, owner.tree, &owner.key)?.map(|retired: RetiredRecord| vec![retired.segment]),
        TreeId::Catalog => None,
    };
    segments.ok_or(Error::Inconsistent("the owner of a write does not exist"))
}

fn find_segment(segments: impl IntoIterator<Item = Segment>, write_id: WriteId) -> Result<Segment> {
    let mut segments = segments.into_iter();
    let found = segments.find(|segment| segment.write_id == write_id);
    found.ok_or(Error::Inconsistent("the owner of a write does not name it"))
}
