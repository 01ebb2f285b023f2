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
        let size = random.below(size_end);
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
    for case in 0..cases(600) {
        check_history(case, &schema(case, None, None)).unwrap();
    }
}

#[test]
fn p6_adversarial_hashes_keep_history_independence() {
    for case in 0..cases(400) {
        check_history(100_000 + case, &schema(case, HASHES[1 + case as usize % 4], None)).unwrap();
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

#[test]
fn p2_disjoint_edits_commute() {
    for case in 0..cases(30) {
        let mut random = Random(3000 + case);
        let world = World::with(schema(case, None, None));
        let tree = world.build(&super::random_model(&mut random, 500));
        let batch = random_batch(&mut random, Habit::Scattered, 1000, 1 + case * 2, 50);
        let mut forwards = tree.clone();
        let mut backwards = tree.clone();
        for (key, value) in &batch {
            forwards = world.apply(&forwards, &Batch::from([(key.clone(), value.clone())])).0;
        }
        for (key, value) in batch.iter().rev() {
            backwards = world.apply(&backwards, &Batch::from([(key.clone(), value.clone())])).0;
        }
        let at_once = world.apply(&tree, &batch).0;
        assert_eq!(forwards.root().hash, at_once.root().hash, "case {case}");
        assert_eq!(backwards.root().hash, at_once.root().hash, "case {case}");
    }
}

#[test]
fn p3_an_equal_value_writes_nothing() {
    for case in 0..cases(20) {
        let mut random = Random(4000 + case);
        let world = World::with(schema(case, HASHES[case as usize % HASHES.len()], None));
        let model = super::random_model(&mut random, 400);
        let tree = world.build(&model);
        let mut same: Batch = model.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        same.insert(b"never there".to_vec(), None);
        let (unchanged, written) = world.apply(&tree, &same);
        assert_eq!(unchanged.root(), tree.root());
        assert_eq!(written, Default::default());
    }
}

#[test]
fn p5_pages_keep_their_bounds() {
    for case in 0..cases(25) {
        let mut random = Random(5000 + case);
        let schema = schema(case, HASHES[case as usize % HASHES.len()], None);
        let world = World::with(Arc::clone(&schema));
        let mut model = super::random_model(&mut random, 2000);
        // Values just short of spilling make pages heavy.
        model.values_mut().filter(|_| case % 3 == 0).for_each(|value| value.resize(1000, 7));
        for (level, pages) in super::pages_by_level(&world.build(&model)).iter().enumerate() {
            let width = schema.width(level as u8);
            for (index, page) in pages.iter().enumerate() {
                let is_last = index + 1 == pages.len();
                let natural = page.natural();
                let is_whole_chunk = natural.start && natural.end && !is_last;
                assert!(!is_whole_chunk || width < page.count(), "case {case}: {page:?} is too short");
                assert!(page.count() <= 16 * width + 8, "case {case}: {page:?} is too long");
                assert!(page.canonical().len() <= (65 << 10) + 8 * page.count(), "case {case}: {page:?} is too heavy");
            }
        }
    }
}

#[test]
fn p5_one_edit_rewrites_few_pages() {
    let mut random = Random(6000);
    let world = World::new();
    let model = super::random_model(&mut random, 6000);
    let tree = world.build(&model);
    let (mut leaves, mut edit_count) = (0, 0);
    for _ in 0..cases(150) {
        let batch = random_batch(&mut random, Habit::Scattered, 12_000, 1, 50);
        let (edited, written) = world.apply(&tree, &batch);
        let fresh = super::fresh_pages(&edited, &tree);
        assert!(fresh.iter().all(|&count| count <= 3), "{batch:?} rewrites {fresh:?}");
        assert_eq!(written.pages, fresh.iter().sum::<usize>() as u64, "only what changed is written");
        leaves += fresh[0];
        edit_count += usize::from(edited.root() != tree.root());
    }
    assert!(leaves * 10 <= edit_count * 13, "{leaves} leaves for {edit_count} edits");
}

#[test]
fn p13_golden_roots() {
    let golden = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "a49ced3c9d264025f876dc3eca1b1342671e03424cf65fa4378078b0840f43ad",
        "ada5a37e319c0697fee65cfc73c2d6b90eea8ef35005c7d62d08f19ac8bc2212",
        "eaba0e75af1aed1dabe30bb92d3798a1142c6904edf9eb2f74f4e553dfdaacbb",
    ];
    let root = |size| World::new().build(&super::random_model(&mut Random(size), size)).root().hash.to_string();
    assert_eq!([0, 1, 40, 5000].map(root), golden);
}
