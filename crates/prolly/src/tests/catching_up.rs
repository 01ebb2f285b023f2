//! P16: catching up ends at equal roots, however it is cut, whatever is sent, and sends little.

use std::sync::Arc;

use super::{pages_by_level, random_model};
use crate::sync::{Goal, Walk, answer};
use crate::testing::{CONFIG, Habit, Measure, Model, Random, World, cases, params, random_batch, read_all};
use crate::{Error, PackWriter, PacksConfig, RootRef, Schema, Tree};

fn walk(here: &World, goals: Vec<Goal>) -> Walk {
    Walk::new(Arc::clone(&here.schema), here.pages(), goals).unwrap()
}

fn goal(local: &Tree, remote: &Tree) -> Goal {
    Goal { local: *local.root(), remote: *remote.root() }
}

/// Carries messages until everything is here; the bytes of all of them, and the roots.
fn carry(walk: &mut Walk, there: &World, writer: &mut PackWriter, answer_bytes_max: usize) -> (usize, Vec<RootRef>) {
    let mut carried = 0;
    while let Some(request) = walk.request() {
        let answer = answer(&*there.pages(), &request, answer_bytes_max).unwrap();
        carried += request.len() + answer.len();
        walk.take(answer.into(), writer).unwrap();
    }
    (carried, walk.roots().unwrap())
}

fn opened(here: &World, root: RootRef) -> Tree {
    Tree::open(Arc::clone(&here.schema), here.pages(), root).unwrap()
}

/// Opens the tree without what was cached, checks it against `remote` page by page, down to the places.
fn check_arrived(here: &World, root: RootRef, remote: &Tree) {
    here.packs.clear_cache();
    let tree = opened(here, root);
    assert_eq!((root.hash, root.spills), (remote.root().hash, remote.root().spills));
    assert!(pages_by_level(&tree).iter().flatten().all(|page| page.verify()));
    assert_eq!(read_all(&tree), read_all(remote));
}

/// A world whose spilled values are frequent enough to matter.
fn world() -> World {
    let config = PacksConfig { pack_bytes_max: 1 << 16, ..CONFIG };
    World::with_config(Schema::new(params(4, 4), Arc::new(Measure)), config)
}

#[test]
fn p16_catching_up_ends_at_equal_roots_wherever_it_is_cut() {
    for case in 0..cases(30) {
        let mut random = Random(200 + case);
        let (here, there) = (world(), world());
        let models = [random_model(&mut random, 900), random_model(&mut random, 1 + 40 * case)];
        let local = models.each_ref().map(|model| here.build(model));
        let bases = models.each_ref().map(|model| if case % 5 == 0 { there.empty() } else { there.build(model) });
        let edited = |random: &mut Random, tree: &Tree| {
            let habit = [Habit::Scattered, Habit::Clustered, Habit::Sequential][usize::try_from(case % 3).unwrap()];
            there.apply(tree, &random_batch(random, habit, 1800, 4 * case, 40)).0
        };
        let mut remote = bases.each_ref().map(|tree| edited(&mut random, tree));
        let goals = |remote: &[Tree; 2]| local.iter().zip(remote).map(|(local, remote)| goal(local, remote)).collect();

        let mut writer = here.packs.writer();
        let mut walk = walk(&here, goals(&remote));
        for _ in 0..case % 4 {
            // Some messages, some of which are lost; then the other side has moved on.
            for _ in 0..random.below(6) {
                let Some(request) = walk.request() else { break };
                let answer = answer(&*there.pages(), &request, 1 + random.below(9000) as usize).unwrap();
                if random.below(3) != 0 {
                    walk.take(answer.into(), &mut writer).unwrap();
                }
            }
            remote = remote.each_ref().map(|tree| edited(&mut random, tree));
            walk = walk.redirect(goals(&remote)).unwrap();
        }
        let (_, roots) = carry(&mut walk, &there, &mut writer, 1 + random.below(20_000) as usize);
        here.sealed.lock().extend(writer.seal().unwrap());
        for (root, remote) in roots.into_iter().zip(&remote) {
            check_arrived(&here, root, remote);
        }
    }
}

