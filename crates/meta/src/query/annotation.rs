//! Annotations of versions. Each has the record of an object: it is a body with a tag, a checksum and a time.

use super::object::with_body_at;
use super::scan;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{ObjectRecord, VersionName};
use crate::view::{BucketId, TreeId, View, decode, read};

/// Which annotations of a version to list.
#[derive(Clone, Copy, Debug)]
pub struct Annotations<'a> {
    /// The key of the object.
    pub key: &'a str,
    /// Its version.
    pub version: VersionName,
    /// Only names that start with it.
    pub prefix: &'a str,
    /// Only names above it.
    pub after: Option<&'a str>,
    /// Most entries.
    pub limit: usize,
}

/// An annotation of a version, with its body when that is small.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn annotation(
    view: &dyn View,
    bucket: BucketId,
    (key, version): (&str, VersionName),
    name: &str,
) -> Result<Option<ObjectRecord>> {
    let tree = TreeId::Objects(bucket);
    let found: Option<ObjectRecord> = read(view, tree, &keys::annotation(key, version, name))?;
    let with_body = |found: ObjectRecord| with_body_at(view, tree, &keys::annotation_body(found.modified, name), found);
    found.map(with_body).transpose()
}

/// Annotations of a version in order of name; small bodies are [`Body::Apart`](crate::record::Body::Apart). Costs
/// O(entries + log n).
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_annotations(
    view: &dyn View,
    bucket: BucketId,
    request: &Annotations<'_>,
) -> Result<Vec<(String, ObjectRecord)>> {
    let Annotations { key, version, prefix, after, limit } = *request;
    let tree = TreeId::Objects(bucket);
    let begin = keys::annotation(key, version, prefix);
    let start = after.map(|after| keys::just_above(keys::annotation(key, version, after)));
    let start = start.filter(|start| begin < *start);
    scan(view, tree, &begin, start, limit, |tree_key, value| {
        let (_, _, name) =
            keys::parse_annotation(tree_key).ok_or(Error::Inconsistent("malformed key of an annotation"))?;
        Ok((name, decode(tree, tree_key, value)?))
    })
}

/// All annotations of a version.
pub(crate) fn annotations(
    view: &dyn View,
    bucket: BucketId,
    (key, version): (&str, VersionName),
) -> Result<Vec<(String, ObjectRecord)>> {
    list_annotations(view, bucket, &Annotations { key, version, prefix: "", after: None, limit: usize::MAX })
}
