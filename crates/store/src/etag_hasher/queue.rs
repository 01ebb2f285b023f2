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
    /// Told whenever a worker gives the stream back.
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
        WINDOW_SIZE <= stream.waiting_size + stream.taken_size
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
        if 0 < stream.taken_size || SHORT_SIZE < stream.waiting_size {
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
        assert!(!self.has_failed, "a thread that hashes entity tags panicked");
        self.streams.get_mut(&id).expect("open until its handle is dropped")
    }
}

impl Stream {
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
        self.changed.notify_one();
        left_size
    }
}
