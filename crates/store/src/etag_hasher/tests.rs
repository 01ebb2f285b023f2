//! Interleaved streams against the crate `md-5`, and what cancelled ones leave behind.

use std::sync::Arc;

use env::Env;
use futures_util::FutureExt;
use futures_util::future::join_all;
use md5::{Digest, Md5};
use proptest::prelude::*;

use super::queue::WINDOW_SIZE;
use super::*;

fn hasher(worker_count: usize) -> EtagHasher {
    EtagHasher::new(&*Env::real().spawn, worker_count)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A body in chunks, its bytes told from those of other seeds.
fn body(seed: usize, chunk_sizes: &[usize]) -> Vec<Bytes> {
    let mut bytes = (0..=250_u8).cycle().skip(seed * 31);
    chunk_sizes.iter().map(|&size| bytes.by_ref().take(size).collect()).collect()
}

fn expected(chunks: &[Bytes]) -> [u8; 16] {
    Md5::digest(chunks.concat()).into()
}

async fn upload(hasher: &EtagHasher, chunks: &[Bytes]) -> [u8; 16] {
    let mut stream = hasher.stream();
    for chunk in chunks {
        stream.update(chunk.clone()).await;
        // Lets the other uploads of this thread go on, so that chunks of many streams interleave.
        tokio::task::yield_now().await;
    }
    stream.finish().await
}

/// Uploads all bodies at once and compares each digest with the oracle's.
fn check(worker_count: usize, bodies: &[Vec<Bytes>]) {
    let hasher = hasher(worker_count);
    let digests = run(join_all(bodies.iter().map(|chunks| upload(&hasher, chunks))));
    for (number, (digest, chunks)) in digests.into_iter().zip(bodies).enumerate() {
        assert_eq!(digest, expected(chunks), "stream {number} of {}", bodies.len());
    }
    run(hasher.close());
}

#[test]
fn a_body_of_any_length_around_a_block_has_its_md5() {
    let bodies: Vec<_> = (0..200).map(|size| body(size, &[size])).collect();
    check(1, &bodies);
}

#[test]
fn every_number_of_streams_is_hashed_right() {
    for count in 1..=20 {
        let bodies: Vec<_> = (0..count).map(|seed| body(seed, &[100_000 + seed, 60_000, 64 * seed])).collect();
        check(1, &bodies);
    }
}

#[test]
fn a_chunk_may_be_longer_than_the_window() {
    check(2, &[body(0, &[3 * WINDOW_SIZE + 5, 1, WINDOW_SIZE]), body(1, &[2 * WINDOW_SIZE])]);
}

#[test]
fn a_dropped_stream_leaves_nothing_and_holds_up_no_other() {
    let hasher = hasher(1);
    let chunk = Bytes::from(vec![7; 300_000]);
    run(async {
        let streams: Vec<_> = (0..20).map(|_| hasher.stream()).collect();
        for mut stream in streams {
            stream.update(chunk.clone()).await;
            stream.update(chunk.clone()).await;
        }
        assert_eq!(upload(&hasher, &body(3, &[700_000, 9])).await, expected(&body(3, &[700_000, 9])));
    });
    let shared = Arc::clone(&hasher.shared);
    run(hasher.close());
    assert!(shared.queue.lock().is_empty());
    assert!(chunk.is_unique(), "no worker and no queue holds the bytes");
}

#[test]
fn a_cancelled_update_adds_nothing() {
    let hasher = hasher(1);
    let chunks = body(5, &[WINDOW_SIZE, 1000]);
    let digest = run(async {
        let mut stream = hasher.stream();
        stream.update(chunks[0].clone()).await;
        // Polled once: if the window is still full it waits, and is dropped waiting.
        let was_added = stream.update(Bytes::from_static(b"perhaps")).now_or_never().is_some();
        stream.update(chunks[1].clone()).await;
        (was_added, stream.finish().await)
    });
    let parts = if digest.0 { vec![chunks[0].clone(), "perhaps".into(), chunks[1].clone()] } else { chunks };
    assert_eq!(digest.1, expected(&parts));
}

#[test]
fn streams_outlive_the_hasher() {
    let hasher = hasher(1);
    let mut stream = hasher.stream();
    drop(hasher);
    let chunks = body(1, &[WINDOW_SIZE, WINDOW_SIZE]);
    run(async {
        for chunk in &chunks {
            stream.update(chunk.clone()).await;
        }
        assert_eq!(stream.finish().await, expected(&chunks));
    });
}

#[test]
#[should_panic(expected = "a worker that hashes entity tags panicked")]
fn a_panic_of_a_worker_reaches_the_streams() {
    let hasher = hasher(1);
    let stream = hasher.stream();
    hasher.shared.queue.lock().fail();
    run(stream.finish());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn interleaved_streams_have_the_md5_of_the_oracle(
        sizes in prop::collection::vec(
            prop::collection::vec(prop_oneof![0..200_usize, Just(64), Just(65536), 0..5_000_usize, 0..400_000_usize], 0..8),
            1..24,
        ),
        worker_count in 1..4_usize,
    ) {
        let bodies: Vec<_> = sizes.iter().enumerate().map(|(seed, sizes)| body(seed, sizes)).collect();
        check(worker_count, &bodies);
    }
}
