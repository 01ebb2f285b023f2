//! P7, P8: diff and merge.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{random_model, two_trees};
use crate::diff::Change;
use crate::merge::{Conflict, merge};
use crate::testing::{Batch, Habit, Model, Random, World, cases, random_batch};
use crate::{Edit, Result, Tree};

fn model_diff(before: &Model, after: &Model) -> Vec<Change> {
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let bytes = |model: &Model, key| model.get(key).map(|value| Bytes::copy_from_slice(value));
    keys.into_iter()
        .map(|key| Change { key: Bytes::copy_from_slice(key), before: bytes(before, key), after: bytes(after, key) })
        .filter(|change| change.before != change.after)
        .collect()
}

#[test]
fn p7_diff_equals_the_model_and_applies() {
    for case in 0..cases(60) {
        let mut random = Random(case);
        let world = World::new();
        let size = [0, 20, 3000][case as usize % 3];
        let [(before_model, before), (after_model, mut after)] = two_trees(&mut random, &world, size, case * case);
        let mut after_model = after_model;
        if case % 7 == 0 {
            // Trees of different heights.
            after_model = random_model(&mut random, 10);
            after = world.build(&after_model);
        }
        for (left, right, expected) in [
            (&before, &after, model_diff(&before_model, &after_model)),
            (&after, &before, model_diff(&after_model, &before_model)),
        ] {
            let changes: Vec<Change> = left.diff(right).unwrap().collect::<Result<_>>().unwrap();
            assert_eq!(changes, expected, "case {case}");
            let edits: Vec<_> =
                changes.iter().map(|change| Edit { key: &change.key, value: change.after.as_deref() }).collect();
            let patched = world.write(|writer| left.apply(&edits, writer)).0;
            assert_eq!(patched.root().hash, right.root().hash, "case {case}");
        }
    }
}

#[test]
fn p7_diff_of_equal_trees_reads_nothing() {
    let world = World::new();
    let tree = world.build(&random_model(&mut Random(1), 1000));
    world.packs.clear_cache();
    let reads = world.storage.reads.load(Ordering::Relaxed);
    assert!(tree.diff(&tree).unwrap().next().is_none());
    assert_eq!(world.storage.reads.load(Ordering::Relaxed), reads);
}

#[test]
fn p7_diff_of_one_change_reads_a_path_of_each_tree() {
    let world = World::new();
    let tree = world.build(&random_model(&mut Random(2), 8000));
    let other = world.apply(&tree, &Batch::from([(b"bucket/03/x".to_vec(), Some(b"new".to_vec()))])).0;
    world.packs.clear_cache();
    let reads = world.storage.reads.load(Ordering::Relaxed);
    assert_eq!(tree.diff(&other).unwrap().count(), 1);
    let read_count = world.storage.reads.load(Ordering::Relaxed) - reads;
    assert!(read_count <= 4 * (u64::from(tree.root().level) + 1), "{read_count} pages");
}

/// A symmetric resolver that is associative too: the greater value wins, and a value wins over a deletion.
fn greater(conflict: &Conflict) -> Option<Bytes> {
    conflict.ours.clone().max(conflict.theirs.clone())
}

fn merged(world: &World, base: &Tree, ours: &Tree, theirs: &Tree) -> Tree {
    world.write(|writer| merge(base, ours, theirs, &mut greater, writer)).0
}

#[test]
fn p8_merge_obeys_its_laws() {
    for case in 0..cases(40) {
        let mut random = Random(100 + case);
        let world = World::new();
        let base = world.build(&random_model(&mut random, 600));
        let [a, b, c] = std::array::from_fn(|_| {
            let batch = random_batch(&mut random, Habit::Scattered, 1200, 1 + 4 * case, 40);
            world.apply(&base, &batch).0
        });
        let hash = |tree: &Tree| tree.root().hash;
        let ab = merged(&world, &base, &a, &b);
        assert_eq!(hash(&merged(&world, &base, &b, &a)), hash(&ab), "case {case}: commutes");
        assert_eq!(hash(&merged(&world, &base, &a, &base)), hash(&a), "case {case}: their side unchanged");
        assert_eq!(hash(&merged(&world, &base, &base, &a)), hash(&a), "case {case}: our side unchanged");
        assert_eq!(hash(&merged(&world, &base, &a, &a)), hash(&a), "case {case}: idempotent");
        let bc = merged(&world, &base, &b, &c);
        let (left, right) = (merged(&world, &base, &ab, &c), merged(&world, &base, &a, &bc));
        assert_eq!(hash(&left), hash(&right), "case {case}: associates");
    }
}

#[test]
fn p8_merge_asks_about_conflicts_only() {
    let world = World::new();
    let model: Model = (0..200u8).map(|i| (vec![i], vec![1])).collect();
    let base = world.build(&model);
    let batch = |edits: &[(u8, Option<u8>)]| -> Batch {
        edits.iter().map(|&(key, value)| (vec![key], value.map(|value| vec![value]))).collect()
    };
    let ours = world.apply(&base, &batch(&[(3, Some(5)), (9, Some(9)), (20, None), (30, None)])).0;
    let theirs = world.apply(&base, &batch(&[(4, Some(6)), (9, Some(8)), (20, None), (30, Some(7))])).0;
    let mut asked = Vec::new();
    let mut resolve = |conflict: &Conflict| {
        asked.push((conflict.key[0], conflict.base.clone(), conflict.ours.clone(), conflict.theirs.clone()));
        None
    };
    let both = world.write(|writer| merge(&base, &ours, &theirs, &mut resolve, writer)).0;
    let value = |value| Some(Bytes::copy_from_slice(&[value]));
    assert_eq!(asked, [(9, value(1), value(9), value(8)), (30, value(1), None, value(7))]);
    let get = |key| both.get(&[key]).unwrap();
    assert_eq!([get(3), get(4), get(9), get(20), get(30)], [value(5), value(6), None, None, None]);
}
