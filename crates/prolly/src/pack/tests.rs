//! Packs: mirrors, damage, failing writes, the cache.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::format;
use super::packs::{Packs, PacksConfig, SealedPack};
use crate::testing::{CONFIG, Measure, Model, Random, Shared, World, params, read_all};
use crate::{Edit, Error, Hash, PackId, Schema, Tree};

fn model() -> Model {
    (0..2000u32)
        .map(|i| (format!("key/{i:06}").into_bytes(), vec![i as u8; if i % 50 == 0 { 3000 } else { 30 }]))
        .collect()
}

fn open(world: &World, config: PacksConfig) -> crate::Result<Arc<Packs>> {
    Packs::open(Arc::new(Shared(Arc::clone(&world.storage))), config, &world.sealed.lock())
}

fn reopen(world: &World, tree: &Tree) -> Tree {
    Tree::open(Arc::clone(&world.schema), open(world, CONFIG).unwrap(), *tree.root()).unwrap()
}

fn only_pack(world: &World) -> SealedPack {
    let [pack] = world.sealed.lock()[..] else { panic!("one flush writes one pack") };
    pack
}

#[test]
fn a_tree_reopens_from_its_root_and_packs() {
    let world = World::new();
    let tree = world.build(&model());
    let mut encoded = Vec::new();
    tree.root().encode(&mut encoded);
    let root = crate::RootRef::decode(&mut &encoded[..]).unwrap();
    let again = Tree::open(Arc::clone(&world.schema), open(&world, CONFIG).unwrap(), root).unwrap();
    assert_eq!(read_all(&again), model());
    let other = Schema::new(params(4, 16), Arc::new(Measure));
    assert!(matches!(Tree::open(other, world.pages(), root), Err(Error::ParamsDiffer)));
}

/// A pack of one small tree, as the first release of format 1 wrote it.
const GOLDEN: &[u8] = include_bytes!("golden/pack-v1");

fn golden_model() -> Model {
    (0..60u32)
        .map(|i| (format!("key/{:03}", i * 7).into_bytes(), vec![i as u8; if i == 30 { 1200 } else { 3 }]))
        .collect()
}

#[test]
fn p13_the_golden_pack_is_read_and_written_alike() {
    let world = World::new();
    let tree = world.build(&golden_model());
    let pack = only_pack(&world);
    assert_eq!(pack.length, GOLDEN.len() as u64);
    assert!(world.storage.copies[0].lock()[&pack.id] == GOLDEN, "the same records no longer make the same pack");
    for copy in &world.storage.copies {
        copy.lock().insert(pack.id, GOLDEN.to_vec());
    }
    assert_eq!(read_all(&reopen(&world, &tree)), golden_model());
    assert_eq!(world.packs.scrub(&pack).unwrap().damaged, 0);
}

#[test]
fn any_damaged_byte_of_one_copy_is_read_from_the_other_and_reported() {
    let world = World::new();
    let tree = world.build(&model());
    let pack = only_pack(&world);
    let mut random = Random(1);
    for copy in [0, 1] {
        for _ in 0..40 {
            let offset = 64 + random.below(pack.length - 64 - 16) as usize;
            world.storage.flip(pack.id, copy, offset);
            assert_eq!(read_all(&reopen(&world, &tree)), model(), "byte {offset} of copy {copy}");
        }
    }
    // Reads repaired what they met in copy 0; a scrub finds the rest.
    let damages = std::mem::take(&mut *world.storage.damages.lock());
    assert!(!damages.is_empty());
    assert!(damages.iter().all(|&(id, copy, _, intact)| id == pack.id && copy == 0 && intact));
    let report = world.packs.scrub(&pack).unwrap();
    assert!(0 < report.damaged && report.lost.is_empty());
    let report = world.packs.scrub(&pack).unwrap();
    assert_eq!((report.damaged, report.bytes), (0, 2 * pack.length));
}

#[test]
fn damage_of_all_copies_is_an_error_that_names_the_place() {
    let world = World::new();
    let tree = world.build(&model());
    let location = tree.root().location;
    let offset = location.offset as usize + location.length as usize / 2;
    (0..2).for_each(|copy| world.storage.flip(location.pack, copy, offset));
    let read = reopen(&world, &tree).get(b"key/000001");
    assert!(
        matches!(read, Err(Error::Corrupt { pack, offset, .. }) if (pack, offset) == (location.pack, location.offset))
    );
    assert_eq!(world.packs.scrub(&only_pack(&world)).unwrap().lost, [location.offset]);
    let reports = world.storage.damages.lock();
    assert!(reports.iter().all(|&(_, _, at, intact)| at == u64::from(location.offset) && !intact));
}

