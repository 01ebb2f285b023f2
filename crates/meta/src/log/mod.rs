//! The durable log: entries in order, Raft's vote and committed position, on up to three mirrors.
//!
//! ```text
//!  append ─► State: index (memory) + stream ─► writer of mirror 1 ─► fdatasync ─┐
//!                                          ├─► writer of mirror 2 ─► fdatasync ─┼─► two copies durable: done(Ok)
//!                                          └─► writer of mirror 3 ─► fdatasync ─┘
//! ```
//!
//! Everything that changes the log becomes a record in one stream, which a worker for each mirror writes and syncs;
//! what queues up during a sync is written before the next one (group commit). A record is acknowledged once two copies
//! are durable, or the only one when one mirror works; a third follows at its own pace. A mirror whose write or sync
//! fails is retired and the others go on. At the next start, `recover` takes the union of what the mirrors have and
//! heals each. Format: `docs/formats/metadata-log.md`.
//!
//! Invariants: an acknowledged record is never lost while one of the mirrors that acknowledged it is readable; damage in
//! front of the end is healed or refused, never taken for a torn tail; no sync is ever tried again.

mod entry;
mod index;
mod join;
mod reader;
mod record;
mod recover;
mod reread;
mod scan;
mod shared;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

pub use entry::{LogEntry, LogId, LogState};

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use env::{Env, Worker};
use parking_lot::Mutex;
use tokio::sync::Notify;

use self::index::Index;
use self::reader::Reader;
use self::record::{Control, Records};
use self::recover::Recovered;
use self::scan::SegmentName;
use self::shared::{Shared, State, Tail};
use self::stream::{MemberId, Operation, Stream, completion};
use self::writer::Writer;
use crate::error::{Error, Result};
use crate::mirror::{Mirror, Mirrors};

/// What is called once when appended entries are durable or never will be. Runs in a writer: it must not block.
pub type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// Largest payload of an entry, in bytes.
pub(crate) const PAYLOAD_SIZE_MAX: usize = 64 << 20;

/// Settings of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogConfig {
    /// Size to which segments are preallocated, in bytes.
    pub(crate) segment_size: u64,
    /// Payloads of the newest entries kept in memory, in bytes.
    pub(crate) cache_bytes: usize,
    /// Bytes that may wait for the mirrors before appenders wait.
    pub(crate) queue_bytes_max: usize,
}

/// The log. Every method may be called from any thread.
pub struct MetaLog {
    shared: Arc<Shared>,
    config: LogConfig,
    env: Env,
    writers: Mutex<Vec<Worker>>,
}

