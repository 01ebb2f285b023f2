//! Which streams have chunks waiting, and when a batch of them is worth hashing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use md5_many::Md5State;
use tokio::sync::Notify;

use super::batch::{LANES_MAX, Lane};

/// Bytes of one stream in flight, from which on its producer waits.
pub(super) const WINDOW_SIZE: usize = 512 * 1024;

/// Waiting bytes that make a stream urgent: half the window, so that its producer goes on while they are hashed.
const URGENT_SIZE: usize = WINDOW_SIZE / 2;

/// Waiting bytes of all streams from which on a batch is worth hashing though no stream is urgent.
const BATCH_SIZE: usize = LANES_MAX * 64 * 1024;

/// A stream that ends with fewer bytes left is hashed by its own task: 40 µs, no more than waking a worker and
/// being woken costs in the end.
const SHORT_SIZE: usize = 32 * 1024;

/// Names a stream; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId(u64);

/// All open streams.
#[derive(Default)]
pub(super) struct Queue {
    streams: BTreeMap<StreamId, Stream>,
    opened_count: u64,
    /// Bytes of all streams that no worker has taken.
    waiting_size: usize,
    is_closed: bool,
    has_failed: bool,
}

/// An open stream.
pub(super) struct Stream {
    state: Md5State,
    chunks: VecDeque<Bytes>,
    waiting_size: usize,
    /// Bytes that a worker has taken; while there are any, the state is the worker's.
    taken_size: usize,
    is_ending: bool,
    /// Told when a worker has hashed so much that the stream's task can go on.
    changed: Arc<Notify>,
}

/// How a stream ends.
pub(super) enum Ending {
    /// So little is left that the caller hashes it itself.
    Short(Lane),
    /// A worker hashes it; ask again when told of a change.
    Wanted,
}

impl Queue {
    pub(super) fn open(&mut self, changed: Arc<Notify>) -> StreamId {
        self.opened_count += 1;
        let id = StreamId(self.opened_count);
        let stream = Stream {
            state: Md5State::new(),
            chunks: VecDeque::new(),
            waiting_size: 0,
            taken_size: 0,
            is_ending: false,
            changed,
        };
        self.streams.insert(id, stream);
        id
    }

    /// Says whether the stream's producer has to wait.
    pub(super) fn is_full(&mut self, id: StreamId) -> bool {
        let stream = self.stream(id);
        stream.is_full()
    }

    /// Adds a chunk; says whether a worker should look.
    pub(super) fn push(&mut self, id: StreamId, chunk: Bytes) -> bool {
        self.waiting_size += chunk.len();
        let is_batch = BATCH_SIZE <= self.waiting_size;
        let stream = self.stream(id);
        stream.waiting_size += chunk.len();
        stream.chunks.push_back(chunk);
        is_batch || stream.is_urgent()
    }

    /// Ends a stream. The caller removes it when it has the digest.
    pub(super) fn end(&mut self, id: StreamId) -> Ending {
        let stream = self.stream(id);
        stream.is_ending = true;
        if !stream.is_short() {
            return Ending::Wanted;
        }
        let lane = stream.take(id);
        self.waiting_size -= self.stream(id).taken_size;
        Ending::Short(lane)
    }

    /// Forgets a stream, ended or not.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.waiting_size -= stream.waiting_size;
        Some(stream)
    }

    /// Takes the streams that are worth hashing now, the neediest first; none if it is better to wait.
    pub(super) fn take_batch(&mut self) -> Vec<Lane> {
        let mut waiting: Vec<(StreamId, &mut Stream)> = self
            .streams
            .iter_mut()
            .map(|(id, stream)| (*id, stream))
            .filter(|(_, stream)| stream.taken_size == 0 && 0 < stream.waiting_size)
            .collect();
        waiting.sort_by_key(|(_, stream)| Reverse((stream.is_ending, stream.waiting_size)));
        let is_due = BATCH_SIZE <= self.waiting_size || waiting.first().is_some_and(|(_, stream)| stream.is_urgent());
        if !is_due {
            return Vec::new();
        }
        let mut lanes: Vec<Lane> = waiting.into_iter().take(LANES_MAX).map(|(id, stream)| stream.take(id)).collect();
        if let Some(neediest) = lanes.first_mut() {
            neediest.is_urgent = true;
        }
        self.waiting_size -= lanes.iter().map(|lane| lane.chunks.iter().map(Bytes::len).sum::<usize>()).sum::<usize>();
        lanes
    }

    /// Takes back what `take_batch` gave. Streams that were dropped meanwhile are forgotten.
    pub(super) fn give_back(&mut self, lanes: Vec<Lane>) {
        for lane in lanes {
            if let Some(stream) = self.streams.get_mut(&lane.stream) {
                self.waiting_size += stream.give_back(lane);
            }
        }
    }

    /// No stream will be opened any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Says whether the workers may end.
    pub(super) fn is_done(&self) -> bool {
        self.is_closed && self.streams.is_empty()
    }

    /// Says whether no stream is open and no byte waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.waiting_size == 0
    }

    /// A worker has panicked: all streams shall.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.streams.values().for_each(|stream| stream.changed.notify_one());
    }

    fn stream(&mut self, id: StreamId) -> &mut Stream {
        assert!(!self.has_failed, "a worker that hashes entity tags panicked");
        self.streams.get_mut(&id).expect("open until its handle is dropped")
    }
}