#[test]
fn a_lost_copy_is_an_io_error_only_if_the_other_is_lost_too() {
    let world = World::new();
    let tree = world.build(&model());
    world.storage.copies[0].lock().clear();
    let packs = Packs::open(Arc::new(Shared(Arc::clone(&world.storage))), CONFIG, &world.sealed.lock()).unwrap();
    let again = Tree::open(Arc::clone(&world.schema), packs, *tree.root()).unwrap();
    assert_eq!(read_all(&again), model());
    world.storage.copies[1].lock().clear();
    assert!(matches!(open(&world, CONFIG), Err(Error::Io { .. })));
}

#[test]
fn packs_of_another_store_number_or_version_are_refused() {
    let world = World::new();
    world.build(&model());
    let pack = only_pack(&world);
    let foreign = PacksConfig { realm: [8; 16], ..CONFIG };
    assert!(matches!(open(&world, foreign), Err(Error::ForeignPack { pack: id }) if id == pack.id));
    let renumbered = SealedPack { id: PackId(7), ..pack };
    for copy in &world.storage.copies {
        let bytes = copy.lock()[&pack.id].clone();
        copy.lock().insert(PackId(7), bytes);
    }
    let refused = Packs::open(Arc::new(Shared(Arc::clone(&world.storage))), CONFIG, &[renumbered]);
    assert!(matches!(refused, Err(Error::ForeignPack { pack: PackId(7) })));
    let shortened = SealedPack { length: pack.length - 1, ..pack };
    let refused = Packs::open(Arc::new(Shared(Arc::clone(&world.storage))), CONFIG, &[shortened]);
    assert!(matches!(refused, Err(Error::Corrupt { .. })));
    for copy in &world.storage.copies {
        let mut packs = copy.lock();
        let header = &mut packs.get_mut(&pack.id).unwrap()[..format::HEADER_SIZE];
        header[8] = 2;
        let crc = crc_fast::crc32_iscsi(&header[..60]);
        header[60..].copy_from_slice(&crc.to_le_bytes());
    }
    assert!(matches!(open(&world, CONFIG), Err(Error::Unsupported { found: 2, supported: 1, .. })));
}

#[test]
fn a_broken_footer_is_rebuilt_from_the_frames() {
    let world = World::new();
    let tree = world.build(&model());
    let pack = only_pack(&world);
    let entries = world.packs.footer(&pack).unwrap();
    let root = tree.root();
    assert_eq!(world.packs.find(&pack, &root.hash).unwrap(), Some(root.location));
    assert_eq!(world.packs.find(&pack, &Hash::of_page(b"absent")).unwrap(), None);
    (0..2).for_each(|copy| world.storage.flip(pack.id, copy, pack.length as usize - 40));
    assert_eq!(world.packs.footer(&pack).unwrap(), entries);
    assert_eq!(world.packs.find(&pack, &root.hash).unwrap(), Some(root.location));
}

#[test]
fn failed_writes_leave_packs_that_can_be_discarded() {
    for writes in 0..4 {
        let world = World::new();
        let tree = world.build(&model());
        world.storage.writes_left.store(writes, Ordering::Relaxed);
        let mut writer = world.packs.writer();
        let edits = [Edit { key: b"key", value: Some(b"value") }];
        let sealed = tree.apply(&edits, &mut writer).and_then(|_| writer.seal());
        assert_eq!(sealed.is_err(), writes < 3, "{writes} writes");
        world.storage.writes_left.store(u64::MAX, Ordering::Relaxed);
        let leftover = if writes == 0 { vec![] } else { vec![PackId(2)] };
        assert_eq!(world.packs.discard_unlisted(&world.sealed.lock()).unwrap(), leftover);
        assert_eq!(world.apply(&tree, &Default::default()).0.root(), tree.root());
        assert_eq!(read_all(&reopen(&world, &tree)), model());
    }
}

#[test]
fn packs_being_written_are_not_discarded() {
    let world = World::new();
    let tree = world.build(&model());
    let mut writer = world.packs.writer();
    let (edited, _) = tree.apply(&[Edit { key: b"key", value: Some(b"value") }], &mut writer).unwrap();
    assert_eq!(world.packs.discard_unlisted(&world.sealed.lock()).unwrap(), []);
    world.sealed.lock().extend(writer.seal().unwrap());
    assert_eq!(reopen(&world, &edited).get(b"key").unwrap().as_deref(), Some(&b"value"[..]));
    drop(world.packs.writer());
    assert_eq!(world.packs.discard_unlisted(&world.sealed.lock()).unwrap(), []);
}

