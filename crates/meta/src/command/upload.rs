//! Commands about uploads.

use serde::{Deserialize, Serialize};

use super::Precondition;
use crate::record::{Checksum, Etag, IntentEpoch, PartRecord, UploadId, UploadRecord};
use crate::view::BucketId;

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
