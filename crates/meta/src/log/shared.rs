//! What the log's callers and its writers share.

use std::sync::Arc;

use env::{Clock, UnixMillis};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::entry::{LogEntry, LogId};
use super::index::{Index, Place, Slot};
use super::record::{
    Control, HardState, RECORD_HEADER_SIZE, Records, SEGMENT_HEADER_SIZE, SegmentHeader, Sequence, Stamp, record_size,
};
use super::scan::SegmentName;
use super::stream::{Operation, Stream};
use bytes::Bytes;

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Writers wait on it for operations.
    pub(super) work: Notify,
    /// Appenders wait on it for room in the queue.
    pub(super) room: Notify,
    pub(super) clock: Arc<dyn Clock>,
}

/// The log as its callers see it, and the stream that makes it so on the disks.
pub(super) struct State {
    pub(super) index: Index,
    pub(super) vote: Option<Bytes>,
    pub(super) committed: Option<LogId>,
    /// Whether `committed` has changed since it was last put into the stream.
    pub(super) committed_is_new: bool,
    pub(super) stream: Stream,
    /// Mirrors whose disks have no room for the next segment.
    pub(super) full_mirrors: usize,
    /// When the last rereading began after which every copy was whole.
    pub(super) reread: Option<UnixMillis>,
    pub(super) tail: Tail,
}

/// Where the stream goes next.
pub(super) struct Tail {
    pub(super) format: Records,
    pub(super) realm: u128,
    pub(super) generation: u32,
    pub(super) nonce: u64,
    pub(super) segment_size: u64,
    /// All segments, the open one last; none before the first is begun.
    pub(super) segments: Vec<SegmentName>,
    pub(super) floor: Sequence,
    /// Number of the next record.
    pub(super) next: Sequence,
    /// Where the next record goes in the open segment.
    pub(super) offset: u64,
    /// End of the open segment.
    pub(super) end: u64,
}

impl Tail {
    pub(super) fn open_segment(&self) -> SegmentName {
        *self.segments.last().expect("opening the log begins a segment")
    }
}

impl State {
    /// Puts `entries` into index and stream.
    pub(super) fn append(&mut self, entries: Vec<LogEntry>) {
        if self.committed_is_new {
            self.committed_is_new = false;
            self.control(&Control::Committed(self.committed));
        }
        let acknowledged = self.stream.acknowledged();
        let mut bytes = Vec::with_capacity(entries.iter().map(|entry| record_size(entry.payload.len())).sum());
        let mut start = self.tail.offset;
        for entry in entries {
            let size = record_size(entry.payload.len()) as u64;
            if self.tail.end < self.tail.offset + size {
                self.write(start, std::mem::take(&mut bytes));
                self.begin_segment(size);
                start = self.tail.offset;
            }
            let place = Place {
                segment: self.tail.open_segment(),
                offset: self.tail.offset,
                sequence: self.tail.next,
                payload_length: entry.payload.len(),
            };
            self.tail.format.encode_entry(Stamp { sequence: self.tail.next, acknowledged }, &entry, &mut bytes);
            self.tail.offset += size;
            self.tail.next += 1;
            self.index.push(Slot { id: entry.id, kind: entry.kind, place, payload: Some(entry.payload) });
        }
        self.write(start, bytes);
    }

    /// Puts a control record into the stream.
    pub(super) fn control(&mut self, control: &Control) {
        let stamp = |tail: &Tail, stream: &Stream| Stamp { sequence: tail.next, acknowledged: stream.acknowledged() };
        let mut bytes = Vec::new();
        self.tail.format.encode_control(stamp(&self.tail, &self.stream), control, &mut bytes);
        if self.tail.end < self.tail.offset + bytes.len() as u64 {
            // The number has changed with the segment's own first record.
            self.begin_segment(bytes.len() as u64);
            bytes.clear();
            self.tail.format.encode_control(stamp(&self.tail, &self.stream), control, &mut bytes);
        }
        let start = self.tail.offset;
        self.tail.offset += bytes.len() as u64;
        self.tail.next += 1;
        self.write(start, bytes);
    }

    fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let last = self.tail.next - 1;
            self.stream.push(Operation::Write { offset, bytes: bytes.into(), last });
        }
    }

    /// Begins a segment that has room for `payload` bytes of records besides its own first.
    pub(super) fn begin_segment(&mut self, payload: u64) {
        let name = SegmentName { first: self.tail.next, generation: self.tail.generation };
        let header = SegmentHeader {
            generation: self.tail.generation,
            realm: self.tail.realm,
            nonce: self.tail.nonce,
            first: self.tail.next,
        };
        let mut bytes = header.encode().to_vec();
        let state = Control::State(HardState {
            floor: self.tail.floor,
            purged: self.index.state().purged,
            vote: self.vote.as_ref().map(|vote| vote.to_vec()),
            committed: self.committed,
        });
        let stamp = Stamp { sequence: self.tail.next, acknowledged: self.stream.acknowledged() };
        self.tail.format.encode_control(stamp, &state, &mut bytes);
        assert!(SEGMENT_HEADER_SIZE + RECORD_HEADER_SIZE < bytes.len(), "a segment starts with header and state");
        self.tail.segments.push(name);
        self.tail.offset = bytes.len() as u64;
        self.tail.end = self.tail.segment_size.max(self.tail.offset + payload);
        self.tail.next += 1;
        let size = self.tail.end;
        self.stream.push(Operation::Begin { name, size, bytes: bytes.into(), last: self.tail.next - 1 });
    }
}
