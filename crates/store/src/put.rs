//! PutObject.

use std::collections::BTreeMap;

use encryption::{Method, Protection, SegmentName};
use env::UnixMillis;
use meta::command::{PutAnnotated, PutObject};
use meta::record::{Body, ObjectRecord, Segment, VersionLock};
use meta::{Command, ObjectPut, Refusal, Reply};
use placement::Group;

use crate::active::ActiveWrite;
use crate::annotation::StoredAnnotations;
use crate::body;
use crate::body_writer::{BodyPlan, Content, store_body};
use crate::bucket::Bucket;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumRequest};
use crate::condition::Precondition;
use crate::error::{Error, ProposeError, Result};
use crate::etag::Etag;
use crate::retarget::{WrittenRows, retarget};
use crate::sealing::Seal;
use crate::store::Store;
use crate::version::VersionName;

/// Largest body of a PUT, of a part and of a copy.
pub(crate) const OBJECT_SIZE_MAX: u64 = 5 << 30;

/// How often a commit is proposed again because the placement changed meanwhile.
const RETARGETS_MAX: usize = 4;

/// What S3 computes since 2024 when the client names no algorithm.
pub(crate) const CHECKSUM_DEFAULT: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;

/// What goes with the body of a PUT.
#[derive(Clone, Debug, Default)]
pub struct PutRequest {
    /// Standard headers to keep (`content-type`, `cache-control`, ...), names in lower case.
    pub headers: BTreeMap<String, String>,
    /// User metadata, names in lower case and without `x-amz-meta-`.
    pub user_metadata: BTreeMap<String, String>,
    /// Storage class to echo; `None` is `STANDARD`.
    pub storage_class: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Access control list, which is kept as it is; `None`: the object is the bucket's owner's alone.
    pub acl: Option<String>,
    /// How to encrypt it; `None` does not.
    pub protection: Option<Protection>,
    /// What keeps the version from being removed; the bucket's default for what it leaves open.
    pub lock: VersionLock,
    /// What must hold of the current version.
    pub condition: Precondition,
    /// What the body must be.
    pub expected: ExpectedBody,
}

/// What the client declared about a body. A body that differs is not stored.
#[derive(Clone, Debug, Default)]
pub struct ExpectedBody {
    /// Number of bytes after decoding any transfer or chunk encoding.
    pub size: Option<u64>,
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// `x-amz-checksum-*` and its relatives.
    pub checksum: ChecksumRequest,
}

/// What a PUT, a part, a copy or a completion made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// Entity tag.
    pub etag: Etag,
    /// Stored checksum.
    pub checksum: Option<Checksum>,
    /// Size.
    pub size: u64,
    /// When it was committed.
    pub modified: UnixMillis,
    /// How requests name it; `None` for a part, and in a bucket whose objects never had versions.
    pub version: Option<VersionName>,
    /// How it is encrypted; `None`: it is not.
    pub encryption: Option<Method>,
}

/// An object that has been stored and is what the client declared. Nothing names it yet.
pub(crate) struct PreparedPut {
    pub(crate) write: ActiveWrite,
    command: PutObject,
    rows: WrittenRows,
    encryption: Option<Method>,
}

impl Store {
    /// Stores `body` under `key`, whole or not at all.
    ///
    /// Durable on return. Dropped before it resolves, the object may or may not be stored.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` (`If-Match` on a missing key), `BadDigest`,
    /// `ChecksumMismatch`, `EntityTooLarge` (5 GiB), `Key`, `Body`, `QuotaExceeded`, `SlowDown`, `DiskFull`, `Unavailable`.
    pub async fn put_object(
        &self,
        bucket: &Bucket,
        key: &str,
        request: PutRequest,
        body: Box<dyn body::Body>,
    ) -> Result<PutResult> {
        let prepared = self.prepare_put(bucket, key, request, body).await?;
        self.commit_put(prepared, StoredAnnotations::none(self)).await
    }

