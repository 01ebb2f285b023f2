//! Buckets by name, by id and in order.

use bytes::Bytes;

use super::scan;
use crate::error::{Error, Result};
use crate::keys;
use crate::record::{BucketNameRecord, BucketRecord, ConfigurationKind, ConfigurationRecord};
use crate::view::{BucketId, TreeId, View, decode, read};

/// A bucket and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its id.
    pub id: BucketId,
    /// Its record.
    pub record: BucketRecord,
}

/// One page of buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketPage {
    /// In order of name.
    pub buckets: Vec<Bucket>,
    /// Whether more follow the last of them.
    pub truncated: bool,
}

/// The bucket of this name.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket(view: &dyn View, name: &str) -> Result<Option<Bucket>> {
    let Some(found) = read::<BucketNameRecord>(view, TreeId::Catalog, &keys::bucket_name(name))? else {
        return Ok(None);
    };
    require(view, found.id).map(Some)
}

/// The record of a bucket; `None` once it is deleted.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket_by_id(view: &dyn View, bucket: BucketId) -> Result<Option<BucketRecord>> {
    read(view, TreeId::Catalog, &keys::bucket(bucket))
}

/// What a configuration of a bucket says; `None` when there is none of this kind.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn bucket_configuration(view: &dyn View, bucket: BucketId, kind: ConfigurationKind) -> Result<Option<Bytes>> {
    let record: Option<ConfigurationRecord> = read(view, TreeId::Catalog, &keys::configuration(bucket, kind))?;
    Ok(record.map(|record| record.value))
}

/// At most `limit` buckets with names that start with `prefix` and lie above `after`.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn list_buckets(view: &dyn View, prefix: &str, after: &str, limit: usize) -> Result<BucketPage> {
    let tree_prefix = keys::bucket_name(prefix);
    let start = keys::just_above(keys::bucket_name(after)).max(tree_prefix.clone());
    let mut cursor = view.cursor(TreeId::Catalog)?;
    cursor.seek(&start)?;
    let mut page = BucketPage::default();
    while let Some((key, value)) = cursor.next()?.filter(|(key, _)| key.starts_with(&tree_prefix)) {
        if page.buckets.len() == limit {
            page.truncated = 0 < limit;
            break;
        }
        let found: BucketNameRecord = decode(TreeId::Catalog, &key, &value)?;
        page.buckets.push(require(view, found.id)?);
    }
    Ok(page)
}

/// At most `limit` deleted buckets whose uploads wait for [`crate::command::DrainUploads`].
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn draining_buckets(view: &dyn View, limit: usize) -> Result<Vec<BucketId>> {
    scan(view, TreeId::Internal, &keys::draining_buckets(), None, limit, |key, _| {
        keys::parse_draining(key).ok_or(Error::Inconsistent("malformed key of a draining bucket"))
    })
}

/// A bucket whose name exists.
fn require(view: &dyn View, id: BucketId) -> Result<Bucket> {
    let record = bucket_by_id(view, id)?.ok_or(Error::Inconsistent("a bucket's name has no bucket"))?;
    Ok(Bucket { id, record })
}
