//! CopyObject and UploadPartCopy.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use encryption::{CustomerKey, Protection};
use parking_lot::Mutex;

use crate::annotation::StoredAnnotations;
use crate::body::{Body, BodyError};
use crate::bucket::Bucket;
use crate::checksum::{ChecksumAlgorithm, ChecksumKind, ChecksumRequest};
use crate::condition::{Precondition, ReadConditions};
use crate::error::{Error, Result};
use crate::get::{ByteRange, GetRequest, ObjectBody, ObjectReader};
use crate::multipart::{PartTarget, UploadId};
use crate::object::VersionLock;
use crate::put::{CHECKSUM_DEFAULT, ExpectedBody, PutRequest, PutResult};
use crate::store::Store;
use crate::version::VersionName;

/// Where a copy reads.
#[derive(Clone, Debug)]
pub struct CopySource {
    /// Bucket of the source.
    pub bucket: Bucket,
    /// Key of the source.
    pub key: String,
    /// Version of the source; `None` is the current one.
    pub version: Option<VersionName>,
    /// `x-amz-copy-source-if-*`. `NotModified` is reported as `PreconditionFailed` here.
    pub conditions: ReadConditions,
    /// The key of a source that is encrypted with its customer's.
    pub customer_key: Option<CustomerKey>,
}

/// What a copy makes of its source.
#[derive(Clone, Debug, Default)]
pub struct CopyRequest {
    /// `x-amz-metadata-directive: REPLACE` with the new standard headers and user metadata; `None` copies both.
    pub replaced_metadata: Option<(BTreeMap<String, String>, BTreeMap<String, String>)>,
    /// `x-amz-tagging-directive: REPLACE` with the new tags; `None` copies them.
    pub replaced_tags: Option<BTreeMap<String, String>>,
    /// Access control list of the copy, which is never that of the source.
    pub acl: Option<String>,
    /// Lock of the copy, which is never that of the source.
    pub lock: VersionLock,
    /// Storage class of the copy; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Checksum to compute for the copy; `None` keeps the source's algorithm (CRC64NVME if it had none).
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// How to encrypt the copy, which gets keys of its own; `None` does not.
    pub protection: Option<Protection>,
    /// When to write the copy.
    pub condition: Precondition,
    /// Whether the copy gets the annotations of its source.
    pub annotations: AnnotationDirective,
}

/// What becomes of the annotations of the source.
#[derive(Clone, Debug, Default)]
pub enum AnnotationDirective {
    /// They stay with the source alone.
    #[default]
    Exclude,
    /// There are none, or the copy fails with `ConcurrentChange`: nobody has asked who may take any along.
    Absent,
    /// The copy gets those that the source has at one moment.
    Copy {
        /// How to encrypt them if the copy is not.
        protection: Option<Protection>,
    },
}

/// What a copy made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The copy.
    pub result: PutResult,
    /// The version that was read; `None` in a bucket whose objects never had versions.
    pub source_version: Option<VersionName>,
}

impl Store {
    /// Copies an object. A copy of an object onto itself must change something (the caller checks that).
    ///
    /// The bytes are copied: shards have one owner until manifests are counted.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `KeyDeleted`, `NoSuchVersion`, `IsDeleteMarker` (of the source), `PreconditionFailed`,
    /// `EntityTooLarge` (5 GiB), `ConcurrentChange` when the source or its annotations change meanwhile, `InvalidRequest`
    /// for annotations of a copy with SSE-C, and those of [`Store::put_object`].
    pub async fn copy_object(
        &self,
        source: &CopySource,
        bucket: &Bucket,
        key: &str,
        request: CopyRequest,
    ) -> Result<Copied> {
        let _turn = self.begin_copy().await?;
        let reader = self.open_source(source, None).await?;
        let source_version = reader.object.version;
        let (headers, user_metadata) = match request.replaced_metadata {
            Some(replaced) => replaced,
            None => (reader.object.headers.clone(), reader.object.user_metadata.clone()),
        };
        let kept = reader.object.checksum.as_ref().map(|checksum| checksum.algorithm());
        let algorithm = request.checksum_algorithm.or(kept).unwrap_or(CHECKSUM_DEFAULT);
        let put = PutRequest {
            headers,
            user_metadata,
            tags: request.replaced_tags.unwrap_or_else(|| reader.object.tags.clone()),
            acl: request.acl,
            lock: request.lock,
            storage_class: request.storage_class,
            protection: request.protection,
            condition: request.condition,
            expected: expected(&reader, algorithm),
        };
        let protection = put.protection.clone();
        let (body, failure) = SourceBody::new(reader.body);
        let prepared = self.prepare_put(bucket, key, put, Box::new(body)).await;
        let prepared = prepared.map_err(|error| failure.lock().take().unwrap_or(error))?;
        let annotations = match request.annotations {
            AnnotationDirective::Absent if reader.object.annotations != 0 => Err(Error::ConcurrentChange),
            AnnotationDirective::Exclude | AnnotationDirective::Absent => Ok(StoredAnnotations::none(self)),
            AnnotationDirective::Copy { protection: otherwise } => {
                self.copy_annotations(source, &reader.object, bucket, protection.or(otherwise).as_ref()).await
            }
        };
        let annotations = annotations.inspect_err(|_| self.discard(prepared.write.write_id()))?;
        let result = self.commit_put(prepared, annotations).await?;
        Ok(Copied { result, source_version })
    }

