//! What is known about an object without its bytes.

use std::collections::BTreeMap;

use env::UnixMillis;
use meta::record::{ObjectPart, ObjectRecord, PART_NUMBER_MAX};
use meta::{BucketId, View, query};

use crate::checksum::Checksum;
use crate::condition::ReadConditions;
use crate::error::{Error, Result};
use crate::etag::Etag;
use crate::store::Store;

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
    /// Number of parts of a multipart object; `None` for an object that was put whole.
    pub part_count: Option<u16>,
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
    /// Describes the object of a record.
    pub(crate) fn of(record: &ObjectRecord) -> Self {
        let part_count = u16::try_from(record.parts.len()).unwrap_or(PART_NUMBER_MAX);
        Self {
            size: record.size,
            modified: record.modified.millis(),
            etag: record.etag.clone(),
            checksum: record.checksum.clone(),
            headers: record.headers.clone(),
            user_metadata: record.user_metadata.clone(),
            storage_class: record.storage_class.clone(),
            part_count: (0 < part_count).then_some(part_count),
        }
    }
}

impl Store {
    /// Describes an object.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, and the conditions' `PreconditionFailed` and `NotModified`.
    pub async fn head_object(&self, bucket: &str, key: &str, conditions: &ReadConditions) -> Result<Object> {
        let object = Object::of(&self.object_without_body(bucket, key).await?);
        conditions.check(&object)?;
        Ok(object)
    }

    /// Describes an object and at most `part_limit` of its parts with numbers above `part_marker`.
    ///
    /// # Errors
    ///
    /// As [`Store::head_object`].
    pub async fn object_attributes(
        &self,
        bucket: &str,
        key: &str,
        part_marker: u16,
        part_limit: usize,
    ) -> Result<Attributes> {
        let record = self.object_without_body(bucket, key).await?;
        let mut parts: Vec<PartSummary> = record
            .parts
            .iter()
            .filter(|part| part_marker < part.number)
            .take(part_limit.saturating_add(1))
            .map(PartSummary::of)
            .collect();
        let truncated = part_limit < parts.len();
        parts.truncate(part_limit);
        Ok(Attributes { object: Object::of(&record), parts, truncated })
    }

    /// The current record of an object, with its body if that is small.
    pub(crate) async fn object_with_body(&self, bucket: &str, key: &str) -> Result<ObjectRecord> {
        self.find_object(bucket, key, query::object).await
    }

    /// The current record of an object, whose body may be apart.
    pub(crate) async fn object_without_body(&self, bucket: &str, key: &str) -> Result<ObjectRecord> {
        self.find_object(bucket, key, query::object_without_body).await
    }

    async fn find_object(&self, bucket: &str, key: &str, lookup: ObjectLookup) -> Result<ObjectRecord> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.look_up(move |view| {
            let Some(bucket) = query::bucket(view, &bucket)? else { return Ok(Err(Error::NoSuchBucket)) };
            Ok(lookup(view, bucket.id, &key)?.ok_or(Error::NoSuchKey))
        })
        .await?
    }
}

/// One of the two ways to look an object up.
type ObjectLookup = fn(&dyn View, BucketId, &str) -> meta::Result<Option<ObjectRecord>>;
