//! One object, and what objects amount to.

use std::ops::Bound;

use crate::error::{Error, Result};
use crate::keys;
use crate::record::{Body, BodyRecord, ObjectRecord};
use crate::summary::Summary;
use crate::view::{BucketId, TreeId, View, read};

/// The current version of `key`, with its body when that is small: [`Body::Inline`] or [`Body::Striped`].
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn object(view: &dyn View, bucket: BucketId, key: &str) -> Result<Option<ObjectRecord>> {
    let object = object_without_body(view, bucket, key)?;
    object.map(|object| with_body(view, bucket, key, object)).transpose()
}

/// A version of `key` with its body, when that is small.
pub(super) fn with_body(view: &dyn View, bucket: BucketId, key: &str, object: ObjectRecord) -> Result<ObjectRecord> {
    let tree_key = keys::body(key, object.version);
    with_body_at(view, TreeId::Objects(bucket), &tree_key, object)
}

/// An object or annotation with its body, which is under `tree_key` when it is apart.
pub(super) fn with_body_at(
    view: &dyn View,
    tree: TreeId,
    tree_key: &[u8],
    mut object: ObjectRecord,
) -> Result<ObjectRecord> {
    if object.body == Body::Apart {
        let body: Option<BodyRecord> = read(view, tree, tree_key)?;
        let body = body.filter(|body| body.bytes.len() as u64 == object.stored_size());
        object.body = Body::Inline(body.ok_or(Error::Inconsistent("an object has no body"))?.bytes);
    }
    Ok(object)
}

/// The current version of `key` as the tree holds it: the body of a small object is [`Body::Apart`]. For whoever does
/// not need the bytes.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn object_without_body(view: &dyn View, bucket: BucketId, key: &str) -> Result<Option<ObjectRecord>> {
    read(view, TreeId::Objects(bucket), &keys::object(key))
}

/// Exact totals of a bucket: its current objects, the bytes of all their versions and annotations, and the parts of its unfinished
/// uploads in `other_bytes`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket_usage(view: &dyn View, bucket: BucketId) -> Result<Summary> {
    let everything = (Bound::Unbounded, Bound::Unbounded);
    let objects = view.summary(TreeId::Objects(bucket), everything)?;
    let uploads = view.summary(TreeId::Uploads(bucket), everything)?;
    Ok(objects.plus(&uploads))
}

/// Exact totals of the objects whose keys start with `prefix`, and the bytes of all their versions and annotations.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn prefix_usage(view: &dyn View, bucket: BucketId, prefix: &str) -> Result<Summary> {
    let tree = TreeId::Objects(bucket);
    let mut usage = Summary::EMPTY;
    for start in [keys::object(prefix), keys::version_prefix(prefix), keys::annotation_prefix(prefix)] {
        let end = keys::prefix_end(start.clone()).expect("the kind bytes of objects are not the last");
        usage = usage.plus(&view.summary(tree, (Bound::Included(&start), Bound::Excluded(&end)))?);
    }
    Ok(usage)
}
