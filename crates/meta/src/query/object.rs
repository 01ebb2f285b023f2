//! One object, and what objects amount to.

use crate::error::Result;
use crate::record::ObjectRecord;
use crate::summary::Summary;
use crate::view::{BucketId, View};

/// The current version of `key`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn object(view: &dyn View, bucket: BucketId, key: &str) -> Result<Option<ObjectRecord>> {
    let _ = (view, bucket, key);
    unimplemented!()
}

/// Exact totals of a bucket: its objects, and the parts of its unfinished uploads in `other_bytes`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket_usage(view: &dyn View, bucket: BucketId) -> Result<Summary> {
    let _ = (view, bucket);
    unimplemented!()
}

/// Exact totals of the objects whose keys start with `prefix`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn prefix_usage(view: &dyn View, bucket: BucketId, prefix: &str) -> Result<Summary> {
    let _ = (view, bucket, prefix);
    unimplemented!()
}
