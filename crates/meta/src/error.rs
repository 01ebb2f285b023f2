//! Why an operation on the metadata failed.

use std::io;
use std::path::PathBuf;

/// Result with the metadata's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on the metadata failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No mirror of the metadata works any more: refuse every write until the node is restarted on working disks.
    #[error("the metadata cannot be written: no mirror works")]
    Unavailable,
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
}
