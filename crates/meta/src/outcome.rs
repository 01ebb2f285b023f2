//! What a command answers.

use placement::{Epoch, GroupId};
use serde::{Deserialize, Serialize};

use crate::record::{BucketRecord, Checksum, Etag, Hlc, IntentEpoch, UploadId, VersionName};
use crate::view::BucketId;

/// The answer to a command: its effect, or why the state forbids it. A refused command changes nothing.
pub type Outcome = Result<Reply, Refusal>;

/// The effect of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// Nothing to tell.
    Done,
    /// The new bucket.
    BucketCreated(BucketId),
    /// The object is current.
    ObjectPut(ObjectPut),
    /// The key, or a version of it, is deleted.
    ObjectDeleted(ObjectDeleted),
    /// The new upload.
    UploadCreated(UploadId),
    /// The part is there.
    PartPut {
        /// When it was committed.
        modified: Hlc,
    },
    /// A step of draining is done.
    Drained {
        /// Whether nothing is left.
        finished: bool,
    },
    /// The epoch that new writes carry now.
    IntentEpoch(IntentEpoch),
    /// The document's version now; 0 when it was removed.
    Version(u64),
}

/// What a PUT or a completed upload made current.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectPut {
    /// When it was committed.
    pub modified: Hlc,
    /// Its entity tag.
    pub etag: Etag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// Its size.
    pub size: u64,
    /// How requests name it; `None` in a bucket whose objects never had versions.
    pub version: Option<VersionName>,
}

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectDeleted {
    /// Whether there was a current version, or the version that was asked for.
    pub existed: bool,
    /// The delete marker that was made, or the version that was asked for; `None` where the only version was deleted.
    pub version: Option<VersionName>,
    /// Whether that is, or was, a delete marker.
    pub is_marker: bool,
}

/// Why the state forbids a command.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such bucket (any more).
    #[error("no such bucket")]
    NoSuchBucket,
    /// The name is taken; whether by the same owner decides the S3 code.
    #[error("bucket {:?} exists", .0.name)]
    BucketExists(BucketRecord),
    /// The bucket still holds objects.
    #[error("bucket is not empty")]
    BucketNotEmpty,
    /// A bucket name or object key of impossible length.
    #[error("name or key is empty or too long")]
    InvalidName,
    /// `If-Match` on a key that does not exist.
    #[error("no such key")]
    NoSuchKey,
    /// The current version does not satisfy the precondition.
    #[error("precondition failed")]
    PreconditionFailed,
    /// The upload was completed, aborted, or never was.
    #[error("no such upload")]
    NoSuchUpload,
    /// A part number outside 1 to 10,000.
    #[error("invalid part number {0}")]
    InvalidPartNumber(u16),
    /// No part is listed.
    #[error("completion lists no parts")]
    NoParts,
    /// The parts are not listed in ascending order.
    #[error("parts are not in ascending order at part {0}")]
    InvalidPartOrder(u16),
    /// A listed part does not exist, or is another one than listed.
    #[error("part {0} does not exist as listed")]
    InvalidPart(u16),
    /// A part other than the last is smaller than 5 MiB.
    #[error("part {number} has only {size} bytes")]
    PartTooSmall {
        /// The part.
        number: u16,
        /// Its size.
        size: u64,
    },
    /// The write took too long: its shards may have been collected. Write again.
    #[error("write began in an intent epoch before {minimum:?}")]
    IntentEpochPassed {
        /// Oldest epoch that may still commit.
        minimum: IntentEpoch,
    },
    /// Another write with this id has been committed. Write again under a new id.
    #[error("write id has been used")]
    WriteIdUsed,
    /// The manifest contradicts itself: a mistake of the proposer.
    #[error("invalid manifest: {0}")]
    InvalidManifest(InvalidManifest),
    /// The group has moved on. Load the table and write the stripe again.
    #[error("group {group} does not accept commits at epoch {epoch:?}")]
    StaleGroup {
        /// The group.
        group: GroupId,
        /// The epoch of the manifest.
        epoch: Epoch,
    },
    /// A stripe has fewer durable shards than the write quorum.
    #[error("stripe {stripe} is not durable on enough disks")]
    TooFewShards {
        /// The stripe.
        stripe: u32,
    },
    /// No object, part or retired segment names the write.
    #[error("nothing names this write")]
    NoSuchWrite,
    /// The write has no such stripe or shard.
    #[error("write has no such shard in stripe {stripe}")]
    NoSuchShard {
        /// The stripe.
        stripe: u32,
    },
    /// Somebody else changed the document, the table or the bucket's configurations. Load it and decide again.
    #[error("document has version {version}")]
    VersionChanged {
        /// Its version, or the stamp of the configurations; 0 when there is none.
        version: u64,
    },
    /// A bucket's configuration is too large.
    #[error("a configuration of {size} bytes is larger than {}", crate::command::CONFIGURATION_SIZE_MAX)]
    ConfigurationTooLarge {
        /// Its size.
        size: u64,
    },
    /// A retention or a legal hold keeps the version as it is.
    #[error("the version is locked")]
    Locked,
    /// The versions of the bucket cannot be locked.
    #[error("the bucket has no object lock")]
    NoObjectLock,
    /// Object lock needs versioning, and this bucket's is not enabled.
    #[error("the versioning of the bucket is not enabled")]
    NotVersioned,
    /// A bucket with object lock keeps its versions.
    #[error("versioning cannot be suspended in a bucket with object lock")]
    VersioningLocked,
    /// Nothing ends before its time.
    #[error("it is not due yet")]
    NotDue,
    /// The bucket would hold more than it may.
    #[error("the quota of the bucket is exceeded")]
    QuotaExceeded,
    /// The object is another one by now, or none.
    #[error("the object has changed; it has {size:?} bytes")]
    BaseChanged {
        /// Size of the one that is current; `None`: there is none.
        size: Option<u64>,
    },
    /// The versions of the bucket's objects do not change.
    #[error("the bucket keeps versions")]
    Versioned,
    /// An object has at most 10,000 parts.
    #[error("the object has as many parts as it may")]
    TooManyParts,
    /// The identity of a renaming was used for another one.
    #[error("the token was used for another renaming")]
    TokenReused,
    /// A version has at most [`ANNOTATION_COUNT_MAX`](crate::command::ANNOTATION_COUNT_MAX) annotations.
    #[error("the object has as many annotations as it may")]
    TooManyAnnotations,
}

