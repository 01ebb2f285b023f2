//! Moves slots from disks above their target to disks below, and out of groups that break a cap.

use std::collections::BTreeSet;

use crate::identity::GroupId;

use super::draft::Draft;
use super::fill::{best, neediest, rotated};

/// The most receivers compared for one move.
const RECEIVERS_MAX: usize = 16;

/// The most disks on an alternating path.
const VISITED_MAX: usize = 32;

/// Shedding may open a way for mending and the other way round; more rounds than this were never seen to help.
const ROUNDS_MAX: usize = 4;

/// Brings every disk to its target, as far as caps and moves in flight allow, with one move a slot where possible.
pub(crate) fn balance(draft: &mut Draft<'_>) {
    for _ in 0..ROUNDS_MAX {
        let shed = shed(draft);
        let mended = mend(draft);
        let emptied = empty(draft);
        if !shed && !mended && !emptied {
            return;
        }
    }
}

/// Moves slots until nobody is above its target, or no move is left; true when anything moved.
fn shed(draft: &mut Draft<'_>) -> bool {
    let mut changed = false;
    loop {
        let mut givers: Vec<usize> = (0..draft.disks()).filter(|&disk| draft.deficit(disk) < 0).collect();
        givers.sort_by(|&a, &b| draft.need(a).total_cmp(&draft.need(b)).then(a.cmp(&b)));
        let moved = givers.iter().any(|&giver| relieve(draft, giver, &mut BTreeSet::from([giver])))
            || givers.iter().any(|&giver| give_through(draft, giver));
        if !moved {
            return changed;
        }
        changed = true;
    }
}

/// Gives what disks still hold that must be emptied to any that may have it, beyond its target if need be: a disk that never
/// gets empty is worse than one that holds a slot too many. True when anything moved.
fn empty(draft: &mut Draft<'_>) -> bool {
    let mut changed = false;
    for disk in (0..draft.disks()).filter(|&disk| draft.must_be_emptied(disk)).collect::<Vec<_>>() {
        for (group, index) in movable_slots(draft, disk).collect::<Vec<_>>() {
            let fitting = (0..draft.disks()).filter(|&other| draft.fits(group, index, other));
            if let Some(receiver) = best(draft, group, index, fitting) {
                draft.set(group, index, Some(receiver));
                changed = true;
            }
        }
    }
    changed
}

/// Takes one slot off `giver`: directly, or in place of a slot that an earlier step took off another disk, which then
/// gives another one. This is augmenting along an alternating path (Berge, 1957): it costs no further move.
fn relieve(draft: &mut Draft<'_>, giver: usize, visited: &mut BTreeSet<usize>) -> bool {
    if give_direct(draft, giver) {
        return true;
    }
    if VISITED_MAX <= visited.len() {
        return false;
    }
    let slots: Vec<(GroupId, usize)> = movable_slots(draft, giver).collect();
    for (group, index) in slots {
        for other in 0..draft.shards() {
            let Some((former, receiver)) = draft.taken(group, other) else { continue };
            if index == other || visited.contains(&former) {
                continue;
            }
            draft.set(group, index, None);
            draft.set(group, other, Some(former));
            if draft.is_within_caps(group, other, former) && draft.fits(group, index, receiver) {
                draft.set(group, index, Some(receiver));
                visited.insert(former);
                if relieve(draft, former, visited) {
                    return true;
                }
            }
            draft.set(group, index, None);
            draft.set(group, other, Some(receiver));
            draft.set(group, index, Some(giver));
        }
    }
    false
}

/// Moves the best of `giver`'s slots to a disk below its target.
fn give_direct(draft: &mut Draft<'_>, giver: usize) -> bool {
    let receivers = neediest(draft, RECEIVERS_MAX);
    let mut best: Option<(f64, GroupId, usize, usize)> = None;
    for (group, index) in movable_slots(draft, giver) {
        for &receiver in receivers.iter().filter(|&&receiver| draft.fits(group, index, receiver)) {
            let score = draft.score(group, index, receiver);
            if best.is_none_or(|(highest, ..)| highest < score) {
                best = Some((score, group, index, receiver));
            }
        }
    }
    let Some((_, group, index, receiver)) = best else { return false };
    draft.set(group, index, Some(receiver));
    true
}

/// Moves one of `giver`'s slots to a disk that passes one of its own on to a disk below its target.
fn give_through(draft: &mut Draft<'_>, giver: usize) -> bool {
    let slots: Vec<(GroupId, usize)> = movable_slots(draft, giver).collect();
    let Some(&(group, index)) = slots.first() else { return false };
    let found = neediest(draft, RECEIVERS_MAX).into_iter().find_map(|receiver| {
        rotated(draft, group, index).find_map(|(other, position)| {
            let between = draft.holder(other, position).filter(|&between| between != giver)?;
            if !draft.is_movable(other, position) || !draft.fits(other, position, receiver) {
                return None;
            }
            let mut elsewhere = slots.iter().filter(|(group, _)| *group != other);
            let &(group, index) = elsewhere.find(|&&(group, index)| draft.fits(group, index, between))?;
            Some([(other, position, receiver), (group, index, between)])
        })
    });
    let Some(steps) = found else { return false };
    for (group, index, disk) in steps {
        draft.set(group, index, Some(disk));
    }
    true
}

/// Exchanges holders of slots until no group breaks a cap, or no exchange is left; true when anything moved.
fn mend(draft: &mut Draft<'_>) -> bool {
    let mut changed = false;
    for group in draft.groups() {
        for index in 0..draft.shards() {
            if draft.breaks_cap(group, index) && draft.is_movable(group, index) {
                changed |= swap_out(draft, group, index);
            }
        }
    }
    changed
}

fn swap_out(draft: &mut Draft<'_>, group: GroupId, index: usize) -> bool {
    let Some(crowded) = draft.holder(group, index) else { return false };
    let found = rotated(draft, group, index).find_map(|(other, position)| {
        let relief = draft.holder(other, position)?;
        let usable = relief != crowded
            && other != group
            && draft.is_movable(other, position)
            && draft.fits(group, index, relief)
            && draft.fits(other, position, crowded);
        usable.then_some((other, position, relief))
    });
    let Some((other, position, relief)) = found else { return false };
    draft.set(group, index, Some(relief));
    draft.set(other, position, Some(crowded));
    true
}

/// The slots of `disk` whose holder may change.
fn movable_slots(draft: &Draft<'_>, disk: usize) -> impl Iterator<Item = (GroupId, usize)> {
    let slots = draft.held(disk).iter().filter_map(move |&group| Some((group, draft.index_of(group, disk)?)));
    slots.filter(|&(group, index)| draft.is_movable(group, index))
}
