//! PutObject behind the end of an object.
//!
//! The new bytes become a segment of their own, as a part of an upload does, and the object one of parts. What is there
//! already is not read, but for small bodies, which lie in the metadata: the first bytes that are appended to one move it
//! into a segment.

use bytes::Bytes;
use encryption::{Method, Protection, SegmentName};
use meta::command::{AppendObject, ObjectBase, StripeBody};
use meta::record::{Body as RecordBody, ObjectRecord, PART_NUMBER_MAX, PartRecord};
use meta::{BucketId, Command, Refusal};

use crate::body::Body;
use crate::bucket::Bucket;
use crate::checksum::{Checksum, ChecksumKind, combine};
use crate::condition::EtagCondition;
use crate::error::{Error, NO_APPENDING_TO_VERSIONS, ProposeError, Result};
use crate::etag::Etag;
use crate::keys::ObjectEncryption;
use crate::multipart::MULTIPART_SIZE_MAX;
use crate::opening::open_small;
use crate::part::{PartPlan, StoredPart, store_part};
use crate::put::{CHECKSUM_DEFAULT, ExpectedBody, OBJECT_SIZE_MAX, PutRequest, PutResult};
use crate::sealing::Seal;
use crate::store::Store;

/// Where to append, and how.
#[derive(Clone, Debug)]
pub struct Append {
    /// `x-amz-write-offset-bytes`: the size that the object must have; 0 creates it as well.
    pub offset: u64,
    /// Whether the client has said how the object is encrypted, or the request has what its bucket does by default.
    pub names_encryption: bool,
}

/// Why nothing is appended to objects with SSE-C.
const NO_APPENDING_WITH_CUSTOMER_KEYS: &str =
    "Data cannot be appended to objects that are encrypted with customer-provided keys";

impl Store {
    /// Appends `body` to an object, or creates it. Its metadata stays as it was; of `request` an existing object takes the
    /// conditions and what the body must be. The result is about the whole object.
    ///
    /// # Errors
    ///
    /// `InvalidWriteOffset`, also when others appended first, `TooManyParts`, `EncryptionTypeMismatch`, `ConcurrentChange`,
    /// `InvalidRequest` in a bucket that has or had versioning and for objects with SSE-C, and those of
    /// [`Store::put_object`].
    pub async fn append_object(
        &self,
        bucket: &Bucket,
        key: &str,
        append: &Append,
        request: PutRequest,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        if bucket.versioning.is_some() {
            return Err(Error::InvalidRequest(NO_APPENDING_TO_VERSIONS));
        }
        if matches!(request.protection, Some(Protection::Customer(_))) {
            return Err(Error::InvalidRequest(NO_APPENDING_WITH_CUSTOMER_KEYS));
        }
        let record = match self.object_with_body(bucket, key, None).await {
            Ok(found) => found.record,
            Err(Error::NoSuchKey) if append.offset == 0 => return self.create_first(bucket, key, request, body).await,
            Err(Error::NoSuchKey) => return Err(Error::InvalidWriteOffset),
            Err(error) => return Err(error),
        };
        if record.size != append.offset {
            return Err(Error::InvalidWriteOffset);
        }
        if !request.lock.is_empty() {
            return Err(Error::NoObjectLock);
        }
        let encryption = record.encryption.as_ref().map(|it| ObjectEncryption::of(it, bucket.id)).transpose()?;
        let method = encryption.map(|encryption| encryption.method);
        check_encryption(method.as_ref(), request.protection.as_ref().filter(|_| append.names_encryption))?;
        let part_count = u16::try_from(record.parts.len()).unwrap_or(PART_NUMBER_MAX);
        if PART_NUMBER_MAX <= part_count || record.parts.last().is_some_and(|part| part.number == PART_NUMBER_MAX) {
            return Err(Error::TooManyParts);
        }
        let seal = self.part_seal(record.encryption.as_ref(), bucket.id, None).await?;
        if let RecordBody::Inline(bytes) = &record.body
            && !bytes.is_empty()
        {
            self.stripe_body(bucket.id, key, (&record, bytes), seal.as_ref()).await?;
        }
        self.append_part(bucket.id, key, (&record, seal.as_ref()), &request, body).await
    }

    /// Creates the object that others may have created meanwhile.
    async fn create_first(
        &self,
        bucket: &Bucket,
        key: &str,
        mut request: PutRequest,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        request.condition.if_none_match = Some(EtagCondition::Any);
        self.put_object(bucket, key, request, body).await.map_err(|error| match error {
            Error::PreconditionFailed { .. } => Error::InvalidWriteOffset,
            error => error,
        })
    }

