//! Keys of the catalog: buckets and what belongs to them as a whole.

use super::escaped;
use crate::record::ConfigurationKind;
use crate::view::BucketId;

/// Catalog: bucket by name.
const BUCKET_NAME: u8 = 0x01;
/// Catalog: what belongs to a bucket as a whole.
const BUCKET: u8 = 0x02;

/// Bucket by name.
pub(crate) fn bucket_name(name: &str) -> Vec<u8> {
    escaped(BUCKET_NAME, name.as_bytes())
}

/// A bucket's record: document 0 of the bucket.
pub(crate) fn bucket(id: BucketId) -> Vec<u8> {
    let mut key = bucket_documents(id);
    key.push(0);
    key
}

/// A configuration of a bucket: the document of this kind.
pub(crate) fn configuration(id: BucketId, kind: ConfigurationKind) -> Vec<u8> {
    let mut key = bucket_documents(id);
    key.push(kind.0.get());
    key
}

/// What the keys of all documents of a bucket start with, its record included.
pub(crate) fn bucket_documents(id: BucketId) -> Vec<u8> {
    let mut key = vec![BUCKET];
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}
