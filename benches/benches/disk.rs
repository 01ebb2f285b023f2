//! Group commit: durable appends by 1, 16 and 64 writers at once, reads of what they wrote, and opening.
//!
//! Each row also prints the syncs an append took, counted by the disk. The files lie in the system's directory for
//! temporary files; set `TMPDIR` to measure another device.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use disk::{Disk, DiskConfig, DiskIdentity, Shard};
use env::{Clock, Env, RealClock};
use erasure::{FramedShard, ShardIdentity};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

const IDENTITY: DiskIdentity = DiskIdentity { cluster_id: 1, disk_id: 2 };
const SIZES: [usize; 2] = [4 << 10, 64 << 10];
const WRITERS: [u64; 3] = [1, 16, 64];

/// A fresh disk in a directory that goes away with it.
struct Bench {
    directory: tempfile::TempDir,
    disk: Disk,
    runtime: Runtime,
    clock: RealClock,
    next: u64,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let env = Env::real();
        let path: &Path = directory.path();
        Disk::format(&env, path, IDENTITY).expect("an empty directory");
        let (disk, _) = Disk::open(&env, path, &DiskConfig::new(IDENTITY.cluster_id)).expect("just formatted");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
        Self { directory, disk, runtime, clock: RealClock::new(), next: 0 }
    }

    fn identity(number: u64) -> ShardIdentity {
        // Spread as random write ids are.
        let write_id = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        ShardIdentity { write_id, stripe: 0, index: 0 }
    }

    /// Appends `count` shards, each of `writers` waiting for its own before the next. Framing is not timed.
    fn append(&mut self, count: u64, writers: u64, payload: &Bytes) -> Duration {
        let first = self.next;
        self.next += count;
        let shards = |writer: u64| {
            let numbers = (first + writer..first + count).step_by(usize::try_from(writers).expect("few"));
            let framed = numbers.map(|number| FramedShard::new(Self::identity(number), payload.clone()));
            framed.map(|framed| Shard { framed, group: 1, epoch: 1, intent_epoch: 1 }).collect::<Vec<Shard>>()
        };
        let shards: Vec<Vec<Shard>> = (0..writers).map(shards).collect();
        let disk = &self.disk;
        let start = self.clock.monotonic();
        self.runtime.block_on(join_all(shards.into_iter().map(|shards| async move {
            for shard in shards {
                disk.append(shard).await.expect("the disk has room");
            }
        })));
        self.clock.monotonic() - start
    }

    fn read(&self, count: u64, readers: u64, size: usize) -> Duration {
        let disk = &self.disk;
        let next = self.next;
        let start = self.clock.monotonic();
        self.runtime.block_on(join_all((0..readers).map(|reader| async move {
            for number in (reader..count).step_by(usize::try_from(readers).expect("few")) {
                let identity = Self::identity(number * 7919 % next);
                disk.read(&identity, 0..size as u64).await.expect("it was appended");
            }
        })));
        self.clock.monotonic() - start
    }
}

fn size_name(size: usize) -> String {
    format!("{} KiB", size >> 10)
}

fn append(criterion: &mut Criterion) {
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("disk append {}", size_name(size)));
        group.throughput(Throughput::Elements(1));
        let payload = Bytes::from(vec![7; size]);
        for writers in WRITERS {
            let mut bench = Bench::new();
            group.bench_function(BenchmarkId::new("writers", writers), |bencher| {
                bencher.iter_custom(|count| bench.append(count, writers, &payload));
            });
            let stats = bench.disk.stats();
            let per_append = stats.syncs as f64 / stats.appends as f64;
            println!("    {} syncs for {} appends: {per_append:.3} each", stats.syncs, stats.appends);
            bench.runtime.block_on(bench.disk.close()).expect("nothing failed");
        }
    }
}

fn read(criterion: &mut Criterion) {
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("disk read {}", size_name(size)));
        group.throughput(Throughput::Bytes(size as u64));
        let mut bench = Bench::new();
        bench.append(4000, 64, &Bytes::from(vec![7; size]));
        for readers in WRITERS {
            group.bench_function(BenchmarkId::new("readers", readers), |bencher| {
                bencher.iter_custom(|count| bench.read(count, readers, size));
            });
        }
    }
}

/// Opening a disk of a million small shards: with its checkpoint, and reading all records.
fn open(criterion: &mut Criterion) {
    const SHARDS: u64 = 1_000_000;
    let mut bench = Bench::new();
    while bench.next < SHARDS {
        let numbers = bench.next..bench.next + 10_000;
        bench.next = numbers.end;
        let framed = numbers.map(|number| FramedShard::new(Bench::identity(number), Bytes::from_static(b"small")));
        let shards = framed.map(|framed| Shard { framed, group: 1, epoch: 1, intent_epoch: 1 }).collect();
        bench.runtime.block_on(bench.disk.append_all(shards)).expect("the disk has room");
    }
    bench.runtime.block_on(bench.disk.close()).expect("nothing failed");

    let (env, path, config) = (Env::real(), bench.directory.path(), DiskConfig::new(IDENTITY.cluster_id));
    let mut group = criterion.benchmark_group("disk open 1000000 shards");
    for name in ["checkpoint", "records"] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| {
                (0..count).fold(Duration::ZERO, |total, _| {
                    if name == "records" {
                        env.files.remove(&path.join("extents/checkpoint")).expect("written at close");
                    }
                    let start = bench.clock.monotonic();
                    let (disk, recovery) = Disk::open(&env, path, &config).expect("it is ours");
                    let took = bench.clock.monotonic() - start;
                    assert_eq!((recovery.shards, recovery.used_checkpoint), (SHARDS, name == "checkpoint"));
                    bench.runtime.block_on(disk.close()).expect("nothing failed");
                    total + took
                })
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(4));
    targets = append, read, open
}
criterion_main!(benches);