impl Refusal {
    /// Whether the same command may be taken later: what forbids it now may change back. The others are for ever, as
    /// identifiers are never used again and epochs only grow.
    pub fn may_be_lifted(&self) -> bool {
        match self {
            Self::BucketExists(_)
            | Self::BucketNotEmpty
            | Self::NoSuchKey
            | Self::PreconditionFailed
            | Self::InvalidPart(_)
            | Self::PartTooSmall { .. }
            | Self::NoSuchWrite
            | Self::VersionChanged { .. }
            | Self::Locked
            | Self::NoObjectLock
            | Self::NotVersioned
            | Self::NotDue
            | Self::BaseChanged { .. }
            | Self::TooManyParts
            | Self::TokenReused
            | Self::TooManyAnnotations
            | Self::QuotaExceeded => true,
            Self::NoSuchBucket
            | Self::InvalidName
            | Self::NoSuchUpload
            | Self::InvalidPartNumber(_)
            | Self::NoParts
            | Self::InvalidPartOrder(_)
            | Self::IntentEpochPassed { .. }
            | Self::WriteIdUsed
            | Self::InvalidManifest(_)
            | Self::StaleGroup { .. }
            | Self::TooFewShards { .. }
            | Self::NoSuchShard { .. }
            | Self::VersioningLocked
            | Self::Versioned
            | Self::ConfigurationTooLarge { .. } => false,
        }
    }
}

/// How a manifest contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum InvalidManifest {
    /// Impossible shard counts or shard size.
    #[error("impossible geometry")]
    Geometry,
    /// Sizes of body, parts and segments do not agree.
    #[error("sizes do not add up")]
    Size,
    /// Number of stripes and size do not agree.
    #[error("wrong number of stripes")]
    StripeCount,
    /// An exception names a stripe or shard that does not exist, or nothing at all.
    #[error("exception without a shard")]
    Exception,
    /// The segment carries another write id than the command, or two segments carry the same.
    #[error("wrong write id")]
    WriteId,
}