#[test]
fn a_long_flush_fills_several_packs() {
    let config = PacksConfig { pack_bytes_max: 20_000, ..CONFIG };
    let world = World::with_config(Schema::new(params(8, 16), Arc::new(Measure)), config);
    let tree = world.build(&model());
    let sealed = world.sealed.lock().clone();
    assert!(5 < sealed.len());
    assert!(sealed.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(read_all(&reopen(&world, &tree)), model());
}

#[test]
fn the_cache_keeps_its_budget_and_prefers_inner_pages() {
    let config = PacksConfig { cache_bytes: 200_000, ..CONFIG };
    let world = World::with_config(Schema::new(params(8, 16), Arc::new(Measure)), config);
    let model: Model = (0..20_000u32).map(|i| (i.to_be_bytes().to_vec(), vec![1; 100])).collect();
    let tree = world.build(&model);
    let mut random = Random(1);
    let get = |i: u64| tree.get(&(i as u32).to_be_bytes()).unwrap().unwrap();
    (0..3000).for_each(|_| assert_eq!(get(random.below(20_000)), vec![1; 100]));
    assert!(world.packs.cached_bytes() <= 200_000);
    let reads = world.storage.reads.load(Ordering::Relaxed);
    (0..1000).for_each(|_| drop(get(random.below(20_000))));
    let reads = world.storage.reads.load(Ordering::Relaxed) - reads;
    assert!(reads < 1300, "{reads} reads for 1000 lookups: inner pages are evicted");
}

#[test]
fn what_was_read_once_is_answered_from_memory() {
    let world = World::new();
    let tree = reopen(&world, &world.build(&model()));
    // One value in a leaf, one spilled, one that is not there.
    for (key, expected) in [("key/000001", Some(30)), ("key/000050", Some(3000)), ("key/000999x", None)] {
        let key = key.as_bytes();
        let size = |value: Option<bytes::Bytes>| value.map(|value| value.len());
        assert!(matches!(tree.get_in_memory(key), Err(Error::NotInMemory)));
        assert_eq!(size(tree.get(key).unwrap()), expected);
        assert_eq!(size(tree.get_in_memory(key).unwrap()), expected);
    }
    assert!(matches!(world.empty().get_in_memory(b"key"), Ok(None)));
}

#[test]
fn a_value_edit_beside_spilled_values_writes_no_blob() {
    let world = World::new();
    let model: Model = (0..500u32).map(|i| (i.to_be_bytes().to_vec(), vec![i as u8; 16 << 10])).collect();
    let tree = world.build(&model);
    let key = 77u32.to_be_bytes();
    let value = vec![1; 5000];
    let (edited, written) = world.write(|writer| tree.apply(&[Edit { key: &key, value: Some(&value) }], writer));
    assert_eq!((written.blobs, written.blob_bytes), (1, 5000));
    assert!(written.page_bytes < 10_000, "{written:?}");
    let (same, written) = world.write(|writer| edited.apply(&[Edit { key: &key, value: Some(&value) }], writer));
    assert_eq!((same.root(), written.blobs), (edited.root(), 0));
    assert_eq!(reopen(&world, &edited).get(&key).unwrap().unwrap(), value);
    assert_eq!(reopen(&world, &edited).get(&78u32.to_be_bytes()).unwrap().unwrap(), model[&78u32.to_be_bytes()[..]]);
}

#[test]
fn keys_and_values_beyond_the_limits_are_refused() {
    let world = World::new();
    let (key, value) = (vec![1; 4097], vec![1; (8 << 20) + 1]);
    let apply = |edits: &[Edit<'_>]| world.empty().apply(edits, &mut world.packs.writer()).map(|_| ());
    let long_key = apply(&[Edit { key: &key, value: Some(b"") }]);
    assert!(matches!(long_key, Err(Error::KeyTooLong { length: 4097, limit: 4096 })));
    let long_value = apply(&[Edit { key: b"", value: Some(&value) }]);
    assert!(matches!(long_value, Err(Error::ValueTooLong { .. })));
    let unsorted = apply(&[Edit { key: b"b", value: None }, Edit { key: b"a", value: None }]);
    assert!(matches!(unsorted, Err(Error::Unsorted)));
    let longest = world.write(|writer| {
        world.empty().apply(
            &[Edit { key: &key[1..], value: Some(&value[1..]) }, Edit { key: b"\x02", value: Some(b"") }],
            writer,
        )
    });
    assert_eq!(longest.0.get(&key[1..]).unwrap().unwrap(), &value[1..]);
}

#[test]
fn frames_and_footers_refuse_any_flipped_bit() {
    let mut frame = Vec::new();
    format::encode_frame(format::Kind::Blob, &Hash::of_blob(b"blob"), b"blob", &mut frame);
    let mut entries =
        vec![format::FooterEntry { hash64: 9, offset: 64 }, format::FooterEntry { hash64: 3, offset: 90 }];
    let footer = format::encode_footer(&mut entries);
    assert!(format::decode_frame(&frame.clone().into()).is_ok());
    assert_eq!(format::decode_footer(&footer), Some(entries));
    for bit in 0..frame.len() * 8 {
        let mut bad = frame.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(format::decode_frame(&bad.into()).is_err());
    }
    for bit in 0..footer.len() * 8 {
        let mut bad = footer.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(format::decode_footer(&bad), None);
        assert_eq!(format::decode_footer(&footer[..bit / 8]), None);
    }
}
