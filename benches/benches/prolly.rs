//! The prolly tree beside LMDB, on the same records in the same run.
//!
//! A million records of 63-byte keys, scattered over 20 000 directories, and 200-byte values. What is measured is CPU
//! time of the calling thread. Both write to the same file system, prolly through packs on one directory; a table of the
//! bytes handed to write calls for each random batch is printed first. Set `STONECROP_BENCH_RECORDS` for another size.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use env::{File, Files, OpenMode, RealFiles};
use heed::types::Bytes as RawBytes;
use heed::{CommitOrAbort, Database, EnvOpenOptions};
use prolly::merge::{Conflict, merge};
use prolly::pack::{Damage, PackFile, PackStorage};
use prolly::{
    Edit, Hash, Location, PackId, Packs, PacksConfig, Page, PageSink, PageStore, Params, Schema, SealedPack, Summarize,
    Summary, Tree, TreeKey,
};
use rustix::time::{ClockId, clock_gettime};

const VALUE_LENGTH: usize = 200;
const PAGE_OF_KEYS: usize = 1000;

/// CPU time of this thread so far.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("CPU time is positive")
}

/// Bytes this process has handed to write calls so far.
fn bytes_written() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "/proc is not a file system of ours")]
    let counters = std::fs::read_to_string("/proc/self/io").expect("Linux counts I/O");
    let wchar = counters.lines().find_map(|line| line.strip_prefix("wchar: "));
    wchar.and_then(|count| count.parse().ok()).expect("wchar is a number")
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn key(&mut self) -> Vec<u8> {
        let (directory, name) = (self.next() % 20_000, self.next() >> 4);
        let (tenant, part) = (directory / 100, directory % 100);
        format!("warehouse/tenant-{tenant:03}/2026/part-{part:04}/obj-{name:015x}.parquet").into_bytes()
    }

    fn value(&mut self) -> Vec<u8> {
        let mut value: Vec<u8> = (0..VALUE_LENGTH * 6 / 80).flat_map(|_| self.next().to_le_bytes()).collect();
        value.resize(VALUE_LENGTH, 7);
        value
    }

    /// Distinct records in key order.
    fn records(&mut self, count: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut keys = BTreeSet::new();
        while keys.len() < count {
            keys.insert(self.key());
        }
        keys.into_iter().map(|key| (key, self.value())).collect()
    }
}

/// Reads a few fixed fields, as a record codec does.
struct Measure;

impl Summarize for Measure {
    fn version(&self) -> u32 {
        1
    }

    fn summarize(&self, _: &[u8], value: &[u8]) -> Summary {
        let field =
            |at: usize| value.get(at..at + 8).map_or(0, |field| field.iter().fold(0, |n, &b| n << 8 | u64::from(b)));
        let bytes = field(0) % (1 << 20);
        Summary { records: 1, objects: 1, bytes, other_bytes: 0, oldest: 1_700_000_000, newest: field(8) }
    }
}

/// Packs as files of one directory.
struct Directory(PathBuf);

impl Directory {
    fn path(&self, pack: PackId) -> PathBuf {
        self.0.join(format!("{pack}.pack"))
    }
}

struct DirectoryFile {
    file: Arc<dyn File>,
    offset: u64,
    directory: PathBuf,
}

impl PackFile for DirectoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(&[bytes], self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn seal(self: Box<Self>) -> io::Result<()> {
        self.file.sync_data()?;
        RealFiles::default().sync_directory(&self.directory)
    }
}

impl PackStorage for Directory {
    fn copies(&self) -> usize {
        1
    }

    fn read(&self, pack: PackId, _: usize, offset: u64, length: usize) -> io::Result<Bytes> {
        let mut buffer = vec![0; length];
        RealFiles::default().open(&self.path(pack), OpenMode::Read)?.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    fn create(&self, pack: PackId) -> io::Result<Box<dyn PackFile>> {
        let file = RealFiles::default().open(&self.path(pack), OpenMode::CreateNew)?;
        Ok(Box::new(DirectoryFile { file, offset: 0, directory: self.0.clone() }))
    }

    fn remove(&self, pack: PackId) -> io::Result<()> {
        RealFiles::default().remove(&self.path(pack))
    }

    fn list(&self) -> io::Result<Vec<PackId>> {
        let names = RealFiles::default().list(&self.0)?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(".pack")?.parse().ok().map(PackId)).collect())
    }

    fn damaged(&self, damage: Damage<'_>) {
        panic!("{damage:?}");
    }
}

/// Takes pages and forgets them: what remains is the tree's own work.
struct Nowhere;

