//! Keys of the trees of uploads: unfinished ones and their parts.

use super::{TERMINATOR, escaped, parse_upload_id, push_upload_id, unescape};
use crate::record::UploadId;

/// Uploads: unfinished upload.
pub(super) const UPLOAD: u8 = 0x20;
/// Uploads: part.
pub(super) const PART: u8 = 0x21;

/// Whether a tree key is a part's.
pub(crate) fn is_part(key: &[u8]) -> bool {
    key.first() == Some(&PART)
}

/// An unfinished upload.
pub(crate) fn upload(key: &str, id: UploadId) -> Vec<u8> {
    let mut tree_key = uploads_of(key);
    push_upload_id(id, &mut tree_key);
    tree_key
}

/// What the keys of all uploads of an object key start with.
pub(crate) fn uploads_of(key: &str) -> Vec<u8> {
    let mut tree_key = upload_prefix(key);
    tree_key.extend_from_slice(&TERMINATOR);
    tree_key
}

/// What the keys of all uploads start with whose object keys start with `prefix`.
pub(crate) fn upload_prefix(prefix: &str) -> Vec<u8> {
    escaped(UPLOAD, prefix.as_bytes())
}

/// Object key and upload id of a key that [`upload`] made.
pub(crate) fn parse_upload(tree_key: &[u8]) -> Option<(String, UploadId)> {
    let (key, rest) = unescape(tree_key.strip_prefix(&[UPLOAD])?)?;
    Some((String::from_utf8(key).ok()?, parse_upload_id(rest?.try_into().ok()?)))
}

/// A part of an upload.
pub(crate) fn part(id: UploadId, number: u16) -> Vec<u8> {
    let mut key = parts_of(id);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// What the keys of all parts of an upload start with.
pub(crate) fn parts_of(id: UploadId) -> Vec<u8> {
    let mut key = vec![PART];
    push_upload_id(id, &mut key);
    key
}

/// The part number of a key that [`part`] made.
pub(crate) fn parse_part(key: &[u8]) -> Option<u16> {
    let rest: &[u8; 12] = key.strip_prefix(&[PART])?.try_into().ok()?;
    Some(u16::from_be_bytes([rest[10], rest[11]]))
}

/// Before the key of every upload.
pub(crate) fn uploads_start() -> Vec<u8> {
    vec![UPLOAD]
}

/// Whether a tree key is an upload's, or before them.
pub(crate) fn is_upload(key: &[u8]) -> bool {
    key.first() == Some(&UPLOAD)
}
