//! The engine against a map in memory, power cuts, lost and rotten mirrors.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use env::{Failure, Files, RealSpawn, SimFiles};
use proptest::prelude::*;

use super::*;
use crate::log::LogEntry;
use crate::sim::{block_on, case_factor, directories, env_of, new_files};
use crate::summary::Summary;
use crate::testing::MemoryView;
use crate::view::{BucketId, Edit, TreeId};

/// Everything small, so that every mechanism is at work.
pub(super) fn config() -> MetaConfig {
    MetaConfig {
        overlay_bytes_min: 20_000,
        overlay_bytes_max: 20_000,
        replay_commands_max: 1000,
        page_cache_bytes: 1 << 16,
        pack_bytes_max: 1 << 16,
        collect_bytes_min: 1 << 15,
        log_segment_bytes: 4096,
        log_cache_bytes: 1024,
        ..MetaConfig::default()
    }
}

fn open(files: &SimFiles, directories: &[PathBuf], seed: u64) -> Result<Opened> {
    block_on(MetaEngine::open(&env_of(files, seed), directories, config()))
}

pub(super) fn id(index: u64) -> LogId {
    LogId { term: 1, node: 1, index }
}

/// What entry `index` does: puts, removals, now and then a dropped tree; a few keys often, many seldom.
fn edits_of(index: u64) -> Edits {
    let mut state = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let trees = [TreeId::Catalog, TreeId::Objects(BucketId(1)), TreeId::Objects(BucketId(2)), TreeId::Internal];
    let mut edits: BTreeMap<(TreeId, Bytes), Edit> = BTreeMap::new();
    for _ in 0..1 + next(5) {
        let tree = trees[usize::try_from(next(4)).unwrap()];
        let key = Bytes::from(format!("\u{10}key {:05}", if next(2) == 0 { next(20) } else { next(5000) }));
        let edit = match next(10) {
            0..2 => Edit::Remove { tree, key: key.clone() },
            2 => Edit::Put { tree, key: key.clone(), value: index.to_le_bytes().repeat(190).into() },
            _ => Edit::Put { tree, key: key.clone(), value: format!("value of {index} {}", next(9)).into() },
        };
        edits.insert((tree, key), edit);
    }
    if index.is_multiple_of(61) {
        let tree = TreeId::Objects(BucketId(2));
        edits.retain(|(other, _), _| *other != tree);
        edits.insert((tree, Bytes::new()), Edit::DropTree { tree });
    }
    edits.into_values().collect()
}

async fn apply_entry(engine: &MetaEngine, index: u64) -> Result<()> {
    engine.wait_for_room().await;
    engine.change(id(index), &[edits_of(index)], |_, edits| Ok(((), edits.clone()))).map(|_| ())
}

/// The state after the first `count` entries.
pub(super) fn model_of(count: u64) -> MemoryView {
    let mut model = MemoryView::new();
    (1..=count).for_each(|index| edits_of(index).into_iter().for_each(|edit| model.edit(edit)));
    model
}

fn all_trees() -> [TreeId; 4] {
    [TreeId::Catalog, TreeId::Objects(BucketId(1)), TreeId::Objects(BucketId(2)), TreeId::Internal]
}

fn records_of(view: &dyn View, tree: TreeId) -> Result<Vec<(Bytes, Bytes)>> {
    let mut cursor = view.cursor(tree)?;
    let mut records = Vec::new();
    while let Some(record) = cursor.next()? {
        records.push(record);
    }
    Ok(records)
}

pub(super) fn check_same(view: &dyn View, model: &MemoryView, context: &str) {
    for tree in all_trees() {
        let (found, expected) = (records_of(view, tree).unwrap(), records_of(model, tree).unwrap());
        let difference = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        let keys = difference.map(|(found, expected)| (&found.0, &expected.0));
        assert!(found == expected, "{} of {} records, {keys:?}, {tree:?}, {context}", found.len(), expected.len());
    }
}