    /// Moves a small body out of the metadata. It is encrypted as before, so that it becomes the same bytes again.
    async fn stripe_body(
        &self,
        bucket: BucketId,
        key: &str,
        (record, stored): (&ObjectRecord, &Bytes),
        seal: Option<&Seal>,
    ) -> Result<()> {
        let write = self.begin_write();
        let plain = match seal {
            Some(seal) => open_small(seal.keys(), stored)?,
            None => stored.clone(),
        };
        let plan = PartPlan {
            expected: &ExpectedBody { size: Some(plain.len() as u64), ..ExpectedBody::default() },
            algorithms: &[],
            size_max: OBJECT_SIZE_MAX,
            seal,
            name: SegmentName::Whole,
        };
        let StoredPart { part: body, rows, .. } = store_part(self, &write, plan, Box::new(plain)).await?;
        let intent_epoch = write.intent_epoch();
        let command = StripeBody { bucket, key: key.to_owned(), base: ObjectBase::of(record), body, intent_epoch };
        match self.commit_write(write, Command::StripeBody(Box::new(command)), &rows).await {
            // Another append has moved it, or it is another object by now: what is appended will find out.
            Ok(_) | Err(ProposeError::Refused(Refusal::BaseChanged { .. })) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn append_part(
        &self,
        bucket: BucketId,
        key: &str,
        (record, seal): (&ObjectRecord, Option<&Seal>),
        request: &PutRequest,
        body: Box<dyn Body>,
    ) -> Result<PutResult> {
        let number = record.parts.last().map_or(u16::from(is_whole(record)), |part| part.number) + 1;
        let kept = record.checksum.as_ref().map(Checksum::algorithm);
        let declared = request.expected.checksum.algorithm();
        let algorithm = kept.or(declared).unwrap_or(CHECKSUM_DEFAULT);
        let write = self.begin_write();
        let plan = PartPlan {
            expected: &request.expected,
            algorithms: &[algorithm, declared.unwrap_or(algorithm)],
            size_max: OBJECT_SIZE_MAX.min(MULTIPART_SIZE_MAX - record.size),
            seal,
            name: SegmentName::Part { number, write_id: write.write_id().0 },
        };
        let StoredPart { part, rows, .. } = store_part(self, &write, plan, body).await?;
        let command = AppendObject {
            bucket,
            key: key.to_owned(),
            base: ObjectBase::of(record),
            etag: appended_etag(record, &part.etag),
            checksum: appended_checksum(record, &part),
            part,
            number,
            precondition: request.condition.clone(),
            intent_epoch: write.intent_epoch(),
        };
        let reply = self.commit_write(write, Command::AppendObject(Box::new(command)), &rows).await;
        let reply = reply.map_err(|error| match error {
            ProposeError::Refused(Refusal::BaseChanged { .. }) => error.of_append(record.size),
            error => error.under(&request.condition),
        })?;
        Ok(PutResult { encryption: seal.map(|seal| seal.method().clone()), ..PutResult::of(reply)? })
    }
}

/// Whether an object that is encrypted by `method` can be appended to as the client says.
fn check_encryption(method: Option<&Method>, named: Option<&Protection>) -> Result<()> {
    let same = match (method, named) {
        (Some(Method::Customer), _) => return Err(Error::InvalidRequest(NO_APPENDING_WITH_CUSTOMER_KEYS)),
        (_, None) | (Some(Method::S3), Some(Protection::S3)) => true,
        (Some(Method::Kms(own)), Some(Protection::Kms(named)))
        | (Some(Method::Dual(own)), Some(Protection::Dual(named))) => own.key_id == named.key_id,
        _ => false,
    };
    if same { Ok(()) } else { Err(Error::EncryptionTypeMismatch) }
}

/// Whether the object has bytes that become its first part.
fn is_whole(record: &ObjectRecord) -> bool {
    let is_empty = matches!(&record.body, RecordBody::Inline(bytes) if bytes.is_empty());
    record.parts.is_empty() && !is_empty
}

/// The tag of an object with another part: it tells objects apart, and is no digest that a client could compute.
fn appended_etag(record: &ObjectRecord, part: &Etag) -> Etag {
    let part_count = record.parts.len() + usize::from(is_whole(record)) + 1;
    let part_count = u16::try_from(part_count).expect("at most 10,000 parts");
    Etag::Multipart { md5: md5_many::md5(format!("{} {part}", record.etag).as_bytes()), part_count }
}

/// The checksum of an object with another part: of all its bytes if that follows from the one before, else of its parts.
fn appended_checksum(record: &ObjectRecord, part: &PartRecord) -> Option<Checksum> {
    let (before, added) = (record.checksum.as_ref()?, part.checksum.as_ref()?);
    let (algorithm, added) = (added.algorithm(), (added.value(), part.size()));
    if before.kind() == ChecksumKind::FullObject {
        let joined = combine(algorithm, ChecksumKind::FullObject, &[(before.value(), record.size), added]);
        if joined.is_some() {
            return joined;
        }
    }
    let first = is_whole(record).then_some((Some(before), record.size)).into_iter();
    let parts = first.chain(record.parts.iter().map(|part| (part.checksum.as_ref(), part.size)));
    let parts = parts.map(|(checksum, size)| Some((checksum.filter(|it| it.algorithm() == algorithm)?.value(), size)));
    let parts: Option<Vec<_>> = parts.chain([Some(added)]).collect();
    combine(algorithm, ChecksumKind::Composite, &parts?)
}

#[cfg(test)]
mod tests {
    use encryption::KeyUse;

    use super::*;

    #[test]
    fn what_is_said_of_the_encryption_must_be_so() {
        let key = |key_id: &str| KeyUse { key_id: key_id.to_owned(), context: None, bucket_key: false };
        let check = |method: Option<Method>, named: Option<Protection>| {
            check_encryption(method.as_ref(), named.as_ref()).map_err(|error| error.to_string())
        };
        let mismatch = Err(Error::EncryptionTypeMismatch.to_string());
        assert_eq!(check(None, None), Ok(()));
        assert_eq!(check(Some(Method::S3), None), Ok(()));
        assert_eq!(check(Some(Method::S3), Some(Protection::S3)), Ok(()));
        assert_eq!(check(Some(Method::Kms(key("a"))), Some(Protection::Kms(key("a")))), Ok(()));
        assert_eq!(check(Some(Method::Kms(key("a"))), Some(Protection::Kms(key("b")))), mismatch);
        assert_eq!(check(Some(Method::Kms(key("a"))), Some(Protection::Dual(key("a")))), mismatch);
        assert_eq!(check(None, Some(Protection::S3)), mismatch);
        assert_eq!(check(Some(Method::Customer), None), Err(NO_APPENDING_WITH_CUSTOMER_KEYS.to_owned()));
    }
}
