//! Listing the unfinished uploads of a bucket.

use crate::error::Result;
use crate::record::{UploadId, UploadRecord};
use crate::view::{BucketId, View};

/// What to list. Empty strings are no restriction.
#[derive(Clone, Debug, Default)]
pub struct ListUploads<'a> {
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Rolls keys up to the first occurrence of it behind the prefix; any string.
    pub delimiter: &'a str,
    /// Only keys above it.
    pub key_marker: &'a str,
    /// With a key marker, also its uploads behind this one.
    pub upload_marker: Option<UploadId>,
    /// Most entries, common prefixes included.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEntry {
    /// An upload.
    Upload {
        /// Key of the object to be.
        key: String,
        /// Its identity, which tells when it was begun.
        id: UploadId,
        /// Its record.
        record: UploadRecord,
    },
    /// All keys that start with this, delimiter included.
    CommonPrefix(String),
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// In order of key, then of initiation.
    pub entries: Vec<UploadEntry>,
    /// Key marker and upload marker of the next page; `None` when nothing follows. No upload marker after a common
    /// prefix.
    pub next: Option<(String, Option<UploadId>)>,
}

/// Lists unfinished uploads.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_uploads(view: &dyn View, bucket: BucketId, request: &ListUploads<'_>) -> Result<UploadPage> {
    let _ = (view, bucket, request);
    unimplemented!()
}
