//! Multipart uploads.

use std::collections::BTreeMap;

use env::Bug;

use super::draft::{Decision, Draft, ResultKey};
use super::lifecycle::{self, Lifecycle};
use super::object::{Subject, check_precondition, replace};
use super::version::Key;
use super::{KEY_SIZE_MAX, check_name, lock, manifest};
use crate::command::{AbortUpload, CompleteUpload, CreateUpload, PutPart};
use crate::keys;
use crate::outcome::{InvalidManifest, Refusal, Reply};
use crate::query;
use crate::record::{
    Body, BucketRecord, EncryptionRecord, Hlc, ObjectPart, ObjectRecord, PART_NUMBER_MAX, PART_SIZE_MIN, PartRecord,
    RememberedReply, UploadId, UploadRecord,
};
use crate::view::{BucketId, TreeId};

/// The only site so far.
const SITE: u16 = 0;

pub(super) fn create(draft: &mut Draft<'_>, command: &CreateUpload) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let bucket = draft.require_bucket(command.bucket)?;
    if !command.upload.lock.is_empty() {
        lock::require(&bucket)?;
    }
    let id = UploadId { initiated: draft.now(), site: SITE };
    draft.put(TreeId::Uploads(command.bucket), keys::upload(&command.key, id), &command.upload);
    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    lifecycle::enter_upload(draft, lifecycle.as_ref(), &command.key, id);
    Ok(Reply::UploadCreated(id))
}

pub(super) fn put_part(draft: &mut Draft<'_>, command: &PutPart) -> Decision<Reply> {
    let PutPart { bucket, key, upload, number, part, intent_epoch } = command;
    let (_, of_upload) = require_upload(draft, *bucket, key, *upload)?;
    if !(1..=PART_NUMBER_MAX).contains(number) {
        return Err(Refusal::InvalidPartNumber(*number).into());
    }
    let tree = TreeId::Uploads(*bucket);
    let part_key = keys::part(*upload, *number);
    let previous: Option<PartRecord> = draft.read(tree, &part_key)?;
    if let Some(previous) = &previous
        && previous.segment.write_id == part.segment.write_id
    {
        return Ok(Reply::PartPut { modified: previous.modified });
    }
    manifest::check_intent_epoch(draft, part.segment.write_id, *intent_epoch)?;
    manifest::check_segment(draft, &part.segment)?;
    check_size(of_upload.encryption.as_ref(), part).map_err(Refusal::InvalidManifest)?;

    let above_previous = previous.as_ref().map_or(Hlc::ZERO, |previous| previous.modified.next_millisecond());
    let modified = draft.now().max(above_previous);
    let part = PartRecord { modified, segment: manifest::stamped(&part.segment, draft.now()), ..part.clone() };
    manifest::adopt(draft, &part.segment, tree, &part_key)?;
    draft.put(tree, part_key, &part);
    if let Some(previous) = previous {
        manifest::retire(draft, &previous.segment);
    }
    Ok(Reply::PartPut { modified })
}

pub(super) fn complete(draft: &mut Draft<'_>, command: &CompleteUpload) -> Decision<Reply> {
    let result = ResultKey::Upload(keys::upload_result(command.bucket, command.upload));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let (bucket, upload) = require_upload(draft, command.bucket, &command.key, command.upload)?;
    let mut stored: BTreeMap<_, _> = query::parts(draft.view(), command.bucket, command.upload)?.into_iter().collect();
    let listed = take_listed(command, &mut stored)?;
    let current = draft.current(command.bucket, &command.key)?;
    check_precondition(&command.precondition, current.as_ref().map(Subject::of_object))?;

    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    let lifecycle = lifecycle.as_ref();
    lifecycle::leave_upload(draft, lifecycle, &command.key, command.upload);
    remove_upload(draft, command.bucket, &command.key, command.upload, listed.iter().chain(&stored));
    stored.values().for_each(|unlisted| manifest::retire(draft, &unlisted.segment));
    if Bug::PartsRetired.is_planted() {
        listed.values().for_each(|part| manifest::retire(draft, &part.segment));
    }
    let object_key = keys::object(&command.key);
    for part in listed.values() {
        manifest::set_owner(draft, part.segment.write_id, TreeId::Objects(command.bucket), &object_key);
    }
    let mut object = assemble(command, upload, listed);
    object.lock = lock::of_new_version(draft, &bucket, object.lock)?;
    let key = Key::of(command.bucket, &bucket, &command.key, lifecycle);
    let reply = replace(draft, &key, current, object)?;
    draft.remember(result, RememberedReply::Put(reply.clone()))?;
    Ok(Reply::ObjectPut(reply))
}

