//! Properties I10 and I11 (`distributed.md` §2.5) over random fleets, and the small cases by hand.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::fleet::{DiskState, RackId};
use crate::identity::NodeId;
use crate::profile::Profile;

fn disk(id: u128, node: u64, weight: u64) -> DiskSpec {
    DiskSpec { id: DiskId(id), node: NodeId(node), rack: RackId(0), weight, state: DiskState::In }
}

/// `per_node[n]` disks of equal weight on node `n`.
fn fleet(per_node: &[u64]) -> Vec<DiskSpec> {
    let nodes = per_node.iter().zip(0u64..);
    let disks = nodes
        .flat_map(|(&count, node)| (0..count).map(move |slot| disk(u128::from(node * 1000 + slot + 1), node, 100)));
    disks.collect()
}

fn first_table(profile: &str, disks: &[DiskSpec]) -> Table {
    let mut table = Table::vacant(profile.parse().unwrap(), disks.len());
    table.apply(&plan(&table, disks)).unwrap();
    table
}

/// Applies a plan and settles everything in flight, as the repair does after its census.
fn replan(table: &Table, disks: &[DiskSpec]) -> (Table, Plan) {
    let change = plan(table, disks);
    let mut next = table.clone();
    next.apply(&change).unwrap();
    let again = plan(&next, disks);
    assert!(again.is_empty(), "a second run moves {} slots", again.moves.len());
    settle(&mut next);
    let again = plan(&next, disks);
    assert!(again.is_empty(), "a run after settling moves {} slots", again.moves.len());
    (next, change)
}

fn settle(table: &mut Table) {
    let mut moves = Vec::new();
    for (group, row) in table.groups() {
        for (index, &before) in row.slots.iter().enumerate() {
            if let Some(after) = before.settled() {
                moves.push(Move { group, index: u8::try_from(index).unwrap(), before, after });
            }
        }
    }
    table.apply(&Plan { based_on: table.version(), splits: 0, moves }).unwrap();
}

fn counts(table: &Table) -> BTreeMap<DiskId, u64> {
    let mut counts = BTreeMap::new();
    for (_, row) in table.groups() {
        for target in row.slots.iter().filter_map(|slot| slot.write_target()) {
            *counts.entry(target).or_default() += 1;
        }
    }
    counts
}

/// The largest ratio of slots to the disk's share by weight, and what rounding a share up to whole slots may cost.
fn imbalance(table: &Table, disks: &[DiskSpec]) -> (f64, f64) {
    let slots = (table.groups().len() * table.profile().shards()) as f64;
    let weights: u64 = disks.iter().map(|disk| disk.weight).sum();
    let counts = counts(table);
    let share = |disk: &DiskSpec| slots * disk.weight as f64 / weights as f64;
    let ratio = |disk: &DiskSpec| counts.get(&disk.id).copied().unwrap_or(0) as f64 / share(disk);
    let rounding = |disk: &DiskSpec| share(disk).ceil() / share(disk);
    (disks.iter().map(ratio).fold(0.0, f64::max), disks.iter().map(rounding).fold(0.0, f64::max))
}

/// I10: distinct disks in every group, and at most `m` on a node wherever some placement obeys that.
fn check_caps(table: &Table, disks: &[DiskSpec]) {
    let node_of: BTreeMap<DiskId, NodeId> = disks.iter().map(|disk| (disk.id, disk.node)).collect();
    let parity = usize::from(table.profile().parity()).max(1);
    let nodes: BTreeSet<NodeId> = node_of.values().copied().collect();
    let most = |node: &NodeId| node_of.values().filter(|other| *other == node).count().min(parity);
    let possible = table.profile().shards() <= nodes.iter().map(most).sum();
    for (group, row) in table.groups() {
        let targets: Vec<DiskId> = row.slots.iter().filter_map(|slot| slot.write_target()).collect();
        assert_eq!(targets.len(), targets.iter().collect::<BTreeSet<_>>().len(), "group {group} doubles a disk");
        for node in nodes.iter().filter(|_| possible) {
            let on_node = targets.iter().filter(|disk| node_of[disk] == *node).count();
            assert!(on_node <= parity, "group {group} has {on_node} shards on one node");
        }
    }
}

