//! Multipart uploads.

use std::collections::BTreeMap;
use std::fmt;

use encryption::{CustomerKey, Method, Protection, SegmentName};
use env::UnixMillis;

use meta::command::{AbortUpload, CompleteUpload, CreateUpload, PutPart};
use meta::query::{self, UploadEntry};
use meta::record::{PartRecord, UploadRecord};
use meta::{Command, Reply};

use crate::body::Body;
use crate::bucket::{Bucket, BucketId};
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest, combine};
use crate::condition::Precondition;
use crate::error::{Error, Result};
use crate::etag::{self, Etag};
use crate::keys::ObjectEncryption;
use crate::object::VersionLock;
use crate::part::{PartPlan, StoredPart, store_part};
use crate::put::{CHECKSUM_DEFAULT, ExpectedBody, OBJECT_SIZE_MAX, PutResult};
use crate::sealing::Seal;
use crate::store::Store;

/// Names one upload of a bucket: what the client sends with every request of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadId {
    /// Key of the object to be.
    pub key: String,
    /// The token the client was given. Any string may stand here; one we never gave is `NoSuchUpload`.
    pub token: String,
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.token)
    }
}

/// What the object to be gets besides its parts.
#[derive(Clone, Debug, Default)]
pub struct CreateUploadRequest {
    /// Standard headers to keep, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without `x-amz-meta-`.
    pub user_metadata: BTreeMap<String, String>,
    /// Storage class to echo; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Access control list, which is kept as it is; `None`: the object will be the bucket's owner's alone.
    pub acl: Option<String>,
    /// How to encrypt the parts, and so the object; `None` does not.
    pub protection: Option<Protection>,
    /// Lock of the object to be.
    pub lock: VersionLock,
    /// Checksum of the parts and of the object; `None` is CRC64NVME over the full object, without requiring the client
    /// to name it with the parts. S3 allows `FullObject` for CRCs, `Composite` for all but CRC64NVME; the caller
    /// checks that.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

/// An upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// When it was created.
    pub created: UnixMillis,
    /// Storage class; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Access control list of the object to be; `None`: it will be the bucket's owner's alone.
    pub acl: Option<String>,
    /// What the client asked for when it created the upload.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// How it is encrypted; `None`: it is not.
    pub encryption: Option<Method>,
}

/// Which part of an upload to write.
#[derive(Clone, Debug)]
pub struct PartTarget {
    /// Part number, 1 to 10 000.
    pub number: u16,
    /// The key of an upload that is encrypted with its customer's.
    pub customer_key: Option<CustomerKey>,
}

impl From<u16> for PartTarget {
    fn from(number: u16) -> Self {
        Self { number, customer_key: None }
    }
}

/// A part that has been uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Part number, 1 to 10 000.
    pub number: u16,
    /// Its size.
    pub size: u64,
    /// Its entity tag.
    pub etag: Etag,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// When it was committed.
    pub modified: UnixMillis,
}

/// One page of the parts of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartPage {
    /// The upload.
    pub upload: Upload,
    /// Parts in order of number.
    pub parts: Vec<Part>,
    /// Whether parts follow the last of `parts`.
    pub truncated: bool,
}

/// Which uploads to list.
#[derive(Clone, Debug, Default)]
pub struct ListUploadsRequest {
    /// Only keys that start with it.
    pub prefix: String,
    /// Rolls keys up to the first delimiter behind the prefix; never empty.
    pub delimiter: Option<String>,
    /// `key-marker`: uploads of later keys, or of this key when `upload_marker` is given.
    pub key_marker: Option<String>,
    /// `upload-id-marker`: uploads of `key_marker` later than this one. Without a key marker it is ignored.
    pub upload_marker: Option<String>,
    /// Most entries (uploads and common prefixes together).
    pub limit: usize,
}

/// One page of the uploads of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPage {
    /// Uploads in order of key, then of creation.
    pub uploads: Vec<Upload>,
    /// Common prefixes in order.
    pub common_prefixes: Vec<String>,
    /// `NextKeyMarker` and `NextUploadIdMarker` when something follows; the second is empty behind a common prefix.
    pub next: Option<(String, String)>,
}

/// A part as a completion names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// Part number.
    pub number: u16,
    /// Entity tag, without quotes.
    pub etag: String,
    /// Checksum, when the client repeats it.
    pub checksum: Option<Checksum>,
}

