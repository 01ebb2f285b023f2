//! Why an operation on objects failed.

use meta::Refusal;
use meta::command::CONFIGURATION_SIZE_MAX;

use crate::body::BodyError;
use crate::condition::Precondition;
use crate::version::{DeleteMarker, VersionName};

/// Result of an operation on objects.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on objects failed. The variants up to [`Error::Body`] are the client's, the others ours.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The bucket does not exist.
    #[error("the bucket does not exist")]
    NoSuchBucket,
    /// The key does not exist.
    #[error("the key does not exist")]
    NoSuchKey,
    /// The newest version of the key is a delete marker: `NoSuchKey`, and a header that tells so.
    #[error("the key is deleted")]
    KeyDeleted(DeleteMarker),
    /// The version does not exist.
    #[error("the version does not exist")]
    NoSuchVersion(VersionName),
    /// The version that was asked for is a delete marker: `MethodNotAllowed`.
    #[error("the version is a delete marker")]
    IsDeleteMarker(DeleteMarker),
    /// The upload does not exist: never created, completed or aborted.
    #[error("the upload does not exist")]
    NoSuchUpload,
    /// The bucket exists already. There is one owner, so S3 calls this `BucketAlreadyOwnedByYou`.
    #[error("the bucket exists already")]
    BucketExists,
    /// The bucket still has objects or uploads.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// A part named in a completion does not exist or has another entity tag or checksum.
    #[error("part {number} does not exist or differs")]
    InvalidPart {
        /// The part's number.
        number: u16,
    },
    /// The parts named in a completion are not in ascending order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part that is not the last is smaller than 5 MiB.
    #[error("part {number} is smaller than 5 MiB")]
    EntityTooSmall {
        /// The part's number.
        number: u16,
        /// Its size.
        size: u64,
    },
    /// The body, or the object a completion makes, is larger than S3 allows.
    #[error("{size} bytes are more than the {limit} allowed")]
    EntityTooLarge {
        /// Size asked for.
        size: u64,
        /// Largest size allowed.
        limit: u64,
    },
    /// The part number that a GET or HEAD asks for does not exist: `InvalidPartNumber` (416).
    #[error("the object has {count} parts")]
    NoSuchPart {
        /// Number of parts of the object.
        count: u16,
    },
    /// A condition does not hold.
    #[error("the precondition {condition} does not hold")]
    PreconditionFailed {
        /// The name of the request header (`If-Match`, ...).
        condition: &'static str,
    },
    /// The client's copy is still good (304). Carries what the answer's headers need.
    #[error("not modified")]
    NotModified(Box<crate::object::Object>),
    /// The range starts behind the object's end.
    #[error("the range is outside of the object of {size} bytes")]
    InvalidRange {
        /// Size of the object.
        size: u64,
    },
    /// The body does not have the declared MD5.
    #[error("the body does not match its Content-MD5")]
    BadDigest,
    /// The body, or the completed object, does not have the declared checksum: `BadDigest` as well, naming the algorithm.
    #[error("the body does not match its checksum")]
    ChecksumMismatch {
        /// Algorithm of the checksum.
        algorithm: crate::checksum::ChecksumAlgorithm,
    },
    /// The request contradicts itself or the upload it belongs to (a checksum algorithm the upload was not created
    /// with, a size that differs from the parts' sum): `InvalidRequest` with this reason.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The key that the object is encrypted with cannot be had.
    #[error(transparent)]
    Key(#[from] encryption::Error),
    /// A retention or a legal hold keeps the version as it is: `AccessDenied`.
    #[error("the version is locked")]
    Locked,
    /// The versions of the bucket cannot be locked: `InvalidRequest`.
    #[error("the bucket has no object lock")]
    NoObjectLock,
    /// The object does not have as many bytes as those that were to be appended to it say: `InvalidWriteOffset`.
    #[error("the object does not end there")]
    InvalidWriteOffset,
    /// The object has as many parts as it may: `TooManyParts`.
    #[error("the object has as many parts as it may")]
    TooManyParts,
    /// The object is encrypted in another way than was asked for: `EncryptionTypeMismatch`.
    #[error("the object is encrypted in another way")]
    EncryptionTypeMismatch,
    /// Somebody else has changed the object, or what is configured for the bucket, meanwhile: `OperationAborted`, try
    /// again.
    #[error("it has changed meanwhile")]
    ConcurrentChange,
    /// The client has used its token for another request: `IdempotencyParameterMismatch`.
    #[error("the token was used for another request")]
    TokenReused,
    /// The bucket would hold more than it may: `XMinioAdminBucketQuotaExceeded`.
    #[error("the quota of the bucket is exceeded")]
    QuotaExceeded,
    /// The version has no annotation of this name: `NoSuchAnnotation`.
    #[error("the annotation does not exist")]
    NoSuchAnnotation,
    /// The version has as many annotations as it may: `AnnotationLimitExceeded`.
    #[error("the object has as many annotations as it may")]
    TooManyAnnotations,
    /// The annotation is not UTF-8: `UnsupportedMediaType` (415).
    #[error("the annotation is not text")]
    NotText,
    /// What else the bucket does forbids it: `InvalidBucketState` with this reason.
    #[error("{0}")]
    InvalidBucketState(&'static str),
    /// The body failed.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Too many requests at once: `SlowDown`, try again later.
    #[error("overloaded")]
    SlowDown,
    /// The disks are full: `XMinioStorageFull` (507). Reads and deletes go on.
    #[error("no space left for new objects")]
    DiskFull,
    /// Too few disks answer to read or to write: `ServiceUnavailable`, try again later.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
}

impl Error {
    /// The state machine answered a command with another command's reply.
    pub(crate) fn unexpected_reply() -> Self {
        Self::Unavailable { reason: "the metadata gave an unexpected reply".to_owned() }
    }

    /// Metadata that cannot be read or reached.
    pub(crate) fn metadata(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "metadata is unavailable");
        Self::Unavailable { reason: error.to_string() }
    }
}

