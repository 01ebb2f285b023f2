//! Listing the unfinished uploads of a bucket.

use super::common_prefix;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{UploadId, UploadRecord};
use crate::view::{BucketId, TreeId, View, decode};

/// What to list. Empty strings are no restriction.
#[derive(Clone, Debug, Default)]
pub struct ListUploads<'a> {
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Rolls keys up to the first occurrence of it behind the prefix; any string.
    pub delimiter: &'a str,
    /// Only keys and common prefixes above it.
    pub key_marker: &'a str,
    /// Also the uploads of the key marker itself that were begun after this one, unless a common prefix stands for them.
    pub upload_marker: Option<UploadId>,
    /// Most entries, common prefixes included.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEntry {
    /// An upload.
    Upload {
        /// Key of the object to be.
        key: String,
        /// Its identity, which tells when it was begun.
        id: UploadId,
        /// Its record.
        record: Box<UploadRecord>,
    },
    /// All keys that start with this, delimiter included.
    CommonPrefix(String),
}

impl UploadEntry {
    /// The key marker and upload marker that continue behind it.
    pub fn marker(&self) -> (String, Option<UploadId>) {
        match self {
            Self::Upload { key, id, .. } => (key.clone(), Some(*id)),
            Self::CommonPrefix(prefix) => (prefix.clone(), None),
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// In order of key, then of initiation.
    pub entries: Vec<UploadEntry>,
    /// Key marker and upload marker of the next page; `None` when nothing follows. No upload marker after a common
    /// prefix.
    pub next: Option<(String, Option<UploadId>)>,
}

/// Lists unfinished uploads.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_uploads(view: &dyn View, bucket: BucketId, request: &ListUploads<'_>) -> Result<UploadPage> {
    let mut page = UploadPage::default();
    if request.limit == 0 {
        return Ok(page);
    }
    let tree = TreeId::Uploads(bucket);
    let tree_prefix = keys::upload_prefix(request.prefix);
    let mut cursor = view.cursor(tree)?;
    cursor.seek(&start(request).max(tree_prefix.clone()))?;
    while let Some((tree_key, value)) = cursor.next()?.filter(|(key, _)| key.starts_with(&tree_prefix)) {
        if page.entries.len() == request.limit {
            page.next = page.entries.last().map(UploadEntry::marker);
            break;
        }
        let (key, id) = keys::parse_upload(&tree_key).ok_or(Error::Inconsistent("malformed key of an upload"))?;
        page.entries.push(match common_prefix(&key, request.prefix, request.delimiter) {
            Some(common) => {
                cursor.seek(&behind(common))?;
                UploadEntry::CommonPrefix(common.to_owned())
            }
            None => UploadEntry::Upload { key, id, record: Box::new(decode(tree, &tree_key, &value)?) },
        });
    }
    Ok(page)
}

/// The first tree key that may follow the markers.
fn start(request: &ListUploads<'_>) -> Vec<u8> {
    let marker = request.key_marker;
    match (common_prefix(marker, request.prefix, request.delimiter), request.upload_marker) {
        (Some(common), _) => behind(common),
        (None, _) if marker.is_empty() => Vec::new(),
        (None, Some(id)) => keys::just_above(keys::upload(marker, id)),
        (None, None) => keys::prefix_end(keys::uploads_of(marker)).expect("the kind byte of uploads is not the last"),
    }
}

/// The least tree key above those of all uploads whose keys start with `common`.
fn behind(common: &str) -> Vec<u8> {
    keys::prefix_end(keys::upload_prefix(common)).expect("the kind byte of uploads is not the last")
}