/// What makes an upload an object.
#[derive(Clone, Debug, Default)]
pub struct CompleteRequest {
    /// The parts, ascending by number.
    pub parts: Vec<CompletedPart>,
    /// Checksum of the whole object as the client computed it.
    pub checksum: Option<Checksum>,
    /// `x-amz-checksum-type`.
    pub checksum_kind: Option<ChecksumKind>,
    /// `x-amz-mp-object-size`.
    pub size: Option<u64>,
    /// When to make the object.
    pub condition: Precondition,
    /// The key of an upload that is encrypted with its customer's.
    pub customer_key: Option<CustomerKey>,
}

/// Largest object that a completion, or an append, may make.
pub(crate) const MULTIPART_SIZE_MAX: u64 = 5 << 40;

impl Store {
    /// Starts an upload.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn create_upload(&self, bucket: &Bucket, key: &str, request: CreateUploadRequest) -> Result<Upload> {
        let seal = self.new_seal(request.protection.as_ref(), bucket.id).await?;
        let record = UploadRecord {
            storage_class: request.storage_class,
            checksum: request.checksum,
            headers: request.headers,
            user_metadata: request.user_metadata,
            tags: request.tags,
            acl: request.acl,
            encryption: seal.as_ref().map(Seal::record),
            lock: request.lock,
            ..UploadRecord::default()
        };
        let command = CreateUpload { bucket: bucket.id, key: key.to_owned(), upload: record.clone() };
        let reply = self.propose(Command::CreateUpload(Box::new(command))).await?;
        let Reply::UploadCreated(id) = reply else { return Err(Error::unexpected_reply()) };
        Upload::of((key.to_owned(), id), record, bucket.id)
    }

    /// Stores a part, replacing one with the same number.
    ///
    /// # Errors
    ///
    /// `NoSuchUpload`, `InvalidRequest` (another checksum algorithm than the upload's), `Key` (another customer's key
    /// too), and those of [`Store::put_object`].
    pub async fn put_part(
        &self,
        bucket: &Bucket,
        upload: &UploadId,
        part: impl Into<PartTarget>,
        expected: ExpectedBody,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        let PartTarget { number, customer_key } = part.into();
        let (id, record) = self.find_upload(bucket, upload).await?;
        let algorithm = part_algorithm(&record, &expected.checksum)?;
        let declared = expected.checksum.algorithm().unwrap_or(algorithm);
        let seal = self.part_seal(record.encryption.as_ref(), bucket.id, customer_key.as_ref()).await?;
        let write = self.begin_write();
        let name = SegmentName::Part { number, write_id: write.write_id().0 };
        let plan = PartPlan {
            expected: &expected,
            algorithms: &[algorithm, declared],
            size_max: OBJECT_SIZE_MAX,
            seal: seal.as_ref(),
            name,
        };
        let StoredPart { part, digests, rows } = store_part(self, &write, plan, body).await?;
        let (etag, size) = (part.etag.clone(), part.size());
        let intent_epoch = write.intent_epoch();
        let (bucket, key) = (bucket.id, upload.key.clone());
        let command = PutPart { bucket, key, upload: id, number, part, intent_epoch };
        let reply = self.commit_write(write, Command::PutPart(Box::new(command)), &rows).await?;
        let Reply::PartPut { modified } = reply else { return Err(Error::unexpected_reply()) };
        let checksum = Some(digests.checksum(declared));
        Ok(PutResult {
            etag,
            checksum,
            size,
            modified: modified.millis(),
            version: None,
            encryption: seal.map(|seal| seal.method().clone()),
        })
    }

    /// At most `limit` parts with numbers above `after`.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn list_parts(&self, bucket: &Bucket, upload: &UploadId, after: u16, limit: usize) -> Result<PartPage> {
        let (id, record) = self.find_upload(bucket, upload).await?;
        let (bucket, reading) = (bucket.id, self.read_since(bucket.found_at).await?);
        let page = self.ask(reading, move |view| query::list_parts(view, bucket, id, after, limit)).await?;
        let parts = page.parts.into_iter().map(|(number, part)| Part {
            number,
            size: part.size(),
            etag: part.etag,
            checksum: part.checksum,
            modified: part.modified.millis(),
        });
        Ok(PartPage {
            upload: Upload::of((upload.key.clone(), id), record, bucket)?,
            parts: parts.collect(),
            truncated: page.truncated,
        })
    }

    /// Lists the uploads in progress.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub async fn list_uploads(&self, bucket: &Bucket, request: &ListUploadsRequest) -> Result<UploadPage> {
        let (bucket, request, reading) = (bucket.id, request.clone(), self.read_since(bucket.found_at).await?);
        let page = self
            .ask(reading, move |view| {
                let upload_marker = request.upload_marker.as_deref().and_then(meta::record::UploadId::parse);
                let request = query::ListUploads {
                    prefix: &request.prefix,
                    delimiter: request.delimiter.as_deref().unwrap_or_default(),
                    key_marker: request.key_marker.as_deref().unwrap_or_default(),
                    upload_marker,
                    limit: request.limit,
                };
                query::list_uploads(view, bucket, &request)
            })
            .await?;
        let mut listed = UploadPage {
            next: page.next.map(|(key, id)| (key, id.map(|id| id.to_string()).unwrap_or_default())),
            ..UploadPage::default()
        };
        for entry in page.entries {
            match entry {
                UploadEntry::Upload { key, id, record } => {
                    listed.uploads.push(Upload::of((key, id), *record, bucket)?);
                }
                UploadEntry::CommonPrefix(prefix) => listed.common_prefixes.push(prefix),
            }
        }
        Ok(listed)
    }

    /// Makes the upload an object of the parts named. Completing again with the same parts answers the same.
    ///
    /// # Errors
    ///
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, `EntityTooLarge` (5 TiB),
    /// `ChecksumMismatch`, `InvalidRequest`, `Key`, `PreconditionFailed`, `NoSuchKey`.
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        upload: &UploadId,
        request: CompleteRequest,
    ) -> Result<PutResult> {
        let (bucket, reading) = (bucket.id, self.read_since(bucket.found_at).await?);
        let id = meta::record::UploadId::parse(&upload.token).ok_or(Error::NoSuchUpload)?;
        let key = upload.key.clone();
        let found = self
            .ask(reading, move |view| match query::upload(view, bucket, &key, id)? {
                Some(record) => Ok(Some((record, query::parts(view, bucket, id)?))),
                None => Ok(None),
            })
            .await?;
        let checksum = match &found {
            Some((record, parts)) => completed_checksum(record, parts, &request)?,
            // Completed already, perhaps: then applying the command again gives the first answer again.
            None => None,
        };
        let encryption = found.as_ref().and_then(|(record, _)| record.encryption.as_ref());
        let encryption = encryption.map(|record| ObjectEncryption::of(record, bucket)).transpose()?;
        if encryption.as_ref().is_some_and(|encryption| encryption.method == Method::Customer) {
            self.open_keys(encryption.as_ref(), request.customer_key.as_ref()).await?;
        }
        let named = named_parts(&request.parts);
        // Of an upload that nobody knows, no part is wrong.
        let (parts, etag) = if found.is_none() { named.map_err(|_| Error::NoSuchUpload)? } else { named? };
        let command = CompleteUpload {
            bucket,
            key: upload.key.clone(),
            upload: id,
            etag,
            checksum,
            parts,
            precondition: request.condition.clone(),
        };
        let reply = self.propose(Command::CompleteUpload(Box::new(command))).await;
        let result = PutResult::of(reply.map_err(|error| error.under(&request.condition))?)?;
        Ok(PutResult { encryption: encryption.map(|encryption| encryption.method), ..result })
    }

    /// Drops an upload and its parts.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchUpload`.
    pub async fn abort_upload(&self, bucket: &Bucket, upload: &UploadId) -> Result<()> {
        let (id, _) = self.find_upload(bucket, upload).await?;
        let command = AbortUpload { bucket: bucket.id, key: upload.key.clone(), upload: id };
        self.propose(Command::AbortUpload(command)).await?;
        Ok(())
    }

    async fn find_upload(&self, bucket: &Bucket, upload: &UploadId) -> Result<(meta::record::UploadId, UploadRecord)> {
        let (bucket, reading) = (bucket.id, self.read_since(bucket.found_at).await?);
        let id = meta::record::UploadId::parse(&upload.token).ok_or(Error::NoSuchUpload)?;
        let key = upload.key.clone();
        let record = self.ask_little(reading, move |view| query::upload(view, bucket, &key, id)).await?;
        record.map(|record| (id, record)).ok_or(Error::NoSuchUpload)
    }
}