impl PageSink for Nowhere {
    fn put_page(&mut self, _: &Page) -> prolly::Result<Location> {
        Ok(Location::default())
    }

    fn put_blob(&mut self, _: &Hash, _: &[u8]) -> prolly::Result<Location> {
        Ok(Location::default())
    }
}

/// A prolly tree on disk.
struct Prolly {
    packs: Arc<Packs>,
    schema: Arc<Schema>,
}

impl Prolly {
    fn create(directory: &Path) -> Self {
        let config = PacksConfig { realm: [1; 16], cache_bytes: 4 << 30, pack_bytes_max: 1 << 30 };
        let packs = Packs::open(Arc::new(Directory(directory.to_owned())), config, &[]).expect("an empty directory");
        let schema = Schema::new(Params::new(TreeKey([3; 16])), Arc::new(Measure));
        Prolly { packs, schema }
    }

    fn build(&self, records: &[(Vec<u8>, Vec<u8>)]) -> (Tree, Vec<SealedPack>) {
        let mut writer = self.packs.writer();
        let pages = Arc::clone(&self.packs) as Arc<dyn PageStore>;
        let records = records.iter().map(|(key, value)| (key, value));
        let (tree, _) = Tree::build(Arc::clone(&self.schema), pages, records, &mut writer).expect("records ascend");
        (tree, writer.seal().expect("the disk has room"))
    }

    fn apply(&self, tree: &Tree, edits: &[Edit<'_>]) -> Tree {
        let mut writer = self.packs.writer();
        let (tree, _) = tree.apply(edits, &mut writer).expect("edits ascend");
        writer.seal().expect("the disk has room");
        tree
    }
}

fn open_lmdb(directory: &Path) -> heed::Env {
    // SAFETY: the directory is ours alone, and nothing else maps its files.
    #[expect(unsafe_code, reason = "LMDB maps a file, which heed cannot make safe")]
    let env = unsafe { EnvOpenOptions::new().map_size(16 << 30).open(directory) };
    env.expect("an empty directory")
}

/// An LMDB database on disk.
struct Lmdb<'e> {
    env: &'e heed::Env,
    records: Database<'e, RawBytes, RawBytes>,
}

impl<'e> Lmdb<'e> {
    fn create(env: &'e heed::Env) -> Self {
        let transaction = env.write_txn().expect("no other writer");
        let created = env.create_databases_and_commit(transaction, |opener, transaction| {
            opener.create_database(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
        });
        Lmdb { env, records: created.expect("an empty environment").unwrap_commit() }
    }

    fn write<'a>(&self, records: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
        let mut transaction = self.env.write_txn().expect("no other writer");
        for (key, value) in records {
            match value {
                Some(value) => self.records.put(&mut transaction, key, value).expect("the map has room"),
                None => drop(self.records.delete(&mut transaction, key).expect("the map is sound")),
            }
        }
        transaction.commit().expect("the disk has room");
    }

    fn put(&self, records: &[(Vec<u8>, Vec<u8>)]) {
        self.write(records.iter().map(|(key, value)| (&key[..], Some(&value[..]))));
    }

    fn delete(&self, records: &[(Vec<u8>, Vec<u8>)]) {
        self.write(records.iter().map(|(key, _)| (&key[..], None)));
    }
}

fn edits(records: &[(Vec<u8>, Vec<u8>)]) -> Vec<Edit<'_>> {
    records.iter().map(|(key, value)| Edit { key, value: Some(value) }).collect()
}

/// Runs `work` `count` times and adds up its CPU time.
fn measure(count: u64, mut work: impl FnMut()) -> Duration {
    let start = cpu_time();
    (0..count).for_each(|_| work());
    cpu_time() - start
}

/// Runs `work`, and `undo` on what it made, which does not count.
fn measure_undone<T>(count: u64, mut work: impl FnMut() -> T, mut undo: impl FnMut(T)) -> Duration {
    (0..count)
        .map(|_| {
            let start = cpu_time();
            let made = work();
            let spent = cpu_time() - start;
            undo(made);
            spent
        })
        .sum()
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut work: impl FnMut()) {
    group.bench_function(name, |bencher| bencher.iter_custom(|count| measure(count, &mut work)));
}

fn record_count() -> usize {
    #[expect(clippy::disallowed_methods, reason = "a size is asked for from outside")]
    let count = std::env::var("STONECROP_BENCH_RECORDS").ok().and_then(|count| count.parse().ok());
    count.unwrap_or(1_000_000)
}

