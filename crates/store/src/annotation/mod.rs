//! Annotations: named texts that belong to a version of an object and end with it.
//!
//! The bytes of an annotation go the way of an object's: small ones into the metadata, others into stripes, encrypted as
//! its object is. So they are repaired, scrubbed and collected like these. Copies take annotations along.

mod copy;
mod text;

use encryption::{Method, Protection, SegmentName};
use env::UnixMillis;
use meta::command::{ANNOTATION_SIZE_MAX, DeleteAnnotation, NewAnnotation, PutAnnotation};
use meta::query::{self, Annotations};
use meta::record::{Body as RecordBody, ObjectRecord};
use meta::{Command, Refusal, Reply};

pub(crate) use self::copy::StoredAnnotations;
use self::text::TextBody;
use crate::active::{ActiveRead, ActiveWrite};
use crate::body::Body;
use crate::body_writer::{BodyPlan, Content, store_body};
use crate::bucket::Bucket;
use crate::checksum::Checksum;
use crate::condition::{EtagCondition, Precondition};
use crate::error::{Error, ProposeError, Result};
use crate::etag::Etag;
use crate::get::{ObjectBody, RESTARTS_MAX};
use crate::keys::ObjectEncryption;
use crate::object::{Found, Governance, find_without_body};
use crate::put::{CHECKSUM_DEFAULT, ExpectedBody, PutResult};
use crate::retarget::WrittenRows;
use crate::sealing::Seal;
use crate::store::Store;
use crate::version::VersionName;

/// Most annotations of one version, and so on a page of them.
pub const COUNT_MAX: u64 = meta::command::ANNOTATION_COUNT_MAX;

/// Most bytes of an annotation's name.
pub const NAME_SIZE_MAX: usize = meta::command::ANNOTATION_NAME_SIZE_MAX;

/// The header of the only condition that there is.
const CONDITION: &str = "x-amz-object-if-match";

/// Why an object with SSE-C has no annotations.
const NOT_WITH_CUSTOMER_KEYS: &str =
    "Objects that are encrypted with customer-provided keys (SSE-C) cannot have annotations";

/// Which annotation of which object.
#[derive(Clone, Debug)]
pub struct AnnotationTarget {
    /// The key of the object.
    pub key: String,
    /// Its version; `None` is the current one.
    pub version: Option<VersionName>,
    /// The name of the annotation. The caller has checked it.
    pub name: String,
}

/// What goes with the bytes of an annotation.
#[derive(Clone, Debug, Default)]
pub struct AnnotationRequest {
    /// How to encrypt it if its object is not.
    pub protection: Option<Protection>,
    /// The tag that its object must have.
    pub if_match: Option<EtagCondition>,
    /// What the bytes must be.
    pub expected: ExpectedBody,
}

/// What is known of an annotation without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// When it was put.
    pub modified: UnixMillis,
    /// Entity tag.
    pub etag: Etag,
    /// Stored checksum.
    pub checksum: Option<Checksum>,
}

/// An annotation being read.
pub struct AnnotationReader {
    /// What is known about it.
    pub annotation: Annotation,
    /// How it is encrypted; `None`: it is not.
    pub encryption: Option<Method>,
    /// The version that it belongs to; `None` in a bucket whose objects never had versions.
    pub object_version: Option<VersionName>,
    /// Its bytes. An error after the first chunk means: abort the connection.
    pub body: ObjectBody,
}

/// Which annotations to list.
#[derive(Clone, Debug, Default)]
pub struct ListAnnotations {
    /// Only names that start with it.
    pub prefix: String,
    /// Only names above it.
    pub after: Option<String>,
    /// Most entries.
    pub limit: usize,
}

/// A page of the annotations of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnotationPage {
    /// In order of name.
    pub annotations: Vec<Annotation>,
    /// Whether others follow.
    pub truncated: bool,
    /// The version that they belong to; `None` in a bucket whose objects never had versions.
    pub object_version: Option<VersionName>,
}

impl Annotation {
    fn of(name: String, record: &ObjectRecord) -> Self {
        let ObjectRecord { size, modified, etag, checksum, .. } = record;
        Self { name, size: *size, modified: modified.millis(), etag: etag.clone(), checksum: checksum.clone() }
    }
}