impl MetaLog {
    /// Recovers the log from the mirrors in service, heals them, and begins a new generation.
    ///
    /// # Errors
    ///
    /// [`Error::LogHole`], [`Error::Diverged`], [`Error::Unsupported`], [`Error::ForeignMirror`], [`Error::Unavailable`].
    pub(crate) async fn open(env: &Env, mirrors: &Mirrors, config: LogConfig) -> Result<Self> {
        let (sources, realm) = (mirrors.in_service(), mirrors.realm());
        let recovered = env.blocking(move || recover::recover(&sources, realm)).await?;
        let mut nonce = [0; 8];
        env.entropy.fill(&mut nonce);
        let state = new_state(recovered, mirrors.realm(), u64::from_le_bytes(nonce), config);
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            work: Notify::new(),
            room: Notify::new(),
            clock: env.clock.clone(),
        });
        let log = Self { shared, config, env: env.clone(), writers: Mutex::new(Vec::new()) };
        for mirror in mirrors.in_service() {
            let id = log.shared.state.lock().stream.add_counted(mirror.clone());
            log.start_writer(mirror, id);
        }
        log.change_and_wait(|state| state.begin_segment(0)).await?;
        Ok(log)
    }

    /// Where the log begins and ends. Entries count as soon as [`MetaLog::append`] returned.
    pub fn state(&self) -> LogState {
        self.shared.state.lock().index.state()
    }

    /// Appends `entries`, whose indexes continue the log, and returns once they are readable; `done` is called when
    /// they are durable.
    ///
    /// Waits only while the queue to the disks is full. Dropped before it resolves, it has appended nothing, and `done`
    /// is never called.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] once no mirror works, [`Error::NotConsecutive`]; `done` is not called then.
    pub async fn append(&self, entries: Vec<LogEntry>, done: Done) -> Result<()> {
        self.wait_for_room().await;
        let mut state = self.shared.state.lock();
        if !state.stream.is_alive() {
            return Err(Error::Unavailable);
        }
        check_consecutive(&state.index, &entries)?;
        state.append(entries);
        let (last, acknowledged) = (state.tail.next - 1, state.stream.acknowledged());
        state.index.shrink_cache(self.config.cache_bytes, acknowledged);
        state.stream.wait_for(last, done);
        drop(state);
        self.shared.work.notify_waiters();
        Ok(())
    }

    /// Removes the entries from `index` on; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] once no mirror works.
    pub async fn truncate(&self, index: u64) -> Result<()> {
        self.change(|state| {
            state.index.truncate(index);
            Control::Truncate(index)
        })
        .await
    }

    /// Removes the entries up to and with `last`; durable on return. `last` may lie beyond the end of the log, which
    /// then continues after it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] once no mirror works.
    pub async fn purge(&self, last: LogId) -> Result<()> {
        self.change(|state| {
            state.index.purge(last);
            let oldest = state.index.first().map(|slot| slot.place.segment);
            state.tail.floor = oldest.unwrap_or_else(|| state.tail.open_segment()).first;
            Control::Purge { last, floor: state.tail.floor }
        })
        .await?;
        let mut state = self.shared.state.lock();
        let floor = state.tail.floor;
        let (needless, kept) = state.tail.segments.iter().partition(|segment| segment.first < floor);
        let needless: Vec<SegmentName> = needless;
        state.tail.segments = kept;
        if !needless.is_empty() {
            state.stream.push(Operation::Remove(needless.into()));
            self.shared.work.notify_waiters();
        }
        Ok(())
    }

    /// Keeps `vote` in place of the one before; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] once no mirror works.
    pub async fn save_vote(&self, vote: Bytes) -> Result<()> {
        self.change(|state| {
            state.vote = Some(vote.clone());
            Control::Vote(vote.to_vec())
        })
        .await
    }

    /// The vote saved last.
    pub fn vote(&self) -> Option<Bytes> {
        self.shared.state.lock().vote.clone()
    }

    /// Keeps `committed` in place of the one before. Durable with the next append: a lost one costs nothing but a
    /// shorter replay before Raft commits again.
    pub fn save_committed(&self, committed: Option<LogId>) {
        let mut state = self.shared.state.lock();
        state.committed_is_new |= state.committed != committed;
        state.committed = committed;
    }

    /// The committed position saved last.
    pub fn committed(&self) -> Option<LogId> {
        self.shared.state.lock().committed
    }

    /// The entries of `range` that the log holds, in order. Blocks on the disk for old ones: call it off the reactor
    /// unless the range is recent.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] when no mirror has a valid copy of an entry.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<LogEntry>> {
        let state = self.shared.state.lock();
        let slots: Vec<_> = state.index.range(&range).cloned().collect();
        let mirrors: Vec<Arc<Mirror>> = state.stream.counted_mirrors().cloned().collect();
        let format = state.tail.format;
        drop(state);
        let mut reader = Reader::new(mirrors, format);
        let mut entries = Vec::with_capacity(slots.len());
        for slot in slots {
            let payload = match slot.payload {
                Some(payload) => payload,
                None => match reader.read(&slot.place) {
                    Ok(payload) => payload,
                    // Purged while we read.
                    Err(_) if self.state().purged.is_some_and(|purged| slot.id.index <= purged.index) => continue,
                    Err(error) => return Err(error),
                },
            };
            entries.push(LogEntry { id: slot.id, kind: slot.kind, payload });
        }
        Ok(entries)
    }

    /// Whether more entries should come: the log works, and no mirror waits for room on its disk.
    pub(crate) fn admits(&self) -> bool {
        let state = self.shared.state.lock();
        state.full_mirrors == 0 && state.stream.is_alive()
    }

    /// Bytes of payloads appended since the log was opened.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.shared.state.lock().index.appended_bytes()
    }

    /// Writes out what is queued, leaves a record that all of it was durable, and ends the writers.
    pub(crate) async fn close(&self) {
        // When no mirror works any more there is nothing left to write.
        let _ = self.change_and_wait(|_| {}).await;
        self.end_stream();
        let writers = std::mem::take(&mut *self.writers.lock());
        for writer in writers {
            writer.join().await;
        }
    }

    fn end_stream(&self) {
        let mut state = self.shared.state.lock();
        if state.stream.is_alive() {
            let committed = state.committed;
            state.control(&Control::Committed(committed));
        }
        state.stream.close();
        drop(state);
        self.shared.work.notify_waiters();
    }

    fn start_writer(&self, mirror: Arc<Mirror>, id: MemberId) {
        let name = format!("meta-log {}", mirror.directory().display());
        let writer = Writer::new(self.shared.clone(), mirror, id);
        let worker = self.env.spawn.worker(name, Box::pin(writer.run()));
        self.writers.lock().push(worker);
    }

    /// Puts the control record that `change` gives into the stream, and waits until it is acknowledged.
    async fn change(&self, change: impl FnOnce(&mut State) -> Control + Send) -> Result<()> {
        self.change_and_wait(|state| {
            let control = change(state);
            state.control(&control);
        })
        .await
    }

    /// Makes a change of the state under the lock and waits until all records are acknowledged.
    async fn change_and_wait(&self, change: impl FnOnce(&mut State) + Send) -> Result<()> {
        let (done, acknowledged) = completion();
        {
            let mut state = self.shared.state.lock();
            if !state.stream.is_alive() {
                return Err(Error::Unavailable);
            }
            change(&mut state);
            let last = state.tail.next - 1;
            if last <= state.stream.acknowledged() {
                return Ok(());
            }
            state.stream.wait_for(last, done);
        }
        self.shared.work.notify_waiters();
        acknowledged.await
    }

    async fn wait_for_room(&self) {
        loop {
            let mut freed = std::pin::pin!(self.shared.room.notified());
            // Registered before the check, so that room made in between is not missed.
            freed.as_mut().enable();
            if self.shared.state.lock().stream.queued_bytes() < self.config.queue_bytes_max {
                return;
            }
            freed.await;
        }
    }
}