impl Upload {
    fn of((key, id): (String, meta::record::UploadId), record: UploadRecord, bucket: BucketId) -> Result<Self> {
        let encryption = record.encryption.as_ref().map(|record| ObjectEncryption::of(record, bucket)).transpose()?;
        Ok(Self {
            id: UploadId { key, token: id.to_string() },
            created: id.initiated.millis(),
            storage_class: record.storage_class,
            acl: record.acl,
            checksum: record.checksum,
            encryption: encryption.map(|encryption| encryption.method),
        })
    }
}

/// The algorithm whose checksum is kept with a part.
fn part_algorithm(upload: &UploadRecord, declared: &ChecksumRequest) -> Result<ChecksumAlgorithm> {
    match (upload.checksum, declared.algorithm()) {
        (Some((algorithm, _)), Some(declared)) if algorithm != declared => {
            Err(Error::InvalidRequest("the part's checksum algorithm is not the upload's"))
        }
        (Some((algorithm, _)), _) => Ok(algorithm),
        (None, _) => Ok(CHECKSUM_DEFAULT),
    }
}

/// The parts as the command names them, and the entity tag of the object that they make.
fn named_parts(parts: &[CompletedPart]) -> Result<(Vec<meta::command::CompletedPart>, Etag)> {
    let first = parts.first().map_or(0, |part| part.number);
    let parts = parts.iter().map(named_part).collect::<Result<Vec<_>>>()?;
    let etag = etag::of_parts(parts.iter().map(|part| &part.etag)).ok_or(Error::InvalidPart { number: first })?;
    Ok((parts, etag))
}

