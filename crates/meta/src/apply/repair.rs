//! Keeping manifests and repair index in step with what the disks have.

use std::collections::BTreeMap;

use super::draft::{Decision, Draft};
use super::manifest::{add_repair, remove_repair, repair_key};
use crate::command::{RepairDone, RepairedStripe, ReportMissing};
use crate::error::Error;
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::record::{Body, Hlc, ObjectRecord, PartRecord, Segment, StripeException, WriteId, WriteOwner};
use crate::view::TreeId;

/// A record that names a segment.
#[expect(clippy::large_enum_variant, reason = "one is held at once")]
enum Holder {
    /// Of an annotation, too.
    Object(ObjectRecord),
    Part(PartRecord),
}

impl Holder {
    fn segment_mut(&mut self, write_id: WriteId) -> Option<&mut Segment> {
        match self {
            Self::Object(ObjectRecord { body: Body::Striped(segments), .. }) => {
                segments.iter_mut().find(|segment| segment.write_id == write_id)
            }
            Self::Object(_) => None,
            Self::Part(part) => Some(&mut part.segment).filter(|segment| segment.write_id == write_id),
        }
    }
}

pub(super) fn report_missing(draft: &mut Draft<'_>, command: &ReportMissing) -> Decision<Reply> {
    change_exceptions(draft, command.write_id, &command.stripes, |exception, missing| {
        exception.missing.extend(missing);
        exception.overrides.retain(|index, _| !missing.contains(index));
    })
}

pub(super) fn repair_done(draft: &mut Draft<'_>, command: &RepairDone) -> Decision<Reply> {
    change_exceptions(draft, command.write_id, &command.stripes, |exception, repaired| {
        for index in &repaired.at_slot {
            exception.missing.remove(index);
            exception.overrides.remove(index);
        }
        for (&index, &disk) in &repaired.elsewhere {
            exception.missing.remove(&index);
            exception.overrides.insert(index, disk);
        }
    })
}

/// Which shards a change of a stripe concerns.
trait Shards {
    fn all_below(&self, count: usize) -> bool;
}

impl Shards for std::collections::BTreeSet<u8> {
    fn all_below(&self, count: usize) -> bool {
        self.last().is_none_or(|&last| usize::from(last) < count)
    }
}

impl Shards for RepairedStripe {
    fn all_below(&self, count: usize) -> bool {
        let elsewhere = self.elsewhere.last_key_value().is_none_or(|(&last, _)| usize::from(last) < count);
        self.at_slot.all_below(count) && elsewhere
    }
}

/// Changes the exceptions of some stripes of a write, and the repair index with them.
fn change_exceptions<S: Shards>(
    draft: &mut Draft<'_>,
    write_id: WriteId,
    stripes: &BTreeMap<u32, S>,
    change: impl Fn(&mut StripeException, &S),
) -> Decision<Reply> {
    let owner: Option<WriteOwner> = draft.read(TreeId::Internal, &keys::owner(write_id))?;
    let owner = owner.ok_or(Refusal::NoSuchWrite)?;
    let mut holder = read_holder(draft, &owner)?;
    let segment = holder.segment_mut(write_id).ok_or(Error::Inconsistent("the owner of a write does not name it"))?;
    let mut changed = false;
    for (&stripe, shards) in stripes {
        if segment.stripe_count() <= stripe || !shards.all_below(segment.shard_count()) {
            return Err(Refusal::NoSuchShard { stripe }.into());
        }
        let before = segment.exceptions.get(&stripe).cloned().unwrap_or_default();
        let mut after = before.clone();
        change(&mut after, shards);
        after.since = match (before.missing.is_empty(), after.missing.is_empty()) {
            (_, true) => Hlc::ZERO,
            (true, false) => draft.now(),
            (false, false) => before.since,
        };
        if after != before {
            changed = true;
            replace_exception(draft, segment, stripe, &before, after);
        }
    }
    if changed {
        let key = owner.key.to_vec();
        match &holder {
            Holder::Object(object) => draft.put(owner.tree, key, object),
            Holder::Part(part) => draft.put(owner.tree, key, part),
        }
    }
    Ok(Reply::Done)
}

fn read_holder(draft: &Draft<'_>, owner: &WriteOwner) -> Decision<Holder> {
    let holder = match owner.tree {
        TreeId::Objects(_) => draft.read(owner.tree, &owner.key)?.map(Holder::Object),
        TreeId::Uploads(_) => draft.read(owner.tree, &owner.key)?.map(Holder::Part),
        // Retired: its shards are about to be deleted, so nothing is worth repairing.
        TreeId::Internal => return Err(Refusal::NoSuchWrite.into()),
        TreeId::Catalog => None,
    };
    Ok(holder.ok_or(Error::Inconsistent("the owner of a write does not exist"))?)
}

fn replace_exception(
    draft: &mut Draft<'_>,
    segment: &mut Segment,
    stripe: u32,
    before: &StripeException,
    after: StripeException,
) {
    let same_place = repair_key(segment, stripe, before) == repair_key(segment, stripe, &after);
    if !same_place {
        remove_repair(draft, segment, stripe, before);
    }
    add_repair(draft, segment, stripe, &after);
    let without_effect = after.missing.is_empty() && after.overrides.is_empty();
    if without_effect {
        segment.exceptions.remove(&stripe);
    } else {
        segment.exceptions.insert(stripe, after);
    }
}
