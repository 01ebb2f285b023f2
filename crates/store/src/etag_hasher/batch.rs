//! Hashing of several streams in lockstep.

use std::collections::VecDeque;

use bytes::Bytes;
use md5_many::{Md5Many, Md5State};

use super::queue::StreamId;

/// Streams that are hashed at once: the lanes of AVX-512. More interleave no faster.
pub(super) const LANES_MAX: usize = 16;

/// Lanes are filled up to a multiple of this with copies of the first.
///
/// `md5-many` on one core of an Intel Xeon of the Sapphire Rapids family, GB/s of all streams: 1 stream 0.76, 8 streams 3.7,
/// 16 streams 8.2; but 4 streams 1.0, 7 streams 0.3 and 15 streams 3.0, for want of a kernel of that width. Filled up,
/// N streams run at N/8 or N/16 of the full width's speed: 2 streams 0.9, 4 streams 1.7 (`docs/performance.md`).
const LANES_STEP: usize = 8;

/// Bytes of each lane that are hashed before the worker looks who else has come: streams that ride along from then on
/// cost nearly nothing, streams that wait for the end of a long body would be hashed alone after it. A multiple of a
/// block; 90 µs of a single lane, against about 2 µs for looking.
pub(super) const SLICE_SIZE: usize = 64 * 1024;

/// Chunks shorter than this are hashed alone: in lockstep, the shortest chunk bounds the step of all lanes.
const ALONE_SIZE_MAX: usize = 512;

/// Bytes of a block of MD5.
const BLOCK_SIZE: usize = 64;

/// A stream while its chunks are being hashed.
pub(super) struct Lane {
    pub(super) stream: StreamId,
    pub(super) state: Md5State,
    /// Chunks not hashed yet, none of them empty.
    pub(super) chunks: VecDeque<Bytes>,
    /// Whether somebody waits for this lane; others ride along.
    pub(super) is_urgent: bool,
}

/// Hashes chunks of urgent lanes, and of the others as long as that keeps lanes busy; at most a slice of each.
///
/// What the lanes have left is better hashed in a later, fuller batch.
pub(super) fn hash(engine: Md5Many, lanes: &mut [Lane]) {
    let mut slice_left = SLICE_SIZE;
    loop {
        lanes.iter_mut().for_each(Lane::align);
        let is_urgent = lanes.iter().any(|lane| lane.is_urgent && !lane.chunks.is_empty());
        let busy_count = lanes.iter().filter(|lane| !lane.chunks.is_empty()).count();
        let is_worth_it = is_urgent || LANES_STEP <= busy_count;
        if !is_worth_it || slice_left == 0 {
            return;
        }
        slice_left -= step(engine, lanes, slice_left);
    }
}

/// Hashes as many blocks of each lane as the shortest first chunk has, up to `size_max` bytes, whole blocks; returns how
/// many bytes. All lanes are aligned, one is not empty.
fn step(engine: Md5Many, lanes: &mut [Lane], size_max: usize) -> usize {
    let mut busy: Vec<(&mut Md5State, &mut VecDeque<Bytes>)> = lanes
        .iter_mut()
        .filter(|lane| !lane.chunks.is_empty())
        .map(|lane| (&mut lane.state, &mut lane.chunks))
        .collect();
    let size = busy.iter().map(|(_, chunks)| chunks[0].len()).min().expect("a lane is busy");
    let size = size.min(size_max) / BLOCK_SIZE * BLOCK_SIZE;
    let width = if busy.len() == 1 { 1 } else { busy.len().next_multiple_of(LANES_STEP) };
    // Lanes that no stream fills hash the first stream's bytes once more; their states are thrown away.
    let mut states = [*busy[0].0; LANES_MAX];
    let mut inputs = [&busy[0].1[0][..size]; LANES_MAX];
    for (lane, (state, chunks)) in busy.iter().enumerate() {
        states[lane] = **state;
        inputs[lane] = &chunks[0][..size];
    }
    engine.update_many(&mut states[..width], &inputs[..width]);
    for ((state, chunks), hashed) in busy.iter_mut().zip(states) {
        **state = hashed;
        skip(chunks, size);
    }
    size
}

impl Lane {
    /// Brings the lane to a block boundary, so that lockstep needs no buffering, and past chunks too short for it.
    fn align(&mut self) {
        while let Some(first) = self.chunks.front() {
            let buffered_size = usize::try_from(self.state.bytes_hashed() % BLOCK_SIZE as u64).expect("below 64");
            let missing_size = (BLOCK_SIZE - buffered_size) % BLOCK_SIZE;
            let size = if first.len() < ALONE_SIZE_MAX { first.len() } else { missing_size };
            if size == 0 {
                return;
            }
            self.state.update(&first[..size]);
            skip(&mut self.chunks, size);
        }
    }