#[test]
fn every_small_fleet_is_filled_evenly() {
    let cases: [(&str, &[u64]); 12] = [
        ("1+0", &[1]),
        ("1+1", &[2]),
        ("1+2", &[3]),
        ("2+2", &[4]),
        ("2+2", &[5]),
        ("4+2", &[6]),
        ("4+2", &[11]),
        ("4+2", &[2, 2, 2]),
        ("4+2", &[3, 4, 2, 5, 3]),
        ("8+4", &[4, 4, 4]),
        ("8+4", &[4, 4, 4, 4]),
        ("4+2", &[1, 1, 1, 1, 1, 1, 1]),
    ];
    for (profile, per_node) in cases {
        let disks = fleet(per_node);
        let table = first_table(profile, &disks);
        check_caps(&table, &disks);
        let filled: u64 = counts(&table).values().sum();
        assert_eq!(filled, (table.groups().len() * table.profile().shards()) as u64, "{profile} on {per_node:?}");
        let (ratio, _) = imbalance(&table, &disks);
        assert!(ratio <= 1.05, "{profile} on {per_node:?}: {ratio}");
        assert!(plan(&table, &disks).is_empty(), "{profile} on {per_node:?}: not idempotent");
    }
}

#[test]
fn six_disks_share_reads_evenly() {
    let disks = fleet(&[6]);
    let table = first_table("4+2", &disks);
    let mut data_positions: BTreeMap<DiskId, u32> = BTreeMap::new();
    for (_, row) in table.groups() {
        for target in row.slots[..4].iter().filter_map(|slot| slot.write_target()) {
            *data_positions.entry(target).or_default() += 1;
        }
    }
    // 256 groups, 4 of 6 positions: 170.7 each.
    assert!(data_positions.values().all(|&count| (168..=173).contains(&count)), "{data_positions:?}");
}

#[test]
fn too_few_disks_leave_vacancies_that_a_new_disk_fills() {
    let five = fleet(&[5]);
    let table = first_table("4+2", &five);
    assert!(table.groups().all(|(_, row)| row.slots.iter().filter(|slot| **slot == Slot::Vacant).count() == 1));
    assert!(!Survivability::of(&table, &five).node);
    let six = fleet(&[6]);
    let (table, change) = replan(&table, &six);
    assert_eq!(change.moves.len(), 256);
    assert!(change.moves.iter().all(|step| step.after == Slot::Rebuilding(DiskId(6))));
    check_caps(&table, &six);
}

#[test]
fn lost_disk_is_rebuilt_on_its_replacement_and_nothing_else_moves() {
    let mut disks = fleet(&[6]);
    let table = first_table("4+2", &disks);
    disks[2] = disk(99, 0, 100);
    let (next, change) = replan(&table, &disks);
    for step in &change.moves {
        assert_eq!((step.before, step.after), (Slot::Stable(DiskId(3)), Slot::Rebuilding(DiskId(99))));
    }
    assert_eq!(change.moves.len(), 256);
    assert!(next.groups().all(|(_, row)| row.slots.iter().all(|slot| slot.is_stable())));
}

#[test]
fn lost_disk_without_replacement_leaves_vacancies() {
    let disks = fleet(&[6]);
    let table = first_table("4+2", &disks);
    let mut rest = disks.clone();
    rest[0].state = DiskState::Out;
    let (_, change) = replan(&table, &rest);
    assert_eq!(change.moves.len(), 256);
    assert!(change.moves.iter().all(|step| step.after == Slot::Vacant));
}

#[test]
fn lost_target_of_a_move_falls_back_to_its_source() {
    let mut table = first_table("2+2", &fleet(&[4]));
    let five = fleet(&[5]);
    let change = plan(&table, &five);
    table.apply(&change).unwrap();
    let back = plan(&table, &fleet(&[4]));
    assert_eq!(back.moves.len(), change.moves.len());
    for (step, earlier) in back.moves.iter().zip(&change.moves) {
        let Slot::Moving { from, .. } = earlier.after else { panic!("adding a disk moves slots") };
        assert_eq!((step.before, step.after), (earlier.after, Slot::Rebuilding(from)));
    }
    table.apply(&back).unwrap();
}

#[test]
fn draining_empties_a_disk_by_copying() {
    let mut disks = fleet(&[8]);
    let table = first_table("4+2", &disks);
    disks[1].state = DiskState::Draining;
    let (next, change) = replan(&table, &disks);
    let held = counts(&table)[&DiskId(2)];
    assert!(change.moves.len() as u64 <= held + held / 20, "{} moves empty a disk of {held} slots", change.moves.len());
    assert!(change.moves.iter().all(|step| matches!(step.after, Slot::Moving { .. })));
    assert_eq!(counts(&next).get(&DiskId(2)), None);
}

