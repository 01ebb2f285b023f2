//! Which groups cannot wait until a silent disk is given up: those that can lose little more.
//!
//! A group without a spare shard is rebuilt after a thirtieth of the time after which a disk is given up, one with a single
//! spare after a third of it (with the default: 30 seconds and 5 minutes instead of 15; `distributed.md` §4 has the first at
//! once, but a process that restarts is no loss). A group that has lost more than it can bear waits for its disks: nothing
//! can be computed without them. A disk that was told to leave is not waited for longer than the shortest of these times: its
//! operator does not expect it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use placement::{DiskId, Group, GroupId, Slot, Table};

/// What a silence has to last, as a part of the time after which a disk is given up, by the group's spare shards.
const SHARES: [u32; 2] = [30, 3];

/// The slots, by group and write target, that others shall take over before their disks are given up.
///
/// `silent` says for how long each disk that does not answer has not; `is_there` which disks are members, `leaves` which of
/// them were told to leave.
pub(crate) fn relief_wanted(
    table: &Table,
    silent: &BTreeMap<DiskId, Duration>,
    is_there: impl Fn(DiskId) -> bool,
    leaves: impl Fn(DiskId) -> bool,
    absence_max: Duration,
) -> BTreeSet<(GroupId, DiskId)> {
    let mut wanted = BTreeSet::new();
    if silent.is_empty() {
        return wanted;
    }
    let answers = |disk: DiskId| is_there(disk) && !silent.contains_key(&disk);
    let data = usize::from(table.profile().data());
    for (group, row) in table.groups() {
        let Some(spare) = readable(row, answers).checked_sub(data) else { continue };
        let share_of = |disk| if leaves(disk) { SHARES.first() } else { SHARES.get(spare) };
        let is_overdue = |disk: &DiskId| {
            let patience = share_of(*disk).map(|share| absence_max / *share);
            patience.zip(silent.get(disk)).is_some_and(|(patience, silence)| patience <= *silence)
        };
        let overdue = row.slots.iter().filter_map(|slot| slot.write_target()).filter(is_overdue);
        wanted.extend(overdue.map(|disk| (group, disk)));
    }
    wanted
}

/// Shards that every stripe of a group has on disks that answer.
fn readable(row: &Group, answers: impl Fn(DiskId) -> bool) -> usize {
    let is_readable = |slot: &&Slot| match **slot {
        Slot::Stable(disk) => answers(disk),
        Slot::Moving { from, to } => answers(from) && answers(to),
        Slot::Rebuilding(_) | Slot::Vacant => false,
    };
    row.slots.iter().filter(is_readable).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::placed_table;

    const MAX: Duration = Duration::from_secs(900);
    const LEAVER: u128 = 5;

    fn wanted(table: &Table, silent: &[(u128, u64)]) -> usize {
        let silent = silent.iter().map(|(disk, seconds)| (DiskId(*disk), Duration::from_secs(*seconds))).collect();
        relief_wanted(table, &silent, |_| true, |disk| disk.0 == LEAVER, MAX).len()
    }

    #[test]
    fn the_fewer_shards_are_to_spare_the_sooner_others_take_over() {
        // Each of six disks is in every group.
        let table = placed_table((4, 2), 6);
        assert_eq!(wanted(&table, &[]), 0);
        assert_eq!(wanted(&table, &[(0, 299)]), 0, "one to spare, five minutes");
        assert_eq!(wanted(&table, &[(0, 300)]), 256);
        assert_eq!(wanted(&table, &[(0, 29), (1, 29)]), 0, "none to spare, half a minute");
        assert_eq!(wanted(&table, &[(0, 30), (1, 29)]), 256);
        assert_eq!(wanted(&table, &[(0, 30), (1, 31)]), 512);
        assert_eq!(wanted(&table, &[(0, 800), (1, 800), (2, 800)]), 0, "nothing can be rebuilt");
    }

    #[test]
    fn a_group_with_shards_to_spare_waits() {
        let table = placed_table((2, 4), 6);
        assert_eq!(wanted(&table, &[(0, 899), (1, 899)]), 0);
    }

    #[test]
    fn a_disk_that_was_told_to_leave_is_not_waited_for() {
        let table = placed_table((2, 4), 6);
        assert_eq!(wanted(&table, &[(0, 100), (LEAVER, 29)]), 0);
        assert_eq!(wanted(&table, &[(0, 100), (LEAVER, 30)]), 256);
        let all_but_one = [(0, 800), (1, 800), (2, 800), (3, 800), (LEAVER, 800)];
        assert_eq!(wanted(&table, &all_but_one), 0, "nothing can be rebuilt");
    }
}
