//! Commands: everything that changes metadata, as it travels through the log.
//!
//! Nothing here is decided by the proposer: conditions, times and ids are settled when the command is applied.

use std::collections::{BTreeMap, BTreeSet};

use env::UnixMillis;
use placement::DiskId;
use serde::{Deserialize, Serialize};

use crate::lifecycle::{LifecycleRules, Subject};
use crate::record::{
    BucketLock, Checksum, ConfigurationKind, Etag, Governance, GroupFence, Hlc, IntentEpoch, LegalHold, ObjectRecord,
    PartRecord, Quota, Retention, RetiredId, UploadId, UploadRecord, VersionName, Versioning, WriteId,
};
use crate::view::BucketId;

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Answers [`Reply::BucketCreated`](crate::Reply::BucketCreated).
    CreateBucket(CreateBucket),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    DeleteBucket(DeleteBucket),
    /// Answers [`Reply::ObjectPut`](crate::Reply::ObjectPut).
    PutObject(Box<PutObject>),
    /// Answers [`Reply::ObjectDeleted`](crate::Reply::ObjectDeleted).
    DeleteObject(DeleteObject),
    /// Answers [`Reply::UploadCreated`](crate::Reply::UploadCreated).
    CreateUpload(Box<CreateUpload>),
    /// Answers [`Reply::PartPut`](crate::Reply::PartPut).
    PutPart(Box<PutPart>),
    /// Answers [`Reply::ObjectPut`](crate::Reply::ObjectPut).
    CompleteUpload(Box<CompleteUpload>),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    AbortUpload(AbortUpload),
    /// Answers [`Reply::Drained`](crate::Reply::Drained).
    DrainUploads(DrainUploads),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    PinWrite(PinWrite),
    /// Answers [`Reply::Done`](crate::Reply::Done), also when the write is not pinned.
    UnpinWrite(UnpinWrite),
    /// Answers [`Reply::IntentEpoch`](crate::Reply::IntentEpoch).
    AdvanceIntentEpoch(AdvanceIntentEpoch),
    /// Answers [`Reply::Version`](crate::Reply::Version).
    SetTable(SetTable),
    /// Answers [`Reply::Version`](crate::Reply::Version).
    SetDocument(SetDocument),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    ReportMissing(ReportMissing),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    RepairDone(RepairDone),
    /// Answers [`Reply::Done`](crate::Reply::Done), also for ids that are gone already.
    FreeRetired(FreeRetired),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetBucketConfiguration(SetBucketConfiguration),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetBucketVersioning(SetBucketVersioning),
    /// Answers [`Reply::ObjectDeleted`](crate::Reply::ObjectDeleted).
    DeleteVersion(DeleteVersion),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetObjectDetail(SetObjectDetail),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetDocuments(SetDocuments),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetBucketLock(SetBucketLock),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetLifecycle(Box<SetLifecycle>),
    /// Answers [`Reply::Drained`](crate::Reply::Drained).
    StepLifecycle(StepLifecycle),
    /// Answers [`Reply::Done`](crate::Reply::Done), also when there is nothing left to end.
    Expire(Expire),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    SetBucketQuota(SetBucketQuota),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    StripeBody(Box<StripeBody>),
    /// Answers [`Reply::ObjectPut`](crate::Reply::ObjectPut).
    AppendObject(Box<AppendObject>),
    /// Answers [`Reply::ObjectPut`](crate::Reply::ObjectPut).
    RenameObject(Box<RenameObject>),
    /// Answers [`Reply::Done`](crate::Reply::Done).
    ChangeBucketConfiguration(ChangeBucketConfiguration),
    /// Answers [`Reply::ObjectPut`](crate::Reply::ObjectPut): about the annotation, but for the version, which is the
    /// object's.
    PutAnnotation(Box<PutAnnotation>),
    /// Answers [`Reply::ObjectDeleted`](crate::Reply::ObjectDeleted), with the version of the object.
    DeleteAnnotation(DeleteAnnotation),
    /// Answers [`Reply::ObjectPut`](crate::Reply::ObjectPut).
    PutAnnotated(Box<PutAnnotated>),
}

