//! Multipart uploads.

use std::collections::BTreeMap;
use std::fmt;

use env::UnixMillis;

use crate::body::Body;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::condition::Precondition;
use crate::error::Result;
use crate::etag::Etag;
use crate::put::{ExpectedBody, PutResult};
use crate::store::Store;

/// Names one upload: what the client sends with every request of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadId {
    /// Bucket of the object to be.
    pub bucket: String,
    /// Key of the object to be.
    pub key: String,
    /// The token the client was given. Any string may stand here; one we never gave is `NoSuchUpload`.
    pub token: String,
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.token)
    }
}

/// What the object to be gets besides its parts.
#[derive(Clone, Debug, Default)]
pub struct CreateUploadRequest {
    /// Standard headers to keep, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without `x-amz-meta-`.
    pub user_metadata: BTreeMap<String, String>,
    /// Storage class to echo; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Checksum of the parts and of the object; `None` is CRC64NVME over the full object, without requiring the client
    /// to name it with the parts. S3 allows `FullObject` for CRCs, `Composite` for all but CRC64NVME; the caller
    /// checks that.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// When it was created.
    pub created: UnixMillis,
    /// Storage class; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// What the client asked for when it created the upload.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// A part that has been uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Part number, 1 to 10 000.
    pub number: u16,
    /// Its size.
    pub size: u64,
    /// Its entity tag.
    pub etag: Etag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// When it was committed.
    pub modified: UnixMillis,
}

/// One page of the parts of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPage {
    /// The upload.
    pub upload: Upload,
    /// Parts in order of number.
    pub parts: Vec<Part>,
    /// Whether parts follow the last of `parts`.
    pub truncated: bool,
}

/// Which uploads to list.
#[derive(Clone, Debug, Default)]
pub struct ListUploadsRequest {
    /// Only keys that start with it.
    pub prefix: String,
    /// Rolls keys up to the first delimiter behind the prefix; never empty.
    pub delimiter: Option<String>,
    /// `key-marker`: uploads of later keys, or of this key when `upload_marker` is given.
    pub key_marker: Option<String>,
    /// `upload-id-marker`: uploads of `key_marker` later than this one. Without a key marker it is ignored.
    pub upload_marker: Option<String>,
    /// Most entries (uploads and common prefixes together).
    pub limit: usize,
}

/// One page of the uploads of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// Uploads in order of key, then of creation.
    pub uploads: Vec<Upload>,
    /// Common prefixes in order.
    pub common_prefixes: Vec<String>,
    /// `NextKeyMarker` and `NextUploadIdMarker` when something follows; the second is empty behind a common prefix.
    pub next: Option<(String, String)>,
}

/// A part as a completion names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Part number.
    pub number: u16,
    /// Entity tag, without quotes.
    pub etag: String,
    /// Checksum, when the client repeats it.
    pub checksum: Option<Checksum>,
}

/// What makes an upload an object.
#[derive(Clone, Debug, Default)]
pub struct CompleteRequest {
    /// The parts, ascending by number.
    pub parts: Vec<CompletedPart>,
    /// Checksum of the whole object as the client computed it.
    pub checksum: Option<Checksum>,
    /// `x-amz-checksum-type`.
    pub checksum_kind: Option<ChecksumKind>,
    /// `x-amz-mp-object-size`.
    pub size: Option<u64>,
    /// When to make the object.
    pub condition: Precondition,
}

impl Store {
    /// Starts an upload.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn create_upload(&self, bucket: &str, key: &str, request: CreateUploadRequest) -> Result<Upload> {
        let _ = (bucket, key, request);
        unimplemented!()
    }

    /// Stores a part, replacing one with the same number.
    ///
    /// # Errors
    ///
    /// `NoSuchUpload`, `InvalidRequest` (another checksum algorithm than the upload's), and those of
    /// [`Store::put_object`].
    pub async fn put_part(
        &self,
        upload: &UploadId,
        number: u16,
        expected: ExpectedBody,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        let _ = (upload, number, expected, body);
        unimplemented!()
    }

    /// At most `limit` parts with numbers above `after`.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn list_parts(&self, upload: &UploadId, after: u16, limit: usize) -> Result<PartPage> {
        let _ = (upload, after, limit);
        unimplemented!()
    }

    /// Lists the uploads in progress.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn list_uploads(&self, bucket: &str, request: &ListUploadsRequest) -> Result<UploadPage> {
        let _ = (bucket, request);
        unimplemented!()
    }

    /// Makes the upload an object of the parts named. Completing again with the same parts answers the same.
    ///
    /// # Errors
    ///
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `EntityTooLarge` (5 TiB),
    /// `ChecksumMismatch`, `InvalidRequest`, `PreconditionFailed`, `NoSuchKey`.
    pub async fn complete_upload(&self, upload: &UploadId, request: CompleteRequest) -> Result<PutResult> {
        let _ = (upload, request);
        unimplemented!()
    }

    /// Drops an upload and its parts.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn abort_upload(&self, upload: &UploadId) -> Result<()> {
        let _ = upload;
        unimplemented!()
    }
}
