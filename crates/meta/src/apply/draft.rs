//! The effect of one command while it is being decided.

use std::collections::BTreeMap;

use bytes::Bytes;
use env::Bug;

use super::quota::Growth;
use super::version::Key;
use crate::command::LogStamp;
use crate::error::{Error, Result};
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::record::{
    BucketRecord, DueRecord, Hlc, ObjectRecord, Record, RememberedReply, ResultRecord, ResultSlotRecord,
};
use crate::record::{StateRecord, UnknownFields};
use crate::view::{BucketId, Edit, Edits, TreeId, View, read};

/// Results of puts and deletions that are remembered. A proposer may propose a command again until this many others
/// have been applied: at 5000 a second that is 13 s, above the deadline of any request's commit.
const WRITE_RESULT_COUNT: u64 = 1 << 16;

/// Results of completed uploads that are remembered. Clients repeat a completion after minutes.
const UPLOAD_RESULT_COUNT: u64 = 1 << 13;

/// Why a command comes to nothing.
pub(super) enum Stop {
    /// The state forbids it.
    Refused(Refusal),
    /// The state cannot be read.
    Failed(Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What deciding a command, or a part of it, comes to.
pub(super) type Decision<T> = std::result::Result<T, Stop>;

/// Whose result is remembered.
pub(super) enum ResultKey {
    /// Of a put or a deletion: [`keys::write_result`].
    Write(Vec<u8>),
    /// Of a completed upload: [`keys::upload_result`].
    Upload(Vec<u8>),
}

/// The view before the command, and the edits so far. Reads do not see the edits.
pub(super) struct Draft<'a> {
    view: &'a dyn View,
    stamp: LogStamp,
    /// Written back when the command has any effect.
    pub(super) state: StateRecord,
    state_before: StateRecord,
    edits: Edits,
    /// Entries of the index of what is due: whether each will be there.
    dues: BTreeMap<Vec<u8>, bool>,
    /// Annotations: what each will be; `None` will not be there.
    annotations: BTreeMap<(TreeId, Vec<u8>), Option<Bytes>>,
    /// What is added to a bucket with a quota.
    pub(super) growth: Option<Growth>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(view: &'a dyn View, stamp: LogStamp) -> Result<Self> {
        let state: StateRecord = read(view, TreeId::Internal, &keys::state())?.unwrap_or_default();
        Ok(Self {
            view,
            stamp,
            state_before: state.clone(),
            state,
            edits: Vec::new(),
            dues: BTreeMap::new(),
            annotations: BTreeMap::new(),
            growth: None,
        })
    }

    /// The state before the command.
    pub(super) fn view(&self) -> &'a dyn View {
        self.view
    }

    /// Index of the log entry.
    pub(super) fn index(&self) -> u64 {
        self.stamp.index
    }

    /// The time of the command: above that of every command before it.
    pub(super) fn now(&self) -> Hlc {
        Hlc::from_millis(self.stamp.time).max(self.state.clock.next())
    }

    pub(super) fn read<R: Record>(&self, tree: TreeId, key: &[u8]) -> Result<Option<R>> {
        read(self.view, tree, key)
    }

    pub(super) fn put(&mut self, tree: TreeId, key: Vec<u8>, record: &impl Record) {
        self.edits.push(Edit::Put { tree, key: key.into(), value: record.encode() });
    }

    pub(super) fn remove(&mut self, tree: TreeId, key: impl Into<Bytes>) {
        self.edits.push(Edit::Remove { tree, key: key.into() });
    }

    pub(super) fn drop_tree(&mut self, tree: TreeId) {
        self.edits.push(Edit::DropTree { tree });
    }

    /// Enters what will be due. Each entry is as it was left by the last call about it.
    pub(super) fn enter_due(&mut self, key: Vec<u8>) {
        self.dues.insert(key, true);
    }

    /// Counts what is added to the bucket of `key`, or taken away, if it has a quota.
    pub(super) fn grow(&mut self, key: &Key<'_>, bytes: i64, objects: i64) {
        let Some(quota) = key.quota else { return };
        let bucket = key.bucket;
        let growth = self.growth.get_or_insert(Growth { bucket, quota, bytes: 0, objects: 0 });
        assert_eq!(growth.bucket, bucket, "a command changes one bucket");
        growth.bytes += bytes;
        growth.objects += objects;
    }

