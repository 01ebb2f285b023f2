//! openraft's log storage on the metadata's log.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::{Bug, Env};
use meta::{Durable, MetaLog};
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{
    AnyError, ErrorSubject, ErrorVerb, LogId, OptionalSend, RaftLogReader, StorageError, StorageIOError, Vote,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::entry::{self, Entry, Types};

/// Longest wait for the installation of a snapshot whose pages are all here.
const INSTALL_WAIT: Duration = Duration::from_secs(60);

type StorageResult<T> = Result<T, StorageError<u64>>;

/// The log as openraft sees it. Clones share everything.
#[derive(Clone)]
pub(crate) struct LogStore {
    env: Env,
    log: Arc<MetaLog>,
    recent: Recent,
    /// How far the state is durable without the log.
    durable: watch::Receiver<Durable>,
}

/// Entries that were appended and wait to be applied, decoded. Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct Recent {
    entries: Arc<Mutex<BTreeMap<u64, Entry>>>,
}

impl Recent {
    fn insert(&self, entry: Entry) {
        self.entries.lock().insert(entry.log_id.index, entry);
    }

    fn truncate(&self, index: u64) {
        self.entries.lock().split_off(&index);
    }

    /// Forgets the entries up to and with `index`: they are applied.
    pub(crate) fn release(&self, index: u64) {
        let mut entries = self.entries.lock();
        *entries = entries.split_off(&(index + 1));
    }

    /// All entries of `range`, or `None` when some are not kept.
    fn get(&self, range: Range<u64>) -> Option<Vec<Entry>> {
        let entries = self.entries.lock();
        range.map(|index| entries.get(&index).cloned()).collect()
    }
}

impl LogStore {
    pub(crate) fn new(env: Env, log: Arc<MetaLog>, recent: Recent, durable: watch::Receiver<Durable>) -> Self {
        Self { env, log, recent, durable }
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> StorageResult<Vec<Entry>> {
        let range = self.existing(range);
        if let Some(entries) = self.recent.get(range.clone()) {
            return Ok(entries);
        }
        let log = self.log.clone();
        let read = self.env.blocking(move || log.read(range)).await;
        let stored = read.map_err(|error| failure(ErrorSubject::Logs, ErrorVerb::Read, error))?;
        stored.into_iter().map(decode).collect()
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> StorageResult<Vec<Entry>> {
        let entries = self.try_get_log_entries(start..end).await?;
        // Its first entries may have been purged since the range was chosen. What is left must not be sent: it would follow
        // something else there. Nothing is sent as a heartbeat, after which the range is chosen anew.
        let is_whole = entries.first().is_some_and(|first| first.log_id.index == start);
        Ok(if is_whole { entries } else { Vec::new() })
    }
}

impl LogStore {
    /// The indexes of `range` that the log holds.
    fn existing(&self, range: impl RangeBounds<u64>) -> Range<u64> {
        let state = self.log.state();
        let first = state.purged.map_or(0, |id| id.index + 1);
        let end = state.last.map_or(0, |id| id.index + 1);
        let from = match range.start_bound() {
            Bound::Included(&index) => index,
            Bound::Excluded(&index) => index + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&index) => index + 1,
            Bound::Excluded(&index) => index,
            Bound::Unbounded => u64::MAX,
        };
        let from = from.max(first);
        from..to.min(end).max(from)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> StorageResult<LogState<Types>> {
        let state = self.log.state();
        let [last_purged_log_id, last_log_id] = [state.purged, state.last].map(|id| id.map(entry::raft_log_id));
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> StorageResult<()> {
        if Bug::VotesForgotten.is_planted() {
            return Ok(());
        }
        let fail = |error| failure(ErrorSubject::Vote, ErrorVerb::Write, error);
        let encoded =
            postcard::to_stdvec(vote).map_err(|error| invalid(ErrorSubject::Vote, ErrorVerb::Write, &error))?;
        self.log.save_vote(encoded.into()).await.map_err(fail)
    }

    async fn read_vote(&mut self) -> StorageResult<Option<Vote<u64>>> {
        let decode = |bytes: Bytes| {
            postcard::from_bytes(&bytes).map_err(|error| invalid(ErrorSubject::Vote, ErrorVerb::Read, &error))
        };
        self.log.vote().map(decode).transpose()
    }

    async fn save_committed(&mut self, committed: Option<LogId<u64>>) -> StorageResult<()> {
        let committed = committed.as_ref().map(entry::log_id);
        self.log.save_committed(committed);
        Ok(())
    }

    async fn read_committed(&mut self) -> StorageResult<Option<LogId<u64>>> {
        Ok(self.log.committed().map(entry::raft_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> StorageResult<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut stored = Vec::new();
        for entry in entries {
            let subject = || ErrorSubject::Log(entry.log_id);
            stored.push(entry::encode(&entry).map_err(|error| invalid(subject(), ErrorVerb::Write, &error))?);
            self.recent.insert(entry);
        }
        let done = Box::new(|durable: meta::Result<()>| callback.log_io_completed(durable.map_err(io::Error::other)));
        self.log.append(stored, done).await.map_err(|error| failure(ErrorSubject::Logs, ErrorVerb::Write, error))
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> StorageResult<()> {
        self.recent.truncate(log_id.index);
        self.log.truncate(log_id.index).await.map_err(|error| failure(ErrorSubject::Logs, ErrorVerb::Delete, error))
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> StorageResult<()> {
        let id = entry::log_id(&log_id);
        let is_durable = |durable: &Durable| durable.newest.is_some_and(|newest| id.index <= newest.index);
        // openraft asks for it while the snapshot that makes up for the entries may still be being installed.
        tokio::select! {
            _ = self.durable.wait_for(is_durable) => {}
            () = self.env.clock.sleep(INSTALL_WAIT) => {}
        }
        if !is_durable(&self.durable.borrow()) {
            return Err(failure(ErrorSubject::Logs, ErrorVerb::Delete, meta::Error::Unavailable));
        }
        let purged = self.log.purge(id).await;
        purged.map_err(|error| failure(ErrorSubject::Logs, ErrorVerb::Delete, error))
    }
}

fn decode(stored: meta::LogEntry) -> StorageResult<Entry> {
    let subject = ErrorSubject::LogIndex(stored.id.index);
    let kind = stored.kind;
    match entry::decode(stored) {
        Ok(Some(entry)) => Ok(entry),
        Ok(None) => {
            let message = format!("log entry of kind {kind}, which this software does not know");
            Err(StorageIOError::new(subject, ErrorVerb::Read, AnyError::error(message)).into())
        }
        Err(error) => Err(invalid(subject, ErrorVerb::Read, &error)),
    }
}

/// What openraft is told when the metadata fails. It stops then, and with it everything that changes metadata.
pub(crate) fn failure(subject: ErrorSubject<u64>, verb: ErrorVerb, error: meta::Error) -> StorageError<u64> {
    StorageIOError::new(subject, verb, AnyError::new(&error)).into()
}

pub(crate) fn invalid(subject: ErrorSubject<u64>, verb: ErrorVerb, error: &postcard::Error) -> StorageError<u64> {
    StorageIOError::new(subject, verb, AnyError::new(error)).into()
}
