//! Listing the keys of a bucket; ListObjects and ListObjectsV2 share it.

use env::{Bug, UnixMillis};
use meta::query::{self, ObjectEntry};
use meta::record::ObjectHead;

use crate::bucket::Bucket;
use crate::checksum::{ChecksumAlgorithm, ChecksumKind};
use crate::error::{Error, Result};
use crate::etag::Etag;
use crate::store::Store;

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Only keys that start with it.
    pub prefix: String,
    /// Rolls keys up to the first delimiter behind the prefix; never empty.
    pub delimiter: Option<String>,
    /// Only entries above it, and no common prefix that it starts with: a marker, a start-after key, or
    /// [`ListPage::next`]. Empty for the first page.
    pub after: String,
    /// Most entries (objects and common prefixes together). 0 gives an empty page that is not truncated.
    pub limit: usize,
}

/// One object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its size.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixMillis,
    /// Its entity tag.
    pub etag: Etag,
    /// Algorithm and kind of its checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// Storage class; `None` is `STANDARD`.
    pub storage_class: Option<String>,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Objects in order of key.
    pub objects: Vec<ListedObject>,
    /// Common prefixes in order.
    pub common_prefixes: Vec<String>,
    /// `after` for the next page, which is the last entry of this one; `None` when nothing follows.
    pub next: Option<String>,
}

impl ListedObject {
    pub(crate) fn of(key: String, head: ObjectHead) -> Self {
        Self {
            key,
            size: head.size,
            modified: head.modified.millis(),
            etag: head.etag,
            checksum: head.checksum.map(|checksum| (checksum.algorithm(), checksum.kind())),
            storage_class: head.storage_class,
        }
    }
}

impl ListPage {
    fn of(page: query::ObjectPage) -> Self {
        let mut listed = Self { next: page.next, ..Self::default() };
        for entry in page.entries {
            match entry {
                ObjectEntry::CommonPrefix(prefix) => listed.common_prefixes.push(prefix),
                ObjectEntry::Object { key, head } => listed.objects.push(ListedObject::of(key, head)),
            }
        }
        listed
    }
}

impl Store {
    /// Lists a bucket at one moment that is not before the call.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn list_objects(&self, bucket: &Bucket, request: &ListRequest) -> Result<ListPage> {
        let (id, request, reading) = (bucket.id, request.clone(), self.read_since(bucket.found_at).await?);
        let page = self
            .ask(reading, move |view| {
                if query::bucket_by_id(view, id)?.is_none() {
                    return Ok(None);
                }
                let request = query::ListObjects {
                    prefix: &request.prefix,
                    delimiter: request.delimiter.as_deref().unwrap_or_default(),
                    after: &request.after,
                    limit: request.limit,
                };
                query::list_objects(view, id, &request).map(Some)
            })
            .await?
            .ok_or(Error::NoSuchBucket)?;
        let mut page = ListPage::of(page);
        if Bug::ListingsEndEarly.is_planted() {
            page.objects.pop();
        }
        Ok(page)
    }
}