impl Command {
    /// Whether it adds what a user stores. Such commands are refused while the room that is left is needed for the others:
    /// deletes, and what the node does on its own.
    pub fn adds(&self) -> bool {
        match self {
            Self::CreateBucket(_) | Self::PutObject(_) | Self::CreateUpload(_) | Self::PutPart(_) => true,
            Self::SetBucketConfiguration(command) => command.value.is_some(),
            Self::ChangeBucketConfiguration(command) => command.change.value.is_some(),
            Self::SetObjectDetail(_) | Self::StripeBody(_) | Self::AppendObject(_) | Self::RenameObject(_) => true,
            Self::PutAnnotation(_) | Self::PutAnnotated(_) => true,
            Self::SetLifecycle(command) => command.lifecycle.is_some(),
            _ => false,
        }
    }
}

impl Command {
    /// Whether it changes a document or the placement table, on which nodes act.
    pub fn sets_document(&self) -> bool {
        matches!(self, Self::SetTable(_) | Self::SetDocument(_))
    }

    /// Whether proposing it twice has the effect and the answer of proposing it once: its write or upload is remembered,
    /// or what it does is done only once. Others must not be proposed again while it is unknown what became of them.
    pub fn is_replayable(&self) -> bool {
        match self {
            Self::PutObject(_)
            | Self::DeleteObject(_)
            | Self::DeleteVersion(_)
            | Self::CompleteUpload(_)
            | Self::DrainUploads(_)
            | Self::PinWrite(_)
            | Self::UnpinWrite(_)
            | Self::AdvanceIntentEpoch(_)
            | Self::ReportMissing(_)
            | Self::RepairDone(_)
            | Self::FreeRetired(_)
            | Self::StepLifecycle(_)
            | Self::Expire(_)
            | Self::AppendObject(_)
            | Self::RenameObject(_)
            | Self::PutAnnotation(_)
            | Self::DeleteAnnotation(_)
            | Self::PutAnnotated(_) => true,
            // A part, or a body, that was replaced and freed since must not come back: nothing remembers it.
            Self::PutPart(_)
            | Self::StripeBody(_)
            | Self::CreateBucket(_)
            | Self::DeleteBucket(_)
            | Self::CreateUpload(_)
            | Self::AbortUpload(_)
            | Self::SetTable(_)
            | Self::SetDocument(_)
            | Self::SetDocuments(_)
            // They would undo what somebody else has set meanwhile.
            | Self::SetBucketConfiguration(_)
            | Self::ChangeBucketConfiguration(_)
            | Self::SetBucketVersioning(_)
            | Self::SetObjectDetail(_)
            | Self::SetBucketLock(_)
            | Self::SetLifecycle(_)
            | Self::SetBucketQuota(_) => false,
        }
    }
}

/// When a command is applied. The same on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStamp {
    /// Index of the log entry that carries the command; several commands may share it.
    pub index: u64,
    /// The proposer's wall clock. Apply never lets time go backwards.
    pub time: UnixMillis,
}

/// Creates a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateBucket {
    /// Its name, checked by the front door.
    pub name: String,
    /// Who will own it.
    pub owner: String,
    /// Location constraint; `None` is the default region.
    pub region: Option<String>,
    /// Whether its versions can be locked; they are kept then.
    pub has_lock: bool,
    /// What it is configured with from the beginning, as [`SetBucketConfiguration`] would.
    pub configurations: BTreeMap<ConfigurationKind, Vec<u8>>,
}

/// Deletes a bucket that holds no object. Unfinished uploads are dropped with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteBucket {
    /// The bucket.
    pub bucket: BucketId,
}

