//! Why an operation on trees or packs failed.

use std::io;

use crate::location::PackId;

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on trees or packs failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No copy of the frame is intact. Fetch the page from a replica, or rebuild the range.
    #[error("every copy of pack {pack} is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// The pack.
        pack: PackId,
        /// Byte at which the frame begins.
        offset: u32,
        /// What the last copy tried violates.
        reason: &'static str,
    },
    /// Bytes that should be a page, root reference or summary are not. Ask another source for them.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What the bytes should have been.
        what: &'static str,
        /// The first rule they violate.
        reason: &'static str,
    },
    /// A newer program wrote this. Run that program.
    #[error("{what} has format {found}; this program reads format {supported}")]
    Unsupported {
        /// What carries the format number.
        what: &'static str,
        /// The number found.
        found: u16,
        /// The only number this program reads.
        supported: u16,
    },
    /// The pack belongs to another store. Check which directories are mounted where.
    #[error("pack {pack} belongs to another store")]
    ForeignPack {
        /// The pack.
        pack: PackId,
    },
    /// Only what is in memory was asked for, and this is not: ask where blocking is allowed.
    #[error("the page is not in memory")]
    NotInMemory,
    /// Whoever was asked for a page does not have it (any more): ask for its newest state, or somebody else.
    #[error("the page is gone where it was asked for")]
    Gone,
    /// Two trees, or a tree and a root, were made under different parameters. Rebuild one of them.
    #[error("trees have different parameters")]
    ParamsDiffer,
    /// Keys given to `build`, `apply` or `join` do not ascend strictly: a mistake of the caller.
    #[error("keys do not ascend strictly")]
    Unsorted,
    /// The key is too long for a page. Refuse the request that brought it.
    #[error("key of {length} bytes is longer than {limit}")]
    KeyTooLong {
        /// Its length.
        length: usize,
        /// The longest key.
        limit: usize,
    },
    /// The value is too long for a blob. Refuse the request that brought it.
    #[error("value of {length} bytes is longer than {limit}")]
    ValueTooLong {
        /// Its length.
        length: usize,
        /// The longest value.
        limit: usize,
    },
    /// The storage failed. A failed write leaves an unsealed pack behind, which `Packs::discard_unlisted` removes.
    #[error("{operation} failed on pack {pack}")]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The pack.
        pack: PackId,
        /// The cause.
        source: io::Error,
    },
    /// Pack numbers are used up (2^32 flushes). Rebuild the store.
    #[error("pack numbers are used up")]
    PackNumbersUsedUp,
}
