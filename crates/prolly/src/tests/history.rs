//! P1 to P6, P19: the shape of a tree is a function of its records.

use std::sync::Arc;

use crate::Schema;
use crate::testing::{
    Batch, Habit, Measure, Model, Mutation, Random, World, apply_to_model, cases, params, random_batch,
};

type BoundaryHash = fn(u8, &[u8]) -> u64;

fn ascending(_: u8, key: &[u8]) -> u64 {
    key.iter().take(40).fold(0, |sum: u64, &byte| sum.wrapping_mul(3).wrapping_add(u64::from(byte)))
}

fn constant(_: u8, _: &[u8]) -> u64 {
    5
}

fn alternating(level: u8, key: &[u8]) -> u64 {
    u64::from(key.iter().fold(level, |sum, &byte| sum.wrapping_add(byte)) & 1)
}

fn rare(_: u8, key: &[u8]) -> u64 {
    u64::from(crc_fast::crc32_iscsi(key).is_multiple_of(97))
}

const HASHES: [Option<BoundaryHash>; 5] = [None, Some(ascending), Some(constant), Some(alternating), Some(rare)];
const WIDTHS: [(u8, u8); 5] = [(8, 16), (1, 1), (2, 3), (4, 16), (1, 2)];

/// Edits a tree by random batches from empty and back, and compares each root with a bulk build of the model.
fn check_history(seed: u64, schema: &Arc<Schema>) -> Result<(), String> {
    let mut random = Random(seed);
    let world = World::with(Arc::clone(schema));
    let mut model = Model::new();
    let mut tree = world.empty();
    let key_space = [30, 300, 3000][random.below(3) as usize];
    for step in 0..12 {
        let habit = [Habit::Scattered, Habit::Clustered, Habit::Sequential][random.below(3) as usize];
        let size_end = [3, 30, 400][random.below(3) as usize];
        let size = 1 + random.below(size_end);
        let deletes = [0, 5, 40, 60, 95][random.below(5) as usize];
        let batch = match step {
            11 => model.keys().map(|key| (key.clone(), None)).collect(),
            _ => random_batch(&mut random, habit, key_space, size, deletes),
        };
        tree = world.apply(&tree, &batch).0;
        apply_to_model(&mut model, &batch);
        let expected = world.build(&model);
        let (found, expected) = (*tree.root(), *expected.root());
        if (found.hash, found.level, found.summary) != (expected.hash, expected.level, expected.summary) {
            return Err(format!("seed {seed}, step {step}: {found:?} instead of {expected:?}"));
        }
    }
    if tree.root().is_empty() { Ok(()) } else { Err(format!("seed {seed}: records are left")) }
}

fn schema(case: u64, hash: Option<BoundaryHash>, mutation: Option<Mutation>) -> Arc<Schema> {
    let (leaf_width, inner_width) = WIDTHS[(case / 7) as usize % WIDTHS.len()];
    Schema::with_boundary(params(leaf_width, inner_width), Arc::new(Measure), hash, mutation)
}

#[test]
fn p1_any_batches_give_the_root_of_a_bulk_build() {
    for case in 0..cases(150) {
        check_history(case, &schema(case, None, None)).unwrap();
    }
}

#[test]
fn p6_adversarial_hashes_keep_history_independence() {
    for case in 0..cases(100) {
        check_history(1000 + case, &schema(case, HASHES[1 + case as usize % 4], None)).unwrap();
    }
}

#[test]
fn p19_seeded_mistakes_fail_p1() {
    for mutation in [Mutation::WidthOffByOne, Mutation::DropNaturalEnd, Mutation::DropReappearingRoot] {
        let is_caught = (0..400).any(|case| {
            let hash = HASHES[case as usize % HASHES.len()];
            let schema = schema(case, hash, Some(mutation));
            check_history(case, &schema).is_err()
        });
        assert!(is_caught, "{mutation:?} goes unnoticed");
    }
}

#[test]
fn p4_put_then_delete_restores_the_root() {
    for case in 0..cases(40) {
        let mut random = Random(2000 + case);
        let world = World::with(schema(case, None, None));
        let model: Model = random_batch(&mut random, Habit::Scattered, 3000, 600, 0)
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        let tree = world.build(&model);
        let batch = random_batch(&mut random, Habit::Scattered, 6000, 1 + case * 3, 0);
        let added: Batch = batch.into_iter().filter(|(key, _)| !model.contains_key(key)).collect();
        let removed: Batch = added.keys().map(|key| (key.clone(), None)).collect();
        let (grown, _) = world.apply(&tree, &added);
        assert_eq!(added.is_empty(), grown.root() == tree.root());
        let (shrunk, _) = world.apply(&grown, &removed);
        assert_eq!(shrunk.root().hash, tree.root().hash, "case {case}");
    }
}
