//! What the log holds: entries in order of their ids.

use bytes::Bytes;

/// Names one entry: who proposed it, in which term, and its place in the log.
///
/// The order is Raft's: term, then proposer, then index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct LogId {
    /// Term of the leader that proposed the entry.
    pub term: u64,
    /// That leader's node number.
    pub node: u64,
    /// Place in the log; consecutive.
    pub index: u64,
}

/// One entry. The log does not look into `payload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its name and place.
    pub id: LogId,
    /// What the payload is; meaningful to the writer alone.
    pub kind: u8,
    /// The entry itself.
    pub payload: Bytes,
}

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// The newest entry that was purged; the log continues right after it.
    pub purged: Option<LogId>,
    /// The newest entry; equals `purged` when the log holds none.
    pub last: Option<LogId>,
}