/// Points, seeks and sums at and around `probes`.
fn check_queries(view: &dyn View, model: &MemoryView, probes: &[u32]) {
    let key = |probe: u32| Bytes::from(format!("\u{10}key {probe:05}"));
    for (tree, probes) in all_trees().into_iter().flat_map(|tree| probes.windows(2).map(move |pair| (tree, pair))) {
        let (low, high) = (key(probes[0].min(probes[1])), key(probes[0].max(probes[1])));
        assert_eq!(view.get(tree, &low).unwrap(), model.get(tree, &low).unwrap());
        let mut cursors = (view.cursor(tree).unwrap(), model.cursor(tree).unwrap());
        for seek in [&high, &low] {
            cursors.0.seek(seek).unwrap();
            cursors.1.seek(seek).unwrap();
            for _ in 0..3 {
                assert_eq!(cursors.0.next().unwrap(), cursors.1.next().unwrap());
            }
        }
        let ranges = [
            (Bound::Included(&low[..]), Bound::Excluded(&high[..])),
            (Bound::Excluded(&low[..]), Bound::Included(&high[..])),
            (Bound::Unbounded, Bound::Included(&low[..])),
            (Bound::Excluded(&high[..]), Bound::Unbounded),
            (Bound::Unbounded, Bound::Unbounded),
        ];
        for range in ranges {
            assert_eq!(view.summary(tree, range).unwrap(), model.summary(tree, range).unwrap(), "{tree:?} {range:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// P11 with overlays: whatever was flushed or frozen in between, each view is and stays the state it was taken of.
    #[test]
    fn views_equal_a_sorted_map_whenever_they_were_taken(
        steps in prop::collection::vec((1..40u64, prop::bool::ANY, prop::bool::ANY), 1..12),
        probes in prop::collection::vec(0..5000u32, 6),
    ) {
        let files = new_files(1, 1);
        let Opened { engine, .. } = open(&files, &directories(1), 1).unwrap();
        let mut index = 0;
        let mut taken = Vec::new();
        for (count, flush, take) in steps {
            for _ in 0..count {
                index += 1;
                block_on(apply_entry(&engine, index)).unwrap();
            }
            if take {
                taken.push((engine.view(), index));
            }
            if flush {
                block_on(engine.flush()).unwrap();
            }
        }
        taken.push((engine.view(), index));
        for (view, count) in taken {
            let model = model_of(count);
            check_same(view.as_ref(), &model, "taken earlier");
            check_queries(view.as_ref(), &model, &probes);
        }
        block_on(engine.close());
    }
}

/// Runs entries `range` through log and engine, flushing and purging now and then. Waits for every third
/// acknowledgement only. Returns the last entry acknowledged and the last one given to the log.
pub(super) fn run(opened: &Opened, range: std::ops::Range<u64>) -> (u64, u64) {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut given = 0;
    let mut applied = opened.engine.applied().map_or(0, |id| id.index);
    for index in range {
        let (sender, receiver) = oneshot::channel();
        let note = acknowledged.clone();
        let done: crate::log::Done = Box::new(move |result| {
            if result.is_ok() {
                note.fetch_max(index, Ordering::SeqCst);
            }
            let _ = sender.send(result);
        });
        let entry = LogEntry { id: id(index), kind: 1, payload: index.to_le_bytes().to_vec().into() };
        given = index;
        let result: Result<()> = block_on(async {
            opened.log.append(vec![entry], done).await?;
            if index % 3 != 0 {
                return Ok(());
            }
            receiver.await.unwrap_or(Err(Error::Unavailable))?;
            for index in applied + 1..=index {
                apply_entry(&opened.engine, index).await?;
                applied = index;
            }
            if index % 12 == 0 {
                opened.engine.flush().await?;
                if let Some(purgeable) = opened.engine.durable().borrow().purgeable {
                    opened.log.purge(purgeable).await?;
                }
            }
            Ok(())
        });
        if result.is_err() {
            break;
        }
    }
    (acknowledged.load(Ordering::SeqCst), given)
}

/// Applies what the log holds beyond the engine's state; the number of the last entry.
pub(super) fn replay(opened: &Opened) -> Result<u64> {
    let applied = opened.engine.applied().map_or(0, |id| id.index);
    let entries = opened.log.read(applied + 1..u64::MAX)?;
    for entry in &entries {
        assert_eq!(entry.payload[..], entry.id.index.to_le_bytes());
        block_on(apply_entry(&opened.engine, entry.id.index))?;
    }
    Ok(entries.last().map_or(applied, |entry| entry.id.index))
}

/// The running hash after `count` entries.
pub(super) fn effects_of(count: u64) -> [u8; 32] {
    let mut hash = EffectsHash::EMPTY;
    for index in 1..=count {
        let mut entry = EntryEffects::new(hash, id(index));
        edits_of(index).iter().for_each(|edit| entry.add(edit));
        hash = entry.finish();
    }
    hash.0
}

pub(super) fn check_recovered(opened: &Opened, found: u64, bounds: (u64, u64), context: &str) {
    let (acknowledged, given) = bounds;
    assert!(acknowledged <= found && found <= given, "{acknowledged} acknowledged, {given} given, {found}: {context}");
    check_same(opened.engine.view().as_ref(), &model_of(found), context);
    let expected = if found == 0 { (None, [0; 32]) } else { (Some(id(found)), effects_of(found)) };
    assert_eq!(opened.engine.effects_hash(), expected, "{context}");
}

/// P14: cuts the power at call `crash_at`, then again during or after recovery.
fn check_power_cuts(mirror_count: usize, crash_at: u64, seed: u64) -> bool {
    let context = format!("{mirror_count} mirrors, crash at call {crash_at}, seed {seed}");
    let all = directories(mirror_count);
    let files = new_files(mirror_count, seed);
    files.fail_call(crash_at, Failure::Crash);
    let mut bounds = (0, 0);
    if let Ok(opened) = open(&files, &all, seed) {
        bounds = run(&opened, 1..60);
    }
    let crashed = crash_at < files.calls();
    let files = files.power_cut(seed);
    files.fail_call(files.calls() + 40 + crash_at % 211, Failure::Crash);
    if let Ok(opened) = open(&files, &all, seed + 1)
        && let Ok(found) = replay(&opened)
    {
        assert!(bounds.0 <= found && found <= bounds.1, "{bounds:?}, {found}: {context}");
        let (acknowledged, given) = run(&opened, found + 1..found + 20);
        bounds = (found.max(acknowledged), found.max(given));
    }
    let files = files.power_cut(seed + 1);
    let opened = open(&files, &all, seed + 2).expect(&context);
    let found = replay(&opened).expect(&context);
    check_recovered(&opened, found, bounds, &context);
    block_on(opened.engine.close());
    crashed
}

#[test]
fn any_power_cut_leaves_a_prefix_with_all_that_was_acknowledged() {
    for (mirror_count, round) in (1..=3).flat_map(|count| (0..case_factor()).map(move |round| (count, round))) {
        let mut crash_at = round % 7;
        while check_power_cuts(mirror_count, crash_at, crash_at * 5 + round * 10_000 + mirror_count as u64) {
            crash_at += 7;
        }
        assert!(100 < crash_at, "the run makes more calls than {crash_at}");
    }
}

/// A closed node with 60 entries and the last flush some entries ago.
fn filled(mirror_count: usize, seed: u64) -> SimFiles {
    let files = new_files(mirror_count, seed);
    let opened = open(&files, &directories(mirror_count), seed).unwrap();
    assert_eq!(run(&opened, 1..61), (60, 60));
    block_on(opened.engine.close());
    files
}

fn wait_until_complete(opened: &Opened) {
    for _ in 0..1000 {
        // Packs are copied while the worker waits for requests.
        block_on(opened.engine.flush()).unwrap();
        if opened.engine.mirrors().iter().all(|mirror| mirror.in_service && mirror.complete) {
            return;
        }
    }
    panic!("not filled: {:?}", opened.engine.mirrors());
}

#[test]
fn losing_any_one_directory_loses_nothing_and_it_is_filled_again() {
    for mirror_count in 2..=3 {
        for lost in 0..mirror_count {
            let files = filled(mirror_count, 3);
            let all = directories(mirror_count);
            files.vanish(&all[lost]);
            let files = files.power_cut(1);
            let opened = open(&files, &all, 6).unwrap();
            let found = replay(&opened).unwrap();
            check_recovered(&opened, found, (60, 60), "after the loss");
            wait_until_complete(&opened);
            block_on(opened.engine.close());
            all.iter().filter(|directory| **directory != all[lost]).for_each(|other| files.vanish(other));
            let opened = open(&files, &all[lost..=lost], 7).unwrap();
            let found = replay(&opened).unwrap();
            check_recovered(&opened, found, (60, 60), "from the refilled one alone");
            block_on(opened.engine.close());
        }
    }
}

#[test]
fn a_mirror_is_replaced_while_running() {
    let files = new_files(3, 1);
    let all = directories(3);
    let opened = open(&files, &all[..2], 1).unwrap();
    run(&opened, 1..31);
    files.fail_path(Path::new("/disk0"), Failure::Io);
    assert_eq!(run(&opened, 31..61), (60, 60));
    assert_eq!(opened.engine.mirrors().iter().filter(|mirror| mirror.in_service).count(), 1);
    block_on(opened.engine.replace_mirror(&all[2])).unwrap();
    assert!(opened.engine.mirrors().iter().all(|mirror| mirror.in_service && mirror.complete));
    assert_eq!(run(&opened, 61..91), (90, 90));
    block_on(opened.engine.close());
    let opened = open(&files, &all[2..], 2).unwrap();
    let found = replay(&opened).unwrap();
    check_recovered(&opened, found, (90, 90), "from the new mirror alone");
    block_on(opened.engine.close());
}

#[test]
fn a_directory_that_vanishes_is_noticed_and_made_a_mirror_again() {
    let files = new_files(2, 1);
    let all = directories(2);
    let opened = open(&files, &all, 1).unwrap();
    run(&opened, 1..31);
    files.vanish(&all[0]);
    assert_eq!(run(&opened, 31..61), (60, 60));
    assert_eq!(opened.engine.mirrors().iter().filter(|mirror| mirror.in_service).count(), 1);
    block_on(opened.engine.replace_mirror(&all[0])).unwrap();
    assert_eq!(run(&opened, 61..70), (69, 69));
    block_on(opened.engine.close());
    let opened = open(&files, &all[..1], 3).unwrap();
    let found = replay(&opened).unwrap();
    check_recovered(&opened, found, (69, 69), "from the returned directory alone");
    block_on(opened.engine.close());
}

#[test]
fn a_damaged_newest_root_costs_a_longer_replay_and_nothing_else() {
    let files = new_files(2, 4);
    let all = directories(2);
    // A collection would write a record of the same entry.
    let config = MetaConfig { collect_bytes_min: u64::MAX, ..config() };
    let opened = block_on(MetaEngine::open(&env_of(&files, 4), &all, config)).unwrap();
    assert_eq!(run(&opened, 1..61), (60, 60));
    let before = *opened.engine.durable().borrow();
    assert!(before.purgeable < before.newest);
    block_on(opened.engine.close());
    for directory in &all {
        for slot in ["root.0", "root.1"] {
            let path = directory.join(slot);
            let file = files.open(&path, env::OpenMode::Read).unwrap();
            let mut number = [0; 8];
            file.read_exact_at(&mut number, 32).unwrap();
            let other = directory.join(if slot == "root.0" { "root.1" } else { "root.0" });
            let mut other_number = [0; 8];
            files.open(&other, env::OpenMode::Read).unwrap().read_exact_at(&mut other_number, 32).unwrap();
            if u64::from_le_bytes(other_number) < u64::from_le_bytes(number) {
                files.flip_bit(&env::Flip { path, offset: 60, bit: 1 });
                break;
            }
        }
    }
    let opened = open(&files, &all, 6).unwrap();
    assert_eq!(opened.engine.durable().borrow().newest, before.purgeable);
    let found = replay(&opened).unwrap();
    check_recovered(&opened, found, (60, 60), "from the older root");
    assert_eq!(run(&opened, 61..91), (90, 90));
    block_on(opened.engine.close());
}

#[test]
fn rotten_packs_are_read_from_the_other_mirror_and_healed() {
    for seed in 0..10 {
        let files = filled(2, seed);
        let all = directories(2);
        files.flip_bits(&all[0].join("packs"), 40, seed);
        let opened = open(&files, &all, seed + 1).unwrap();
        let found = replay(&opened).unwrap();
        check_recovered(&opened, found, (60, 60), "with rot in one mirror");
        block_on(opened.engine.close());
        files.vanish(&all[1]);
        let opened = open(&files, &all[..1], seed + 2).unwrap();
        let found = replay(&opened).unwrap();
        check_recovered(&opened, found, (60, 60), "healed");
        block_on(opened.engine.close());
    }
}

#[test]
fn scrubbing_finds_and_heals_rot_before_anything_reads_it() {
    let files = filled(2, 1);
    let all = directories(2);
    let opened = open(&files, &all, 2).unwrap();
    let flips = files.flip_bits(&all[0].join("packs"), 15, 9);
    let pass = || {
        let first = opened.engine.scrub_next().unwrap().unwrap();
        let rest = (1..first.pack_count).map(|_| opened.engine.scrub_next().unwrap().unwrap());
        rest.fold((first.damaged, first.lost), |sum, found| (sum.0 + found.damaged, sum.1 + found.lost))
    };
    let (damaged, lost) = pass();
    assert!(0 < damaged && lost == 0, "{damaged} damaged, {lost} lost of {flips:?}");
    assert_eq!(pass(), (0, 0), "healed");
    block_on(opened.engine.close());
}

#[test]
fn a_mirror_joins_while_entries_are_appended() {
    for seed in 0..10 {
        let files = new_files(2, seed);
        let all = directories(2);
        let opened = open(&files, &all[..1], seed).unwrap();
        run(&opened, 1..31);
        let engine = opened.engine.clone();
        let directory = all[1].clone();
        let joining = move || block_on(engine.replace_mirror(&directory)).unwrap();
        let joining = env::Spawn::worker(&RealSpawn, "joining".to_owned(), Box::pin(async move { joining() }));
        assert_eq!(run(&opened, 31..91), (90, 90));
        block_on(joining.join());
        assert!(opened.engine.mirrors().iter().all(|mirror| mirror.in_service && mirror.complete));
        block_on(opened.engine.close());
        let opened = open(&files, &all[1..], 3).unwrap();
        check_recovered(&opened, replay(&opened).unwrap(), (90, 90), "from the new mirror alone");
        block_on(opened.engine.close());
    }
}

#[test]
fn without_a_usable_root_a_purged_log_is_refused() {
    let files = filled(1, 1);
    for slot in ["root.0", "root.1"] {
        files.remove(&directories(1)[0].join(slot)).unwrap();
    }
    assert!(matches!(open(&files, &directories(1), 2), Err(Error::NoRoot { .. })));
}

#[test]
fn packs_are_collected_while_old_views_stay_readable() {
    let files = new_files(2, 1);
    let all = directories(2);
    let opened = open(&files, &all, 1).unwrap();
    let mut most = 0;
    let old = {
        run(&opened, 1..100);
        opened.engine.view()
    };
    for round in 1..30 {
        run(&opened, round * 100..(round + 1) * 100);
        most = most.max(files.used(&all[0].join("packs")));
    }
    check_same(old.as_ref(), &model_of(99), "an old view");
    drop(old);
    let found = replay(&opened).unwrap();
    check_recovered(&opened, found, (2999, 2999), "after collections");
    assert_eq!(run(&opened, 3000..3100), (3099, 3099));
    let left = files.used(&all[0].join("packs"));
    assert!(left < 4 << 20, "{left} bytes left, {most} at most");
    block_on(opened.engine.close());
    let opened = open(&files, &all, 2).unwrap();
    let found = replay(&opened).unwrap();
    check_recovered(&opened, found, (3099, 3099), "after a restart");
    block_on(opened.engine.close());
}

#[test]
fn readers_see_whole_entries_while_others_are_applied_and_flushed() {
    let files = new_files(1, 1);
    let Opened { engine, .. } = open(&files, &directories(1), 1).unwrap();
    let keys: Vec<Bytes> = (0..50).map(|number| Bytes::from(format!("\u{10}{number:03}"))).collect();
    let done = Arc::new(AtomicBool::new(false));
    let tree = TreeId::Objects(BucketId(1));
    let reader = {
        let (engine, done, keys) = (engine.clone(), done.clone(), keys.clone());
        let work = move || {
            let mut newest = 0;
            while !done.load(Ordering::Acquire) {
                let applied = engine.applied().map_or(0, |id| id.index);
                let view = engine.view();
                let values: Vec<_> = keys.iter().map(|key| view.get(tree, key).unwrap()).collect();
                assert!(values.windows(2).all(|pair| pair[0] == pair[1]), "half an entry: {values:?}");
                let count = view.summary(tree, (Bound::Unbounded, Bound::Unbounded)).unwrap().records;
                let seen = values[0].as_ref().map_or(0, |value| u64::from_le_bytes(value[..8].try_into().unwrap()));
                assert_eq!(count, if seen == 0 { 0 } else { 50 });
                assert!(newest <= seen && applied <= seen, "{newest}, {applied}, {seen}");
                newest = seen;
            }
        };
        env::Spawn::worker(&RealSpawn, "reader".to_owned(), Box::pin(async move { work() }))
    };
    for index in 1..600u64 {
        let put = |key: &Bytes| Edit::Put { tree, key: key.clone(), value: index.to_le_bytes().to_vec().into() };
        let edits: Edits = keys.iter().map(put).collect();
        block_on(engine.wait_for_room());
        engine.change(id(index), &[edits], |_, edits| Ok(((), edits.clone()))).unwrap();
    }
    done.store(true, Ordering::Release);
    block_on(reader.join());
    block_on(engine.close());
}

#[test]
fn when_every_mirror_fails_nothing_more_is_promised() {
    let files = new_files(2, 1);
    let opened = open(&files, &directories(2), 1).unwrap();
    run(&opened, 1..20);
    files.fail_path(Path::new("/"), Failure::Io);
    assert!(matches!(block_on(opened.engine.flush()), Err(Error::Unavailable | Error::Trees(_))));
    assert_eq!(run(&opened, 20..30).0, 0);
    assert!(!opened.engine.admits(), "no mirror works");
    assert_ne!(
        opened.engine.view().summary(TreeId::Internal, (Bound::Unbounded, Bound::Unbounded)).ok(),
        Some(Summary::EMPTY)
    );
    block_on(opened.engine.close());
}

#[test]
fn the_last_copy_is_not_emptied_to_become_a_mirror_again() {
    let files = new_files(2, 1);
    let all = directories(2);
    let opened = open(&files, &all, 1).unwrap();
    assert_eq!(run(&opened, 1..22), (21, 21));
    for directory in &all {
        opened.engine.retire_mirror(directory);
    }
    for directory in &all {
        let replaced = block_on(opened.engine.replace_mirror(directory));
        assert!(matches!(replaced, Err(Error::Unavailable)), "{replaced:?}");
    }
    block_on(opened.engine.close());
    let opened = open(&files, &all, 2).unwrap();
    let found = replay(&opened).unwrap();
    check_recovered(&opened, found, (21, 21), "after a restart");
    block_on(opened.engine.close());
}

/// Appends and applies entries from `first` on until the engine admits no more; the number of the last one applied.
fn run_until_full(opened: &Opened, first: u64) -> u64 {
    for index in first.. {
        let entry = LogEntry { id: id(index), kind: 1, payload: index.to_le_bytes().to_vec().into() };
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        block_on(opened.log.append(vec![entry], Box::new(move |result| drop(sender.send(result))))).unwrap();
        while receiver.try_recv().is_err() {
            if !opened.engine.admits() {
                return index - 1;
            }
            std::thread::yield_now();
        }
        block_on(apply_entry(&opened.engine, index)).unwrap();
        if !opened.engine.admits() {
            return index;
        }
    }
    unreachable!("the disk is bounded")
}

#[test]
fn a_full_disk_stops_writes_until_there_is_room_again() {
    for capacity in [30_000, 60_000, 61_000, 90_000, 200_000] {
        let files = new_files(2, 1);
        let all = directories(2);
        let limit = |bytes| all.iter().for_each(|directory| files.set_capacity(directory.parent().unwrap(), bytes));
        limit(capacity);
        let opened = open(&files, &all, 1).unwrap();
        let applied = run_until_full(&opened, 1);
        check_same(opened.engine.view().as_ref(), &model_of(applied), "full");
        limit(1 << 40);
        while !opened.engine.admits() {
            std::thread::yield_now();
        }
        // While one disk was full and the other was not, the node went on without the one.
        for mirror in opened.engine.mirrors().iter().filter(|mirror| !mirror.in_service) {
            block_on(opened.engine.replace_mirror(&mirror.directory)).unwrap();
        }
        assert!(opened.engine.mirrors().iter().all(|mirror| mirror.in_service), "{capacity}");
        let last = opened.log.state().last.unwrap().index;
        let found = replay(&opened).unwrap();
        check_recovered(&opened, found, (last, last), "with room again");
        let end = (last + 40).next_multiple_of(3);
        assert_eq!(run(&opened, last + 1..end + 1), (end, end));
        block_on(opened.engine.flush()).unwrap();
        block_on(opened.engine.close());
        let opened = open(&files, &all, 2).unwrap();
        check_recovered(&opened, replay(&opened).unwrap(), (end, end), "after a restart");
        block_on(opened.engine.close());
    }
}

#[test]
fn what_adds_is_refused_while_there_is_room_for_the_rest() {
    let (files, all) = (new_files(1, 1), directories(1));
    let limit = |bytes| files.set_capacity(all[0].parent().unwrap(), bytes);
    limit(60_000);
    let opened = open(&files, &all, 1).unwrap();
    let mut last = 0;
    while opened.engine.has_room() {
        last += 12;
        assert!(last < 12_000, "the disk is bounded");
        assert_eq!(run(&opened, last - 11..last + 1), (last, last));
    }
    let end = last + 12;
    assert_eq!(run(&opened, last + 1..end + 1), (end, end), "what does not add goes on");
    assert!(opened.engine.admits());
    limit(1 << 40);
    while !opened.engine.has_room() {
        std::thread::yield_now();
    }
    check_same(opened.engine.view().as_ref(), &model_of(end), "with room again");
    block_on(opened.engine.close());
}

#[test]
fn an_error_half_way_leaves_the_state_as_it_was() {
    let files = new_files(1, 1);
    let Opened { engine, .. } = open(&files, &directories(1), 1).unwrap();
    block_on(apply_entry(&engine, 1)).unwrap();
    let before = engine.effects_hash();
    let failed = engine.change(id(2), &[2, 3], |_, index| match index {
        2 => Ok(((), edits_of(2))),
        _ => Err(Error::Inconsistent("a test")),
    });
    assert!(failed.is_err());
    assert_eq!(engine.effects_hash(), before);
    check_same(engine.view().as_ref(), &model_of(1), "after the error");
    block_on(engine.close());
}
