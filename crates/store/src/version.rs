//! Versions: how they are named and listed, and what a deletion tells of them.

use env::UnixMillis;
use meta::ObjectDeleted;
use meta::query::{self, ListedVersion, VersionEntry};
use meta::record::MarkerRecord;
pub use meta::record::VersionName;

use crate::bucket::Bucket;
use crate::error::{Error, Result};
use crate::list::ListedObject;
use crate::store::Store;

/// A version that makes its key look deleted while it is the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteMarker {
    /// How requests name it.
    pub version: VersionName,
    /// When it was committed.
    pub modified: UnixMillis,
}

/// What a deletion did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The delete marker that was made, or the version that was asked for; `None` where the only version was deleted.
    pub version: Option<VersionName>,
    /// Whether that is, or was, a delete marker.
    pub is_marker: bool,
}

/// What to list.
#[derive(Clone, Debug, Default)]
pub struct ListVersionsRequest {
    /// Only keys that start with it.
    pub prefix: String,
    /// Rolls keys up to the first delimiter behind the prefix; never empty.
    pub delimiter: Option<String>,
    /// Only keys above it, and no common prefix that it starts with.
    pub key_marker: String,
    /// Also the versions of the key marker that are older than this one.
    pub version_marker: Option<VersionName>,
    /// Most entries (versions, delete markers and common prefixes together). 0 gives an empty page that is not truncated.
    pub limit: usize,
}

/// One version in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Of an object.
    Object {
        /// The object.
        object: ListedObject,
        /// How requests name it.
        version: VersionName,
        /// Whether it is the newest of its key.
        is_latest: bool,
    },
    /// A delete marker.
    Marker {
        /// The key.
        key: String,
        /// The marker.
        marker: DeleteMarker,
        /// Whether it is the newest of its key.
        is_latest: bool,
    },
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// In order of key, then newest first.
    pub versions: Vec<Listed>,
    /// Common prefixes in order.
    pub common_prefixes: Vec<String>,
    /// Key marker and version marker of the next page; `None` when nothing follows.
    pub next: Option<(String, Option<VersionName>)>,
}

impl DeleteMarker {
    pub(crate) fn of(record: &MarkerRecord) -> Self {
        Self { version: record.version.into(), modified: record.modified.millis() }
    }
}

impl Deleted {
    pub(crate) fn of(deleted: &ObjectDeleted) -> Self {
        Self { version: deleted.version, is_marker: deleted.is_marker }
    }
}

impl VersionPage {
    fn of(page: query::VersionPage) -> Self {
        let mut listed = Self { next: page.next, ..Self::default() };
        for entry in page.entries {
            match entry {
                VersionEntry::CommonPrefix(prefix) => listed.common_prefixes.push(prefix),
                VersionEntry::Version { key, name, is_latest, version } => listed.versions.push(match version {
                    ListedVersion::Object(head) => {
                        Listed::Object { object: ListedObject::of(key, head), version: name, is_latest }
                    }
                    ListedVersion::Marker { modified } => {
                        let marker = DeleteMarker { version: name, modified: modified.millis() };
                        Listed::Marker { key, marker, is_latest }
                    }
                }),
            }
        }
        listed
    }
}

impl Store {
    /// Lists the versions and delete markers of a bucket at one moment that is not before the call.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn list_versions(&self, bucket: &Bucket, request: &ListVersionsRequest) -> Result<VersionPage> {
        let (id, request, reading) = (bucket.id, request.clone(), self.read_since(bucket.found_at).await?);
        let page = self
            .ask(reading, move |view| {
                if query::bucket_by_id(view, id)?.is_none() {
                    return Ok(None);
                }
                let request = query::ListVersions {
                    prefix: &request.prefix,
                    delimiter: request.delimiter.as_deref().unwrap_or_default(),
                    key_marker: &request.key_marker,
                    version_marker: request.version_marker,
                    limit: request.limit,
                };
                query::list_versions(view, id, &request).map(Some)
            })
            .await?;
        page.map(VersionPage::of).ok_or(Error::NoSuchBucket)
    }
}
