//! One upload and its parts.

use super::scan;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{PART_NUMBER_MAX, PartRecord, UploadId, UploadRecord};
use crate::view::{BucketId, TreeId, View, decode, read};

/// One page of an upload's parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartPage {
    /// Number and record, in order of number.
    pub parts: Vec<(u16, PartRecord)>,
    /// Whether more follow the last of them.
    pub truncated: bool,
}

/// An unfinished upload.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn upload(view: &dyn View, bucket: BucketId, key: &str, id: UploadId) -> Result<Option<UploadRecord>> {
    read(view, TreeId::Uploads(bucket), &keys::upload(key, id))
}

/// One part of an upload.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn part(view: &dyn View, bucket: BucketId, id: UploadId, number: u16) -> Result<Option<PartRecord>> {
    read(view, TreeId::Uploads(bucket), &keys::part(id, number))
}

/// All parts of an upload in order: at most 10,000.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn parts(view: &dyn View, bucket: BucketId, id: UploadId) -> Result<Vec<(u16, PartRecord)>> {
    let page = list_parts(view, bucket, id, 0, usize::from(PART_NUMBER_MAX))?;
    Ok(page.parts)
}

/// At most `limit` parts with numbers above `after`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_parts(view: &dyn View, bucket: BucketId, id: UploadId, after: u16, limit: usize) -> Result<PartPage> {
    let tree = TreeId::Uploads(bucket);
    let tree_prefix = keys::parts_of(id);
    let start = keys::just_above(keys::part(id, after));
    let found = scan(view, tree, &tree_prefix, Some(start), limit.saturating_add(1), |key, value| {
        let number = keys::parse_part(key).ok_or(Error::Inconsistent("malformed key of a part"))?;
        Ok((number, decode::<PartRecord>(tree, key, value)?))
    });
    let mut parts = found?;
    let truncated = 0 < limit && limit < parts.len();
    parts.truncate(limit);
    Ok(PartPage { parts, truncated })
}