    /// Hashes what is left, alone, and returns the digest.
    pub(super) fn finish(&mut self) -> [u8; 16] {
        for chunk in self.chunks.drain(..) {
            self.state.update(&chunk);
        }
        self.state.finalize()
    }
}

/// Drops the first `size` bytes, which all belong to the first chunk.
fn skip(chunks: &mut VecDeque<Bytes>, size: usize) {
    let first = &mut chunks[0];
    drop(first.split_to(size));
    if first.is_empty() {
        chunks.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};

    use super::super::queue::Queue;
    use super::*;

    /// A lane with chunks of the given sizes, its bytes told from those of other seeds.
    fn lane(seed: usize, is_urgent: bool, chunk_sizes: &[usize]) -> Lane {
        let mut bytes = (0..251_u8).cycle().skip(seed * 31);
        let chunks = chunk_sizes.iter().map(|&size| bytes.by_ref().take(size).collect()).collect();
        Lane { stream: Queue::default().open(Default::default()), state: Md5State::new(), chunks, is_urgent }
    }

    /// Hashes slices until nothing changes any more, as a worker does that nobody joins.
    fn hash_slices(lanes: &mut [Lane]) {
        let left = |lanes: &[Lane]| lanes.iter().flat_map(|lane| &lane.chunks).map(Bytes::len).sum::<usize>();
        let mut before = usize::MAX;
        while left(lanes) < before {
            before = left(lanes);
            hash(Md5Many::new(), lanes);
        }
    }

    fn digest_of_all(lane: &Lane) -> [u8; 16] {
        lane.chunks.iter().fold(Md5::new(), |hasher, chunk| hasher.chain_update(chunk)).finalize().into()
    }

    #[test]
    fn urgent_lanes_are_hashed_to_the_end_whatever_their_number_and_chunks() {
        for lane_count in 1..=LANES_MAX {
            let sizes = |seed: usize| [seed * 64 + 1000, 1, 63 + seed, 64, 4096, 511, 513, 100 * seed + 1];
            let mut lanes: Vec<Lane> = (0..lane_count).map(|seed| lane(seed, true, &sizes(seed))).collect();
            let expected: Vec<_> = lanes.iter().map(digest_of_all).collect();
            hash_slices(&mut lanes);
            assert!(lanes.iter().all(|lane| lane.chunks.is_empty()));
            let found: Vec<_> = lanes.iter_mut().map(Lane::finish).collect();
            assert_eq!(found, expected, "{lane_count} lanes");
        }
    }

    #[test]
    fn other_lanes_ride_along_and_keep_what_is_left() {
        let mut lanes = vec![lane(0, true, &[6400]), lane(1, false, &[64_000]), lane(2, false, &[100, 700])];
        let expected: Vec<_> = lanes.iter().map(digest_of_all).collect();
        hash(Md5Many::new(), &mut lanes);
        let left: Vec<usize> = lanes.iter().map(|lane| lane.chunks.iter().map(Bytes::len).sum()).collect();
        assert_eq!(left, [0, 64_000 - 6400, 0]);
        assert_eq!(lanes.iter_mut().map(Lane::finish).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_long_chunk_is_hashed_a_slice_at_a_time() {
        let mut lanes = vec![lane(0, true, &[3 * SLICE_SIZE]), lane(1, true, &[SLICE_SIZE + 700])];
        let expected: Vec<_> = lanes.iter().map(digest_of_all).collect();
        hash(Md5Many::new(), &mut lanes);
        let left: Vec<usize> = lanes.iter().map(|lane| lane.chunks[0].len()).collect();
        assert_eq!(left, [2 * SLICE_SIZE, 700]);
        assert_eq!(lanes.iter_mut().map(Lane::finish).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn as_long_as_lanes_are_busy_none_needs_to_be_urgent() {
        let mut lanes: Vec<Lane> = (0..LANES_STEP).map(|seed| lane(seed, false, &[64_000 + 64 * seed])).collect();
        hash_slices(&mut lanes);
        let left: Vec<usize> = lanes.iter().map(|lane| lane.chunks.iter().map(Bytes::len).sum()).collect();
        assert_eq!(
            left,
            (0..LANES_STEP)
                .map(|seed| 64 * seed)
                .map(|size| if size < ALONE_SIZE_MAX { 0 } else { size })
                .collect::<Vec<_>>()
        );
    }
}
