//! Reading: what the operations ask of a view.

mod annotation;
mod bucket;
mod internal;
mod lifecycle;
mod list_objects;
mod list_uploads;
mod list_versions;
mod object;
#[cfg(test)]
mod tests;
mod upload;
mod version;
#[cfg(test)]
mod version_tests;

use bytes::Bytes;

use crate::error::Result;
use crate::view::{TreeId, View};

pub(crate) use annotation::annotations;
pub use annotation::{Annotations, annotation, list_annotations};
pub use bucket::{Bucket, BucketPage, bucket, bucket_by_id, bucket_configuration, draining_buckets, list_buckets};
pub use internal::{
    RepairEntry, document, documents, group_fence, intent_epochs, is_referenced, object_of, owner_of, pinned_write,
    pinned_writes, placement_table, repair_queue, retired_segments, segment_of, segments,
};
pub(crate) use lifecycle::lifecycle_rules;
pub use lifecycle::{DueEntry, LifecycleState, due, lifecycles};
pub use list_objects::{ListObjects, ObjectEntry, ObjectPage, list_objects};
pub use list_uploads::{ListUploads, UploadEntry, UploadPage, list_uploads};
pub use list_versions::{ListVersions, ListedVersion, VersionEntry, VersionPage, list_versions};
pub use object::{bucket_usage, object, object_without_body, prefix_usage};
pub use upload::{PartPage, list_parts, part, parts, upload};
pub(crate) use version::{decode_version, locate_null_version, locate_version, newest_versions, visit_versions};
pub use version::{hiding_marker, version, version_without_body};

/// The start of `key` up to and with the first delimiter behind `prefix`; `None` when there is none, when the delimiter
/// is empty, or when `key` does not start with `prefix`.
fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    if delimiter.is_empty() {
        return None;
    }
    let position = key.strip_prefix(prefix)?.find(delimiter)?;
    Some(&key[..prefix.len() + position + delimiter.len()])
}

/// Reads at most `limit` records whose keys start with `prefix`, from `start` on.
fn scan<T>(
    view: &dyn View,
    tree: TreeId,
    prefix: &[u8],
    start: Option<Vec<u8>>,
    limit: usize,
    mut read: impl FnMut(&[u8], &Bytes) -> Result<T>,
) -> Result<Vec<T>> {
    let mut cursor = view.cursor(tree)?;
    cursor.seek(start.as_deref().unwrap_or(prefix))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some((key, value)) = cursor.next()?.filter(|(key, _)| key.starts_with(prefix))
    {
        found.push(read(&key, &value)?);
    }
    Ok(found)
}
