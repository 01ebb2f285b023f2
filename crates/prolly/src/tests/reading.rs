//! P10, P11: range summaries, lookups and cursors.

use std::ops::Bound;
use std::sync::Arc;

use super::random_model;
use crate::testing::{CONFIG, Measure, Model, Random, World, cases, key_of, params, read_all};
use crate::{PacksConfig, Schema, Summarize, Summary};

fn bound(random: &mut Random, key_space: u64) -> Bound<Vec<u8>> {
    let key = key_of(random.below(key_space));
    match random.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(key),
        _ => Bound::Excluded(key),
    }
}

fn model_summary(model: &Model, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Summary {
    let is_in = |key: &[u8]| {
        let above = match low {
            Bound::Unbounded => true,
            Bound::Included(low) => low <= key,
            Bound::Excluded(low) => low < key,
        };
        let below = match high {
            Bound::Unbounded => true,
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
        };
        above && below
    };
    let summary = |(key, value): (&Vec<u8>, &Vec<u8>)| Summary { records: 1, ..Measure.summarize(key, value) };
    model.iter().filter(|(key, _)| is_in(key)).map(summary).fold(Summary::EMPTY, |sum, next| sum.plus(&next))
}

#[test]
fn p10_summaries_equal_the_model_for_any_range() {
    for case in 0..cases(15) {
        let mut random = Random(case);
        let world = World::with(Schema::new(params(2 + case as u8 % 7, 2), Arc::new(Measure)));
        let size = [0, 5, 200, 2000][case as usize % 4];
        let model = random_model(&mut random, size);
        let tree = world.build(&model);
        for _ in 0..150 {
            let (low, high) = (bound(&mut random, 2 * size + 2), bound(&mut random, 2 * size + 2));
            let (low, high) = (low.as_ref().map(|key| &key[..]), high.as_ref().map(|key| &key[..]));
            let expected = model_summary(&model, low, high);
            assert_eq!(tree.summary((low, high)).unwrap(), expected, "case {case}: {low:?} to {high:?}");
        }
    }
}

#[test]
fn p11_cursors_and_lookups_equal_the_model() {
    for case in 0..cases(20) {
        let mut random = Random(100 + case);
        // Some with next to no cache.
        let config = PacksConfig { cache_bytes: [0, 64 << 20][case as usize % 2], ..CONFIG };
        let world = World::with_config(Schema::new(params(1 + case as u8 % 8, 3), Arc::new(Measure)), config);
        let size = [0, 3, 100, 1500][case as usize % 4];
        let model = random_model(&mut random, size);
        let tree = world.build(&model);
        assert_eq!(read_all(&tree), model, "case {case}");
        let mut cursor = tree.cursor();
        for _ in 0..200 {
            let key = match random.below(3) {
                0 => model.keys().nth(random.below(size + 1) as usize).cloned().unwrap_or_default(),
                _ => key_of(random.below(2 * size + 2)),
            };
            assert_eq!(tree.get(&key).unwrap().as_deref(), model.get(&key).map(|value| &value[..]), "case {case}");
            cursor.seek(&key).unwrap();
            let mut expected = model.range(key.clone()..);
            for _ in 0..random.below(40) {
                let next = cursor.next().unwrap();
                let next = next.map(|record| (record.key.to_vec(), record.value().unwrap().to_vec()));
                assert_eq!(next, expected.next().map(|(key, value)| (key.clone(), value.clone())), "case {case}");
            }
        }
    }
}

/// A page of a listing with delimiter: keys and common prefixes behind `marker`, at most `count_max`.
fn list(tree: &crate::Tree, prefix: &[u8], marker: &[u8], delimiter: u8, count_max: usize) -> Vec<Vec<u8>> {
    let mut cursor = tree.cursor();
    let mut entries: Vec<Vec<u8>> = Vec::new();
    cursor.seek(prefix.max(marker)).unwrap();
    while entries.len() < count_max {
        let Some(record) = cursor.next().unwrap() else { break };
        if !record.key.starts_with(prefix) {
            break;
        }
        if record.key == marker {
            continue;
        }
        let Some(at) = record.key[prefix.len()..].iter().position(|&byte| byte == delimiter) else {
            entries.push(record.key.to_vec());
            continue;
        };
        let common = record.key[..=prefix.len() + at].to_vec();
        cursor.skip_prefix(&common).unwrap();
        if marker < &common[..] {
            entries.push(common);
        }
    }
    entries
}

fn model_list(model: &Model, prefix: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for key in model.keys().filter(|key| key.starts_with(prefix)) {
        let at = key[prefix.len()..].iter().position(|&byte| byte == delimiter);
        let entry = at.map_or(&key[..], |at| &key[..=prefix.len() + at]).to_vec();
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    entries
}

#[test]
fn p11_listing_in_pages_with_a_delimiter_equals_the_model() {
    for case in 0..cases(20) {
        let mut random = Random(200 + case);
        let world = World::new();
        let model = random_model(&mut random, [50, 3000][case as usize % 2]);
        let tree = world.build(&model);
        for (prefix, delimiter) in
            [(&b""[..], b'/'), (b"bucket/", b'/'), (b"bucket/0", b'/'), (b"", b'0'), (b"x", b'/')]
        {
            let page_size = 1 + random.below(30) as usize;
            let mut entries: Vec<Vec<u8>> = Vec::new();
            loop {
                let marker = entries.last().cloned().unwrap_or_default();
                let page = list(&tree, prefix, &marker, delimiter, page_size);
                let is_last = page.len() < page_size;
                // A common prefix as marker stands for all keys below it.
                entries.extend(page.into_iter().filter(|entry| *entry != marker));
                if is_last {
                    break;
                }
            }
            assert_eq!(entries, model_list(&model, prefix, delimiter), "case {case}, prefix {prefix:?}");
        }
    }
}
