//! The metadata engine with a million objects: what requests and restarts cost.
//!
//! Applying, looking up and listing are measured as CPU time of the whole process, so flushes in the background count.
//! Restarts and appends to the log are measured by the clock. Three mirrors lie in one temporary directory.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use env::{Clock, Env, RealClock, UnixMillis};
use meta::command::{CreateBucket, Precondition, PutObject, SetTable};
use meta::query::{self, ListObjects};
use meta::record::{Body, Etag, GroupFence, IntentEpoch, ObjectRecord, Segment, StripeSlot, WriteId};
use meta::{BucketId, Command, LogEntry, LogId, MetaConfig, MetaEngine, Opened, Reply};
use placement::{Epoch, GroupId};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

const OBJECT_COUNT: u64 = 1_000_000;
/// Commands in one entry of the log, as under load.
const BATCH: u64 = 64;
const GROUP_COUNT: u32 = 64;
const LIST_LIMIT: usize = 1000;

/// CPU time of all threads so far.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("CPU time is positive")
}

/// A node's metadata in a temporary directory.
struct Node {
    env: Env,
    runtime: Runtime,
    directories: Vec<PathBuf>,
    opened: Opened,
    bucket: BucketId,
    next_index: AtomicU64,
    next_object: AtomicU64,
}

impl Node {
    fn with_objects(directory: &tempfile::TempDir, count: u64) -> Self {
        let env = Env::real();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directories: Vec<PathBuf> =
            (0..3).map(|number| directory.path().join(format!("disk{number}/meta"))).collect();
        let opened = runtime.block_on(MetaEngine::open(&env, &directories, MetaConfig::default())).unwrap();
        let (next_index, next_object) = (AtomicU64::new(1), AtomicU64::new(0));
        let mut node = Self { env, runtime, directories, opened, bucket: BucketId(0), next_index, next_object };
        let fence = |group| GroupFence { group: GroupId(group), epoch: Epoch(1), accepted_from: Epoch(1) };
        let fences = (0..GROUP_COUNT).map(fence).collect();
        node.apply(&[Command::SetTable(SetTable { based_on: 0, table: Vec::new(), fences })]);
        let create = CreateBucket {
            name: "bucket".to_owned(),
            owner: "owner".to_owned(),
            region: None,
            has_lock: false,
            configurations: Default::default(),
        };
        match node.apply(&[Command::CreateBucket(create)]).pop() {
            Some(Ok(Reply::BucketCreated(bucket))) => node.bucket = bucket,
            other => panic!("{other:?}"),
        }
        while node.next_object.load(Ordering::Relaxed) < count {
            node.apply(&node.new_objects());
        }
        node
    }

    fn apply(&self, commands: &[Command]) -> Vec<meta::Outcome> {
        let index = self.next_index.fetch_add(1, Ordering::Relaxed);
        let id = LogId { term: 1, node: 1, index };
        self.runtime.block_on(self.opened.engine.wait_for_room());
        self.opened.engine.apply(id, UnixMillis(1_790_000_000_000 + index), commands).unwrap()
    }

    /// Puts of objects that are not there yet, at scattered keys.
    fn new_objects(&self) -> Vec<Command> {
        let first = self.next_object.fetch_add(BATCH, Ordering::Relaxed);
        (first..first + BATCH).map(|number| put(self.bucket, number)).collect()
    }

    fn restart(&mut self) -> Duration {
        self.runtime.block_on(self.opened.engine.close());
        let clock = RealClock::new();
        let started = clock.monotonic();
        self.opened =
            self.runtime.block_on(MetaEngine::open(&self.env, &self.directories, MetaConfig::default())).unwrap();
        black_box(query::object(self.opened.engine.view().as_ref(), self.bucket, &key_of(1)).unwrap()).unwrap();
        clock.monotonic() - started
    }
}

