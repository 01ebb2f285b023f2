//! The property tests of the tree, by the numbers of the test plan (P1 to P19). What concerns keys, records, logs and
//! replicas (parts of P12 and P18, P14, P17) is tested where these are.

mod catching_up;
mod collection;
mod comparing;
mod history;
mod reading;
mod seams;

use std::sync::Arc;

use crate::path::Path;
use crate::testing::{Batch, Habit, Model, Random, World, random_batch};
use crate::{Hash, Page, Tree};

/// Every page of a tree, by level.
fn pages_by_level(tree: &Tree) -> Vec<Vec<Arc<Page>>> {
    let level_count = if tree.root().is_empty() { 0 } else { tree.root().level + 1 };
    let level_pages = |level| {
        let mut path = Path::new(Arc::clone(tree.pages()), tree.root(), level).unwrap();
        path.seek_first().unwrap();
        let mut pages = vec![Arc::clone(path.page())];
        while path.advance().unwrap() {
            pages.push(Arc::clone(path.page()));
        }
        pages
    };
    (0..level_count).map(level_pages).collect()
}

/// Hashes of the pages of a tree that another does not have, by level.
fn fresh_pages(tree: &Tree, other: &Tree) -> Vec<usize> {
    let known: Vec<Hash> = pages_by_level(other).into_iter().flatten().map(|page| *page.hash()).collect();
    let is_fresh = |page: &&Arc<Page>| !known.contains(page.hash());
    pages_by_level(tree).iter().map(|pages| pages.iter().filter(is_fresh).count()).collect()
}

fn random_model(random: &mut Random, size: u64) -> Model {
    let batch = random_batch(random, Habit::Scattered, 2 * size + 1, size, 0);
    batch.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// A model, its tree, and another tree some random edits away with its model.
fn two_trees(random: &mut Random, world: &World, size: u64, edit_count: u64) -> [(Model, Tree); 2] {
    let model = random_model(random, size);
    let tree = world.build(&model);
    let batch: Batch = random_batch(random, Habit::Scattered, 2 * size + 1, edit_count, 40);
    let mut other_model = model.clone();
    crate::testing::apply_to_model(&mut other_model, &batch);
    let other = world.apply(&tree, &batch).0;
    [(model, tree), (other_model, other)]
}
