//! The codec per kernel beside `reed-solomon-erasure` with its SIMD code, and the block framing beside plain BLAKE3.
//!
//! Throughput counts data bytes; for the framing, payload bytes.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use erasure::{BLOCK_SIZE, Codec, FramedShard, Geometry, Kernel, ShardIdentity};
use reed_solomon_erasure::galois_8::ReedSolomon;

const GEOMETRIES: [(u8, u8); 3] = [(4, 2), (8, 4), (12, 4)];
const SHARD_SIZES: [usize; 2] = [64 << 10, 1 << 20];

fn shard(index: usize, size: usize) -> Vec<u8> {
    (0..251_u8).cycle().skip(index * 17).take(size).collect()
}

fn size_name(size: usize) -> String {
    format!("{} KiB", size >> 10)
}

fn encode(criterion: &mut Criterion) {
    for (data_count, parity_count) in GEOMETRIES {
        let geometry = Geometry::new(data_count, parity_count).expect("a geometry");
        let oracle = ReedSolomon::new(geometry.data_count(), geometry.parity_count()).expect("a geometry");
        let mut group = criterion.benchmark_group(format!("encode {geometry}"));
        for size in SHARD_SIZES {
            let data: Vec<Vec<u8>> = (0..geometry.data_count()).map(|index| shard(index, size)).collect();
            let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
            let mut parity = vec![vec![0; size]; geometry.parity_count()];
            let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
            group.throughput(Throughput::Bytes((size * geometry.data_count()) as u64));
            group.bench_function(BenchmarkId::new("reed-solomon-erasure", size_name(size)), |bencher| {
                bencher.iter(|| oracle.encode_sep(&data, &mut parity).expect("shards fit"));
            });
            for kernel in Kernel::available() {
                let codec = Codec::with_kernel(geometry, kernel);
                group.bench_function(BenchmarkId::new(kernel.name(), size_name(size)), |bencher| {
                    bencher.iter(|| codec.encode(&data, &mut parity).expect("shards fit"));
                });
            }
        }
    }
}

/// One data shard missing, and as many as may be.
fn decode(criterion: &mut Criterion) {
    for (data_count, parity_count) in GEOMETRIES {
        let geometry = Geometry::new(data_count, parity_count).expect("a geometry");
        let oracle = ReedSolomon::new(geometry.data_count(), geometry.parity_count()).expect("a geometry");
        let codec = Codec::new(geometry);
        let size = SHARD_SIZES[1];
        let mut stripe: Vec<(Vec<u8>, bool)> =
            (0..geometry.shard_count()).map(|index| (shard(index, size), true)).collect();
        let mut group = criterion.benchmark_group(format!("decode {geometry}"));
        group.throughput(Throughput::Bytes((size * geometry.data_count()) as u64));
        for missing_count in [1, geometry.parity_count()] {
            let name = format!("{missing_count} missing");
            group.bench_function(BenchmarkId::new("reed-solomon-erasure", &name), |bencher| {
                bencher.iter(|| {
                    stripe[..missing_count].iter_mut().for_each(|(_, is_present)| *is_present = false);
                    oracle.reconstruct_data(&mut stripe).expect("enough shards");
                });
            });
            let (missing, present) = stripe.split_at_mut(missing_count);
            let present: Vec<(u8, &[u8])> =
                (0..).skip(missing_count).zip(present.iter().map(|(shard, _)| shard.as_slice())).collect();
            let mut wanted: Vec<(u8, &mut [u8])> =
                (0..).zip(missing.iter_mut().map(|(shard, _)| shard.as_mut_slice())).collect();
            group.bench_function(BenchmarkId::new(Kernel::fastest().name(), &name), |bencher| {
                bencher.iter(|| codec.reconstruct(&present, &mut wanted).expect("enough shards"));
            });
        }
    }
}

fn framing(criterion: &mut Criterion) {
    let identity = ShardIdentity { write_id: 1, stripe: 2, index: 3 };
    let payload = Bytes::from(shard(0, 1 << 20));
    let mut group = criterion.benchmark_group("framing 1024 KiB");
    group.throughput(Throughput::Bytes(payload.len() as u64));
    group.bench_function("framed shard", |bencher| {
        bencher.iter(|| FramedShard::new(black_box(identity), payload.clone()));
    });
    group.bench_function("BLAKE3 of each block", |bencher| {
        bencher.iter(|| payload.chunks(BLOCK_SIZE).map(blake3::hash).for_each(|hash| _ = black_box(hash)));
    });
    group.bench_function("BLAKE3 of the whole", |bencher| bencher.iter(|| blake3::hash(&payload)));
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = encode, decode, framing
}
criterion_main!(benches);
