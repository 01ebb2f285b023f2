//! P7, P8, P16: diff, merge and catching up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::{random_model, two_trees};
use crate::diff::Change;
use crate::merge::{Conflict, merge};
use crate::sync::pull;
use crate::testing::{Batch, Habit, Model, Random, World, cases, random_batch};
use crate::{Edit, Error, Hash, Location, Page, PageStore, Result, Tree};

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

/// A remote store whose connection breaks after some messages.
struct Remote {
    pages: Arc<dyn PageStore>,
    messages_left: AtomicU64,
}

impl Remote {
    fn take_message(&self) -> Result<()> {
        let taken = self.messages_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(|_| ()).map_err(|_| Error::Malformed { what: "answer", reason: "the connection broke" })
    }
}

impl PageStore for Remote {
    fn page(&self, hash: &Hash, location: Location) -> Result<Arc<Page>> {
        self.take_message()?;
        let page = self.pages.page(hash, location)?;
        assert!(page.verify());
        Ok(page)
    }

    fn blob(&self, hash: &Hash, location: Location) -> Result<Bytes> {
        self.take_message()?;
        self.pages.blob(hash, location)
    }

    fn in_memory(&self) -> &dyn PageStore {
        self.pages.in_memory()
    }
}

#[test]
fn p16_catching_up_ends_at_equal_roots_wherever_it_is_cut() {
    for case in 0..cases(30) {
        let mut random = Random(200 + case);
        let (here, there) = (World::new(), World::new());
        let model = random_model(&mut random, 900);
        let mut local = here.build(&model);
        let mut goal = if case % 5 == 0 { there.empty() } else { there.build(&model) };
        goal = there.apply(&goal, &random_batch(&mut random, Habit::Scattered, 1800, 4 * case, 40)).0;
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 2000, "case {case} makes no progress");
            // Each round is cut after a few messages more than the last, and at a few changes.
            let remote = Arc::new(Remote { pages: there.pages(), messages_left: AtomicU64::new(rounds) });
            let remote = Tree::open(Arc::clone(&there.schema), remote, *goal.root()).unwrap();
            let mut writer = here.packs.writer();
            let Ok(pulled) = pull(&local, &remote, 1 + random.below(50) as usize, &mut writer) else { continue };
            writer.seal().unwrap();
            local = pulled.tree;
            if pulled.is_done {
                break;
            }
        }
        assert_eq!(local.root().hash, goal.root().hash, "case {case}");
        assert_eq!(local.root().summary, goal.root().summary, "case {case}");
    }
}