/// A part as the command names it.
fn named_part(part: &CompletedPart) -> Result<meta::command::CompletedPart> {
    let number = part.number;
    let etag = Etag::parse(&part.etag).ok_or(Error::InvalidPart { number })?;
    Ok(meta::command::CompletedPart { number, etag, checksum: part.checksum.clone() })
}

/// Checks a completion against the stored parts, and computes the object's checksum from theirs.
fn completed_checksum(
    upload: &UploadRecord,
    stored: &[(u16, PartRecord)],
    request: &CompleteRequest,
) -> Result<Option<Checksum>> {
    if !request.parts.is_sorted_by(|before, after| before.number < after.number) {
        return Err(Error::InvalidPartOrder);
    }
    let parts = request.parts.iter().map(|part| stored_part(stored, part)).collect::<Result<Vec<_>>>()?;
    let size = parts.iter().map(|part| part.size()).sum::<u64>();
    if MULTIPART_SIZE_MAX < size {
        return Err(Error::EntityTooLarge { size, limit: MULTIPART_SIZE_MAX });
    }
    if request.size.is_some_and(|declared| declared != size) {
        return Err(Error::InvalidRequest("the declared object size is not the sum of the parts' sizes"));
    }
    let (algorithm, kind) = upload.checksum.unwrap_or((CHECKSUM_DEFAULT, ChecksumKind::FullObject));
    if upload.checksum.is_some() && request.checksum_kind.is_some_and(|declared| declared != kind) {
        return Err(Error::InvalidRequest("the declared checksum type is not the upload's"));
    }
    let digests: Option<Vec<(&[u8], u64)>> = parts
        .iter()
        .map(|part| Some((part.checksum.as_ref()?, part.size())))
        .map(|part| part.filter(|(sum, _)| sum.algorithm() == algorithm).map(|(sum, size)| (sum.value(), size)))
        .collect();
    let computed = digests.and_then(|digests| combine(algorithm, kind, &digests));
    match (&request.checksum, &computed) {
        (Some(declared), Some(computed))
            if declared.algorithm() != algorithm || declared.value() != computed.value() =>
        {
            Err(Error::ChecksumMismatch { algorithm: declared.algorithm() })
        }
        _ => Ok(computed),
    }
}

/// The stored part that a completion names.
fn stored_part<'a>(stored: &'a [(u16, PartRecord)], named: &CompletedPart) -> Result<&'a PartRecord> {
    let number = named.number;
    let found = stored.binary_search_by_key(&number, |(number, _)| *number);
    let part = found.ok().map(|position| &stored[position].1).ok_or(Error::InvalidPart { number })?;
    let same_tag = Etag::parse(&named.etag).as_ref() == Some(&part.etag);
    let same_checksum = named.checksum.as_ref().is_none_or(|checksum| {
        part.checksum
            .as_ref()
            .is_none_or(|stored| stored.algorithm() != checksum.algorithm() || stored.value() == checksum.value())
    });
    if same_tag && same_checksum { Ok(part) } else { Err(Error::InvalidPart { number }) }
}