#[test]
fn nodes_are_emptied_whatever_happened_before() {
    for (per_node, profile) in [(&[2u64, 3, 2, 2, 2], "4+2"), (&[2, 2, 2, 2, 1], "4+2"), (&[4, 4, 3, 4, 4], "8+4")] {
        let mut disks = fleet(per_node);
        let mut table = first_table(profile, &disks);
        for round in 0..3 * per_node.len() {
            let left = disks.iter().filter(|disk| disk.node != NodeId((round % per_node.len()) as u64)).count();
            assert!(table.profile().shards() <= left, "the case makes sense");
            for disk in &mut disks {
                let leaves = disk.node == NodeId((round % per_node.len()) as u64);
                disk.state = if leaves { DiskState::Draining } else { DiskState::In };
            }
            table = replan(&table, &disks).0;
            let counts = counts(&table);
            let kept: u64 = disks
                .iter()
                .filter(|disk| disk.state == DiskState::Draining)
                .map(|disk| counts.get(&disk.id).copied().unwrap_or(0))
                .sum();
            assert_eq!(kept, 0, "round {round} with {per_node:?}");
            if round % 2 == 0 {
                disks.iter_mut().for_each(|disk| disk.state = DiskState::In);
                table = replan(&table, &disks).0;
            }
        }
    }
}

#[test]
fn suspect_disk_keeps_its_slots_and_gets_none() {
    let mut disks = fleet(&[7]);
    let table = first_table("4+2", &disks);
    disks[1].state = DiskState::Suspect;
    disks[4].state = DiskState::Out;
    let (_, change) = replan(&table, &disks);
    assert!(!change.moves.is_empty());
    let touched = change.moves.iter().flat_map(|step| step.after.read_sources()).any(|disk| disk == DiskId(2));
    assert!(!touched, "a disk in doubt took part in a plan");
}

#[test]
fn one_more_disk_gets_its_share_and_nothing_else_moves() {
    let sixteen = fleet(&[4, 4, 4, 4]);
    let table = first_table("8+4", &sixteen);
    for node in 0..5 {
        let mut disks = sixteen.clone();
        disks.push(disk(99, node, 100));
        let (next, change) = replan(&table, &disks);
        check_caps(&next, &disks);
        // A seventeenth of 3072 slots.
        assert_eq!(change.moves.len(), 180, "on node {node}");
        assert!(change.moves.iter().all(|step| step.after.write_target() == Some(DiskId(99))), "on node {node}");
    }
}

#[test]
fn a_group_is_relieved_of_a_disk_in_doubt_where_another_may_take_over() {
    let mut disks = fleet(&[2, 2, 2, 2]);
    let mut table = first_table("4+2", &disks);
    let silent = disks[0].id;
    disks[0].state = DiskState::Suspect;
    let concerned = |table: &Table| -> BTreeSet<(GroupId, DiskId)> {
        let held = table.groups().filter(|(_, row)| row.slots.iter().any(|slot| slot.write_target() == Some(silent)));
        held.map(|(group, _)| (group, silent)).take(20).collect()
    };
    let wanted = concerned(&table);
    let change = plan_relief(&table, &disks, &wanted);
    let relieved: Vec<&Move> = change.moves.iter().filter(|step| step.before.write_target() == Some(silent)).collect();
    assert_eq!(relieved.len(), 20, "and no other slot of that disk");
    for step in relieved {
        assert!(matches!(step.after, Slot::Moving { from, .. } if from == silent), "it may come back: {step:?}");
        assert!(wanted.contains(&(step.group, silent)));
    }
    table.apply(&change).unwrap();
    check_caps(&table, &disks);
    assert!(plan_relief(&table, &disks, &wanted).is_empty(), "once is enough");
    assert!(plan(&table, &disks).is_empty());
    settle(&mut table);

    // With no other disk to take over, the slots stay where they may come back.
    let mut disks = fleet(&[2, 2, 2]);
    let table = first_table("4+2", &disks);
    disks[0].state = DiskState::Suspect;
    assert!(plan_relief(&table, &disks, &concerned(&table)).is_empty());
}

