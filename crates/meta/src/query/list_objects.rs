//! Listing the keys of a bucket.

use crate::error::Result;
use crate::record::ObjectHead;
use crate::view::{BucketId, View};

/// What to list. Empty strings are no restriction.
#[derive(Clone, Debug, Default)]
pub struct ListObjects<'a> {
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Rolls keys up to the first occurrence of it behind the prefix; any string.
    pub delimiter: &'a str,
    /// Only entries above it, and no common prefix that it starts with: a marker, a start-after key, or
    /// [`ObjectPage::next`].
    pub after: &'a str,
    /// Most entries, common prefixes included.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectEntry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// What a listing shows of it.
        head: ObjectHead,
    },
    /// All keys that start with this, delimiter included.
    CommonPrefix(String),
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// Objects and common prefixes in one ascending order.
    pub entries: Vec<ObjectEntry>,
    /// `after` for the next page, which is the last entry; `None` when nothing follows.
    pub next: Option<String>,
}

/// Lists current objects. Costs O(entries × log n), however many keys the common prefixes stand for.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_objects(view: &dyn View, bucket: BucketId, request: &ListObjects<'_>) -> Result<ObjectPage> {
    let _ = (view, bucket, request);
    unimplemented!()
}
