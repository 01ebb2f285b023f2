//! The durable log: entries in order, Raft's vote and committed position, on up to three mirrors.

mod entry;

pub use entry::{LogEntry, LogId, LogState};

use std::ops::Range;

use bytes::Bytes;

use crate::error::Result;

/// What is called once, from a log thread, when appended entries are durable or never will be.
pub type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// The log. Shared by reference; every method may be called from any thread.
pub struct MetaLog {}

impl MetaLog {
    /// Where the log begins and ends. Entries count as soon as [`MetaLog::append`] returned.
    pub fn state(&self) -> LogState {
        todo!()
    }

    /// Appends `entries`, whose indexes continue the log, and returns once they are readable; `done` is called when
    /// they are durable.
    ///
    /// Waits only while the queue to the disks is full. Once polled to its end the entries are in the log.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) once no mirror works; `done` is called with it, too.
    pub async fn append(&self, _entries: Vec<LogEntry>, _done: Done) -> Result<()> {
        todo!()
    }

    /// Removes the entries from `index` on; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) once no mirror works.
    pub async fn truncate(&self, _index: u64) -> Result<()> {
        todo!()
    }

    /// Removes the entries up to and with `last`; durable on return. `last` may lie beyond the end of the log, which
    /// then continues after it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) once no mirror works.
    pub async fn purge(&self, _last: LogId) -> Result<()> {
        todo!()
    }

    /// Keeps `vote` in place of the one before; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) once no mirror works.
    pub async fn save_vote(&self, _vote: Bytes) -> Result<()> {
        todo!()
    }

    /// The vote saved last.
    pub fn vote(&self) -> Option<Bytes> {
        todo!()
    }

    /// Keeps `committed` in place of the one before. Durable with the next append, vote or purge: a lost one costs
    /// nothing but a later start of the replay.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) once no mirror works.
    pub fn save_committed(&self, _committed: Option<LogId>) -> Result<()> {
        todo!()
    }

    /// The committed position saved last.
    pub fn committed(&self) -> Option<LogId> {
        todo!()
    }

    /// The entries of `range` that the log holds, in order. Reads the disk for old ones: call it off the reactor
    /// unless the range is recent.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) when no mirror has a valid copy.
    pub fn read(&self, _range: Range<u64>) -> Result<Vec<LogEntry>> {
        todo!()
    }
}