impl Store {
    /// Attaches `body` to a version of an object, in place of the annotation that had this name. The result's version is
    /// that of the object.
    ///
    /// # Errors
    ///
    /// Those of [`Store::head_object`], `TooManyAnnotations`, `NotText`, `InvalidRequest` for nothing at all and for objects
    /// with SSE-C, `EntityTooLarge` (1 MiB), `Locked` when it would replace what the object's lock keeps,
    /// `PreconditionFailed`, `ConcurrentChange` when the object was replaced meanwhile, `BadDigest`, `ChecksumMismatch`,
    /// `Key`, `Body`, `QuotaExceeded`, `SlowDown`, `DiskFull`, `Unavailable`.
    pub async fn put_annotation(
        &self,
        bucket: &Bucket,
        target: AnnotationTarget,
        request: AnnotationRequest,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        let AnnotationTarget { key, version, name } = target;
        let Found { record, .. } = self.object_without_body(bucket, &key, version).await?;
        let encryption = record.encryption.as_ref().map(|it| ObjectEncryption::of(it, bucket.id)).transpose()?;
        let protection = inherited(encryption.map(|it| it.method))?.or(request.protection);
        let seal = self.new_seal(protection.as_ref(), bucket.id).await?;
        let (body, checked) = TextBody::new(body);
        let inline_size_max = self.config().inline_size_max;
        let stored = self.store_annotation(seal.as_ref(), &request.expected, inline_size_max, Box::new(body)).await;
        let stored = stored.map_err(|error| if checked.is_text() { error } else { Error::NotText })?;

        let StoredAnnotation { write, annotation, rows } = stored;
        let command = PutAnnotation {
            bucket: bucket.id,
            key,
            version: record.version.into(),
            base: record.modified,
            name,
            annotation,
            precondition: Precondition { if_match: request.if_match, ..Precondition::default() },
        };
        let reply = self.commit_write(write, Command::PutAnnotation(Box::new(command)), &rows).await;
        let result = PutResult::of(reply.map_err(conditional)?)?;
        Ok(PutResult { encryption: seal.map(|seal| seal.method().clone()), ..result })
    }

    /// Opens an annotation for reading. Its first stripe has been read and verified on return.
    ///
    /// # Errors
    ///
    /// Those of [`Store::head_object`], `NoSuchAnnotation`, `Key`, `SlowDown`, `Unavailable`.
    pub async fn get_annotation(&self, bucket: &Bucket, target: &AnnotationTarget) -> Result<AnnotationReader> {
        let mut restarts = 0;
        loop {
            // Registered before the record is read, so that its shards are not freed under the reader.
            let reading = self.begin_read();
            let (object, record) = self.find_annotation(bucket, target).await?;
            match self.open_annotation(bucket, &record, reading).await {
                Ok((body, encryption)) => {
                    let annotation = Annotation::of(target.name.clone(), &record);
                    return Ok(AnnotationReader { annotation, encryption, object_version: object.version(), body });
                }
                // It may have been replaced and its shards freed; if so, read what is there now.
                Err(error) => {
                    self.read_metadata().await?;
                    let (_, current) = self.find_annotation(bucket, target).await?;
                    if current.body == record.body || RESTARTS_MAX <= restarts {
                        return Err(error);
                    }
                    restarts += 1;
                }
            }
        }
    }

    /// Lists annotations of a version in order of name. Costs the page.
    ///
    /// # Errors
    ///
    /// Those of [`Store::head_object`].
    pub async fn list_annotations(
        &self,
        bucket: &Bucket,
        (key, version): (&str, Option<VersionName>),
        request: ListAnnotations,
    ) -> Result<AnnotationPage> {
        let (bucket, key, reading) = (bucket.id, key.to_owned(), self.read_since(bucket.found_at).await?);
        let limit = request.limit;
        let page = self.ask(reading, move |view| {
            let found = match find_without_body(view, bucket, &key, version)? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            let ListAnnotations { prefix, after, limit } = &request;
            let (version, limit) = (found.record.version.into(), limit.saturating_add(1));
            let page = Annotations { key: &key, version, prefix, after: after.as_deref(), limit };
            Ok(Ok((found.version(), query::list_annotations(view, bucket, &page)?)))
        });
        let (object_version, mut found) = page.await??;
        let truncated = limit < found.len();
        found.truncate(limit);
        let annotations = found.into_iter().map(|(name, record)| Annotation::of(name, &record)).collect();
        Ok(AnnotationPage { annotations, truncated, object_version })
    }

