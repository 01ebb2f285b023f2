//! Gives vacant slots to disks below their target.

use crate::identity::GroupId;

use super::draft::Draft;
use super::mix;

/// The most disks that are compared for one slot; the neediest ones.
const CANDIDATES_MAX: usize = 64;

/// Fills every vacancy for which there is any disk, preferring, in this order: a disk below its target; another disk
/// whose slot elsewhere such a disk can take over; a disk at its target; a disk that breaks a cap.
pub(crate) fn fill(draft: &mut Draft<'_>) {
    for group in draft.groups() {
        for index in 0..draft.shards() {
            if draft.holder(group, index).is_none() {
                fill_slot(draft, group, index);
            }
        }
    }
}

fn fill_slot(draft: &mut Draft<'_>, group: GroupId, index: usize) {
    let fitting = |draft: &Draft<'_>, disks: Vec<usize>| {
        best(draft, group, index, disks.into_iter().filter(|&disk| draft.fits(group, index, disk)))
    };
    if let Some(disk) = fitting(draft, neediest(draft, CANDIDATES_MAX)) {
        return draft.set(group, index, Some(disk));
    }
    if let Some(disk) = fitting(draft, neediest(draft, usize::MAX)) {
        return draft.set(group, index, Some(disk));
    }
    if exchange(draft, group, index) {
        return;
    }
    let all = || (0..draft.disks()).filter(|&disk| draft.takes_slots(disk));
    let choice = fitting(draft, all().collect())
        .or_else(|| best(draft, group, index, all().filter(|&disk| draft.is_distinct(group, index, disk))));
    draft.set(group, index, choice);
}

/// Fills the vacancy with the holder of another slot, which a disk below its target takes over.
fn exchange(draft: &mut Draft<'_>, group: GroupId, index: usize) -> bool {
    let needy = neediest(draft, CANDIDATES_MAX);
    if needy.is_empty() {
        return false;
    }
    let found = rotated(draft, group, index).find_map(|(other, position)| {
        let holder = draft.holder(other, position)?;
        let usable = other != group && draft.is_movable(other, position) && draft.fits(group, index, holder);
        let heir = needy.iter().copied().filter(|_| usable).find(|&disk| draft.fits(other, position, disk))?;
        Some((other, position, holder, heir))
    });
    let Some((other, position, holder, heir)) = found else { return false };
    draft.set(other, position, Some(heir));
    draft.set(group, index, Some(holder));
    true
}

/// All slots in an order that differs from slot to slot; those that cost no copying first.
pub(crate) fn rotated(draft: &Draft<'_>, group: GroupId, index: usize) -> impl Iterator<Item = (GroupId, usize)> {
    let (shards, slots) = (draft.shards() as u64, (draft.group_count() * draft.shards()) as u64);
    let start = mix(group, index, 0) % slots;
    let all = move || {
        (start..slots).chain(0..start).map(move |slot| {
            let group = u32::try_from(slot / shards).expect("at most 65536 groups");
            (GroupId(group), usize::try_from(slot % shards).expect("a stripe has at most 256 shards"))
        })
    };
    let free = all().filter(|&(group, index)| draft.is_free(group, index));
    free.chain(all().filter(|&(group, index)| !draft.is_free(group, index)))
}

/// Disks below their target, at most `limit` of them: those that lack the largest part of it.
pub(crate) fn neediest(draft: &Draft<'_>, limit: usize) -> Vec<usize> {
    let mut disks: Vec<(f64, usize)> =
        (0..draft.disks()).filter(|&disk| 0 < draft.deficit(disk)).map(|disk| (draft.need(disk), disk)).collect();
    if limit < disks.len() {
        let order = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        // All but the first of a thousand disks need no order.
        disks.select_nth_unstable_by(limit, order);
        disks.truncate(limit);
        disks.sort_unstable_by(order);
    }
    disks.into_iter().map(|(_, disk)| disk).collect()
}

/// The disk with the highest score; the first of equals.
pub(crate) fn best(
    draft: &Draft<'_>,
    group: GroupId,
    index: usize,
    disks: impl Iterator<Item = usize>,
) -> Option<usize> {
    let scored = disks.map(|disk| (draft.score(group, index, disk), disk));
    scored.reduce(|best, next| if best.0 < next.0 { next } else { best }).map(|(_, disk)| disk)
}