    /// Stores `body`. Nothing names it yet.
    pub(crate) async fn prepare_put(
        &self,
        bucket: &Bucket,
        key: &str,
        request: PutRequest,
        body: Box<dyn body::Body>,
    ) -> Result<PreparedPut> {
        let seal = self.new_seal(request.protection.as_ref(), bucket.id).await?;
        let write = self.begin_write();
        let algorithm = request.expected.checksum.algorithm().unwrap_or(CHECKSUM_DEFAULT);
        let plan = BodyPlan {
            expected: &request.expected,
            algorithms: &[algorithm],
            inline_size_max: self.config().inline_size_max,
            size_max: OBJECT_SIZE_MAX,
            sealer: seal.as_ref().map(|seal| seal.sealer(SegmentName::Whole)).transpose()?,
        };
        let stored = store_body(self, &write, &plan, body).await?;
        let etag = stored.etag(seal.as_ref());
        let (body, rows) = match stored.content {
            Content::Inline(bytes) => (Body::Inline(bytes), WrittenRows::new()),
            Content::Striped(segment, rows) => (Body::Striped(vec![segment]), rows),
        };
        let object = ObjectRecord {
            storage_class: request.storage_class,
            checksum: Some(stored.digests.checksum(algorithm)),
            headers: request.headers,
            user_metadata: request.user_metadata,
            tags: request.tags,
            acl: request.acl,
            encryption: seal.as_ref().map(Seal::record),
            lock: request.lock,
            ..ObjectRecord::plain(stored.size, etag, body)
        };
        let command = PutObject {
            bucket: bucket.id,
            key: key.to_owned(),
            object,
            precondition: request.condition,
            write_id: write.write_id(),
            intent_epoch: write.intent_epoch(),
        };
        Ok(PreparedPut { write, command, rows, encryption: seal.map(|seal| seal.method().clone()) })
    }

    /// Makes what was stored an object, with these annotations.
    pub(crate) async fn commit_put(
        &self,
        prepared: PreparedPut,
        annotations: StoredAnnotations<'_>,
    ) -> Result<PutResult> {
        let PreparedPut { write, command, mut rows, encryption } = prepared;
        let condition = command.precondition.clone();
        let (mut writes, annotations) = annotations.take(&mut rows);
        writes.push(write);
        let command = if annotations.is_empty() {
            Command::PutObject(Box::new(command))
        } else {
            Command::PutAnnotated(Box::new(PutAnnotated { put: command, annotations }))
        };
        let reply = self.commit_writes(writes, command, &rows).await;
        let result = PutResult::of(reply.map_err(|error| error.under(&condition))?)?;
        Ok(PutResult { encryption, ..result })
    }

    /// Commits what a write has stored by `rows`. When the metadata refuses it, its shards are deleted in the background;
    /// when the outcome is unknown, orphan collection finds out.
    pub(crate) async fn commit_write(
        &self,
        write: ActiveWrite,
        command: Command,
        rows: &WrittenRows,
    ) -> Result<Reply, ProposeError> {
        self.commit_writes(vec![write], command, rows).await
    }

    /// Commits what several writes have stored, all of it or nothing.
    async fn commit_writes(
        &self,
        writes: Vec<ActiveWrite>,
        command: Command,
        rows: &WrittenRows,
    ) -> Result<Reply, ProposeError> {
        // Only what has shards is ever proposed again.
        let written = (!rows.is_empty()).then(|| command.clone());
        let mut committed = self.propose(command).await;
        for _ in 0..RETARGETS_MAX {
            let Err(ProposeError::Refused(Refusal::StaleGroup { group, epoch })) = committed else { break };
            // From what was written, not from an earlier attempt: `rows` know nothing of that one's epochs.
            let Some(mut command) = written.clone() else { break };
            let moved_on = |row: &Group| epoch < row.epoch;
            self.shards().wait_for_topology(|topology| topology.table().group(group).is_some_and(moved_on)).await;
            for segment in segments_mut(&mut command) {
                retarget(segment, rows, &self.cluster().topology());
            }
            committed = self.propose(command).await;
        }
        if matches!(committed, Err(ProposeError::Refused(_) | ProposeError::Full)) {
            writes.iter().for_each(|write| self.discard(write.write_id()));
        }
        drop(writes);
        committed
    }
}

/// The manifests that a commit names.
fn segments_mut(command: &mut Command) -> Vec<&mut Segment> {
    match command {
        Command::PutObject(put) => segments_of(&mut put.object),
        Command::PutPart(put) => vec![&mut put.part.segment],
        Command::StripeBody(striped) => vec![&mut striped.body.segment],
        Command::AppendObject(append) => vec![&mut append.part.segment],
        Command::PutAnnotation(put) => segments_of(&mut put.annotation.record),
        Command::PutAnnotated(put) => {
            let annotations = put.annotations.values_mut().map(|annotation| &mut annotation.record);
            std::iter::once(&mut put.put.object).chain(annotations).flat_map(segments_of).collect()
        }
        _ => Vec::new(),
    }
}

fn segments_of(record: &mut ObjectRecord) -> Vec<&mut Segment> {
    match &mut record.body {
        Body::Striped(segments) => segments.iter_mut().collect(),
        Body::Inline(_) | Body::Apart => Vec::new(),
    }
}

impl PutResult {
    /// Reads the reply to a put or a completion, which does not tell how the object is encrypted.
    pub(crate) fn of(reply: Reply) -> Result<Self> {
        let Reply::ObjectPut(put) = reply else { return Err(Error::unexpected_reply()) };
        let ObjectPut { modified, etag, checksum, size, version } = put;
        Ok(Self { etag, checksum, size, modified: modified.millis(), version, encryption: None })
    }
}
