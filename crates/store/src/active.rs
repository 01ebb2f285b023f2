//! Writes and reads in progress: what garbage collection must wait for.

use std::collections::BTreeMap;
use std::sync::Arc;

use meta::record::{IntentEpoch, WriteId};
use parking_lot::Mutex;

/// The writes of this process that have not been committed or given up.
#[derive(Clone, Default)]
pub(crate) struct ActiveWrites {
    state: Arc<Mutex<WritesState>>,
}

#[derive(Default)]
struct WritesState {
    epoch: IntentEpoch,
    begun: BTreeMap<WriteId, Begun>,
}

struct Begun {
    epoch: IntentEpoch,
    pinned: bool,
}

/// One write in progress; over when dropped.
pub(crate) struct ActiveWrite {
    write_id: WriteId,
    intent_epoch: IntentEpoch,
    writes: ActiveWrites,
}

impl ActiveWrites {
    /// Begins a write in the current epoch.
    pub(crate) fn begin(&self, write_id: WriteId) -> ActiveWrite {
        let mut state = self.state.lock();
        let intent_epoch = state.epoch;
        state.begun.insert(write_id, Begun { epoch: intent_epoch, pinned: false });
        ActiveWrite { write_id, intent_epoch, writes: self.clone() }
    }

    /// Lets later writes begin in `epoch`.
    pub(crate) fn advance(&self, epoch: IntentEpoch) {
        let mut state = self.state.lock();
        state.epoch = state.epoch.max(epoch);
    }

    /// The epoch that writes begin in.
    pub(crate) fn epoch(&self) -> IntentEpoch {
        self.state.lock().epoch
    }

    /// The writes that began before `epoch`, go on and have not been pinned. They must be before `epoch` becomes the
    /// oldest that may commit.
    pub(crate) fn unpinned_before(&self, epoch: IntentEpoch) -> Vec<(WriteId, IntentEpoch)> {
        let state = self.state.lock();
        let unpinned = state.begun.iter().filter(|(_, begun)| begun.epoch < epoch && !begun.pinned);
        unpinned.map(|(id, begun)| (*id, begun.epoch)).collect()
    }

    /// Notes that a write has been pinned; false when it has ended and must be unpinned.
    pub(crate) fn set_pinned(&self, write_id: WriteId) -> bool {
        match self.state.lock().begun.get_mut(&write_id) {
            Some(begun) => {
                begun.pinned = true;
                true
            }
            None => false,
        }
    }

    /// Number of writes that go on.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().begun.len()
    }

    /// Whether the write goes on.
    pub(crate) fn contains(&self, write_id: WriteId) -> bool {
        self.state.lock().begun.contains_key(&write_id)
    }
}

impl ActiveWrite {
    pub(crate) fn write_id(&self) -> WriteId {
        self.write_id
    }

    pub(crate) fn intent_epoch(&self) -> IntentEpoch {
        self.intent_epoch
    }
}

impl Drop for ActiveWrite {
    fn drop(&mut self) {
        self.writes.state.lock().begun.remove(&self.write_id);
    }
}

/// The readers of this process, by the index of the oldest state they may have read.
#[derive(Clone, Default)]
pub(crate) struct ActiveReads {
    readers: Arc<Mutex<BTreeMap<u64, usize>>>,
}

/// One reader; gone when dropped.
pub(crate) struct ActiveRead {
    index: u64,
    reads: ActiveReads,
}

impl ActiveReads {
    /// Registers a reader of states at or after `index`. Call it before taking the view that is read from.
    pub(crate) fn begin(&self, index: u64) -> ActiveRead {
        *self.readers.lock().entry(index).or_insert(0) += 1;
        ActiveRead { index, reads: self.clone() }
    }

    /// The oldest state that somebody may still read from; `None` when nobody reads.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.readers.lock().keys().next().copied()
    }
}

impl Drop for ActiveRead {
    fn drop(&mut self) {
        let mut readers = self.reads.readers.lock();
        if let Some(count) = readers.get_mut(&self.index) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_keep_the_epoch_they_began_in_until_they_end() {
        let writes = ActiveWrites::default();
        let first = writes.begin(WriteId(1));
        writes.advance(IntentEpoch(4));
        let second = writes.begin(WriteId(2));
        writes.advance(IntentEpoch(3));
        assert_eq!(writes.epoch(), IntentEpoch(4));
        assert_eq!(writes.unpinned_before(IntentEpoch(4)), [(WriteId(1), IntentEpoch(0))]);
        assert!(writes.set_pinned(WriteId(1)));
        assert_eq!(writes.unpinned_before(IntentEpoch(4)), []);
        drop(first);
        assert!(!writes.set_pinned(WriteId(1)));
        assert!(writes.contains(WriteId(2)));
        assert_eq!(second.intent_epoch(), IntentEpoch(4));
    }

    #[test]
    fn the_oldest_reader_counts() {
        let reads = ActiveReads::default();
        let (a, b, c) = (reads.begin(5), reads.begin(3), reads.begin(3));
        drop(b);
        assert_eq!(reads.oldest(), Some(3));
        drop(c);
        assert_eq!(reads.oldest(), Some(5));
        drop(a);
        assert_eq!(reads.oldest(), None);
    }
}