    /// Copies an object, or one range of it, into a part of an upload. A range behind the source's end is
    /// `InvalidRange`.
    ///
    /// # Errors
    ///
    /// Those of [`Store::copy_object`] and [`Store::put_part`].
    pub async fn copy_part(
        &self,
        source: &CopySource,
        range: Option<ByteRange>,
        bucket: &Bucket,
        upload: &UploadId,
        part: impl Into<PartTarget>,
    ) -> Result<Copied> {
        let _turn = self.begin_copy().await?;
        let reader = self.open_source(source, range).await?;
        let source_version = reader.object.version;
        let expected = ExpectedBody { size: Some(reader.range.end - reader.range.start), ..ExpectedBody::default() };
        let (body, failure) = SourceBody::new(reader.body);
        let copied = self.put_part(bucket, upload, part, expected, Box::new(body)).await;
        let result = copied.map_err(|error| failure.lock().take().unwrap_or(error))?;
        Ok(Copied { result, source_version })
    }

    async fn open_source(&self, source: &CopySource, range: Option<ByteRange>) -> Result<ObjectReader> {
        let conditions = source.conditions.clone();
        let (version, customer_key) = (source.version, source.customer_key.clone());
        let request = GetRequest { version, range, part_number: None, conditions, customer_key };
        let reader = self.get_object(&source.bucket, &source.key, request).await.map_err(|error| match error {
            Error::NotModified(_) => Error::PreconditionFailed { condition: "x-amz-copy-source-If-None-Match" },
            error => error,
        })?;
        // S3 wants the range of a part inside of the source, where a GET would have clamped it.
        match range {
            Some(ByteRange::Between(_, last)) if reader.object.size <= last => {
                Err(Error::InvalidRange { size: reader.object.size })
            }
            _ => Ok(reader),
        }
    }
}

/// What the copy of `reader`'s bytes must be.
fn expected(reader: &ObjectReader, algorithm: ChecksumAlgorithm) -> ExpectedBody {
    let unchanged = reader.object.checksum.clone();
    let unchanged = unchanged.filter(|sum| sum.algorithm() == algorithm && sum.kind() == ChecksumKind::FullObject);
    ExpectedBody {
        size: Some(reader.range.end - reader.range.start),
        md5: None,
        checksum: match unchanged {
            // Reading wrong bytes back would be noticed here, once more.
            Some(checksum) => ChecksumRequest::Expect(checksum),
            None => ChecksumRequest::Compute(algorithm),
        },
    }
}

/// The bytes of the source, as the body of a write. Why reading failed is kept apart, since a body tells only its own
/// troubles.
pub(crate) struct SourceBody {
    bytes: ObjectBody,
    failure: Arc<Mutex<Option<Error>>>,
}

impl SourceBody {
    pub(crate) fn new(bytes: ObjectBody) -> (Self, Arc<Mutex<Option<Error>>>) {
        let failure = Arc::new(Mutex::new(None));
        (Self { bytes, failure: failure.clone() }, failure)
    }
}

impl Body for SourceBody {
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.bytes.as_mut().poll_next(context).map_err(|error| {
            *self.failure.lock() = Some(error);
            BodyError::Incomplete
        })
    }
}
