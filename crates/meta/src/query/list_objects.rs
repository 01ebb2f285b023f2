//! Listing the keys of a bucket.

use super::common_prefix;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::ObjectHead;
use crate::view::{BucketId, TreeId, View};

/// What to list. Empty strings are no restriction.
#[derive(Clone, Debug, Default)]
pub struct ListObjects<'a> {
    /// Only keys that start with it.
    pub prefix: &'a str,
    /// Rolls keys up to the first occurrence of it behind the prefix; any string.
    pub delimiter: &'a str,
    /// Only entries above it, common prefixes included: a marker, a start-after key, or [`ObjectPage::next`].
    pub after: &'a str,
    /// Most entries, common prefixes included.
    pub limit: usize,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectEntry {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// What a listing shows of it.
        head: ObjectHead,
    },
    /// All keys that start with this, delimiter included.
    CommonPrefix(String),
}

impl ObjectEntry {
    /// The key or the common prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Object { key, .. } => key,
            Self::CommonPrefix(prefix) => prefix,
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectPage {
    /// Objects and common prefixes in one ascending order.
    pub entries: Vec<ObjectEntry>,
    /// `after` for the next page, which is the last entry; `None` when nothing follows.
    pub next: Option<String>,
}

/// Lists current objects. Costs O(entries × log n), however many keys the common prefixes stand for.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_objects(view: &dyn View, bucket: BucketId, request: &ListObjects<'_>) -> Result<ObjectPage> {
    let mut page = ObjectPage::default();
    if request.limit == 0 {
        return Ok(page);
    }
    let tree = TreeId::Objects(bucket);
    let tree_prefix = keys::object(request.prefix);
    let mut cursor = view.cursor(tree)?;
    cursor.seek(&start(request).max(tree_prefix.clone()))?;
    while let Some((tree_key, value)) = cursor.next()?.filter(|(key, _)| key.starts_with(&tree_prefix)) {
        if page.entries.len() == request.limit {
            page.next = page.entries.last().map(|last| last.name().to_owned());
            break;
        }
        let key = keys::parse_object(&tree_key).ok_or(Error::Inconsistent("malformed key of an object"))?;
        page.entries.push(match common_prefix(&key, request.prefix, request.delimiter) {
            Some(common) => {
                cursor.seek(&behind(common))?;
                ObjectEntry::CommonPrefix(common.to_owned())
            }
            None => {
                let head = ObjectHead::decode(&value);
                let head = head.map_err(|source| Error::Record { tree, key: tree_key.to_vec(), source })?;
                ObjectEntry::Object { key, head }
            }
        });
    }
    Ok(page)
}

/// The first tree key that may follow `request.after`.
fn start(request: &ListObjects<'_>) -> Vec<u8> {
    match common_prefix(request.after, request.prefix, request.delimiter) {
        Some(common) => behind(common),
        None if request.after.is_empty() => Vec::new(),
        None => keys::just_above(keys::object(request.after)),
    }
}

/// The least tree key above those of all keys that start with `common`.
fn behind(common: &str) -> Vec<u8> {
    keys::prefix_end(keys::object(common)).expect("the kind byte of objects is not the last")
}
