//! Where the entries of the log are: in files, and the newest also in memory.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::entry::{LogId, LogState};
use super::record::Sequence;
use super::scan::SegmentName;

/// Where a record lies, in every mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: SegmentName,
    pub(super) offset: u64,
    pub(super) sequence: Sequence,
    pub(super) payload_length: usize,
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) id: LogId,
    pub(super) kind: u8,
    pub(super) place: Place,
    /// Present for the newest entries.
    pub(super) payload: Option<Bytes>,
}

/// The entries in order of index, without holes.
#[derive(Default)]
pub(super) struct Index {
    purged: Option<LogId>,
    slots: VecDeque<Slot>,
    /// Slots in front of this one have no payload in memory.
    uncached: usize,
    cached_bytes: usize,
    appended_bytes: u64,
}

impl Index {
    pub(super) fn new(purged: Option<LogId>, slots: VecDeque<Slot>) -> Self {
        let uncached = slots.len();
        Self { purged, slots, uncached, cached_bytes: 0, appended_bytes: 0 }
    }

    pub(super) fn state(&self) -> LogState {
        let last = self.slots.back().map(|slot| slot.id).or(self.purged);
        LogState { purged: self.purged, last }
    }

    /// The index that the next entry must have; any when the log is new.
    pub(super) fn next(&self) -> Option<u64> {
        self.state().last.map(|last| last.index + 1)
    }

    /// Adds an entry; the caller has checked that it continues the log.
    pub(super) fn push(&mut self, slot: Slot) {
        assert!(self.next().is_none_or(|next| next == slot.id.index), "the log has no holes");
        self.cached_bytes += slot.payload.as_ref().map_or(0, Bytes::len);
        self.appended_bytes += slot.place.payload_length as u64;
        self.slots.push_back(slot);
    }

    /// Drops payloads of the oldest entries from memory until at most `bytes` remain, but none above `acknowledged`.
    pub(super) fn shrink_cache(&mut self, bytes: usize, acknowledged: Sequence) {
        while bytes < self.cached_bytes {
            match self.slots.get_mut(self.uncached) {
                Some(slot) if slot.place.sequence <= acknowledged => {
                    self.cached_bytes -= slot.payload.take().map_or(0, |payload| payload.len());
                    self.uncached += 1;
                }
                _ => return,
            }
        }
    }

    /// Removes the entries from `index` on.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.slots.back().is_some_and(|slot| index <= slot.id.index) {
            let slot = self.slots.pop_back().expect("checked to have a last one");
            self.cached_bytes -= slot.payload.map_or(0, |payload| payload.len());
        }
        self.uncached = self.uncached.min(self.slots.len());
    }

    /// Removes the entries up to and with `last`, which may lie beyond the end.
    pub(super) fn purge(&mut self, last: LogId) {
        while self.slots.front().is_some_and(|slot| slot.id.index <= last.index) {
            let slot = self.slots.pop_front().expect("checked to have a first one");
            self.cached_bytes -= slot.payload.map_or(0, |payload| payload.len());
            self.uncached = self.uncached.saturating_sub(1);
        }
        if self.purged.is_none_or(|purged| purged.index < last.index) {
            self.purged = Some(last);
        }
    }

    /// The oldest entry.
    pub(super) fn first(&self) -> Option<&Slot> {
        self.slots.front()
    }

    /// The entries of `range` that the log holds.
    pub(super) fn range(&self, range: &Range<u64>) -> impl Iterator<Item = &Slot> {
        let first = self.slots.front().map_or(0, |slot| slot.id.index);
        let position = |index: u64| {
            let position = usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
            position.min(self.slots.len())
        };
        let (start, end) = (position(range.start), position(range.end));
        self.slots.range(start.min(end)..end)
    }

    /// Bytes of all payloads that were ever pushed.
    pub(super) fn appended_bytes(&self) -> u64 {
        self.appended_bytes
    }
}
