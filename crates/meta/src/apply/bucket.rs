//! Creating, configuring and deleting buckets.

use super::check_name;
use super::draft::{Decision, Draft};
use super::manifest;
use crate::command::{
    CONFIGURATION_SIZE_MAX, CreateBucket, DeleteBucket, DrainUploads, SetBucketConfiguration, SetBucketVersioning,
};
use crate::error::{Error, Result};
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::record::{
    BucketNameRecord, BucketRecord, ConfigurationRecord, DrainingRecord, Hlc, PartRecord, UnknownFields,
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
    let record = BucketRecord {
        name: command.name.clone(),
        created: draft.now(),
        owner: command.owner.clone(),
        region: command.region.clone(),
        configured: Hlc::ZERO,
        versioning: None,
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
        Some(value) if CONFIGURATION_SIZE_MAX < value.len() => {
            return Err(Refusal::ConfigurationTooLarge { size: value.len() as u64 }.into());
        }
        Some(value) => {
            let value = value.clone().into();
            draft.put(TreeId::Catalog, key, &ConfigurationRecord { value, unknown: UnknownFields::default() });
        }
        None if draft.read::<ConfigurationRecord>(TreeId::Catalog, &key)?.is_none() => return Ok(Reply::Done),
        None => draft.remove(TreeId::Catalog, key),
    }
    let record = BucketRecord { configured: draft.now(), ..record };
    draft.put(TreeId::Catalog, keys::bucket(command.bucket), &record);
    Ok(Reply::Done)
}

pub(super) fn set_versioning(draft: &mut Draft<'_>, command: &SetBucketVersioning) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
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