#[test]
fn a_move_to_a_disk_in_doubt_goes_back_to_its_source() {
    let mut disks = fleet(&[2, 2, 2]);
    let mut table = first_table("4+2", &disks);
    disks.push(disk(99, 3, 100));
    table.apply(&plan(&table, &disks)).unwrap();
    disks.last_mut().unwrap().state = DiskState::Suspect;
    let (group, row) = table.groups().find(|(_, row)| row.slots.iter().any(|slot| !slot.is_stable())).unwrap();
    let Some(Slot::Moving { from, to }) = row.slots.iter().find(|slot| !slot.is_stable()).copied() else {
        panic!("a new disk gets slots that move")
    };
    assert_eq!(to, DiskId(99));
    let change = plan_relief(&table, &disks, &BTreeSet::from([(group, to)]));
    assert!(change.moves.iter().any(|step| step.group == group && step.after == Slot::Rebuilding(from)), "{change:?}");
}

#[test]
fn growing_to_more_nodes_restores_the_node_cap() {
    let one = fleet(&[6]);
    let table = first_table("4+2", &one);
    assert!(!Survivability::of(&table, &one).node);
    let three = fleet(&[6, 6, 6]);
    let (table, _) = replan(&table, &three);
    check_caps(&table, &three);
    assert!(Survivability::of(&table, &three).node);
    assert!(imbalance(&table, &three).0 <= 1.05);
}

#[test]
fn groups_split_when_disks_have_too_few_slots() {
    let small = fleet(&[6, 6]);
    let table = first_table("4+2", &small);
    let large = fleet(&[60, 60]);
    let (next, change) = replan(&table, &large);
    assert_eq!(change.splits, 1);
    assert_eq!(next.groups().len(), 512);
    check_caps(&next, &large);
}

#[test]
fn survivability_counts_what_is_still_being_rebuilt() {
    let disks = fleet(&[2, 2, 2]);
    let mut table = first_table("4+2", &disks);
    let all = Survivability { readable: true, disk: true, node: true, rack: false };
    assert_eq!(Survivability::of(&table, &disks), all);
    let mut replaced = disks.clone();
    replaced[0] = disk(77, 0, 100);
    table.apply(&plan(&table, &replaced)).unwrap();
    assert_eq!(Survivability::of(&table, &replaced), Survivability { node: false, ..all });
    settle(&mut table);
    assert_eq!(Survivability::of(&table, &replaced), all);
}

#[test]
fn rebuild_of_a_disk_reads_from_all_others() {
    let disks = fleet(&[12, 12, 12, 12, 12, 12, 12, 12]);
    let table = first_table("8+4", &disks);
    let lost = DiskId(1);
    let mut company: BTreeMap<DiskId, u32> = BTreeMap::new();
    for (_, row) in table.groups().filter(|(_, row)| row.slots.contains(&Slot::Stable(lost))) {
        row.slots.iter().filter_map(|slot| slot.write_target()).for_each(|disk| *company.entry(disk).or_default() += 1);
    }
    assert_eq!(company.len(), 96, "scatter width");
    let others = company.iter().filter(|(disk, _)| **disk != lost);
    assert!(others.map(|(_, count)| *count).max().unwrap() <= 10, "{company:?}");
}

#[derive(Clone, Debug)]
enum Change {
    Add { node: u64, weight: u64 },
    Remove { position: usize },
    Replace { position: usize },
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        2 => (0u64..6, 2u64..5).prop_map(|(node, weight)| Change::Add { node, weight: weight * 50 }),
        1 => (0usize..100).prop_map(|position| Change::Remove { position }),
        1 => (0usize..100).prop_map(|position| Change::Replace { position }),
    ];
    proptest::collection::vec(change, 1..6)
}

