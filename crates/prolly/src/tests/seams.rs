//! P9: splitting and joining.

use super::{fresh_pages, random_model};
use crate::testing::{Model, Random, World, cases, key_of, params};
use crate::{Error, Schema};

#[test]
fn p9_split_and_join_equal_bulk_builds() {
    for case in 0..cases(120) {
        let mut random = Random(case);
        let (leaf_width, inner_width) = [(8, 16), (1, 2), (3, 3)][case as usize % 3];
        let measure = std::sync::Arc::new(crate::testing::Measure);
        let world = World::with(Schema::new(params(leaf_width, inner_width), measure));
        let size = [1, 10, 300, 3000][case as usize % 4];
        let model = random_model(&mut random, size);
        let tree = world.build(&model);
        let key = match random.below(8) {
            0 => Vec::new(),
            1 => vec![255; 9],
            2 => model.keys().next().cloned().unwrap_or_default(),
            _ => key_of(random.below(2 * size + 1)),
        };
        let ((left, right), written) = world.write(|writer| tree.split(&key, writer));
        let (below, above): (Model, Model) = model.clone().into_iter().partition(|(k, _)| *k < key);
        assert_eq!(left.root().hash, world.build(&below).root().hash, "case {case}: left");
        assert_eq!(right.root().hash, world.build(&above).root().hash, "case {case}: right");
        assert_eq!(left.root().summary.plus(&right.root().summary), tree.root().summary, "case {case}");
        let (joined, rewritten) = world.write(|writer| left.join(&right, writer));
        assert_eq!(joined.root().hash, tree.root().hash, "case {case}: joined");
        assert_eq!(joined.root().level, tree.root().level, "case {case}: joined");
        let height = usize::from(tree.root().level) + 1;
        for half in [&left, &right] {
            let fresh: usize = fresh_pages(half, &tree).iter().sum();
            assert!(fresh <= height + 2, "case {case}: {fresh} fresh pages at height {height}");
        }
        assert!(written.pages <= 2 * (height as u64 + 2), "case {case}: {written:?}");
        assert!(rewritten.pages <= 2 * (height as u64 + 2), "case {case}: {rewritten:?}");
    }
}

#[test]
fn p9_trees_of_different_heights_join() {
    for (left_size, right_size) in [(1, 2000), (2000, 1), (3, 3), (40, 4000)] {
        let world = World::new();
        let mut random = Random(left_size);
        let rename = |model: Model, prefix: u8| -> Model {
            model.into_iter().map(|(key, value)| ([&[prefix], &key[..]].concat(), value)).collect()
        };
        let left = rename(random_model(&mut random, left_size), 1);
        let right = rename(random_model(&mut random, right_size), 2);
        let (left_tree, right_tree) = (world.build(&left), world.build(&right));
        let joined = world.write(|writer| left_tree.join(&right_tree, writer)).0;
        let whole = world.build(&left.into_iter().chain(right).collect());
        assert_eq!(joined.root().hash, whole.root().hash);
        let refused = right_tree.join(&left_tree, &mut world.packs.writer());
        assert!(matches!(refused, Err(Error::Unsorted)));
    }
}