#[test]
fn what_is_sent_is_in_proportion_to_what_changed() {
    let (here, there) = (World::new(), World::new());
    let key = |number: u32| format!("directory-{:03}/some-longer-object-name-{number:07}", number / 50).into_bytes();
    let model: Model = (0..20_000u32).map(|number| (key(number), number.to_le_bytes().repeat(50))).collect();
    let local = here.build(&model);
    let same = there.build(&model);
    let tree_bytes: usize = pages_by_level(&local).iter().flatten().map(|page| page.canonical().len()).sum();
    let mut random = Random(1);
    for (changes, percent_max) in [(0, 0), (1, 1), (20, 1), (200, 5), (20_000, 130)] {
        let batch = (0..changes).map(|_| (key(random.below(20_000) as u32), Some(vec![7; 200]))).collect();
        let remote = there.apply(&same, &batch).0;
        let mut writer = here.packs.writer();
        let (carried, roots) = carry(&mut walk(&here, vec![goal(&local, &remote)]), &there, &mut writer, 1 << 20);
        here.sealed.lock().extend(writer.seal().unwrap());
        check_arrived(&here, roots[0], &remote);
        println!("{changes} changes: {carried} of {tree_bytes} bytes");
        assert!(carried * 100 <= tree_bytes * percent_max, "{changes} changes: {carried} of {tree_bytes} bytes");
        assert_eq!(carried == 0, changes == 0);
    }
}

#[test]
fn nothing_that_is_sent_is_taken_for_something_else() {
    for seed in 0..cases(300) {
        let mut random = Random(seed);
        let (here, there) = (world(), world());
        let model = random_model(&mut random, 300);
        let local = if seed % 4 == 0 { here.empty() } else { here.build(&model) };
        let remote = there.apply(&there.build(&model), &random_batch(&mut random, Habit::Scattered, 600, 40, 40)).0;
        let mut writer = here.packs.writer();
        let mut walk = walk(&here, vec![goal(&local, &remote)]);
        let mut refused = 0;
        while let Some(request) = walk.request() {
            let mut answer = answer(&*there.pages(), &request, 8000).unwrap();
            if refused < 20 && random.below(2) == 0 {
                let position = random.below(answer.len() as u64) as usize;
                answer[position] ^= 1 << random.below(8);
                answer.truncate(answer.len() - random.below(2) as usize * position);
            }
            match walk.take(answer.into(), &mut writer) {
                Ok(()) => {}
                // The sender's places are believed until they prove wrong.
                Err(Error::Gone) => walk = walk.redirect(vec![goal(&local, &remote)]).unwrap(),
                Err(_) => refused += 1,
            }
        }
        here.sealed.lock().extend(writer.seal().unwrap());
        check_arrived(&here, walk.roots().unwrap()[0], &remote);
    }
}

#[test]
fn what_is_gone_is_said_to_be() {
    let (here, there) = (World::new(), World::new());
    let remote = there.build(&random_model(&mut Random(1), 300));
    let mut walk = walk(&here, vec![goal(&here.empty(), &remote)]);
    let request = walk.request().unwrap();
    let answer = answer(&*here.pages(), &request, 8000).unwrap();
    assert!(matches!(walk.take(answer.into(), &mut here.packs.writer()), Err(Error::Gone)));
    assert_eq!((walk.request(), walk.roots()), (Some(request), None));
}

#[test]
fn trees_of_other_parameters_are_refused() {
    let (here, there) = (world(), World::new());
    let goal = Goal { local: *here.empty().root(), remote: *there.empty().root() };
    let refused = Walk::new(Arc::clone(&here.schema), here.pages(), vec![goal]);
    assert!(matches!(refused, Err(Error::ParamsDiffer)));
}