fn cases() -> u32 {
    option_env!("STONECROP_TEST_CASES").and_then(|count| count.parse().ok()).unwrap_or(48)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// I11: movement against the lower bound, and balance, wherever the cap per node leaves room for both.
    #[test]
    fn movement_is_near_the_minimum(
        (nodes, disks_per_node) in (5usize..9, 2u64..6),
        changes in changes(),
    ) {
        let mut disks = fleet(&vec![disks_per_node; nodes]);
        let mut table = first_table("4+2", &disks);
        for (number, change) in (0u128..).zip(changes) {
            let before = disks.clone();
            match change {
                Change::Add { node, .. } => disks.push(disk(10_000 + number, node % nodes as u64, 100)),
                Change::Remove { position } => drop(disks.remove(position % disks.len())),
                Change::Replace { position } => {
                    let position = position % disks.len();
                    disks[position].id = DiskId(20_000 + number);
                }
            }
            let (next, done) = replan(&table, &disks);
            check_caps(&next, &disks);
            if !largest_node_binds(&before) && !largest_node_binds(&disks) {
                let slots = (next.groups().len() * 6) as f64;
                let bound = lower_bound(&table, &before, &disks, slots);
                let moved = done.moves.len() as f64;
                // A share is rounded up to whole slots on every disk.
                prop_assert!(moved <= 1.05 * bound + 2.0, "{moved} moves, bound {bound}");
                let (ratio, rounding) = imbalance(&next, &disks);
                prop_assert!(ratio <= rounding.max(1.05), "imbalance {ratio}, rounding {rounding}");
            }
            table = next;
        }
    }

    /// I10 and idempotence on any fleet at all: uneven weights, uneven nodes, too few disks.
    #[test]
    fn any_fleet_is_placed_legally(
        disks in proptest::collection::vec((0u64..5, 1u64..40, 0u32..2), 1..24),
        profile in prop_oneof![Just("1+0"), Just("1+1"), Just("1+2"), Just("2+2"), Just("4+2"), Just("8+4")],
        changes in changes(),
    ) {
        let specs = disks.iter().zip(1u128..);
        let mut disks: Vec<DiskSpec> = specs
            .map(|(&(node, weight, rack), id)| DiskSpec { rack: RackId(rack), ..disk(id, node + 5 * u64::from(rack), weight) })
            .collect();
        let mut table = first_table(profile, &disks);
        for (number, change) in (0u128..).zip(changes) {
            match change {
                Change::Add { node, weight } => disks.push(disk(10_000 + number, node, weight)),
                Change::Remove { position } if 1 < disks.len() => drop(disks.remove(position % disks.len())),
                Change::Remove { position } | Change::Replace { position } => {
                    let position = position % disks.len();
                    disks[position].id = DiskId(20_000 + number);
                }
            }
            let done = plan(&table, &disks);
            let mut shuffled = disks.clone();
            shuffled.reverse();
            prop_assert_eq!(&done, &plan(&table, &shuffled), "the order of the disks matters");
            let mut next = table.clone();
            next.apply(&done).unwrap();
            check_positions(&table, &next);
            check_distinct_targets(&next);
            settle(&mut next);
            let vacancies = next.groups().flat_map(|(_, row)| &row.slots).filter(|slot| **slot == Slot::Vacant).count();
            let profile: Profile = profile.parse().unwrap();
            let expected = next.groups().len() * profile.shards().saturating_sub(disks.len());
            prop_assert_eq!(vacancies, expected, "slots left vacant with {} disks", disks.len());
            table = next;
        }
    }
}

/// Whether a node has so many of the disks that a cap of 2 shards in 6 keeps it from its share, or nearly so.
fn largest_node_binds(disks: &[DiskSpec]) -> bool {
    let on_node = |node| disks.iter().filter(|disk| disk.node == node).count();
    let largest = disks.iter().map(|disk| on_node(disk.node)).max().unwrap_or(0);
    9 * disks.len() < 30 * largest
}

/// What any placement must move: the slots of lost disks, and the share of new ones.
fn lower_bound(table: &Table, before: &[DiskSpec], after: &[DiskSpec], slots: f64) -> f64 {
    let counts = counts(table);
    let lost = before.iter().filter(|old| after.iter().all(|new| new.id != old.id));
    let lost: u64 = lost.map(|disk| counts[&disk.id]).sum();
    let weights: u64 = after.iter().map(|disk| disk.weight).sum();
    let new = after.iter().filter(|new| before.iter().all(|old| new.id != old.id));
    let new: f64 = new.map(|disk| slots * disk.weight as f64 / weights as f64).sum();
    new.max(lost as f64)
}

/// A slot whose disk did not change keeps its position: no living disk turns up at another index of its group.
fn check_positions(before: &Table, after: &Table) {
    let rows = before.groups().zip(after.groups());
    for ((group, old), (_, new)) in rows {
        for (index, slot) in new.slots.iter().enumerate() {
            for disk in slot.read_sources() {
                let elsewhere = old
                    .slots
                    .iter()
                    .enumerate()
                    .find(|(other, slot)| *other != index && slot.write_target() == Some(disk));
                assert_eq!(elsewhere, None, "disk {disk} changed its position in group {group}");
            }
        }
    }
}

fn check_distinct_targets(table: &Table) {
    for (group, row) in table.groups() {
        let targets: Vec<DiskId> = row.slots.iter().flat_map(|slot| slot.read_sources()).collect();
        assert_eq!(targets.len(), targets.iter().collect::<BTreeSet<_>>().len(), "group {group} doubles a disk");
    }
}
