//! Tests of the table, its changes and its bytes.

use proptest::prelude::*;

use super::*;
use crate::fleet::{DiskSpec, DiskState, RackId};
use crate::identity::NodeId;
use crate::planner::plan;

fn profile(text: &str) -> Profile {
    text.parse().unwrap()
}

fn disk(number: u128) -> DiskSpec {
    DiskSpec { id: DiskId(number), node: NodeId(0), rack: RackId(0), weight: 100, state: DiskState::In }
}

fn table(disks: u128) -> Table {
    let fleet: Vec<DiskSpec> = (1..=disks).map(disk).collect();
    let mut table = Table::vacant(profile("4+2"), fleet.len());
    table.apply(&plan(&table, &fleet)).unwrap();
    table
}

fn step(group: u32, index: u8, before: Slot, after: Slot) -> Move {
    Move { group: GroupId(group), index, before, after }
}

#[test]
fn group_count_is_the_nearest_power_of_two_within_bounds() {
    let cases = [
        (1, "1+0", 256),
        (6, "4+2", 256),
        (96, "8+4", 256),
        (200, "8+4", 512),
        (3000, "4+2", 16384),
        (90_000, "4+2", 65536),
    ];
    for (disks, text, expected) in cases {
        assert_eq!(group_count(disks, profile(text)), expected, "{disks} disks, {text}");
    }
}

#[test]
fn plan_for_another_version_is_refused() {
    let mut table = table(6);
    let stale = Plan { based_on: Epoch(0), splits: 0, moves: Vec::new() };
    let expected = Error::StalePlan { based_on: Epoch(0), version: Epoch(1) };
    assert_eq!(table.apply(&stale), Err(expected));
}

#[test]
fn illegal_moves_change_nothing() {
    let mut table = table(7);
    let row = table.group(GroupId(3)).unwrap().clone();
    let Slot::Stable(own) = row.slots[2] else { panic!("a first plan leaves stable slots") };
    let Slot::Stable(neighbour) = row.slots[3] else { panic!("a first plan leaves stable slots") };
    let used: Vec<DiskId> = row.slots.iter().filter_map(|slot| slot.write_target()).collect();
    let spare = (1..=7).map(DiskId).find(|disk| !used.contains(disk)).unwrap();
    let before = row.slots[2];
    let cases = [
        step(3, 2, Slot::Vacant, Slot::Rebuilding(spare)),
        step(3, 2, before, Slot::Stable(spare)),
        step(3, 2, before, Slot::Moving { from: spare, to: own }),
        step(3, 2, before, Slot::Moving { from: own, to: own }),
        step(3, 2, before, Slot::Moving { from: own, to: neighbour }),
        step(3, 2, before, Slot::Rebuilding(neighbour)),
        step(3, 6, before, Slot::Rebuilding(spare)),
        step(999, 2, before, Slot::Rebuilding(spare)),
    ];
    let unchanged = table.clone();
    for case in cases {
        let outcome = table.apply(&Plan { based_on: table.version(), splits: 0, moves: vec![case] });
        assert!(outcome.is_err(), "{case:?} was performed");
        assert_eq!(table, unchanged);
    }
    let legal = step(3, 2, before, Slot::Moving { from: own, to: spare });
    table.apply(&Plan { based_on: table.version(), splits: 0, moves: vec![legal] }).unwrap();
    assert_eq!(table.group(GroupId(3)).unwrap().epoch, table.version());
    assert_eq!(table.group(GroupId(4)).unwrap().epoch, Epoch(1));
}

#[test]
fn vacant_slot_never_becomes_stable_once_stripes_may_exist() {
    let mut table = table(5);
    let row = table.group(GroupId(0)).unwrap();
    let index = row.slots.iter().position(|slot| *slot == Slot::Vacant).unwrap();
    let case = step(0, u8::try_from(index).unwrap(), Slot::Vacant, Slot::Stable(DiskId(9)));
    let plan = Plan { based_on: table.version(), splits: 0, moves: vec![case] };
    assert_eq!(table.apply(&plan), Err(Error::IllegalMove { group: case.group, index: case.index }));
}

