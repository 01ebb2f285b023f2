//! Versions of one key other than by being current.

use bytes::Bytes;

use super::object::with_body;
use super::scan;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{MarkerRecord, NullVersionRecord, ObjectRecord, VersionId, VersionName, VersionRecord};
use crate::view::{BucketId, TreeId, View, read};

/// A version of `key`, with its body when that is small.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn version(view: &dyn View, bucket: BucketId, key: &str, name: VersionName) -> Result<Option<VersionRecord>> {
    match version_without_body(view, bucket, key, name)? {
        Some(VersionRecord::Object(object)) => {
            with_body(view, bucket, key, object).map(|object| Some(VersionRecord::Object(object)))
        }
        found => Ok(found),
    }
}

/// A version of `key` as the tree holds it: the body of a small object is [`Body::Apart`](crate::record::Body::Apart).
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn version_without_body(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
    name: VersionName,
) -> Result<Option<VersionRecord>> {
    Ok(locate_version(view, bucket, key, name)?.map(|(_, record)| record))
}

/// The delete marker that hides `key`; `None` when its newest version is none, or it has no version at all.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn hiding_marker(view: &dyn View, bucket: BucketId, key: &str) -> Result<Option<MarkerRecord>> {
    if view.get(TreeId::Objects(bucket), &keys::object(key))?.is_some() {
        return Ok(None);
    }
    match newest_versions(view, bucket, key, 1)?.pop() {
        Some((_, VersionRecord::Marker(marker))) => Ok(Some(marker)),
        Some((_, VersionRecord::Object(_))) => {
            Err(Error::Inconsistent("the newest version is an object, but not current"))
        }
        None => Ok(None),
    }
}

/// A version and where it is.
pub(crate) fn locate_version(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
    name: VersionName,
) -> Result<Option<(Vec<u8>, VersionRecord)>> {
    let tree = TreeId::Objects(bucket);
    let tree_key = keys::object(key);
    let current: Option<ObjectRecord> = read(view, tree, &tree_key)?;
    if let Some(current) = current.filter(|current| VersionName::from(current.version) == name) {
        return Ok(Some((tree_key, VersionRecord::Object(current))));
    }
    match name {
        VersionName::Null => locate_null_version(view, bucket, key),
        VersionName::Id(id) => {
            let tree_key = keys::version(key, id);
            let found = version_at(view, tree, &tree_key)?;
            // The null version has a place among the ids, but none of its own.
            Ok(found.filter(|found| found.name() == name).map(|found| (tree_key, found)))
        }
    }
}

/// The null version and where it is, when it is not current.
pub(crate) fn locate_null_version(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
) -> Result<Option<(Vec<u8>, VersionRecord)>> {
    let tree = TreeId::Objects(bucket);
    let Some(place) = null_version_place(view, bucket, key)? else { return Ok(None) };
    let tree_key = keys::version(key, place);
    let found = version_at(view, tree, &tree_key)?.filter(|found| found.name() == VersionName::Null);
    let found = found.ok_or(Error::Inconsistent("a null version is not where it is noted"))?;
    Ok(Some((tree_key, found)))
}

/// Where the null version is among the others, when it is not current.
pub(super) fn null_version_place(view: &dyn View, bucket: BucketId, key: &str) -> Result<Option<VersionId>> {
    let note: Option<NullVersionRecord> = read(view, TreeId::Objects(bucket), &keys::null_version(key))?;
    Ok(note.map(|note| note.place))
}

/// At most `limit` of the versions of `key` that are not current, newest first, and where they are.
pub(crate) fn newest_versions(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
    limit: usize,
) -> Result<Vec<(Vec<u8>, VersionRecord)>> {
    let tree = TreeId::Objects(bucket);
    scan(view, tree, &keys::versions_of(key), None, limit, |tree_key, value| {
        Ok((tree_key.to_vec(), decode_version(tree, tree_key, value)?))
    })
}

/// Shows `visit` the versions of `key` that are not current, newest first and at most `limit`, until it has seen enough.
pub(crate) fn visit_versions(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
    limit: usize,
    mut visit: impl FnMut(&[u8], VersionRecord) -> bool,
) -> Result<()> {
    let (tree, prefix) = (TreeId::Objects(bucket), keys::versions_of(key));
    let mut cursor = view.cursor(tree)?;
    cursor.seek(&prefix)?;
    for _ in 0..limit {
        let Some((tree_key, value)) = cursor.next()?.filter(|(found, _)| found.starts_with(&prefix)) else { break };
        if !visit(&tree_key, decode_version(tree, &tree_key, &value)?) {
            break;
        }
    }
    Ok(())
}

/// The version at a place that is not the current one's.
fn version_at(view: &dyn View, tree: TreeId, tree_key: &[u8]) -> Result<Option<VersionRecord>> {
    view.get(tree, tree_key)?.map(|value| decode_version(tree, tree_key, &value)).transpose()
}

pub(crate) fn decode_version(tree: TreeId, tree_key: &[u8], value: &Bytes) -> Result<VersionRecord> {
    VersionRecord::decode(value).map_err(|source| Error::Record { tree, key: tree_key.to_owned(), source })
}
