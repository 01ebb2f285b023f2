//! The planner: which slots change so that every disk holds its share.
//!
//! A plan is made in five steps, each a file or a function of this folder: [`Fleet`] sorts the disks and finds the
//! caps per node and rack; `targets` fills the disks with slots like water, by weight and under the caps; [`Draft`]
//! takes the table's slots over, without those of lost disks; `fill` gives the vacancies to disks below their target;
//! `balance` moves slots from disks above their target to disks below. The difference of draft and table is the plan.
//!
//! A group in which something is in flight keeps its other slots where they are, except for losses.

mod balance;
mod draft;
mod fill;
mod fleet;
mod survivability;
mod targets;

pub use survivability::Survivability;

use std::collections::BTreeSet;

use draft::Draft;
use fleet::Fleet;

use crate::fleet::DiskSpec;
use crate::identity::{DiskId, Epoch, GroupId};
use crate::table::{Move, Plan, Slot, Table};

/// Proposes the changes that bring `table` to the best placement on `disks`, moving as little as possible.
///
/// A pure function: equal arguments give equal plans, whatever the order of `disks`. Once the plan is applied, the
/// next one is empty. Disks that the table names and `disks` lacks count as lost. When a disk appears twice in
/// `disks`, the first entry counts.
pub fn plan(table: &Table, disks: &[DiskSpec]) -> Plan {
    plan_relief(table, disks, &BTreeSet::new())
}

/// As [`plan`], and finds other holders for the `wanted` slots of disks that are in doubt, wherever there is a disk that may
/// have them. Each is named by its group and its write target; `Moving` slots whose target is in doubt go back to their
/// source.
pub fn plan_relief(table: &Table, disks: &[DiskSpec], wanted: &BTreeSet<(GroupId, DiskId)>) -> Plan {
    let fleet = Fleet::new(disks, table.profile());
    let splits = table.splits_wanted(fleet.in_service());
    let mut split_table = table.clone();
    (0..splits).for_each(|_| split_table.double());

    let group_count = u32::try_from(table.groups().len()).expect("at most 65536 groups");
    let is_wanted = |group: GroupId, disk| wanted.contains(&(GroupId(group.0 % group_count), disk));
    let mut draft = Draft::new(&split_table, &fleet, is_wanted);
    let targets = targets::targets(&fleet, &draft);
    draft.set_targets(targets);
    fill::fill(&mut draft);
    draft.return_unrelieved();
    balance::balance(&mut draft);

    let mut moves = Vec::new();
    for (group, row) in split_table.groups() {
        for (index, &before) in row.slots.iter().enumerate() {
            let holder = draft.holder(group, index).map(|disk| fleet.disk(disk).id);
            let after = after(before, holder, table.version() == Epoch(0), &fleet);
            if after != before {
                let index = u8::try_from(index).expect("a stripe has at most 256 shards");
                moves.push(Move { group, index, before, after });
            }
        }
    }
    Plan { based_on: table.version(), splits, moves }
}

/// The state of a slot that was `before` and whose shards shall be on `holder`.
fn after(before: Slot, holder: Option<DiskId>, unused: bool, fleet: &Fleet) -> Slot {
    let Some(holder) = holder else { return Slot::Vacant };
    let lives = |disk| fleet.position(disk).is_some();
    match before {
        _ if unused => Slot::Stable(holder),
        Slot::Stable(disk) if disk == holder => before,
        Slot::Stable(from) if lives(from) => Slot::Moving { from, to: holder },
        Slot::Moving { from, to } if to == holder && lives(from) => before,
        Slot::Vacant | Slot::Stable(_) | Slot::Moving { .. } | Slot::Rebuilding(_) => Slot::Rebuilding(holder),
    }
}

/// Mixes three small numbers into a tie-breaking one (SplitMix64's finaliser; Steele et al., OOPSLA 2014).
fn mix(group: GroupId, index: usize, disk: usize) -> u64 {
    let mut mixed = u64::from(group.0) << 40 ^ (index as u64) << 32 ^ disk as u64;
    mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