/// Makes `object` the current version of `key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketId,
    /// The key, 1 to 1024 bytes.
    pub key: String,
    /// The object; its `modified` and its exceptions' `since` are assigned by apply.
    pub object: ObjectRecord,
    /// What must hold of the current version.
    pub precondition: Precondition,
    /// Identity of the write; a striped body has it in its segment too. Proposed again, the first result is returned.
    pub write_id: WriteId,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Deletes `key`: in a versioned bucket puts a delete marker above its versions, otherwise removes the only one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// What must hold of the newest version, also when that is a delete marker: such has no tag and no bytes. A key
    /// without any version is deleted successfully whatever this says, and then without a marker if it says anything.
    pub precondition: Precondition,
    /// Identity of the deletion, for replays.
    pub write_id: WriteId,
}

/// Conditions on the current version, all of which must hold. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Precondition {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagCondition>,
    /// `x-amz-if-match-last-modified-time`, compared in whole seconds since 1970.
    pub if_modified_at_seconds: Option<u64>,
    /// `x-amz-if-match-size`.
    pub if_size: Option<u64>,
}

impl Precondition {
    /// `If-None-Match: *`: the key must not exist.
    pub fn absent() -> Self {
        Self { if_none_match: Some(EtagCondition::Any), ..Self::default() }
    }

    /// `If-Match` with one tag: the key must exist with this tag.
    pub fn matches(etag: Etag) -> Self {
        Self { if_match: Some(EtagCondition::OneOf(vec![etag])), ..Self::default() }
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EtagCondition {
    /// `*`: any current version.
    Any,
    /// One of these tags.
    OneOf(Vec<Etag>),
}

/// Begins a multipart upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateUpload {
    /// The bucket.
    pub bucket: BucketId,
    /// Key of the object to be.
    pub key: String,
    /// What is known of the object to be.
    pub upload: UploadRecord,
}

/// Adds a part to an upload, in place of an earlier one with the same number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutPart {
    /// The bucket.
    pub bucket: BucketId,
    /// Key of the object to be.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
    /// Part number, 1 to 10,000.
    pub number: u16,
    /// The part; its `modified` and its exceptions' `since` are assigned by apply.
    pub part: PartRecord,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Makes an object of the listed parts of an upload. The others are dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompleteUpload {
    /// The bucket.
    pub bucket: BucketId,
    /// Key of the object to be.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
    /// The parts of the object in ascending order of number. Each must still be what it says.
    pub parts: Vec<CompletedPart>,
    /// Entity tag of the object, computed from the parts' tags.
    pub etag: Etag,
    /// Checksum of the object, computed from the parts' checksums.
    pub checksum: Option<Checksum>,
    /// What must hold of the current version.
    pub precondition: Precondition,
}

/// One part that a completion lists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletedPart {
    /// Part number.
    pub number: u16,
    /// Its entity tag.
    pub etag: Etag,
    /// Its checksum; compared only when given. Give it when `CompleteUpload::checksum` was computed from it.
    pub checksum: Option<Checksum>,
}

/// Drops an upload with all its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbortUpload {
    /// The bucket.
    pub bucket: BucketId,
    /// Key of the object that was to be.
    pub key: String,
    /// The upload.
    pub upload: UploadId,
}

/// Retires some parts of the uploads of a deleted bucket; repeated until none is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrainUploads {
    /// The deleted bucket, from [`crate::query::draining_buckets`].
    pub bucket: BucketId,
    /// Most records to remove in this step; at least 1.
    pub limit: u32,
}

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
/// ([`Command::sets_document`]).
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

/// Most bytes of a bucket's configuration of one kind. The largest that S3 takes, lifecycle and replication rules, have
/// a thousand rules and 2 MB.
pub const CONFIGURATION_SIZE_MAX: usize = 2 << 20;

/// Sets or removes one configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketConfiguration {
    /// The bucket.
    pub bucket: BucketId,
    /// Which one.
    pub kind: ConfigurationKind,
    /// What it says, at most [`CONFIGURATION_SIZE_MAX`] bytes; the format is its owner's. `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// Changes one configuration of a bucket that depends on what it was, or on others: refused with