    /// Removes an annotation. Removing one that does not exist succeeds. Returns the version of its object.
    ///
    /// # Errors
    ///
    /// Those of [`Store::head_object`], `PreconditionFailed`, `Locked`.
    pub async fn delete_annotation(
        &self,
        bucket: &Bucket,
        target: AnnotationTarget,
        if_match: Option<EtagCondition>,
        governance: Governance,
    ) -> Result<Option<VersionName>> {
        let AnnotationTarget { key, version, name } = target;
        let found = self.object_without_body(bucket, &key, version).await?;
        let command = DeleteAnnotation {
            bucket: bucket.id,
            key,
            version: Some(found.record.version.into()),
            name,
            precondition: Precondition { if_match, ..Precondition::default() },
            governance,
            write_id: self.new_write_id(),
        };
        match self.propose(Command::DeleteAnnotation(command)).await.map_err(conditional)? {
            Reply::ObjectDeleted(deleted) => Ok(deleted.version),
            _ => Err(Error::unexpected_reply()),
        }
    }

    /// Stores the bytes of an annotation. Nothing names them yet.
    async fn store_annotation(
        &self,
        seal: Option<&Seal>,
        expected: &ExpectedBody,
        inline_size_max: usize,
        body: Box<dyn Body>,
    ) -> Result<StoredAnnotation> {
        let write = self.begin_write();
        let algorithm = expected.checksum.algorithm().unwrap_or(CHECKSUM_DEFAULT);
        let plan = BodyPlan {
            expected,
            algorithms: &[algorithm],
            inline_size_max,
            size_max: ANNOTATION_SIZE_MAX,
            sealer: seal.map(|seal| seal.sealer(SegmentName::Whole)).transpose()?,
        };
        let stored = store_body(self, &write, &plan, body).await?;
        if stored.size == 0 {
            self.discard(write.write_id());
            return Err(Error::InvalidRequest("An annotation must have at least 1 byte"));
        }
        let etag = stored.etag(seal);
        let checksum = Some(stored.digests.checksum(algorithm));
        let (body, rows) = match stored.content {
            Content::Inline(bytes) => (RecordBody::Inline(bytes), WrittenRows::new()),
            Content::Striped(segment, rows) => (RecordBody::Striped(vec![segment]), rows),
        };
        let encryption = seal.map(Seal::record);
        let record = ObjectRecord { checksum, encryption, ..ObjectRecord::plain(stored.size, etag, body) };
        let (write_id, intent_epoch) = (write.write_id(), write.intent_epoch());
        Ok(StoredAnnotation { annotation: NewAnnotation { record, write_id, intent_epoch }, write, rows })
    }

    /// An annotation, with its bytes if they are few, and the object that it belongs to.
    async fn find_annotation(&self, bucket: &Bucket, target: &AnnotationTarget) -> Result<(Found, ObjectRecord)> {
        let (bucket, target, reading) = (bucket.id, target.clone(), self.read_since(bucket.found_at).await?);
        let found = self.ask_little(reading, move |view| {
            let AnnotationTarget { key, version, name } = &target;
            let found = match find_without_body(view, bucket, key, *version)? {
                Ok(found) => found,
                Err(error) => return Ok(Err(error)),
            };
            let record = query::annotation(view, bucket, (key, found.record.version.into()), name)?;
            Ok(record.map(|record| (found, record)).ok_or(Error::NoSuchAnnotation))
        });
        found.await?
    }

    /// Starts to read an annotation; tells how it is encrypted as well.
    async fn open_annotation(
        &self,
        bucket: &Bucket,
        record: &ObjectRecord,
        reading: ActiveRead,
    ) -> Result<(ObjectBody, Option<Method>)> {
        let encryption = record.encryption.as_ref().map(|it| ObjectEncryption::of(it, bucket.id)).transpose()?;
        let keys = self.open_keys(encryption.as_ref(), None).await?;
        let body = self.open_body(record, keys.as_deref(), 0..record.size, reading).await?;
        Ok((body, encryption.map(|encryption| encryption.method)))
    }
}

/// The bytes of an annotation that have been stored and are what the client declared.
pub(crate) struct StoredAnnotation {
    write: ActiveWrite,
    annotation: NewAnnotation,
    rows: WrittenRows,
}

/// How an annotation of an object that is encrypted like this is encrypted; `None` if the object is not.
fn inherited(method: Option<Method>) -> Result<Option<Protection>> {
    Ok(Some(match method {
        None => return Ok(None),
        Some(Method::S3) => Protection::S3,
        Some(Method::Kms(key)) => Protection::Kms(key),
        Some(Method::Dual(key)) => Protection::Dual(key),
        Some(Method::Customer) => return Err(Error::InvalidRequest(NOT_WITH_CUSTOMER_KEYS)),
    }))
}

/// The error of a command under the condition on the object.
fn conditional(error: ProposeError) -> Error {
    match error {
        ProposeError::Refused(Refusal::PreconditionFailed) => Error::PreconditionFailed { condition: CONDITION },
        error => error.into(),
    }
}
