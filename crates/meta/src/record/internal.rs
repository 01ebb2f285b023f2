//! Records that the system keeps for itself.

use std::collections::BTreeSet;

use bytes::Bytes;
use placement::{Epoch, GroupId};
use serde::{Deserialize, Serialize};

use super::{Hlc, Record, Segment, UnknownFields, WriteId};
use crate::codec::{FieldReader, FieldWriter};
use crate::error::CodecError;
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

impl WriteOwner {
    /// Whether the manifest is on the retire list: no object and no part has it any more.
    pub fn is_retired(&self) -> bool {
        self.tree == TreeId::Internal
    }
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

impl Record for StateRecord {
    const KIND: u8 = 0x4a;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.clock);
        fields.value(1, &self.next_bucket);
        fields.value(2, &self.intent_epoch.0);
        fields.value(3, &self.intent_epoch_min.0);
        fields.value(4, &self.write_results);
        fields.value(5, &self.upload_results);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let clock = fields.value(0)?;
        let next_bucket = fields.value(1)?;
        let intent_epoch = IntentEpoch(fields.value(2)?);
        let intent_epoch_min = IntentEpoch(fields.value(3)?);
        let write_results = fields.value(4)?;
        let upload_results = fields.value(5)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { clock, next_bucket, intent_epoch, intent_epoch_min, write_results, upload_results, unknown })
    }
}

/// The value under a group's fence key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FenceRecord {
    /// The group's epoch.
    pub(crate) epoch: Epoch,
    /// Oldest epoch that may commit.
    pub(crate) accepted_from: Epoch,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for FenceRecord {
    const KIND: u8 = 0x45;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &u64::from(self.epoch.0));
        fields.value(1, &u64::from(self.accepted_from.0));
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let epoch = narrow_epoch(fields.value(0)?)?;
        let accepted_from = narrow_epoch(fields.value(1)?)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { epoch, accepted_from, unknown })
    }
}

fn narrow_epoch(epoch: u64) -> Result<Epoch, CodecError> {
    u32::try_from(epoch).map(Epoch).map_err(|_| CodecError::Invalid("epoch"))
}

impl Record for DocumentRecord {
    const KIND: u8 = 0x49;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.version);
        fields.value(1, &self.modified);
        fields.bytes(2, &self.value);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let version = fields.value(0)?;
        let modified = fields.value(1)?;
        let value = encoded.slice_ref(fields.bytes(2)?.ok_or(CodecError::Missing(2))?);
        let unknown = fields.finish(encoded)?;
        Ok(Self { version, modified, value, unknown })
    }
}

impl Record for PinnedWrite {
    const KIND: u8 = 0x43;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.intent_epoch.0);
        fields.value(1, &self.holder);
        fields.value(2, &self.pinned);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let intent_epoch = IntentEpoch(fields.value(0)?);
        let holder = fields.value(1)?;
        let pinned = fields.value(2)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { intent_epoch, holder, pinned, unknown })
    }
}

impl Record for WriteOwner {
    const KIND: u8 = 0x48;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.bytes(0, &self.tree.encode());
        fields.bytes(1, &self.key);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let tree = fields.bytes(0)?.ok_or(CodecError::Missing(0))?;
        let tree = tree.try_into().ok().and_then(TreeId::decode).ok_or(CodecError::Invalid("tree id"))?;
        let key = encoded.slice_ref(fields.bytes(1)?.ok_or(CodecError::Missing(1))?);
        let unknown = fields.finish(encoded)?;
        Ok(Self { tree, key, unknown })
    }
}

impl Record for RepairRecord {
    const KIND: u8 = 0x40;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.missing);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let missing = fields.value(0)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { missing, unknown })
    }
}

impl Record for RetiredRecord {
    const KIND: u8 = 0x41;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.segment);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let segment = fields.value(0)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { segment, unknown })
    }
}

/// Marks a deleted bucket whose uploads are being retired.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrainingRecord {
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for DrainingRecord {
    const KIND: u8 = 0x42;

    fn encode(&self) -> Bytes {
        FieldWriter::new().finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let unknown = FieldReader::open(Self::KIND, encoded)?.finish(encoded)?;
        Ok(Self { unknown })
    }
}