fn scatter(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn key_of(number: u64) -> String {
    let hash = scatter(number);
    format!("tenant-{:03}/2026/part-{:04}/object-{hash:016x}", hash >> 32 & 127, hash >> 40 & 255)
}

fn put(bucket: BucketId, number: u64) -> Command {
    let write_id = WriteId(u128::from(number) << 64 | u128::from(scatter(number)));
    let group = GroupId(u32::try_from(number % u64::from(GROUP_COUNT)).unwrap());
    let slots = vec![StripeSlot { group, epoch: Epoch(1) }];
    let (size, shard_size) = (1 << 20, 256 << 10);
    let segment =
        Segment { write_id, size, code_id: 0, data: 4, parity: 2, shard_size, slots, exceptions: Default::default() };
    let object = ObjectRecord {
        headers: [("content-type".to_owned(), "application/octet-stream".to_owned())].into(),
        ..ObjectRecord::plain(size, Etag::Md5(write_id.0.to_be_bytes()), Body::Striped(vec![segment]))
    };
    let (key, precondition) = (key_of(number), Precondition::default());
    Command::PutObject(Box::new(PutObject {
        bucket,
        key,
        object,
        precondition,
        write_id,
        intent_epoch: IntentEpoch(0),
    }))
}

fn metadata(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::with_objects(&directory, OBJECT_COUNT);
    let mut group = criterion.benchmark_group("metadata with 1M objects");
    group.sample_size(20).measurement_time(Duration::from_secs(5));

    let engine = node.opened.engine.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(engine.flush()).unwrap();
    let view = engine.view();
    let mut number = 0;
    group.bench_function("look up an object (CPU)", |bencher| {
        bencher.iter_custom(|count| {
            let started = cpu_time();
            for _ in 0..count {
                number = (number + 7919) % OBJECT_COUNT;
                black_box(query::object_without_body(view.as_ref(), node.bucket, &key_of(number)).unwrap()).unwrap();
            }
            cpu_time() - started
        });
    });
    group.bench_function("list 1000 objects (CPU)", |bencher| {
        bencher.iter_custom(|count| {
            let started = cpu_time();
            for _ in 0..count {
                number = (number + 7919) % OBJECT_COUNT;
                let after = key_of(number);
                let request = ListObjects { prefix: "", delimiter: "", after: &after, limit: LIST_LIMIT };
                black_box(query::list_objects(view.as_ref(), node.bucket, &request).unwrap());
            }
            cpu_time() - started
        });
    });
    drop((view, engine));

    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("apply 64 puts at scattered keys (CPU, flushes included)", |bencher| {
        bencher.iter_custom(|count| {
            let batches: Vec<_> = (0..count).map(|_| node.new_objects()).collect();
            let started = cpu_time();
            batches.iter().for_each(|batch| drop(black_box(node.apply(batch))));
            cpu_time() - started
        });
    });

    group.throughput(Throughput::Elements(1)).sample_size(10);
    runtime.block_on(node.opened.engine.flush()).unwrap();
    group.bench_function("restart to the first lookup (clock)", |bencher| {
        bencher.iter_custom(|count| (0..count).map(|_| node.restart()).sum());
    });
    group.finish();
    node.runtime.block_on(node.opened.engine.close());
}

fn log(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let node = Node::with_objects(&directory, 0);
    let log = Arc::clone(&node.opened.log);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = criterion.benchmark_group("metadata log on 3 mirrors");
    let index = AtomicU64::new(1);
    for waiters in [1, 16, 64] {
        group.sample_size(20).throughput(Throughput::Elements(waiters));
        group.bench_function(format!("append {waiters} entries of 400 bytes and wait (clock)"), |bencher| {
            bencher.iter(|| {
                let (sender, receiver) = mpsc::sync_channel(64);
                for _ in 0..waiters {
                    let id = LogId { term: 1, node: 1, index: index.fetch_add(1, Ordering::Relaxed) };
                    let entry = LogEntry { id, kind: 1, payload: vec![7; 400].into() };
                    let sender = sender.clone();
                    let done = Box::new(move |result: meta::Result<()>| sender.send(result).unwrap());
                    runtime.block_on(log.append(vec![entry], done)).unwrap();
                }
                (0..waiters).for_each(|_| receiver.recv().unwrap().unwrap());
            });
        });
    }
    group.finish();
    node.runtime.block_on(node.opened.engine.close());
}

criterion_group!(benches, log, metadata);
criterion_main!(benches);
