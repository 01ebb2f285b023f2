//! Quotas of buckets.
//!
//! A bucket with a quota has a count of what it holds, which every command changes in the same step: sums over a tree with
//! many recent changes would be too slow to ask for with each commit. It begins with such a sum when a quota is set.
//! Whatever puts something into a bucket beyond its quota is refused. What adds nothing is not, also above it, nor is a
//! deletion by which an older version shows again.

use super::draft::{Decision, Draft};
use crate::command::{Command, SetBucketQuota};
use crate::error::Error;
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{BucketRecord, Quota, UnknownFields, UsageRecord};
use crate::view::{BucketId, TreeId};

/// What a command adds to a bucket with a quota, or takes away.
pub(super) struct Growth {
    pub(super) bucket: BucketId,
    pub(super) quota: Quota,
    pub(super) bytes: i64,
    pub(super) objects: i64,
}

/// A size as it is added or taken away.
pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).expect("sizes have fewer than 63 bits")
}

/// Counts what `command` has changed, and refuses what the quota forbids.
pub(super) fn settle(draft: &mut Draft<'_>, command: &Command) -> Decision<()> {
    let Some(Growth { bucket, quota, bytes, objects }) = draft.growth.take() else { return Ok(()) };
    let key = keys::usage(bucket);
    let usage: Option<UsageRecord> = draft.read(TreeId::Internal, &key)?;
    let usage = usage.ok_or(Error::Inconsistent("a bucket with a quota is not counted"))?;
    let after = usage.bytes.checked_add_signed(bytes).zip(usage.objects.checked_add_signed(objects));
    let (bytes_after, objects_after) = after.ok_or(Error::Inconsistent("a bucket was counted wrong"))?;
    let exceeds = |added: i64, after: u64, limit: Option<u64>| 0 < added && limit.is_some_and(|limit| limit < after);
    let puts = matches!(
        command,
        Command::PutObject(_)
            | Command::CompleteUpload(_)
            | Command::AppendObject(_)
            | Command::PutAnnotation(_)
            | Command::PutAnnotated(_)
    );
    if puts && (exceeds(bytes, bytes_after, quota.bytes) || exceeds(objects, objects_after, quota.objects)) {
        return Err(Refusal::QuotaExceeded.into());
    }
    if (bytes, objects) != (0, 0) {
        let usage = UsageRecord { bytes: bytes_after, objects: objects_after, ..usage };
        draft.put(TreeId::Internal, key, &usage);
    }
    Ok(())
}

pub(super) fn set(draft: &mut Draft<'_>, command: &SetBucketQuota) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
    let key = keys::usage(command.bucket);
    match (&record.quota, &command.quota) {
        (None, Some(_)) => {
            let held = query::bucket_usage(draft.view(), command.bucket)?;
            let usage = UsageRecord { bytes: held.bytes, objects: held.objects, unknown: UnknownFields::default() };
            draft.put(TreeId::Internal, key, &usage);
        }
        (Some(_), None) => draft.remove(TreeId::Internal, key),
        (Some(_), Some(_)) | (None, None) => {}
    }
    if record.quota != command.quota {
        let record = BucketRecord { quota: command.quota, ..record };
        draft.put(TreeId::Catalog, keys::bucket(command.bucket), &record);
    }
    Ok(Reply::Done)
}
