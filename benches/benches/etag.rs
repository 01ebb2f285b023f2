//! Entity tags of concurrent uploads, beside `md-5` on one thread.
//!
//! What is measured is CPU time of the whole process, not the wall clock: the budget of a PUT is CPU seconds per GiB, and
//! lanes exist to save those. The throughput is bytes of all streams per CPU second.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use env::Env;
use futures_util::future::join_all;
use md5::{Digest, Md5};
use rustix::time::{ClockId, clock_gettime};
use store::EtagHasher;

/// CPU time of all threads so far.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("CPU time is positive")
}

fn measure(count: u64, mut work: impl FnMut()) -> Duration {
    let start = cpu_time();
    (0..count).for_each(|_| work());
    cpu_time() - start
}

/// Uploads bodies one after the other, as a client does.
async fn upload(hasher: &EtagHasher, bodies: &[Vec<Bytes>]) {
    for chunks in bodies {
        let mut stream = hasher.stream();
        for chunk in chunks {
            stream.update(chunk.clone()).await;
            // As if the next chunk came from a socket: other uploads get their turn.
            tokio::task::yield_now().await;
        }
        black_box(stream.finish().await);
    }
}

/// A body whose bytes differ from those of other seeds.
fn body(seed: usize, chunk_sizes: impl Iterator<Item = usize>) -> Vec<Bytes> {
    let mut bytes = (0..251_u8).cycle().skip(seed * 3);
    chunk_sizes.map(|size| bytes.by_ref().take(size).collect()).collect()
}

/// One body of 4 MiB in equal chunks.
fn even(client: usize) -> Vec<Vec<Bytes>> {
    vec![body(client, std::iter::repeat_n(64 << 10, 64))]
}

/// Bodies of about 1 MiB in chunks of 16 to 80 KiB, no two clients alike: they start, stall and end out of step.
fn uneven(client: usize) -> Vec<Vec<Bytes>> {
    let sizes =
        |number: usize| (0..21).map(move |chunk| 16_000 + (client * 7919 + number * 3571 + chunk * 10_477) % 64_000);
    (0..4).map(|number| body(client, sizes(number))).collect()
}

fn etag(criterion: &mut Criterion) {
    let hasher = EtagHasher::new(&*Env::real().spawn, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("etag, CPU time");
    for (name, bodies_of) in [("4 MiB, even", even as fn(usize) -> Vec<Vec<Bytes>>), ("1 MiB, uneven", uneven)] {
        for client_count in [1, 2, 4, 8, 16, 32] {
            let clients: Vec<_> = (0..client_count).map(bodies_of).collect();
            let size: usize = clients.iter().flatten().flatten().map(Bytes::len).sum();
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new(name, format!("{client_count} clients")), |bencher| {
                bencher.iter_custom(|count| {
                    measure(count, || {
                        runtime.block_on(join_all(clients.iter().map(|bodies| upload(&hasher, bodies))));
                    })
                });
            });
        }
    }
    let chunks = even(0).concat();
    group.throughput(Throughput::Bytes(4 << 20));
    group.bench_function("md-5", |bencher| {
        bencher.iter_custom(|count| {
            measure(count, || {
                let mut hasher = Md5::new();
                chunks.iter().for_each(|chunk| hasher.update(chunk));
                black_box(hasher.finalize());
            })
        });
    });
    group.finish();
    runtime.block_on(hasher.close());
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = etag
}
criterion_main!(benches);
