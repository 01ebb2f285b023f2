//! Creating, configuring and deleting buckets.

use super::check_name;
use super::draft::{Decision, Draft};
use super::lifecycle_index;
use super::manifest;
use crate::command::{
    CONFIGURATION_SIZE_MAX, ChangeBucketConfiguration, CreateBucket, DeleteBucket, DrainUploads,
    SetBucketConfiguration, SetBucketVersioning,
};
use crate::error::{Error, Result};
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::record::{
    BucketLock, BucketNameRecord, BucketRecord, ConfigurationKind, ConfigurationRecord, DrainingRecord, Hlc,
    PartRecord, UnknownFields, Versioning,
};
use crate::view::{BucketId, TreeId, decode};

/// Most bytes of a bucket name. S3 allows fewer; old buckets of some clients have longer names.
const NAME_SIZE_MAX: usize = 255;

pub(super) fn create(draft: &mut Draft<'_>, command: &CreateBucket) -> Decision<Reply> {
    check_name(&command.name, NAME_SIZE_MAX)?;
    let name_key = keys::bucket_name(&command.name);
    if let Some(name) = draft.read::<BucketNameRecord>(TreeId::Catalog, &name_key)? {
        let existing: Option<BucketRecord> = draft.read(TreeId::Catalog, &keys::bucket(name.id))?;
        return match existing {
            Some(record) => Err(Refusal::BucketExists(record).into()),
            None => Err(Error::Inconsistent("a bucket's name has no bucket").into()),
        };
    }
    let id = BucketId(draft.state.next_bucket);
    draft.state.next_bucket += 1;
    for value in command.configurations.values() {
        check_size(value)?;
    }
    for (kind, value) in &command.configurations {
        put_configuration(draft, id, *kind, value);
    }
    let record = BucketRecord {
        name: command.name.clone(),
        created: draft.now(),
        owner: command.owner.clone(),
        region: command.region.clone(),
        configured: if command.configurations.is_empty() { Hlc::ZERO } else { draft.now() },
        versioning: command.has_lock.then_some(Versioning::Enabled),
        lock: command.has_lock.then(BucketLock::default),
        quota: None,
        lifecycle: None,
        unknown: UnknownFields::default(),
    };
    draft.put(TreeId::Catalog, name_key, &BucketNameRecord { id, unknown: UnknownFields::default() });
    draft.put(TreeId::Catalog, keys::bucket(id), &record);
    Ok(Reply::BucketCreated(id))
}

pub(super) fn delete(draft: &mut Draft<'_>, command: &DeleteBucket) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
    let objects = TreeId::Objects(command.bucket);
    if draft.view().cursor(objects)?.next()?.is_some() {
        return Err(Refusal::BucketNotEmpty.into());
    }
    draft.remove(TreeId::Catalog, keys::bucket_name(&record.name));
    remove_documents(draft, command.bucket)?;
    lifecycle_index::drain(draft, command.bucket, &record);
    if record.quota.is_some() {
        draft.remove(TreeId::Internal, keys::usage(command.bucket));
    }
    draft.drop_tree(objects);
    let uploads = TreeId::Uploads(command.bucket);
    if draft.view().cursor(uploads)?.next()?.is_none() {
        draft.drop_tree(uploads);
    } else {
        // There may be any number of parts, and one command must not have effects without bound.
        draft.put(TreeId::Internal, keys::draining(command.bucket), &DrainingRecord::default());
    }
    Ok(Reply::Done)
}

/// Removes a bucket's record and its configurations.
fn remove_documents(draft: &mut Draft<'_>, bucket: BucketId) -> Result<()> {
    let prefix = keys::bucket_documents(bucket);
    let mut cursor = draft.view().cursor(TreeId::Catalog)?;
    cursor.seek(&prefix)?;
    while let Some((key, _)) = cursor.next()?.filter(|(key, _)| key.starts_with(&prefix)) {
        draft.remove(TreeId::Catalog, key);
    }
    Ok(())
}

pub(super) fn set_configuration(draft: &mut Draft<'_>, command: &SetBucketConfiguration) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
    let key = keys::configuration(command.bucket, command.kind);
    match &command.value {
        Some(value) => {
            check_size(value)?;
            put_configuration(draft, command.bucket, command.kind, value);
        }
        None if draft.read::<ConfigurationRecord>(TreeId::Catalog, &key)?.is_none() => return Ok(Reply::Done),
        None => draft.remove(TreeId::Catalog, key),
    }
    let record = BucketRecord { configured: draft.now(), ..record };
    draft.put(TreeId::Catalog, keys::bucket(command.bucket), &record);
    Ok(Reply::Done)
}

pub(super) fn change_configuration(draft: &mut Draft<'_>, command: &ChangeBucketConfiguration) -> Decision<Reply> {
    let record = draft.require_bucket(command.change.bucket)?;
    if record.configured != command.configured {
        return Err(Refusal::VersionChanged { version: record.configured.bits() }.into());
    }
    set_configuration(draft, &command.change)
}

pub(super) fn check_size(value: &[u8]) -> std::result::Result<(), Refusal> {
    let fits = value.len() <= CONFIGURATION_SIZE_MAX;
    if fits { Ok(()) } else { Err(Refusal::ConfigurationTooLarge { size: value.len() as u64 }) }
}

pub(super) fn put_configuration(draft: &mut Draft<'_>, bucket: BucketId, kind: ConfigurationKind, value: &[u8]) {
    let record = ConfigurationRecord { value: value.to_vec().into(), unknown: UnknownFields::default() };
    draft.put(TreeId::Catalog, keys::configuration(bucket, kind), &record);
}

pub(super) fn set_versioning(draft: &mut Draft<'_>, command: &SetBucketVersioning) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
    if record.lock.is_some() && command.versioning != Versioning::Enabled {
        return Err(Refusal::VersioningLocked.into());
    }
    if record.versioning != Some(command.versioning) {
        let record = BucketRecord { versioning: Some(command.versioning), ..record };
        draft.put(TreeId::Catalog, keys::bucket(command.bucket), &record);
    }
    Ok(Reply::Done)
}

pub(super) fn drain_uploads(draft: &mut Draft<'_>, command: &DrainUploads) -> Decision<Reply> {
    let draining_key = keys::draining(command.bucket);
    if draft.read::<DrainingRecord>(TreeId::Internal, &draining_key)?.is_none() {
        return Ok(Reply::Drained { finished: true });
    }
    let uploads = TreeId::Uploads(command.bucket);
    let mut drained = Vec::new();
    let mut cursor = draft.view().cursor(uploads)?;
    let mut following = cursor.next()?;
    while let Some((key, value)) = following.take_if(|_| drained.len() < command.limit.max(1) as usize) {
        if keys::is_part(&key) {
            let part: PartRecord = decode(uploads, &key, &value)?;
            manifest::retire(draft, &part.segment);
        }
        drained.push(key);
        following = cursor.next()?;
    }
    let finished = following.is_none();
    if finished {
        draft.drop_tree(uploads);
        draft.remove(TreeId::Internal, draining_key);
    } else {
        drained.into_iter().for_each(|key| draft.remove(uploads, key));
    }
    Ok(Reply::Drained { finished })
}