/// Inserts random batches into both, one after the other, and prints what each cost.
fn print_batches(random: &mut Random, base: &[(Vec<u8>, Vec<u8>)]) {
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let env = open_lmdb(directories[1].path());
    let (prolly, lmdb) = (Prolly::create(directories[0].path()), Lmdb::create(&env));
    let (mut tree, _) = prolly.build(base);
    lmdb.put(base);
    let mut table = String::from("\n| batch | prolly CPU ms | MB | WA | LMDB CPU ms | MB | WA | MB, prolly : LMDB |\n");
    table.push_str("|---|---|---|---|---|---|---|---|\n");
    for (size, rounds) in [(1_000, 3), (10_000, 5), (100_000, 3)] {
        let mut sums = [0.0; 4];
        let mut user_bytes = 0;
        for _ in 0..rounds {
            let batch = random.records(size);
            user_bytes += batch.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
            let mut spend = |at: usize, work: &mut dyn FnMut()| {
                let (cpu, written) = (cpu_time(), bytes_written());
                work();
                sums[at] += (cpu_time() - cpu).as_secs_f64() * 1e3;
                sums[at + 1] += (bytes_written() - written) as f64;
            };
            spend(0, &mut || tree = prolly.apply(&tree, &edits(&batch)));
            spend(2, &mut || lmdb.put(&batch));
        }
        let [prolly_ms, prolly_bytes, lmdb_ms, lmdb_bytes] = sums.map(|sum| sum / f64::from(rounds));
        let (mb, amplification) = (|bytes| bytes / 1e6, |bytes| bytes * f64::from(rounds) / user_bytes as f64);
        let (p, pa, l, la) = (mb(prolly_bytes), amplification(prolly_bytes), mb(lmdb_bytes), amplification(lmdb_bytes));
        let ratio = prolly_bytes / lmdb_bytes;
        writeln!(
            table,
            "| {size} | {prolly_ms:.1} | {p:.1} | {pa:.1} | {lmdb_ms:.1} | {l:.1} | {la:.1} | {ratio:.2} |"
        )
        .expect("strings take everything");
    }
    println!("{table}");
}

fn reads(criterion: &mut Criterion, tree: &Tree, lmdb: &Lmdb<'_>, records: &[(Vec<u8>, Vec<u8>)]) {
    let mut random = Random(11);
    let mut key = || &records[usize::try_from(random.next()).expect("64 bits") % records.len()].0;
    let transaction = lmdb.env.read_txn().expect("a free reader slot");
    let mut group = criterion.benchmark_group("lookup");
    bench(&mut group, "prolly", || {
        drop(black_box(tree.get(key()).expect("sound pages").expect("a key that is there")))
    });
    bench(&mut group, "lmdb", || {
        black_box(lmdb.records.get(&transaction, key()).expect("a sound map").expect("a key that is there"));
    });
    group.finish();
    let mut group = criterion.benchmark_group("page of 1000");
    let mut cursor = tree.cursor();
    bench(&mut group, "prolly", || {
        cursor.seek(key()).expect("sound pages");
        for _ in 0..PAGE_OF_KEYS {
            let Some(record) = cursor.next().expect("sound pages") else { break };
            black_box((record.key, record.inline_value()));
        }
    });
    bench(&mut group, "lmdb", || {
        let range = (Bound::Included(&key()[..]), Bound::Unbounded);
        for record in lmdb.records.range(&transaction, &range).expect("a sound map").take(PAGE_OF_KEYS) {
            black_box(record.expect("a sound map"));
        }
    });
    group.finish();
    let mut group = criterion.benchmark_group("common prefix");
    let prefix = |key: &[u8]| key[..key.len() - 27].to_vec();
    bench(&mut group, "prolly", || {
        let Some(record) = cursor.next().expect("sound pages") else { return cursor.seek(&[]).expect("sound pages") };
        let prefix = prefix(record.key);
        cursor.skip_prefix(&prefix).expect("sound pages");
    });
    let mut from = b"a".to_vec();
    bench(&mut group, "lmdb", || {
        let range = (Bound::Included(&from[..]), Bound::Unbounded);
        let next = lmdb.records.range(&transaction, &range).expect("a sound map").next();
        from = next.map_or(b"a".to_vec(), |record| prefix(record.expect("a sound map").0));
        if let Some(last) = from.last_mut() {
            *last += 1;
        }
    });
    group.finish();
    let mut group = criterion.benchmark_group("summary of a directory");
    bench(&mut group, "prolly", || {
        let low = prefix(key());
        let mut high = low.clone();
        *high.last_mut().expect("a prefix") += 1;
        black_box(tree.summary((Bound::Included(&low), Bound::Excluded(&high))).expect("sound pages"));
    });
    group.finish();
}

