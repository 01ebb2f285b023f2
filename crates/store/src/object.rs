//! What is known about an object without its bytes.

use std::collections::BTreeMap;

use env::UnixMillis;

use crate::checksum::Checksum;
use crate::condition::ReadConditions;
use crate::error::Result;
use crate::etag::Etag;
use crate::store::Store;

/// What is known about an object without its bytes: the answer to HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Size of the whole object.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixMillis,
    /// Entity tag.
    pub etag: Etag,
    /// The stored checksum of the whole object.
    pub checksum: Option<Checksum>,
    /// Standard headers kept with the object (`content-type`, `cache-control`, ...), names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without `x-amz-meta-`.
    pub user_metadata: BTreeMap<String, String>,
    /// Storage class as the client named it; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Number of parts of a multipart object; `None` for an object that was put whole.
    pub part_count: Option<u16>,
}

/// One part of a multipart object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSummary {
    /// Part number as the client chose it.
    pub number: u16,
    /// Size of the part.
    pub size: u64,
    /// Checksum of the part, when the upload kept any.
    pub checksum: Option<Checksum>,
}

/// The answer to GetObjectAttributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The object.
    pub object: Object,
    /// The asked-for page of its parts; empty for an object that was put whole.
    pub parts: Vec<PartSummary>,
    /// Whether parts follow the last of `parts`.
    pub truncated: bool,
}

impl Store {
    /// Describes an object.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, and the conditions' `PreconditionFailed` and `NotModified`.
    pub async fn head_object(&self, bucket: &str, key: &str, conditions: &ReadConditions) -> Result<Object> {
        let _ = (bucket, key, conditions);
        unimplemented!()
    }

    /// Describes an object and at most `part_limit` of its parts with numbers above `part_marker`.
    ///
    /// # Errors
    ///
    /// As [`Store::head_object`].
    pub async fn object_attributes(
        &self,
        bucket: &str,
        key: &str,
        part_marker: u16,
        part_limit: usize,
    ) -> Result<Attributes> {
        let _ = (bucket, key, part_marker, part_limit);
        unimplemented!()
    }
}