/// A part is encrypted exactly when its upload, or the object it is appended to, is, and takes as much room as it must.
pub(super) fn check_size(
    encryption: Option<&EncryptionRecord>,
    part: &PartRecord,
) -> std::result::Result<(), InvalidManifest> {
    let sealed_size = encryption.zip(part.plain_size).map(|(by, size)| by.sealed_size(size));
    let plain = encryption.is_none() && part.plain_size.is_none();
    if plain || sealed_size == Some(part.segment.size) { Ok(()) } else { Err(InvalidManifest::Size) }
}

/// Takes the listed parts out of `stored`, once they are found to be as listed.
fn take_listed(
    command: &CompleteUpload,
    stored: &mut BTreeMap<u16, PartRecord>,
) -> std::result::Result<BTreeMap<u16, PartRecord>, Refusal> {
    let last_number = command.parts.last().ok_or(Refusal::NoParts)?.number;
    for pair in command.parts.windows(2) {
        if pair[1].number <= pair[0].number {
            return Err(Refusal::InvalidPartOrder(pair[1].number));
        }
    }
    let mut listed = BTreeMap::new();
    for part in &command.parts {
        let number = part.number;
        let found = stored.remove(&number).filter(|found| {
            let same_checksum = part.checksum.is_none() || part.checksum == found.checksum;
            part.etag == found.etag && same_checksum
        });
        listed.insert(number, found.ok_or(Refusal::InvalidPart(number))?);
    }
    for (&number, part) in &listed {
        let size = part.size();
        if size < PART_SIZE_MIN && number != last_number {
            return Err(Refusal::PartTooSmall { number, size });
        }
    }
    Ok(listed)
}

/// The object that consists of the listed parts: their segments are linked, not copied.
fn assemble(command: &CompleteUpload, upload: UploadRecord, listed: BTreeMap<u16, PartRecord>) -> ObjectRecord {
    let mut parts = Vec::with_capacity(listed.len());
    let mut segments = Vec::with_capacity(listed.len());
    for (number, part) in listed {
        parts.push(ObjectPart { number, size: part.size(), checksum: part.checksum });
        segments.push(part.segment);
    }
    let size = parts.iter().map(|part| part.size).sum();
    ObjectRecord {
        storage_class: upload.storage_class,
        checksum: command.checksum.clone(),
        headers: upload.headers,
        user_metadata: upload.user_metadata,
        tags: upload.tags,
        parts,
        acl: upload.acl,
        encryption: upload.encryption,
        lock: upload.lock,
        ..ObjectRecord::plain(size, command.etag.clone(), Body::Striped(segments))
    }
}

pub(super) fn abort(draft: &mut Draft<'_>, command: &AbortUpload) -> Decision<Reply> {
    let (bucket, _) = require_upload(draft, command.bucket, &command.key, command.upload)?;
    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    drop_upload(draft, lifecycle.as_ref(), command.bucket, &command.key, command.upload)?;
    Ok(Reply::Done)
}

/// Drops an upload that exists, with its parts.
pub(super) fn drop_upload(
    draft: &mut Draft<'_>,
    lifecycle: Option<&Lifecycle>,
    bucket: BucketId,
    key: &str,
    id: UploadId,
) -> Decision<()> {
    let stored = query::parts(draft.view(), bucket, id)?;
    for (_, part) in &stored {
        manifest::retire(draft, &part.segment);
    }
    lifecycle::leave_upload(draft, lifecycle, key, id);
    remove_upload(draft, bucket, key, id, stored.iter().map(|(number, part)| (number, part)));
    Ok(())
}

/// An upload that must exist, and its bucket.
fn require_upload(
    draft: &Draft<'_>,
    bucket: BucketId,
    key: &str,
    id: UploadId,
) -> Decision<(BucketRecord, UploadRecord)> {
    let record = draft.require_bucket(bucket)?;
    let upload: Option<UploadRecord> = query::upload(draft.view(), bucket, key, id)?;
    Ok((record, upload.ok_or(Refusal::NoSuchUpload)?))
}

fn remove_upload<'a>(
    draft: &mut Draft<'_>,
    bucket: BucketId,
    key: &str,
    id: UploadId,
    parts: impl Iterator<Item = (&'a u16, &'a PartRecord)>,
) {
    let tree = TreeId::Uploads(bucket);
    draft.remove(tree, keys::upload(key, id));
    for (&number, _) in parts {
        draft.remove(tree, keys::part(id, number));
    }
}
