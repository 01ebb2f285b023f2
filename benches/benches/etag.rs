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

const CHUNK_SIZE: usize = 64 << 10;
const CHUNK_COUNT: usize = 64;

/// CPU time of all threads so far.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("CPU time is positive")
}

fn measure(count: u64, mut work: impl FnMut()) -> Duration {
    let start = cpu_time();
    (0..count).for_each(|_| work());
    cpu_time() - start
}

async fn upload(hasher: &EtagHasher, chunks: &[Bytes]) -> [u8; 16] {
    let mut stream = hasher.stream();
    for chunk in chunks {
        stream.update(chunk.clone()).await;
        // As if the next chunk came from a socket: other uploads get their turn.
        tokio::task::yield_now().await;
    }
    stream.finish().await
}

fn etag(criterion: &mut Criterion) {
    let hasher = EtagHasher::new(&*Env::real().spawn, 1);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let body = |seed: usize| -> Vec<Bytes> {
        (0..CHUNK_COUNT).map(|chunk| (0..251_u8).cycle().skip(seed + chunk).take(CHUNK_SIZE).collect()).collect()
    };
    let mut group = criterion.benchmark_group("etag, CPU time");
    for stream_count in [1, 2, 4, 8, 16, 32] {
        let bodies: Vec<Vec<Bytes>> = (0..stream_count).map(body).collect();
        group.throughput(Throughput::Bytes((stream_count * CHUNK_COUNT * CHUNK_SIZE) as u64));
        group.bench_function(BenchmarkId::new("EtagHasher", format!("{stream_count} streams")), |bencher| {
            bencher.iter_custom(|count| {
                measure(count, || {
                    runtime.block_on(join_all(bodies.iter().map(|chunks| upload(&hasher, chunks))));
                })
            });
        });
    }
    let chunks = body(0);
    group.throughput(Throughput::Bytes((CHUNK_COUNT * CHUNK_SIZE) as u64));
    group.bench_function("md-5/1 stream", |bencher| {
        bencher.iter_custom(|count| {
            measure(count, || {
                let mut hasher = Md5::new();
                chunks.iter().for_each(|chunk| hasher.update(chunk));
                black_box(hasher.finalize());
            })
        });
    });
    group.finish();
    hasher.close();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = etag
}
criterion_main!(benches);