impl Stream {
    /// Whether its producer has to wait.
    fn is_full(&self) -> bool {
        WINDOW_SIZE <= self.waiting_size + self.taken_size
    }

    /// Whether it is not worth a worker's time any more.
    fn is_short(&self) -> bool {
        self.taken_size == 0 && self.waiting_size <= SHORT_SIZE
    }

    /// Whether somebody waits for this stream, or soon will.
    fn is_urgent(&self) -> bool {
        self.is_ending || URGENT_SIZE <= self.waiting_size
    }

    /// Hands all waiting chunks to a worker.
    fn take(&mut self, id: StreamId) -> Lane {
        let lane = Lane {
            stream: id,
            state: self.state,
            is_urgent: self.is_urgent(),
            chunks: std::mem::take(&mut self.chunks),
        };
        self.taken_size = std::mem::take(&mut self.waiting_size);
        lane
    }

    /// Puts back what the worker left, before what came meanwhile; returns the size of the former.
    fn give_back(&mut self, lane: Lane) -> usize {
        let left_size = lane.chunks.iter().map(Bytes::len).sum();
        self.state = lane.state;
        let newer = std::mem::replace(&mut self.chunks, lane.chunks);
        self.chunks.extend(newer);
        self.waiting_size += left_size;
        self.taken_size = 0;
        let can_go_on = if self.is_ending { self.is_short() } else { !self.is_full() };
        if can_go_on {
            self.changed.notify_one();
        }
        left_size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue with one stream for each size, which is what it has waiting.
    fn queue(sizes: &[usize]) -> (Queue, Vec<StreamId>) {
        let mut queue = Queue::default();
        let ids: Vec<StreamId> = sizes.iter().map(|_| queue.open(Arc::default())).collect();
        for (&id, &size) in ids.iter().zip(sizes) {
            queue.push(id, Bytes::from(vec![1; size]));
        }
        (queue, ids)
    }

    fn taken(queue: &mut Queue) -> Vec<(StreamId, bool)> {
        queue.take_batch().iter().map(|lane| (lane.stream, lane.is_urgent)).collect()
    }

    #[test]
    fn streams_wait_until_one_has_half_its_window() {
        let (mut queue, ids) = queue(&[1000, URGENT_SIZE - 1]);
        assert_eq!(taken(&mut queue), []);
        assert!(queue.push(ids[1], Bytes::from_static(b"x")), "worth a look");
        assert_eq!(taken(&mut queue), [(ids[1], true), (ids[0], false)]);
        assert_eq!(taken(&mut queue), [], "both are taken");
    }

    #[test]
    fn an_ending_stream_goes_first() {
        let (mut queue, ids) = queue(&[SHORT_SIZE + 1, SHORT_SIZE + 2]);
        assert!(matches!(queue.end(ids[0]), Ending::Wanted));
        assert_eq!(taken(&mut queue), [(ids[0], true), (ids[1], false)]);
    }

    #[test]
    fn a_short_stream_needs_no_worker() {
        let (mut queue, ids) = queue(&[SHORT_SIZE]);
        assert!(matches!(queue.end(ids[0]), Ending::Short(lane) if lane.chunks[0].len() == SHORT_SIZE));
        queue.remove(ids[0]);
        assert!(queue.is_empty());
    }

    #[test]
    fn many_small_streams_make_a_batch_of_the_fullest() {
        let sizes: Vec<usize> = (0..20).map(|number| BATCH_SIZE / 20 + number).collect();
        let (mut queue, ids) = queue(&sizes);
        let expected: Vec<_> = ids[4..].iter().rev().map(|&id| (id, id == ids[19])).collect();
        assert_eq!(taken(&mut queue), expected, "the neediest is urgent, so that the batch gets on");
    }

    #[test]
    fn what_a_worker_leaves_comes_before_newer_chunks() {
        let (mut queue, ids) = queue(&[URGENT_SIZE]);
        let mut lanes = queue.take_batch();
        queue.push(ids[0], Bytes::from_static(b"new"));
        lanes[0].chunks = [Bytes::from_static(b"left")].into();
        queue.give_back(lanes);
        assert!(matches!(queue.end(ids[0]), Ending::Short(lane) if lane.chunks == ["left", "new"]));
    }

    #[test]
    fn a_stream_dropped_while_a_worker_has_it_is_forgotten() {
        let (mut queue, ids) = queue(&[URGENT_SIZE]);
        let lanes = queue.take_batch();
        assert!(queue.remove(ids[0]).is_some());
        queue.give_back(lanes);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_stream_is_full_until_a_worker_gives_it_back() {
        let (mut queue, ids) = queue(&[WINDOW_SIZE]);
        assert!(queue.is_full(ids[0]));
        let mut lanes = queue.take_batch();
        assert!(queue.is_full(ids[0]));
        lanes[0].chunks.clear();
        queue.give_back(lanes);
        assert!(!queue.is_full(ids[0]));
    }
}
