//! P15: what a pinned root reaches is live, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::collect::{Live, LivePack};
use crate::testing::{Habit, Model, Random, World, apply_to_model, cases, random_batch, read_all};
use crate::{Hash, Location, PackId, Page, PageStore, Result, RootRef, SealedPack, Tree, collect, mark};

/// Notes every location that is read.
struct Recording {
    pages: Arc<dyn PageStore>,
    seen: Mutex<BTreeSet<Location>>,
}

impl PageStore for Recording {
    fn page(&self, hash: &Hash, location: Location) -> Result<Arc<Page>> {
        self.seen.lock().insert(location);
        self.pages.page(hash, location)
    }

    fn blob(&self, hash: &Hash, location: Location) -> Result<Bytes> {
        self.seen.lock().insert(location);
        self.pages.blob(hash, location)
    }

    fn in_memory(&self) -> &dyn PageStore {
        self.pages.in_memory()
    }
}

/// What reading everything reaches.
fn reached(world: &World, roots: &[RootRef]) -> Live {
    // Pages in memory are found past the store.
    world.packs.clear_cache();
    let recording = Arc::new(Recording { pages: world.pages(), seen: Mutex::default() });
    for root in roots {
        read_all(&Tree::open(Arc::clone(&world.schema), Arc::clone(&recording) as _, *root).unwrap());
    }
    let mut packs: BTreeMap<PackId, LivePack> = BTreeMap::new();
    for location in recording.seen.lock().iter() {
        let pack = packs.entry(location.pack).or_default();
        pack.frames += 1;
        pack.bytes += u64::from(location.length);
    }
    Live { packs }
}

/// Packs of which at most this share is live.
fn sparse(sealed: &[SealedPack], live: &Live, percent: u64) -> BTreeSet<PackId> {
    let live_bytes = |pack: &SealedPack| live.packs.get(&pack.id).map_or(0, |live| live.bytes);
    sealed.iter().filter(|pack| live_bytes(pack) * 100 <= pack.length * percent).map(|pack| pack.id).collect()
}

/// Evacuates and removes sparse packs.
fn collect_sparse(world: &World, roots: &mut [RootRef], percent: u64) {
    let live = mark(&*world.packs, roots).unwrap();
    assert_eq!(live, reached(world, roots));
    let victims = sparse(&world.sealed.lock(), &live, percent);
    let moved = world.write(|writer| collect(&*world.packs, roots, &victims, writer));
    roots.copy_from_slice(&moved);
    world.sealed.lock().retain(|pack| !victims.contains(&pack.id));
    let removed = world.packs.discard_unlisted(&world.sealed.lock()).unwrap();
    assert_eq!(removed, victims.into_iter().collect::<Vec<_>>());
    world.packs.clear_cache();
}

#[test]
fn p15_collection_frees_nothing_that_a_pinned_root_reaches() {
    for case in 0..cases(12) {
        let mut random = Random(case);
        let world = World::new();
        let (mut tree, mut model) = (world.empty(), Model::new());
        let mut pinned: Vec<(RootRef, Model)> = Vec::new();
        for step in 0..25 {
            let habit = [Habit::Scattered, Habit::Clustered][random.below(2) as usize];
            let batch = random_batch(&mut random, habit, 1200, 1 + step * 8, 30);
            tree = world.apply(&tree, &batch).0;
            apply_to_model(&mut model, &batch);
            if random.below(3) == 0 {
                pinned.push((*tree.root(), model.clone()));
            }
            if 4 < pinned.len() {
                pinned.remove(random.below(5) as usize);
            }
            if random.below(3) == 0 {
                let mut roots: Vec<_> = pinned.iter().map(|(root, _)| *root).chain([*tree.root()]).collect();
                collect_sparse(&world, &mut roots, 10 + random.below(80));
                pinned.iter_mut().zip(&roots).for_each(|((pin, _), root)| *pin = *root);
                tree = Tree::open(Arc::clone(&world.schema), world.pages(), *roots.last().unwrap()).unwrap();
            }
            for (root, model) in &pinned {
                let snapshot = Tree::open(Arc::clone(&world.schema), world.pages(), *root).unwrap();
                assert!(read_all(&snapshot) == *model, "case {case}, step {step}");
            }
            assert!(read_all(&tree) == model, "case {case}, step {step}");
        }
        // After quiescence, evacuating everything leaves just what is marked.
        let mut roots = [*tree.root()];
        collect_sparse(&world, &mut roots, 100);
        let live = mark(&*world.packs, &roots).unwrap();
        for pack in world.sealed.lock().iter() {
            let report = world.packs.scrub(pack).unwrap();
            assert_eq!(report.frames, live.packs[&pack.id].frames, "case {case}");
        }
    }
}

#[test]
fn marking_reads_no_plain_leaves() {
    let world = World::new();
    let model: Model = (0..4000u32).map(|i| (i.to_be_bytes().to_vec(), vec![1; 40])).collect();
    let tree = world.build(&model);
    let recording = Recording { pages: world.pages(), seen: Mutex::default() };
    let live = mark(&recording, &[*tree.root(), *tree.root()]).unwrap();
    assert_eq!(live, reached(&world, &[*tree.root()]));
    let frames: u64 = live.packs.values().map(|pack| pack.frames).sum();
    assert!((recording.seen.lock().len() as u64) * 10 < frames);
}
