//! [`DiskHandle`]: a disk of the cluster, wherever it is.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use disk::{Disk, Shard, ShardEntry};
use erasure::ShardIdentity;
use serde::{Deserialize, Serialize};

use crate::shards::RemoteDisk;

/// Inventory entries looked at in one step.
const PAGE_SIZE: usize = 1024;

/// Why a disk does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ShardError {
    /// The disk answers and does not hold the shard: take others.
    #[error("the disk does not hold the shard")]
    NotFound,
    /// Take others, and write this one again.
    #[error("the shard is damaged")]
    Corrupt,
    /// Write elsewhere.
    #[error("the disk is full")]
    Full,
    /// The disk has lost the shard's slot: learn the newer placement table, and write where it says.
    #[error("the disk holds its slot no longer since epoch {}", epoch.0)]
    StaleEpoch {
        /// Epoch of the group's row that the disk's node knows.
        epoch: placement::Epoch,
    },
    /// The disk or its node does not work, or not now. Whether a write happened is unknown.
    #[error("the disk does not answer: {reason}")]
    Unavailable {
        /// What failed.
        reason: String,
    },
}

impl From<disk::Error> for ShardError {
    fn from(error: disk::Error) -> Self {
        match error {
            disk::Error::NotFound { .. } => Self::NotFound,
            disk::Error::Corrupt { .. } | disk::Error::OutOfRange { .. } => Self::Corrupt,
            disk::Error::Full { .. } => Self::Full,
            error => Self::Unavailable { reason: error.to_string() },
        }
    }
}

/// Why a shard is sent to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// The disk is the write target of the shard's slot at the epoch that the shard carries.
    Slot,
    /// The disk stands in for one that does not work; the manifest will say so.
    Substitute,
}

/// A disk of the cluster. Clones are the same disk.
#[derive(Clone)]
pub enum DiskHandle {
    /// A disk of this node: no call leaves the process.
    Local(Arc<Disk>),
    /// A disk of another node.
    Remote(RemoteDisk),
}

impl DiskHandle {
    /// The disk itself, when it is one of this node's: for what only its owner does.
    pub fn local(&self) -> Option<&Arc<Disk>> {
        match self {
            Self::Local(disk) => Some(disk),
            Self::Remote(_) => None,
        }
    }

    /// Stores `shard`, in place of an earlier one of the same identity. Durable on return.
    ///
    /// Dropped before it resolves, the shard may or may not be stored.
    ///
    /// # Errors
    ///
    /// `Full`, `StaleEpoch`, `Unavailable` (the shard may be stored nevertheless).
    pub async fn append(&self, shard: Shard, destination: Destination) -> Result<(), ShardError> {
        match self {
            Self::Local(disk) => Ok(disk.append(shard).await?),
            Self::Remote(disk) => disk.append(shard, destination).await,
        }
    }

    /// Reads bytes `range` of a shard. Every byte has been verified against the shard's identity.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Corrupt`, `Unavailable`.
    pub async fn read(&self, shard: &ShardIdentity, range: Range<u64>) -> Result<Bytes, ShardError> {
        match self {
            Self::Local(disk) => Ok(disk.read(shard, range).await?),
            Self::Remote(disk) => disk.read(shard, range).await,
        }
    }

    /// What the disk's index knows of each of `shards`, in their order. Does no I/O on the disk.
    ///
    /// # Errors
    ///
    /// `Unavailable`.
    pub async fn lookup(&self, shards: &[ShardIdentity]) -> Result<Vec<Option<ShardEntry>>, ShardError> {
        match self {
            Self::Local(disk) => Ok(shards.iter().map(|shard| disk.lookup(shard)).collect()),
            Self::Remote(disk) => disk.lookup(shards).await,
        }
    }

    /// Deletes every shard of these writes that the disk holds. Durable on return. Returns how many there were.
    ///
    /// # Errors
    ///
    /// `Full` (when not even the reserve is left), `Unavailable`. Some may be deleted then.
    pub async fn delete_writes(&self, writes: &[u128]) -> Result<u64, ShardError> {
        match self {
            Self::Local(disk) => delete_writes(disk, writes).await,
            Self::Remote(disk) => disk.delete_writes(writes).await,
        }
    }
}

/// See [`DiskHandle::delete_writes`].
pub(crate) async fn delete_writes(disk: &Disk, writes: &[u128]) -> Result<u64, ShardError> {
    let shards: Vec<ShardIdentity> = writes.iter().flat_map(|write_id| shards_of(disk, *write_id)).collect();
    let count = shards.len() as u64;
    if 0 < count {
        disk.delete(shards).await?;
    }
    Ok(count)
}

/// The shards of a write that a disk holds.
fn shards_of(disk: &Disk, write_id: u128) -> Vec<ShardIdentity> {
    let mut shards = Vec::new();
    // The inventory has no entry before index 0 of stripe 0; what comes directly before it ends the write before.
    let mut after =
        write_id.checked_sub(1).map(|before| ShardIdentity { write_id: before, stripe: u32::MAX, index: u8::MAX });
    loop {
        let page = disk.inventory(after, PAGE_SIZE);
        let own = page.iter().map(|shard| shard.identity).take_while(|shard| shard.write_id == write_id);
        let before = shards.len();
        shards.extend(own);
        if shards.len() - before < PAGE_SIZE {
            return shards;
        }
        after = shards.last().copied();
    }
}