/// [`Refusal::VersionChanged`](crate::Refusal::VersionChanged) when any was set since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeBucketConfiguration {
    /// What it becomes.
    pub change: SetBucketConfiguration,
    /// The stamp of the bucket's configurations that the change was made from.
    pub configured: Hlc,
}

/// Has a bucket keep the versions of its objects, or not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketVersioning {
    /// The bucket.
    pub bucket: BucketId,
    /// What it does from now on.
    pub versioning: Versioning,
}

/// Removes one version of `key` for good, object or delete marker. When it was the newest, the one before is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteVersion {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// The version.
    pub version: VersionName,
    /// What must hold of that version. One that does not exist is deleted successfully whatever this says.
    pub precondition: Precondition,
    /// Whether a retention in governance mode keeps the version. The front door has asked who may bypass it.
    pub governance: Governance,
    /// Identity of the deletion, for replays.
    pub write_id: WriteId,
}

/// Changes what may change about an object without a new version of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetObjectDetail {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// The version that is changed; `None` is the current one.
    pub version: Option<VersionName>,
    /// What it becomes.
    pub detail: ObjectDetail,
}

/// A detail of an object, as it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ObjectDetail {
    /// Its tags; empty removes them.
    Tags(BTreeMap<String, String>),
    /// Its access control list; `None` makes it the bucket's owner's alone.
    Acl(Option<String>),
    /// Until when it is kept.
    Retention {
        /// The new retention; `None` removes it.
        retention: Option<Retention>,
        /// Whether one in governance mode keeps itself. The front door has asked who may bypass it.
        governance: Governance,
    },
    /// Its legal hold.
    LegalHold(LegalHold),
    /// The keys that it is encrypted with, wrapped in another way.
    Envelope {
        /// What must be there now.
        from: Vec<u8>,
        /// What is there from now on.
        to: Vec<u8>,
    },
}

/// Has the versions of a bucket be locked, which they can be from then on, and sets the default for new ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketLock {
    /// The bucket, whose versioning must be enabled.
    pub bucket: BucketId,
    /// The default.
    pub lock: BucketLock,
}

/// Bounds what a bucket may hold from now on, or not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketQuota {
    /// The bucket.
    pub bucket: BucketId,
    /// How much; `None` is without bounds.
    pub quota: Option<Quota>,
}

/// Sets or removes the lifecycle rules of a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetLifecycle {
    /// The bucket.
    pub bucket: BucketId,
    /// The rules; `None` removes them.
    pub lifecycle: Option<Lifecycle>,
}

/// Lifecycle rules in both of their forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// As a GET answers them; the format is the front door's.
    pub document: Vec<u8>,
    /// Those that are enabled, as they are followed.
    pub rules: LifecycleRules,
}

/// Enters some more of what a bucket held before its rules into their index, or removes some of an index whose rules are
/// gone; repeated until nothing is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLifecycle {
    /// The bucket, which may be deleted.
    pub bucket: BucketId,
    /// When its rules were set.
    pub generation: Hlc,
    /// Most records to look at in this step; at least 1.
    pub limit: u32,
}

/// Ends what an entry of the index of lifecycle rules is about, if it is still to be ended, and removes the entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expire {
    /// The bucket.
    pub bucket: BucketId,
    /// When its rules were set.
    pub generation: Hlc,
    /// When it is due, in milliseconds since 1970.
    pub due_millis: u64,
    /// What.
    pub subject: Subject,
}

/// The version that a change was made from: it must still be the current one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectBase {
    /// When it was committed.
    pub modified: Hlc,
    /// Its entity tag.
    pub etag: Etag,
    /// Its size.
    pub size: u64,
}

impl ObjectBase {
    /// Describes an object.
    pub fn of(object: &ObjectRecord) -> Self {
        Self { modified: object.modified, etag: object.etag.clone(), size: object.size }
    }
}

