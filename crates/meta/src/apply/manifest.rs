//! Manifests: which ones a commit may name, and what follows from naming or dropping a segment.
//!
//! Three things hold of every segment that an object, a part or the retire list names: the index by write points to
//! it, every stripe of it that misses shards has an entry in the repair index (I7; retired segments have none), and
//! its write is not pinned.

use std::collections::BTreeSet;

use env::{Bug, Moment};

use super::draft::{Decision, Draft};
use crate::error::Result;
use crate::keys;
use crate::outcome::{InvalidManifest, Refusal};
use crate::record::{
    FenceRecord, Hlc, IntentEpoch, PinnedWrite, RepairRecord, RetiredId, RetiredRecord, Segment, StripeException,
    UnknownFields, WriteId, WriteOwner,
};
use crate::view::TreeId;

/// Refuses a write whose shards may have been collected already (`distributed.md` §2.3).
pub(super) fn check_intent_epoch(draft: &Draft<'_>, write_id: WriteId, epoch: IntentEpoch) -> Decision<()> {
    let minimum = draft.state.intent_epoch_min;
    let passed = epoch < minimum && !Bug::IntentEpochIgnored.is_planted();
    if passed && draft.read::<PinnedWrite>(TreeId::Internal, &keys::pinned(write_id))?.is_none() {
        Moment::PassedEpochRefused.note();
        return Err(Refusal::IntentEpochPassed { minimum }.into());
    }
    Ok(())
}

/// Refuses a segment that contradicts itself, that a group does not accept, or that is not durable enough.
pub(super) fn check_segment(draft: &Draft<'_>, segment: &Segment) -> Decision<()> {
    check_shape(segment).map_err(Refusal::InvalidManifest)?;
    let quorum = segment.write_quorum();
    for (&stripe, exception) in &segment.exceptions {
        if segment.shard_count() - exception.missing.len() < quorum {
            return Err(Refusal::TooFewShards { stripe }.into());
        }
    }
    let written_at: BTreeSet<_> = segment.slots.iter().map(|slot| (slot.group, slot.epoch)).collect();
    for (group, epoch) in written_at {
        let fence: Option<FenceRecord> = draft.read(TreeId::Internal, &keys::fence(group))?;
        let accepted = fence.is_some_and(|fence| fence.accepted_from <= epoch && epoch <= fence.epoch);
        if !accepted {
            Moment::StaleGroupRefused.note();
            return Err(Refusal::StaleGroup { group, epoch }.into());
        }
    }
    if draft.read::<WriteOwner>(TreeId::Internal, &keys::owner(segment.write_id))?.is_some() {
        return Err(Refusal::WriteIdUsed.into());
    }
    Ok(())
}

fn check_shape(segment: &Segment) -> std::result::Result<(), InvalidManifest> {
    let possible = segment.code_id == 0
        && 1 <= segment.data
        && segment.shard_count() <= 256
        && 1 <= segment.shard_size
        && u32::try_from(segment.slots.len()).is_ok();
    if !possible {
        return Err(InvalidManifest::Geometry);
    }
    if segment.size.div_ceil(segment.stripe_size()) != u64::from(segment.stripe_count()) {
        return Err(InvalidManifest::StripeCount);
    }
    let valid = segment.exceptions.iter().all(|(&stripe, exception)| {
        let mut indices = exception.missing.iter().chain(exception.overrides.keys());
        stripe < segment.stripe_count()
            && !(exception.missing.is_empty() && exception.overrides.is_empty())
            && indices.all(|&index| usize::from(index) < segment.shard_count())
            && !exception.missing.iter().any(|index| exception.overrides.contains_key(index))
    });
    if valid { Ok(()) } else { Err(InvalidManifest::Exception) }
}

/// The segment as it is committed at `now`: stripes that miss shards have done so since then.
pub(super) fn stamped(segment: &Segment, now: Hlc) -> Segment {
    let mut segment = segment.clone();
    for exception in segment.exceptions.values_mut() {
        exception.since = if exception.missing.is_empty() { Hlc::ZERO } else { now };
    }
    segment
}

/// Records that the record under `key` of `tree` names this new, checked and stamped segment.
pub(super) fn adopt(draft: &mut Draft<'_>, segment: &Segment, tree: TreeId, key: &[u8]) -> Result<()> {
    set_owner(draft, segment.write_id, tree, key);
    for (&stripe, exception) in &segment.exceptions {
        add_repair(draft, segment, stripe, exception);
    }
    let pinned = keys::pinned(segment.write_id);
    if draft.read::<PinnedWrite>(TreeId::Internal, &pinned)?.is_some() {
        draft.remove(TreeId::Internal, pinned);
    }
    Ok(())
}

/// Records which record names the write from now on.
pub(super) fn set_owner(draft: &mut Draft<'_>, write_id: WriteId, tree: TreeId, key: &[u8]) {
    let owner = WriteOwner { tree, key: key.to_vec().into(), unknown: UnknownFields::default() };
    draft.put(TreeId::Internal, keys::owner(write_id), &owner);
}

/// Moves a segment that nothing names any more to the retire list.
pub(super) fn retire(draft: &mut Draft<'_>, segment: &Segment) {
    for (&stripe, exception) in &segment.exceptions {
        remove_repair(draft, segment, stripe, exception);
    }
    let key = keys::retired(RetiredId { index: draft.index(), write_id: segment.write_id });
    set_owner(draft, segment.write_id, TreeId::Internal, &key);
    let record = RetiredRecord { segment: segment.clone(), unknown: UnknownFields::default() };
    draft.put(TreeId::Internal, key, &record);
}

/// Enters a stripe in the repair index, if it misses any shard.
pub(super) fn add_repair(draft: &mut Draft<'_>, segment: &Segment, stripe: u32, exception: &StripeException) {
    if !exception.missing.is_empty() {
        let record = RepairRecord { missing: exception.missing.clone(), unknown: UnknownFields::default() };
        draft.put(TreeId::Internal, repair_key(segment, stripe, exception), &record);
    }
}

/// Takes a stripe out of the repair index, if it is there.
pub(super) fn remove_repair(draft: &mut Draft<'_>, segment: &Segment, stripe: u32, exception: &StripeException) {
    if !exception.missing.is_empty() {
        draft.remove(TreeId::Internal, repair_key(segment, stripe, exception));
    }
}

/// Where the repair index holds a stripe: a function of the manifest, so that no second index is needed.
pub(super) fn repair_key(segment: &Segment, stripe: u32, exception: &StripeException) -> Vec<u8> {
    let missing_count = i16::try_from(exception.missing.len()).expect("indices of shards are below 256");
    let spare_shards = i16::from(segment.parity) - missing_count;
    keys::repair(spare_shards, exception.since, segment.write_id, stripe)
}
