//! One upload and its parts.

use crate::error::Result;
use crate::record::{PartRecord, UploadId, UploadRecord};
use crate::view::{BucketId, View};

/// One page of an upload's parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartPage {
    /// Number and record, in order of number.
    pub parts: Vec<(u16, PartRecord)>,
    /// Whether more follow the last of them.
    pub truncated: bool,
}

/// An unfinished upload.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn upload(view: &dyn View, bucket: BucketId, key: &str, id: UploadId) -> Result<Option<UploadRecord>> {
    let _ = (view, bucket, key, id);
    unimplemented!()
}

/// One part of an upload.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn part(view: &dyn View, bucket: BucketId, id: UploadId, number: u16) -> Result<Option<PartRecord>> {
    let _ = (view, bucket, id, number);
    unimplemented!()
}

/// All parts of an upload in order: at most 10,000.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn parts(view: &dyn View, bucket: BucketId, id: UploadId) -> Result<Vec<(u16, PartRecord)>> {
    let _ = (view, bucket, id);
    unimplemented!()
}

/// At most `limit` parts with numbers above `after`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_parts(view: &dyn View, bucket: BucketId, id: UploadId, after: u16, limit: usize) -> Result<PartPage> {
    let _ = (view, bucket, id, after, limit);
    unimplemented!()
}
