//! What is known about an object without its bytes.

use std::collections::BTreeMap;

use env::UnixMillis;
use meta::command::{ObjectDetail, SetObjectDetail};
pub use meta::record::{Governance, LegalHold, Retention, RetentionMode, VersionLock};
use meta::record::{ObjectPart, ObjectRecord, PART_NUMBER_MAX, VersionRecord};
use meta::{BucketId, Command, View, query};

use crate::bucket::Bucket;
use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::etag::Etag;
use crate::keys::ObjectEncryption;
use crate::store::Store;
use crate::version::{DeleteMarker, VersionName};

/// What is known about an object without its bytes: the answer to HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Size of the whole object.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixMillis,
    /// Entity tag.
    pub etag: Etag,
    /// The stored checksum of the whole object.
    pub checksum: Option<Checksum>,
    /// Standard headers kept with the object (`content-type`, `cache-control`, ...), names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without `x-amz-meta-`.
    pub user_metadata: BTreeMap<String, String>,
    /// Storage class as the client named it; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Access control list as it was put; `None`: the object is the bucket's owner's alone.
    pub acl: Option<String>,
    /// What keeps it from being removed.
    pub lock: VersionLock,
    /// Number of parts of a multipart object; `None` for an object that was put whole.
    pub part_count: Option<u16>,
    /// How requests name this version; `None` in a bucket whose objects never had versions.
    pub version: Option<VersionName>,
    /// How it is encrypted; `None`: it is not.
    pub encryption: Option<ObjectEncryption>,
    /// How many annotations it has.
    pub annotations: u64,
}

/// One part of a multipart object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSummary {
    /// Part number as the client chose it.
    pub number: u16,
    /// Size of the part.
    pub size: u64,
    /// Checksum of the part, when the upload kept any.
    pub checksum: Option<Checksum>,
}

/// The answer to GetObjectAttributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The object.
    pub object: Object,
    /// The asked-for page of its parts; empty for an object that was put whole.
    pub parts: Vec<PartSummary>,
    /// Whether parts follow the last of `parts`.
    pub truncated: bool,
}

impl PartSummary {
    /// Describes a part of a record.
    pub(crate) fn of(part: &ObjectPart) -> Self {
        Self { number: part.number, size: part.size, checksum: part.checksum.clone() }
    }
}

impl Object {
    /// Describes an object that was found.
    ///
    /// # Errors
    ///
    /// `Key` when its record does not tell how it is encrypted.
    pub(crate) fn of(found: &Found) -> Result<Self> {
        let Found { record, bucket, .. } = found;
        let part_count = u16::try_from(record.parts.len()).unwrap_or(PART_NUMBER_MAX);
        let encryption = record.encryption.as_ref().map(|record| ObjectEncryption::of(record, *bucket));
        Ok(Self {
            size: record.size,
            modified: record.modified.millis(),
            etag: record.etag.clone(),
            checksum: record.checksum.clone(),
            headers: record.headers.clone(),
            user_metadata: record.user_metadata.clone(),
            storage_class: record.storage_class.clone(),
            tags: record.tags.clone(),
            acl: record.acl.clone(),
            lock: record.lock,
            part_count: (0 < part_count).then_some(part_count),
            version: found.version(),
            encryption: encryption.transpose()?,
            annotations: record.annotations,
        })
    }
}

impl Store {
    /// Describes a version of an object, the current one if none is named.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `KeyDeleted`, `NoSuchVersion`, `IsDeleteMarker`.
    pub async fn head_object(&self, bucket: &Bucket, key: &str, version: Option<VersionName>) -> Result<Object> {
        Object::of(&self.object_without_body(bucket, key, version).await?)
    }

    /// Replaces the tags of a version, the current one if none is named; none removes them.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`.
    pub async fn set_object_tags(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        tags: BTreeMap<String, String>,
    ) -> Result<()> {
        self.set_detail(bucket, key, version, ObjectDetail::Tags(tags)).await
    }

    /// Replaces the access control list of a version, the current one if none is named.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`.
    pub async fn set_object_acl(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        acl: Option<String>,
    ) -> Result<()> {
        self.set_detail(bucket, key, version, ObjectDetail::Acl(acl)).await
    }

    /// Replaces the retention of a version, the current one if none is named; `None` removes it.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `NoObjectLock`, `Locked`.
    pub async fn set_object_retention(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        retention: Option<Retention>,
        governance: Governance,
    ) -> Result<()> {
        self.set_detail(bucket, key, version, ObjectDetail::Retention { retention, governance }).await
    }