impl Drop for MetaLog {
    fn drop(&mut self) {
        // Without `close` the writers finish the queue on their own.
        self.shared.state.lock().stream.close();
        self.shared.work.notify_waiters();
    }
}

fn new_state(recovered: Recovered, realm: u128, nonce: u64, config: LogConfig) -> State {
    let Recovered { hard_state, slots, segments, next, generation } = recovered;
    State {
        index: Index::new(hard_state.purged, slots),
        vote: hard_state.vote.map(Bytes::from),
        committed: hard_state.committed,
        committed_is_new: false,
        stream: Stream::new(next - 1),
        full_mirrors: 0,
        reread: None,
        tail: Tail {
            format: Records::of_realm(realm),
            realm,
            generation: generation + 1,
            nonce,
            segment_size: config.segment_size,
            segments,
            floor: hard_state.floor.max(1),
            next,
            offset: 0,
            end: 0,
        },
    }
}

fn check_consecutive(index: &Index, entries: &[LogEntry]) -> Result<()> {
    let mut expected = index.next().or_else(|| entries.first().map(|entry| entry.id.index));
    for entry in entries {
        let next = expected.unwrap_or(entry.id.index);
        if entry.id.index != next || PAYLOAD_SIZE_MAX < entry.payload.len() {
            return Err(Error::NotConsecutive { index: entry.id.index, expected: next });
        }
        expected = Some(next + 1);
    }
    Ok(())
}