#[test]
fn heirs_are_the_groups_that_stripes_resolve_to() {
    let mut table = table(6);
    for version in [1, 2] {
        table.apply(&Plan { based_on: Epoch(version), splits: 1, moves: Vec::new() }).unwrap();
    }
    for (group, expected) in [(0, 4), (255, 4), (256, 2), (511, 2), (512, 1), (1023, 1)] {
        let group = GroupId(group);
        let epochs: &[u32] = if group.0 < 256 {
            &[1, 2, 3]
        } else if group.0 < 512 {
            &[2, 3]
        } else {
            &[3]
        };
        let heirs: Vec<GroupId> = table.heirs(group).collect();
        assert_eq!(heirs.len(), expected, "group {group}");
        let mut found = std::collections::BTreeSet::new();
        for (number, &epoch) in (0..500).flat_map(|number| epochs.iter().map(move |epoch| (number, epoch))) {
            found.insert(table.resolve(StripeId { write_id: 9, number }, group, Epoch(epoch)));
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), heirs, "group {group}");
    }
    assert_eq!(table.heirs(GroupId(1024)).count(), 0);
}

#[test]
fn stripes_written_before_a_split_resolve_to_one_half_each() {
    let mut table = table(6);
    let split = Plan { based_on: table.version(), splits: 2, moves: Vec::new() };
    let before = table.clone();
    table.apply(&split).unwrap();
    assert_eq!(table.groups().len(), 4 * before.groups().len());
    let mut seen = [false; 4];
    for number in 0..64 {
        let stripe = StripeId { write_id: 5, number };
        let now = table.resolve(stripe, GroupId(7), Epoch(1));
        assert_eq!(now.0 % 256, 7);
        assert_eq!(table.group(now).unwrap().slots, before.group(GroupId(7)).unwrap().slots, "no shard moves");
        seen[now.0 as usize / 256] = true;
        assert_eq!(table.resolve(stripe, GroupId(263), table.version()), GroupId(263), "written after the split");
    }
    assert_eq!(seen, [true; 4]);
}

#[test]
fn writable_groups_lack_no_more_than_the_allowed_slots() {
    let table = table(7);
    assert_eq!(table.writable_groups(6, |_| true).len(), 256);
    let without_one = table.writable_groups(6, |disk| disk != DiskId(1));
    let untouched = table.groups().filter(|(_, row)| !row.slots.contains(&Slot::Stable(DiskId(1)))).count();
    assert_eq!(without_one.len(), untouched);
    assert_eq!(table.writable_groups(5, |disk| disk != DiskId(1)).len(), 256);
    assert!(table.writable_groups(1, |_| false).is_empty());
}

#[test]
fn bytes_of_the_first_format_are_read_for_ever() {
    let golden = include_bytes!("golden/table-v1.bin");
    let mut expected = Table::vacant(profile("1+1"), 2);
    let fleet = [disk(0xa), disk(0xb), disk(0xc)];
    expected.apply(&plan(&expected, &fleet[..2])).unwrap();
    let moves = (0..2).map(|index| {
        let before = expected.groups[0].slots[index];
        let Slot::Stable(from) = before else { panic!("a first plan leaves stable slots") };
        let to = fleet[2].id;
        let after = if index == 0 { Slot::Moving { from, to } } else { Slot::Vacant };
        step(0, u8::try_from(index).unwrap(), before, after)
    });
    let moves = moves.chain([step(1, 0, expected.groups[1].slots[0], Slot::Rebuilding(fleet[2].id))]).collect();
    expected.apply(&Plan { based_on: Epoch(1), splits: 1, moves }).unwrap();
    assert_eq!(Table::decode(golden).unwrap(), expected);
    assert_eq!(expected.encode(), golden);
}

#[test]
fn other_format_versions_are_refused_by_name() {
    let mut bytes = table(6).encode();
    bytes[0] = 9;
    assert_eq!(Table::decode(&bytes), Err(Error::UnknownFormat { found: 9, known: 1 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn table_and_plan_round_trip(disks in 1u128..20, lost in 0u128..3, added in 0u128..3) {
        let mut table = table(disks);
        let fleet: Vec<DiskSpec> = (1 + lost..=disks + added).map(disk).collect();
        let change = plan(&table, &fleet);
        prop_assert_eq!(Plan::decode(&change.encode()).unwrap(), change.clone());
        table.apply(&change).unwrap();
        prop_assert_eq!(Table::decode(&table.encode()).unwrap(), table);
    }

    #[test]
    fn damaged_bytes_never_panic_and_never_alias(at in 0usize..8000, flip in 1u8.., cut: bool) {
        let table = table(7);
        let mut bytes = table.encode();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        if let Ok(other) = Table::decode(&bytes) {
            prop_assert_ne!(&other, &table);
            prop_assert_eq!(&other.encode(), &bytes);
        }
        let _ = Plan::decode(&bytes);
    }
}
