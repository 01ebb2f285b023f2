//! Commands about what the store keeps for itself: writes, placement, documents, repair.

use std::collections::{BTreeMap, BTreeSet};

use placement::DiskId;
use serde::{Deserialize, Serialize};

use crate::record::{GroupFence, IntentEpoch, RetiredId, WriteId};

/// Keeps the shards of a long write from being collected before its commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PinWrite {
    /// The write.
    pub write_id: WriteId,
    /// The epoch that its shards carry.
    pub intent_epoch: IntentEpoch,
    /// The process that is writing.
    pub holder: u128,
}

/// Gives a write up. The commit of a pinned write unpins it by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnpinWrite {
    /// The write.
    pub write_id: WriteId,
}

/// Begins the next intent epoch and refuses commits of the one before the current.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdvanceIntentEpoch {
    /// The epoch that the proposer believes current; any other makes the command a no-op.
    pub from: IntentEpoch,
}

/// Replaces the placement table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetTable {
    /// Version of the document that the new table was planned from; 0 for none.
    pub based_on: u64,
    /// The encoded table; its format is its owner's.
    pub table: Vec<u8>,
    /// The groups whose fences change; all of them the first time.
    pub fences: Vec<GroupFence>,
}

/// Sets or removes a named document. Removing it forgets its version: one that is set again begins at 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetDocument {
    /// Its name.
    pub name: String,
    /// What must be there now.
    pub expected: DocumentState,
    /// The new value; `None` removes the document.
    pub value: Option<Vec<u8>>,
}

/// Sets or removes several documents, all of them or none. No name may occur twice. Nodes do not act on what it sets
/// ([`Command::sets_document`](super::Command::sets_document)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetDocuments {
    /// What to do with each.
    pub documents: Vec<SetDocument>,
}

/// What a document must be for a change to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DocumentState {
    /// Anything.
    Any,
    /// Not there.
    Absent,
    /// There, with this version.
    Version(u64),
}

/// Reports shards of a write as absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportMissing {
    /// The write.
    pub write_id: WriteId,
    /// Absent shards by stripe number.
    pub stripes: BTreeMap<u32, BTreeSet<u8>>,
}

/// Reports shards of a write as durable again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RepairDone {
    /// The write.
    pub write_id: WriteId,
    /// What was restored, by stripe number.
    pub stripes: BTreeMap<u32, RepairedStripe>,
}

/// What a repair made of one stripe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RepairedStripe {
    /// Shards that now lie on the disk that their slot names.
    pub at_slot: BTreeSet<u8>,
    /// Shards that now lie on another disk.
    pub elsewhere: BTreeMap<u8, DiskId>,
}

/// Forgets retired segments whose shards have been deleted, or will be found as orphans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FreeRetired {
    /// The segments.
    pub retired: Vec<RetiredId>,
}
