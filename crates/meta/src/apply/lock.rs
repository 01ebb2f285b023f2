//! Object lock: what keeps versions from being removed.
//!
//! Whatever ends a version asks [`check_removal`] first, so that no command, and no combination of them, ends one that is
//! locked. The time that counts is the command's.

use super::draft::{Decision, Draft};
use crate::command::SetBucketLock;
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::record::{BucketRecord, Governance, ObjectRecord, Retention, VersionLock, Versioning};
use crate::view::TreeId;

/// Refuses to end a version while its lock keeps it.
pub(super) fn check_removal(
    draft: &Draft<'_>,
    object: &ObjectRecord,
    governance: Governance,
) -> std::result::Result<(), Refusal> {
    let kept = object.lock.keeps(draft.now().millis(), governance);
    if kept { Err(Refusal::Locked) } else { Ok(()) }
}

/// The lock of a new version: what it asks for, and the bucket's default for what it does not.
pub(super) fn of_new_version(
    draft: &Draft<'_>,
    bucket: &BucketRecord,
    requested: VersionLock,
) -> std::result::Result<VersionLock, Refusal> {
    let Some(lock) = &bucket.lock else {
        return if requested.is_empty() { Ok(requested) } else { Err(Refusal::NoObjectLock) };
    };
    let default = lock.default.map(|default| default.from(draft.now().millis()));
    Ok(VersionLock { retention: requested.retention.or(default), ..requested })
}

/// Refuses a change of a lock in a bucket whose versions cannot be locked.
pub(super) fn require(bucket: &BucketRecord) -> std::result::Result<(), Refusal> {
    if bucket.lock.is_some() { Ok(()) } else { Err(Refusal::NoObjectLock) }
}

/// Replaces the retention of a version.
pub(super) fn set_retention(
    draft: &Draft<'_>,
    lock: &mut VersionLock,
    next: Option<Retention>,
    governance: Governance,
) -> std::result::Result<(), Refusal> {
    let now = draft.now().millis();
    if lock.retention.is_some_and(|retention| !retention.may_become(next, now, governance)) {
        return Err(Refusal::Locked);
    }
    lock.retention = next;
    Ok(())
}

pub(super) fn set_bucket_lock(draft: &mut Draft<'_>, command: &SetBucketLock) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
    if record.versioning != Some(Versioning::Enabled) {
        return Err(Refusal::NotVersioned.into());
    }
    if record.lock != Some(command.lock) {
        let record = BucketRecord { lock: Some(command.lock), ..record };
        draft.put(TreeId::Catalog, keys::bucket(command.bucket), &record);
    }
    Ok(Reply::Done)
}
