//! Buckets by name, by id and in order.

use crate::error::Result;
use crate::record::BucketRecord;
use crate::view::{BucketId, View};

/// A bucket and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its id.
    pub id: BucketId,
    /// Its record.
    pub record: BucketRecord,
}

/// One page of buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketPage {
    /// In order of name.
    pub buckets: Vec<Bucket>,
    /// Whether more follow the last of them.
    pub truncated: bool,
}

/// The bucket of this name.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket(view: &dyn View, name: &str) -> Result<Option<Bucket>> {
    let _ = (view, name);
    unimplemented!()
}

/// The record of a bucket; `None` once it is deleted.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket_by_id(view: &dyn View, bucket: BucketId) -> Result<Option<BucketRecord>> {
    let _ = (view, bucket);
    unimplemented!()
}

/// At most `limit` buckets with names that start with `prefix` and lie above `after`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_buckets(view: &dyn View, prefix: &str, after: &str, limit: usize) -> Result<BucketPage> {
    let _ = (view, prefix, after, limit);
    unimplemented!()
}

/// At most `limit` deleted buckets whose uploads wait for [`crate::command::DrainUploads`].
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn draining_buckets(view: &dyn View, limit: usize) -> Result<Vec<BucketId>> {
    let _ = (view, limit);
    unimplemented!()
}
