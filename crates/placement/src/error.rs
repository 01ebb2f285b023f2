//! What can be wrong with a table, a plan or their bytes.

use crate::identity::{DiskId, Epoch, GroupId};

/// Result of this crate's operations.
pub type Result<T> = std::result::Result<T, Error>;

/// Why placement refused. (Field docs left out: the names say it.)
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "field names and messages say it")]
pub enum Error {
    /// Tell the operator what a profile looks like.
    #[error("{text:?} is not a redundancy profile k+m such as 4+2 (1 <= k, k+m <= 256)")]
    Profile { text: String },
    /// Plan again on the current table.
    #[error("plan is based on table version {}, the table is at version {}", based_on.0, version.0)]
    StalePlan { based_on: Epoch, version: Epoch },
    /// A mistake of the planner or of a repair: report it, keep the table.
    #[error("plan changes slot {index} of group {group} in a way that would lose or invent shards")]
    IllegalMove { group: GroupId, index: u8 },
    /// A mistake of the planner: report it, keep the table.
    #[error("plan puts disk {disk} twice into group {group}")]
    DuplicateDisk { group: GroupId, disk: DiskId },
    /// Upgrade the software that reads.
    #[error("placement table has format version {found}, this program reads version {known}")]
    UnknownFormat { found: u8, known: u8 },
    /// Fetch the table again from another copy.
    #[error("placement table is damaged: {reason}")]
    Damaged { reason: &'static str },
}