fn inserts(criterion: &mut Criterion, base: (&Prolly, &Tree, &[SealedPack]), lmdb: &Lmdb<'_>) {
    let (prolly, tree, sealed) = base;
    let mut random = Random(12);
    for size in [10_000, 100_000] {
        let batch = random.records(size);
        let edits = edits(&batch);
        let mut group = criterion.benchmark_group(format!("insert {size} random"));
        let discard = |_| drop(prolly.packs.discard_unlisted(sealed).expect("files that are ours"));
        group.bench_function("prolly", |bencher| {
            bencher.iter_custom(|count| measure_undone(count, || prolly.apply(tree, &edits), discard));
        });
        bench(&mut group, "prolly, unwritten", || {
            black_box(tree.apply(&edits, &mut Nowhere).expect("edits ascend"));
        });
        group.bench_function("lmdb", |bencher| {
            bencher.iter_custom(|count| measure_undone(count, || lmdb.put(&batch), |()| lmdb.delete(&batch)));
        });
        group.finish();
    }
    let clustered: Vec<_> = (0..10_000)
        .map(|i| (format!("warehouse/tenant-050/2026/part-{:04}/obj-f{i:014x}.parquet", i / 500), random.value()))
        .map(|(key, value)| (key.into_bytes(), value))
        .collect();
    let mut group = criterion.benchmark_group("insert 10000 clustered");
    let edits = edits(&clustered);
    let discard = |_| drop(prolly.packs.discard_unlisted(sealed).expect("files that are ours"));
    group.bench_function("prolly", |bencher| {
        bencher.iter_custom(|count| measure_undone(count, || prolly.apply(tree, &edits), discard));
    });
    group.bench_function("lmdb", |bencher| {
        bencher.iter_custom(|count| measure_undone(count, || lmdb.put(&clustered), |()| lmdb.delete(&clustered)));
    });
    group.finish();
}

/// What only the tree can do.
fn comparisons(criterion: &mut Criterion, prolly: &Prolly, tree: &Tree) {
    let mut random = Random(13);
    let mut group = criterion.benchmark_group("diff");
    for size in [1, 100, 10_000] {
        let changed = prolly.apply(tree, &edits(&random.records(size)));
        bench(&mut group, &format!("{size} changes"), || {
            assert_eq!(tree.diff(&changed).expect("one lineage").count(), size)
        });
    }
    group.finish();
    let sides = [(); 2].map(|()| prolly.apply(tree, &edits(&random.records(10_000))));
    let mut group = criterion.benchmark_group("merge");
    bench(&mut group, "10000 and 10000", || {
        let mut writer = prolly.packs.writer();
        let resolve = &mut |conflict: &Conflict| conflict.ours.clone();
        black_box(merge(tree, &sides[0], &sides[1], resolve, &mut writer).expect("one lineage"));
    });
    group.finish();
}

fn bulk_loads(criterion: &mut Criterion, records: &[(Vec<u8>, Vec<u8>)]) {
    let mut group = criterion.benchmark_group("bulk load");
    group.bench_function("prolly", |bencher| {
        let load = || {
            let directory = tempfile::tempdir().expect("a temporary directory");
            Prolly::create(directory.path()).build(records);
            directory
        };
        bencher.iter_custom(|count| measure_undone(count, load, drop));
    });
    group.bench_function("lmdb", |bencher| {
        let load = || {
            let directory = tempfile::tempdir().expect("a temporary directory");
            Lmdb::create(&open_lmdb(directory.path())).put(records);
            directory
        };
        bencher.iter_custom(|count| measure_undone(count, load, drop));
    });
    group.finish();
}

fn tree(criterion: &mut Criterion) {
    let mut random = Random(1);
    let records = random.records(record_count());
    let is_filtered = std::env::args().skip(1).any(|argument| !argument.starts_with('-'));
    if !is_filtered {
        print_batches(&mut random, &records);
    }
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let env = open_lmdb(directories[1].path());
    let (prolly, lmdb) = (Prolly::create(directories[0].path()), Lmdb::create(&env));
    let (tree, sealed) = prolly.build(&records);
    lmdb.put(&records);
    // Warm both.
    let mut cursor = tree.cursor();
    while cursor.next().expect("sound pages").is_some() {}
    reads(criterion, &tree, &lmdb, &records);
    inserts(criterion, (&prolly, &tree, &sealed), &lmdb);
    comparisons(criterion, &prolly, &tree);
    bulk_loads(criterion, &records);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3));
    targets = tree
}
criterion_main!(benches);