/// Why nothing is appended in a bucket that has, or had, versioning.
pub(crate) const NO_APPENDING_TO_VERSIONS: &str =
    "Data can only be appended to objects of buckets whose versioning was never enabled";

/// Why a command was not carried out.
#[derive(Debug)]
pub(crate) enum ProposeError {
    /// The state forbids it: it has had no effect and never will.
    Refused(Refusal),
    /// There is no room for it: it has had no effect and never will.
    Full,
    /// It may or may not have taken effect.
    Unknown(Error),
}

impl ProposeError {
    /// The error of an operation that wrote under `condition`.
    pub(crate) fn under(self, condition: &Precondition) -> Error {
        match Error::from(self) {
            Error::PreconditionFailed { .. } if condition.if_match.is_some() => {
                Error::PreconditionFailed { condition: "If-Match" }
            }
            error => error,
        }
    }
}

impl ProposeError {
    /// The error of appending to an object that had `size` bytes.
    pub(crate) fn of_append(self, size: u64) -> Error {
        match self {
            Self::Refused(Refusal::BaseChanged { size: now }) if now != Some(size) => Error::InvalidWriteOffset,
            error => error.into(),
        }
    }
}

impl From<ProposeError> for Error {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::Refused(refusal) => refusal.into(),
            ProposeError::Full => Self::DiskFull,
            ProposeError::Unknown(error) => error,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchBucket => Self::NoSuchBucket,
            Refusal::BucketExists(_) => Self::BucketExists,
            Refusal::BucketNotEmpty => Self::BucketNotEmpty,
            Refusal::InvalidName => Self::InvalidRequest("the name or key is empty or too long"),
            Refusal::NoSuchKey => Self::NoSuchKey,
            Refusal::PreconditionFailed => Self::PreconditionFailed { condition: "If-None-Match" },
            Refusal::NoSuchUpload => Self::NoSuchUpload,
            Refusal::InvalidPartNumber(_) => Self::InvalidRequest("part numbers are 1 to 10000"),
            Refusal::NoParts => Self::InvalidRequest("a completion lists at least one part"),
            Refusal::InvalidPartOrder(_) => Self::InvalidPartOrder,
            Refusal::InvalidPart(number) => Self::InvalidPart { number },
            Refusal::PartTooSmall { number, size } => Self::EntityTooSmall { number, size },
            Refusal::ConfigurationTooLarge { size } => {
                Self::EntityTooLarge { size, limit: CONFIGURATION_SIZE_MAX as u64 }
            }
            Refusal::Locked => Self::Locked,
            Refusal::NoObjectLock => Self::NoObjectLock,
            Refusal::QuotaExceeded => Self::QuotaExceeded,
            Refusal::BaseChanged { .. } | Refusal::VersionChanged { .. } => Self::ConcurrentChange,
            Refusal::Versioned => Self::InvalidRequest(NO_APPENDING_TO_VERSIONS),
            Refusal::TooManyParts => Self::TooManyParts,
            Refusal::TokenReused => Self::TokenReused,
            Refusal::TooManyAnnotations => Self::TooManyAnnotations,
            Refusal::NotVersioned => Self::InvalidBucketState(
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
            ),
            Refusal::VersioningLocked => Self::InvalidBucketState(
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            ),
            // The state has moved on under the write: writing again will do.
            Refusal::IntentEpochPassed { .. }
            | Refusal::WriteIdUsed
            | Refusal::StaleGroup { .. }
            | Refusal::TooFewShards { .. }
            | Refusal::NoSuchWrite
            | Refusal::NoSuchShard { .. }
            | Refusal::NotDue => Self::Unavailable { reason: refusal.to_string() },
            Refusal::InvalidManifest(_) => {
                tracing::error!(%refusal, "the metadata refused our own manifest");
                Self::Unavailable { reason: refusal.to_string() }
            }
        }
    }
}
