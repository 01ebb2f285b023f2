//! Sealing and opening the bytes of objects: what AES-GCM costs, and wrapping a key.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use encryption::{
    ChunkFormat, DataKey, Ending, EnvelopeConfig, Envelopes, MasterKey, Protection, SegmentCipher, SegmentName,
};
use env::Env;

fn bodies(criterion: &mut Criterion) {
    let env = Env::real();
    let mut group = criterion.benchmark_group("encryption");
    group.measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for (layers, size) in [(1, 4 << 10), (1, 1 << 20), (2, 1 << 20)] {
        let keys: Vec<DataKey> = (0..layers).map(|_| DataKey::generate(env.entropy.as_ref())).collect();
        let cipher = SegmentCipher::new(&keys, SegmentName::Whole).expect("one or two keys are a cipher");
        let plain = vec![7; size];
        let mut sealed = vec![0; 2 * size];
        let name = format!("{layers} layers, {size} bytes");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("seal", &name), |bencher| {
            bencher.iter(|| cipher.seal(0, black_box(&plain), Ending::Final, &mut sealed));
        });
        let format: ChunkFormat = cipher.format();
        let sealed_size = usize::try_from(format.sealed_size(size as u64)).expect("it fits into memory");
        let mut opened = vec![0; size + format.overhead()];
        group.bench_function(BenchmarkId::new("open", &name), |bencher| {
            bencher.iter(|| cipher.open(0, &[black_box(&sealed[..sealed_size])], Ending::Final, &mut opened));
        });
    }
    group.finish();
}

fn keys(criterion: &mut Criterion) {
    let env = Env::real();
    let master = MasterKey::generate(env.entropy.as_ref());
    let envelopes = Envelopes::new(&env, EnvelopeConfig { master, service: None, s3_key: None });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    criterion.bench_function("keys of an object, fresh and wrapped", |bencher| {
        bencher.iter(|| runtime.block_on(envelopes.seal(&Protection::S3, 1)));
    });
    let (_, envelope) = runtime.block_on(envelopes.seal(&Protection::S3, 1)).expect("the master key is there");
    criterion.bench_function("keys of an object, unwrapped", |bencher| {
        bencher.iter(|| runtime.block_on(envelopes.open(&envelope, 1, None)));
    });
}

criterion_group!(benches, bodies, keys);
criterion_main!(benches);
