//! P12 and P18: the page codec.

use super::*;
use crate::Error;
use std::sync::Arc;

use crate::path::Path;
use crate::testing::{Habit, Model, Random, World, cases, random_batch};

/// Pages of all kinds: leaves with and without spilled values, inner pages.
fn sample_pages() -> Vec<Arc<Page>> {
    let world = World::new();
    let batch = random_batch(&mut Random(3), Habit::Scattered, 1500, 900, 0);
    let model: Model = batch.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let tree = world.build(&model);
    let mut pages = Vec::new();
    for level in 0..=tree.root().level {
        let mut path = Path::new(world.pages(), tree.root(), level).unwrap();
        path.seek_first().unwrap();
        pages.push(Arc::clone(path.page()));
        while path.advance().unwrap() {
            pages.push(Arc::clone(path.page()));
        }
    }
    assert!(pages.iter().any(|page| page.level() == 0 && page.spills()));
    pages
}

/// Writes a page anew from its records.
fn encode_again(page: &Page) -> Page {
    let (first, last) = (page.key(0), page.last_key());
    let mut builder = PageBuilder::new(page.level(), page.natural(), page.count(), (&first, &last), Vec::new());
    (0..page.count()).for_each(|index| builder.push(&page.key(index), page.raw(index)));
    builder.finish()
}

#[test]
fn p12_decoding_inverts_encoding() {
    for page in sample_pages() {
        let decoded = Page::decode(*page.hash(), page.bytes.clone()).unwrap();
        assert!(decoded.verify());
        let again = encode_again(&decoded);
        assert_eq!((again.hash, again.bytes), (page.hash, page.bytes.clone()));
    }
}

#[test]
fn p12_whatever_is_not_canonical_is_refused() {
    let mut random = Random(5);
    let pages = sample_pages();
    let mut accepted = 0;
    for _ in 0..cases(60_000) {
        let page = &pages[random.below(pages.len() as u64) as usize];
        let mut bytes = page.bytes.to_vec();
        for _ in 0..=random.below(2) {
            let near_start = random.below(2) == 0;
            let at = random.below(if near_start { 40 } else { bytes.len() as u64 }) as usize % bytes.len();
            match random.below(8) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, random.next() as u8),
                2 => drop(bytes.remove(at)),
                3 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5) as usize],
                _ => bytes[at] ^= 1 << random.below(8),
            }
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(decoded) = Page::decode(*page.hash(), Bytes::from(bytes.clone())) {
            // Changed values, hashes and keys may be canonical again; then writing the page anew gives the same bytes.
            assert_eq!(encode_again(&decoded).bytes, bytes);
            accepted += 1;
        }
    }
    assert!(0 < accepted, "the test reaches the deepest checks");
}

#[test]
fn p12_random_bytes_never_panic() {
    let mut random = Random(6);
    for _ in 0..cases(20_000) {
        let length = random.below(200);
        let mut bytes = random.bytes(length);
        if let [format, level, flags, zero, count, count_high, ..] = &mut bytes[..] {
            (*format, *level, *flags, *zero, *count_high) = (1, *level % 2, *flags % 4, 0, 0);
            *count %= 8;
        }
        if let Some(total) = bytes.get_mut(8..12) {
            total.copy_from_slice(&(length as u32).to_le_bytes());
        }
        let _ = Page::decode(Hash::ZERO, Bytes::from(bytes.clone()));
        let _ = crate::RootRef::decode(&mut &bytes[..]);
        let _ = Summary::decode(&mut &bytes[..]);
    }
}

#[test]
fn p18_a_page_or_root_of_another_format_is_refused_as_such() {
    let pages = sample_pages();
    let mut bytes = pages[0].bytes.to_vec();
    bytes[0] = 2;
    let refused = Page::decode(Hash::ZERO, Bytes::from(bytes));
    assert!(matches!(refused, Err(Error::Unsupported { found: 2, supported: 1, .. })));
    let mut root = Vec::new();
    World::new().empty().root().encode(&mut root);
    root[0] = 9;
    assert!(matches!(crate::RootRef::decode(&mut &root[..]), Err(Error::Unsupported { found: 9, supported: 1, .. })));
}

#[test]
fn p12_root_references_round_trip_and_refuse_other_forms() {
    let world = World::new();
    let tree = world.build(&(0..300u32).map(|i| (i.to_be_bytes().to_vec(), vec![1; 1200])).collect());
    for root in [*tree.root(), *world.empty().root()] {
        let mut bytes = Vec::new();
        root.encode(&mut bytes);
        let mut rest = &bytes[..];
        assert_eq!(crate::RootRef::decode(&mut rest).unwrap(), root);
        assert!(rest.is_empty());
        for length in 0..bytes.len() {
            assert!(crate::RootRef::decode(&mut &bytes[..length]).is_err());
        }
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            if let Ok(decoded) = crate::RootRef::decode(&mut &bad[..]) {
                let mut again = Vec::new();
                decoded.encode(&mut again);
                assert!(bad.starts_with(&again));
            }
        }
    }
}

#[test]
fn searching_agrees_with_a_sorted_list() {
    let mut random = Random(8);
    for page in sample_pages() {
        let keys: Vec<_> = (0..page.count()).map(|index| page.key(index)).collect();
        for _ in 0..60 {
            let mut key = keys[random.below(keys.len() as u64) as usize].clone();
            match random.below(4) {
                0 => {}
                1 => key.truncate(random.below(key.len() as u64 + 1) as usize),
                2 => key.push(random.below(3) as u8),
                _ => {
                    if let Some(last) = key.last_mut() {
                        *last = last.wrapping_add(random.below(3) as u8).wrapping_sub(1);
                    }
                }
            }
            let expected = keys.partition_point(|other| *other < key);
            assert_eq!(page.search(&key), (expected, keys.get(expected) == Some(&key)));
        }
    }
}