    /// Sets or lifts the legal hold of a version, the current one if none is named.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `NoObjectLock`.
    pub async fn set_object_hold(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        hold: LegalHold,
    ) -> Result<()> {
        self.set_detail(bucket, key, version, ObjectDetail::LegalHold(hold)).await
    }

    async fn set_detail(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        detail: ObjectDetail,
    ) -> Result<()> {
        let (bucket, key) = (bucket.id, key.to_owned());
        self.propose(Command::SetObjectDetail(SetObjectDetail { bucket, key, version, detail })).await?;
        Ok(())
    }

    /// Describes an object, its current version if none is named, and at most `part_limit` of its parts with numbers above
    /// `part_marker`.
    ///
    /// # Errors
    ///
    /// As [`Store::head_object`].
    pub async fn object_attributes(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        part_marker: u16,
        part_limit: usize,
    ) -> Result<Attributes> {
        let found = self.object_without_body(bucket, key, version).await?;
        let mut parts: Vec<PartSummary> = found
            .record
            .parts
            .iter()
            .filter(|part| part_marker < part.number)
            .take(part_limit.saturating_add(1))
            .map(PartSummary::of)
            .collect();
        let truncated = part_limit < parts.len();
        parts.truncate(part_limit);
        Ok(Attributes { object: Object::of(&found)?, parts, truncated })
    }

    /// The record of an object, with its body if that is small.
    pub(crate) async fn object_with_body(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
    ) -> Result<Found> {
        self.find_object(bucket, key, version, (query::object, query::version)).await
    }

    /// The record of an object, whose body may be apart.
    pub(crate) async fn object_without_body(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
    ) -> Result<Found> {
        self.find_object(bucket, key, version, (query::object_without_body, query::version_without_body)).await
    }

    /// Looks up a version, the current one if none is named.
    async fn find_object(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<VersionName>,
        (current, named): (CurrentLookup, VersionLookup),
    ) -> Result<Found> {
        let (bucket, key, reading) = (bucket.id, key.to_owned(), self.read_since(bucket.found_at).await?);
        let found = self.ask_little(reading, move |view| find(view, bucket, &key, version, (current, named)));
        found.await?
    }
}

/// Looks up a version in one state, the current one if none is named; its body may be apart.
pub(crate) fn find_without_body(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
    version: Option<VersionName>,
) -> meta::Result<Result<Found>> {
    find(view, bucket, key, version, (query::object_without_body, query::version_without_body))
}

fn find(
    view: &dyn View,
    bucket: BucketId,
    key: &str,
    version: Option<VersionName>,
    (current, named): (CurrentLookup, VersionLookup),
) -> meta::Result<Result<Found>> {
    let Some(in_bucket) = query::bucket_by_id(view, bucket)? else { return Ok(Err(Error::NoSuchBucket)) };
    let is_versioned = in_bucket.versioning.is_some();
    let record = match version {
        None => current(view, bucket, key)?,
        Some(name) => match named(view, bucket, key, name)? {
            Some(VersionRecord::Object(record)) => Some(record),
            Some(VersionRecord::Marker(marker)) => {
                return Ok(Err(Error::IsDeleteMarker(DeleteMarker::of(&marker))));
            }
            None => return Ok(Err(Error::NoSuchVersion(name))),
        },
    };
    if let Some(record) = record {
        return Ok(Ok(Found { record, is_versioned, bucket }));
    }
    let marker = if is_versioned { query::hiding_marker(view, bucket, key)? } else { None };
    Ok(Err(marker.map_or(Error::NoSuchKey, |marker| Error::KeyDeleted(DeleteMarker::of(&marker)))))
}

/// The record of an object.
pub(crate) struct Found {
    /// The record.
    pub(crate) record: ObjectRecord,
    /// Whether its bucket was ever versioned.
    pub(crate) is_versioned: bool,
    /// That bucket.
    pub(crate) bucket: BucketId,
}

impl Found {
    /// How requests name its version; `None` in a bucket whose objects never had versions.
    pub(crate) fn version(&self) -> Option<VersionName> {
        self.is_versioned.then(|| self.record.version.into())
    }
}

/// One of the two ways to look up the current version.
type CurrentLookup = fn(&dyn View, BucketId, &str) -> meta::Result<Option<ObjectRecord>>;

/// One of the two ways to look up a version by name.
type VersionLookup = fn(&dyn View, BucketId, &str, VersionName) -> meta::Result<Option<VersionRecord>>;
