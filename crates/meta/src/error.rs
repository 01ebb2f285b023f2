//! Why an operation on the metadata failed.

use std::io;
use std::path::PathBuf;

use crate::view::TreeId;

/// Result with the metadata's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on the metadata failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No mirror of the metadata works any more: refuse every write until the node is restarted on working disks.
    #[error("the metadata cannot be written: no mirror works")]
    Unavailable,
    /// Only what is in memory was asked for ([`crate::InMemory`]), and that is not enough: ask the whole view, where
    /// blocking is allowed.
    #[error("a page is not in memory")]
    NotInMemory,
    /// Try again later: nothing was changed.
    #[error("too many commands are waiting: nothing was changed")]
    Overloaded,
    /// Delete something, or give the disks room: nothing was changed. Commands that add nothing are taken.
    #[error("the disks with the metadata are full: nothing was changed")]
    Full,
    /// Try again later, or at another node: nothing was changed.
    #[error("no majority of the nodes that decide can be reached: nothing was changed")]
    NoQuorum,
    /// Nobody knows yet: the command may take effect at any later time, or never.
    #[error("the command was not decided in time")]
    Undecided,
    /// Ask another node, or this one after its restart: nothing was changed.
    #[error("the node is stopping: nothing was changed")]
    Stopping,
    /// The call on the file failed; its mirror is out of service.
    #[error("{operation} failed on {path:?}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Stored bytes are damaged, and no other mirror has a valid copy: restore from a peer or a backup.
    #[error("{what} in {path:?} is damaged at byte {offset}, and no mirror has a valid copy")]
    Corrupt {
        /// What should be there.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
    },
    /// Another directory took the mirror's place; nothing to do.
    #[error("the mirror was replaced")]
    MirrorReplaced,
    /// The state that was to be fetched is not kept any more where it was offered: ask for the newest one.
    #[error("the offered state is not kept any more")]
    OfferGone,
    /// A fetched state is not what was offered, though every page has its hash: nothing was installed. The node that
    /// offered it has diverged, or this one makes other states of the same trees.
    #[error("the state fetched as of entry {index} is not the one that was offered")]
    WrongState {
        /// Index of the entry applied last.
        index: u64,
    },
    /// A page or pack of the trees cannot be used; see the source for what to do.
    #[error("cannot use the metadata trees")]
    Trees(#[from] prolly::Error),
    /// No root record can be used, and the log alone does not reach back to the beginning: bring back a missing disk.
    #[error("no usable root record, and the log begins after entry {purged}")]
    NoRoot {
        /// Index of the last entry that is not in the log.
        purged: u64,
    },
    /// The bytes under a key are no record that this version understands. Stop: the state is damaged, or newer software
    /// wrote it.
    #[error("unreadable record in {tree:?} at key {key:02x?}")]
    Record {
        /// The tree that holds the record.
        tree: TreeId,
        /// Its key.
        key: Vec<u8>,
        /// What is wrong with it.
        source: CodecError,
    },
    /// Two records contradict each other. Stop and run `fsck`.
    #[error("inconsistent metadata: {0}")]
    Inconsistent(&'static str),
    /// Newer software wrote it; upgrade this one.
    #[error("{what} in {path:?} has a format that this software does not know")]
    Unsupported {
        /// What should be there.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Two directories hold the metadata of different clusters: check which disks are mounted where.
    #[error("{first:?} and {second:?} hold the metadata of different clusters")]
    ForeignMirror {
        /// A mirror.
        first: PathBuf,
        /// One that does not belong with it.
        second: PathBuf,
    },
    /// All mirrors found missed writes: bring back a disk that did not.
    #[error("{directory:?} missed writes, and no mirror that has them is there")]
    StaleMirrors {
        /// One of them.
        directory: PathBuf,
    },
    /// Two mirrors were each written without the other: decide which one to keep, and empty the other.
    #[error("the metadata mirrors {first:?} and {second:?} went separate ways")]
    Diverged {
        /// A mirror.
        first: PathBuf,
        /// One that contradicts it.
        second: PathBuf,
    },
    /// A durable record of the log is on no mirror any more: bring back a missing disk, or restore from a backup.
    #[error("record {sequence} of the metadata log was durable, and no mirror has it")]
    LogHole {
        /// Number of the record.
        sequence: u64,
    },
    /// The entry does not continue the log, or is too large: a mistake of the caller.
    #[error("entry {index} cannot be appended to a log that continues at {expected}")]
    NotConsecutive {
        /// Index of the entry.
        index: u64,
        /// Index that the next entry must have.
        expected: u64,
    },
    /// The disk did not answer in time; its mirror is out of service.
    #[error("writing to {directory:?} takes too long")]
    Stalled {
        /// The mirror.
        directory: PathBuf,
    },
}

impl Error {
    /// Whether there was no room on the disk: that passes, and nothing else is wrong with it.
    pub(crate) fn is_full(&self) -> bool {
        let kind = match self {
            Self::Io { source, .. } | Self::Trees(prolly::Error::Io { source, .. }) => source.kind(),
            _ => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Why bytes are no canonical record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Another kind of record was expected here.
    #[error("record of kind {found:#04x} where {expected:#04x} belongs")]
    Kind {
        /// The kind that the key calls for.
        expected: u8,
        /// The kind that the record names.
        found: u8,
    },
    /// Newer software wrote the record; upgrade this one.
    #[error("record of kind {kind:#04x} has version {version}, which this software does not know")]
    Version {
        /// The kind of the record.
        kind: u8,
        /// Its version.
        version: u8,
    },
    /// The bytes end within a field.
    #[error("record ends early")]
    Truncated,
    /// Bytes follow the last field.
    #[error("record has {0} bytes behind its end")]
    Trailing(usize),
    /// A field that every record of the kind has is absent.
    #[error("field {0} is missing")]
    Missing(u8),
    /// The same value has a shorter or better ordered form.
    #[error("{0} is not in canonical form")]
    NotCanonical(&'static str),
    /// A value that the format does not allow.
    #[error("invalid {0}")]
    Invalid(&'static str),
}