/// Names a segment with the bytes of `key` in place of the body that its record has beside it: other bytes can be appended
/// to it then. Nothing that clients see of the object changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StripeBody {
    /// The bucket, which never had versions.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// The object.
    pub base: ObjectBase,
    /// Its bytes, as a part whose number does not matter; its `modified` and its exceptions' `since` are assigned by apply.
    pub body: PartRecord,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Appends a part to the current version of `key`, whose body is not beside its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppendObject {
    /// The bucket, which never had versions.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// What it is appended to.
    pub base: ObjectBase,
    /// The part: of an object that was put whole the second, which is the first of an empty one. Proposed again, the
    /// result of its write is returned.
    pub part: PartRecord,
    /// Its number: one above that of the last part.
    pub number: u16,
    /// Entity tag of the whole object.
    pub etag: Etag,
    /// Checksum of the whole object.
    pub checksum: Option<Checksum>,
    /// What must hold of the current version.
    pub precondition: Precondition,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Gives the current version of a key to another key of the bucket, which replaces what that has as a PUT would.
///
/// A version that its key keeps when others come above it cannot be in two places: in a bucket with versioning it leaves
/// its key, where a delete marker stays behind, and is a new version of the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenameObject {
    /// The bucket.
    pub bucket: BucketId,
    /// The key that it has.
    pub source: String,
    /// What must hold of it.
    pub source_condition: RenameCondition,
    /// The key that it gets.
    pub target: String,
    /// What must hold of the current version there.
    pub target_condition: RenameCondition,
    /// Identity of the renaming, for replays; clients can choose it.
    pub write_id: WriteId,
    /// Digest of all of the above: another renaming under the same identity is refused.
    pub fingerprint: u128,
}

/// Conditions on an object that is renamed, or on what it replaces. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RenameCondition {
    /// On its entity tag.
    pub tags: Precondition,
    /// It was modified after this second since 1970. Without effect beside an `If-None-Match`.
    pub modified_since_seconds: Option<u64>,
    /// It was not. Without effect beside an `If-Match`.
    pub unmodified_since_seconds: Option<u64>,
}

/// Most annotations of one version.
pub const ANNOTATION_COUNT_MAX: u64 = 1000;

/// Most bytes of an annotation's name.
pub const ANNOTATION_NAME_SIZE_MAX: usize = 512;

/// Most bytes of an annotation, before it is encrypted; it has at least one.
pub const ANNOTATION_SIZE_MAX: u64 = 1 << 20;

/// An annotation to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewAnnotation {
    /// Its body and what is known of that, as the record of an object that was put whole has it. What apply assigns to
    /// objects it assigns to this.
    pub record: ObjectRecord,
    /// The write that its shards, if it has any, belong to.
    pub write_id: WriteId,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Attaches an annotation to a version, in place of one with the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutAnnotation {
    /// The bucket.
    pub bucket: BucketId,
    /// The key of the object.
    pub key: String,
    /// Its version.
    pub version: VersionName,
    /// When that version was committed; another one is refused, since the annotation is encrypted as its object is.
    pub base: Hlc,
    /// Name of the annotation.
    pub name: String,
    /// The annotation. Proposed again, the result of its write is returned.
    pub annotation: NewAnnotation,
    /// What must hold of the object.
    pub precondition: Precondition,
}

/// Removes an annotation of a version. One that does not exist is removed successfully.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteAnnotation {
    /// The bucket.
    pub bucket: BucketId,
    /// The key of the object.
    pub key: String,
    /// Its version; `None` is the current one.
    pub version: Option<VersionName>,
    /// Name of the annotation.
    pub name: String,
    /// What must hold of the object.
    pub precondition: Precondition,
    /// Whether a retention of the object in governance mode keeps its annotations too. The front door has asked who may
    /// bypass it.
    pub governance: Governance,
    /// Identity of the deletion, for replays.
    pub write_id: WriteId,
}

/// Makes an object current together with annotations: a copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutAnnotated {
    /// The object.
    pub put: PutObject,
    /// Its annotations by name.
    pub annotations: BTreeMap<String, NewAnnotation>,
}
