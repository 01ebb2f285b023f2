//! Commands: everything that changes metadata, as it travels through the log.
//!
//! Nothing here is decided by the proposer: conditions, times and ids are settled when the command is applied.

mod annotation;
mod bucket;
mod internal;
mod object;
mod upload;

use env::UnixMillis;
use serde::{Deserialize, Serialize};

pub use self::annotation::{
    ANNOTATION_COUNT_MAX, ANNOTATION_NAME_SIZE_MAX, ANNOTATION_SIZE_MAX, DeleteAnnotation, NewAnnotation, PutAnnotated,
    PutAnnotation,
};
pub use self::bucket::{
    CONFIGURATION_SIZE_MAX, ChangeBucketConfiguration, CreateBucket, DeleteBucket, Expire, Lifecycle,
    SetBucketConfiguration, SetBucketLock, SetBucketQuota, SetBucketVersioning, SetLifecycle, StepLifecycle,
};
pub use self::internal::{
    AdvanceIntentEpoch, DocumentState, FreeRetired, PinWrite, RepairDone, RepairedStripe, ReportMissing, SetDocument,
    SetDocuments, SetTable, UnpinWrite,
};
pub use self::object::{
    AppendObject, DeleteObject, DeleteVersion, EtagCondition, ObjectBase, ObjectDetail, Precondition, PutObject,
    RenameCondition, RenameObject, SetObjectDetail, StripeBody,
};
pub use self::upload::{AbortUpload, CompleteUpload, CompletedPart, CreateUpload, DrainUploads, PutPart};

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
