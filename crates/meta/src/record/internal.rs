//! Records that the system keeps for itself.

use std::collections::BTreeSet;

use crate::placed::{Epoch, GroupId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Hlc, Segment, UnknownFields, WriteId};
use crate::view::TreeId;

/// Number of the period in which a write began; the log advances it, no clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntentEpoch(pub u64);

/// The few values that almost every command reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRecord {
    /// Time of the last command that changed anything.
    pub clock: Hlc,
    /// Id of the next bucket.
    pub next_bucket: u64,
    /// The epoch that new writes carry.
    pub intent_epoch: IntentEpoch,
    /// Commits of older epochs are refused, unless their write is pinned.
    pub intent_epoch_min: IntentEpoch,
    /// Number of results ever remembered for replays of writes.
    pub write_results: u64,
    /// Number of results ever remembered for replays of completed uploads.
    pub upload_results: u64,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// Which epochs of a placement group may still commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFence {
    /// The group.
    pub group: GroupId,
    /// Its epoch in the placement table.
    pub epoch: Epoch,
    /// Oldest epoch whose shards still count: older writers may have written to a disk that lost the slot.
    pub accepted_from: Epoch,
}

/// A small named value with a version: the placement table, cluster configuration, credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentRecord {
    /// 1 when first set, then one more each time.
    pub version: u64,
    /// When it was last set; assigned by apply.
    pub modified: Hlc,
    /// What it says; the format is its owner's.
    pub value: Bytes,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// A write whose shards must not be collected although nothing names them yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedWrite {
    /// The epoch that its shards carry.
    pub intent_epoch: IntentEpoch,
    /// The process that is writing: its pins are void once it is gone.
    pub holder: u128,
    /// When it was pinned; assigned by apply.
    pub pinned: Hlc,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// Where the manifest that names a write is: the value of the index by write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOwner {
    /// The tree.
    pub tree: TreeId,
    /// The key of an object, a part or a retired segment.
    pub key: Bytes,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// A stripe that misses shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairRecord {
    /// Indices of the absent shards.
    pub missing: BTreeSet<u8>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// A segment that no object and no part names any more, kept until no reader can still need its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredRecord {
    /// Its manifest.
    pub segment: Segment,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// Names a retired segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RetiredId {
    /// Index of the log entry that dropped it: readers of views at or above it do not see it.
    pub index: u64,
    /// The write.
    pub write_id: WriteId,
}
