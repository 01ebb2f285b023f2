//! Listing the keys of a bucket; ListObjects and ListObjectsV2 share it.

use env::UnixMillis;

use crate::checksum::{ChecksumAlgorithm, ChecksumKind};
use crate::error::Result;
use crate::etag::ETag;
use crate::store::Store;

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Only keys that start with it.
    pub prefix: String,
    /// Rolls keys up to the first delimiter behind the prefix; never empty.
    pub delimiter: Option<String>,
    /// Where to start.
    pub after: ListAfter,
    /// Most entries (objects and common prefixes together). 0 gives an empty page that is not truncated.
    pub limit: usize,
}

/// Where a listing starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListAfter {
    /// At the first key.
    #[default]
    Start,
    /// Behind this key.
    Key(String),
    /// Behind every key that starts with this common prefix.
    Prefix(String),
}

/// One object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its size.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixMillis,
    /// Its entity tag.
    pub etag: ETag,
    /// Algorithm and kind of its checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Storage class; `None` is `STANDARD`.
    pub storage_class: Option<String>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects in order of key.
    pub objects: Vec<ListedObject>,
    /// Common prefixes in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts; `None` when nothing follows. It is the last entry of this page.
    pub next: Option<ListAfter>,
}

impl Store {
    /// Lists a bucket at one moment that is not before the call.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn list_objects(&self, bucket: &str, request: &ListRequest) -> Result<ListPage> {
        let _ = (bucket, request);
        unimplemented!()
    }
}