    /// Removes an entry, if it is there.
    pub(super) fn leave_due(&mut self, key: Vec<u8>) {
        self.dues.insert(key, false);
    }

    /// Puts the record of an annotation. Each is as it was left by the last call about it: a new version may have one of a
    /// name that the version which ends had too.
    pub(super) fn put_annotation(&mut self, tree: TreeId, key: Vec<u8>, record: &ObjectRecord) {
        self.annotations.insert((tree, key), Some(record.encode()));
    }

    /// Removes the record of an annotation.
    pub(super) fn remove_annotation(&mut self, tree: TreeId, key: Vec<u8>) {
        self.annotations.insert((tree, key), None);
    }

    /// The edits, with the state record that goes with them. None when the command changed nothing.
    pub(super) fn finish(mut self) -> Edits {
        for (key, is_there) in std::mem::take(&mut self.dues) {
            if is_there {
                self.put(TreeId::Internal, key, &DueRecord::default());
            } else {
                self.remove(TreeId::Internal, key);
            }
        }
        for ((tree, key), record) in std::mem::take(&mut self.annotations) {
            let key = key.into();
            self.edits.push(match record {
                Some(value) => Edit::Put { tree, key, value },
                None => Edit::Remove { tree, key },
            });
        }
        if !self.edits.is_empty() || self.state != self.state_before {
            self.state.clock = self.now();
            let state = self.state.encode();
            self.edits.push(Edit::Put { tree: TreeId::Internal, key: keys::state().into(), value: state });
        }
        self.edits
    }

    /// The record of a bucket that must exist.
    pub(super) fn require_bucket(&self, bucket: BucketId) -> Decision<BucketRecord> {
        let record = self.read(TreeId::Catalog, &keys::bucket(bucket))?;
        Ok(record.ok_or(Refusal::NoSuchBucket)?)
    }

    /// The current version of a key, without the body.
    pub(super) fn current(&self, bucket: BucketId, key: &str) -> Result<Option<ObjectRecord>> {
        self.read(TreeId::Objects(bucket), &keys::object(key))
    }

    /// The reply to an earlier proposal of the same command.
    pub(super) fn remembered(&self, result: &ResultKey) -> Result<Option<Reply>> {
        let (ResultKey::Write(key) | ResultKey::Upload(key)) = result;
        let record: Option<ResultRecord> = self.read(TreeId::Internal, key)?;
        Ok(record.filter(|_| !Bug::OutcomesForgotten.is_planted()).map(|record| record.reply.into()))
    }

    /// The reply to an earlier proposal of the same command, which has this fingerprint; what had another one is refused.
    pub(super) fn remembered_of(&self, result: &ResultKey, fingerprint: u128) -> Decision<Option<Reply>> {
        let (ResultKey::Write(key) | ResultKey::Upload(key)) = result;
        let record: Option<ResultRecord> = self.read(TreeId::Internal, key)?;
        let Some(record) = record else { return Ok(None) };
        if record.fingerprint == Some(fingerprint) {
            Ok(Some(record.reply.into()))
        } else {
            Err(Refusal::TokenReused.into())
        }
    }

    /// Remembers a reply in place of the oldest one.
    pub(super) fn remember(&mut self, result: ResultKey, reply: RememberedReply) -> Result<()> {
        self.remember_result(result, ResultRecord { reply, fingerprint: None, unknown: UnknownFields::default() })
    }

    /// Remembers a result in place of the oldest one.
    pub(super) fn remember_result(&mut self, result: ResultKey, record: ResultRecord) -> Result<()> {
        let (ring, count, sequence, key) = match result {
            ResultKey::Write(key) => (0, WRITE_RESULT_COUNT, &mut self.state.write_results, key),
            ResultKey::Upload(key) => (1, UPLOAD_RESULT_COUNT, &mut self.state.upload_results, key),
        };
        let slot = u32::try_from(*sequence % count).expect("rings have fewer than 2^32 slots");
        *sequence += 1;
        let slot_key = keys::result_slot(ring, slot);
        if let Some(oldest) = self.read::<ResultSlotRecord>(TreeId::Internal, &slot_key)? {
            self.remove(TreeId::Internal, oldest.result_key);
        }
        let slot = ResultSlotRecord { result_key: key.clone().into(), unknown: UnknownFields::default() };
        self.put(TreeId::Internal, slot_key, &slot);
        self.put(TreeId::Internal, key, &record);
        Ok(())
    }
}
