//! Appending to objects: the bytes that are there stay where they are, and a segment with the new ones comes behind theirs.
//!
//! Only in buckets that never had versions, where a version may change. Both commands are a compare-and-swap on the version
//! that the proposer has read, since entity tag and checksum follow from it.

use super::draft::{Decision, Draft, ResultKey};
use super::object::{Subject, check_precondition, supersede, time_above};
use super::upload::check_size;
use super::version::{self, Key};
use super::{KEY_SIZE_MAX, check_name, lifecycle, manifest};
use crate::command::{AppendObject, ObjectBase, StripeBody};
use crate::keys;
use crate::outcome::{InvalidManifest, Refusal, Reply};
use crate::record::{
    Body, BucketRecord, ChecksumKind, IntentEpoch, ObjectPart, ObjectRecord, PART_NUMBER_MAX, PartRecord,
    RememberedReply, Segment,
};
use crate::view::{BucketId, TreeId};

pub(super) fn stripe_body(draft: &mut Draft<'_>, command: &StripeBody) -> Decision<Reply> {
    let StripeBody { bucket, key, base, body, intent_epoch } = command;
    check_name(key, KEY_SIZE_MAX)?;
    let record = require_unversioned(draft, *bucket)?;
    let current = draft.current(*bucket, key)?;
    let names_it = |object: &ObjectRecord| object.segments().iter().any(|it| it.write_id == body.segment.write_id);
    if current.as_ref().is_some_and(names_it) {
        return Ok(Reply::Done);
    }
    let current = require_base(current, base)?;
    if current.body != Body::Apart {
        return Err(Refusal::BaseChanged { size: Some(current.size) }.into());
    }
    if body.segment.size != current.stored_size() {
        return Err(Refusal::InvalidManifest(InvalidManifest::Size).into());
    }
    let segment = adopt(draft, (*bucket, key), (&current, body), *intent_epoch)?;
    let key = Key::of(*bucket, &record, key, None);
    version::remove_body(draft, &key, &current);
    draft.put(key.tree(), key.current(), &ObjectRecord { body: Body::Striped(vec![segment]), ..current });
    Ok(Reply::Done)
}

pub(super) fn append(draft: &mut Draft<'_>, command: &AppendObject) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.part.segment.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let record = require_unversioned(draft, command.bucket)?;
    let current = draft.current(command.bucket, &command.key)?;
    check_precondition(&command.precondition, current.as_ref().map(Subject::of_object))?;
    let current = require_base(current, &command.base)?;
    let segment = adopt(draft, (command.bucket, &command.key), (&current, &command.part), command.intent_epoch)?;
    let mut object = with_part(&current, command, segment)?;
    object.modified = time_above(draft, Some(&current));

    let lifecycle = lifecycle::of(draft, command.bucket, &record)?;
    let key = Key::of(command.bucket, &record, &command.key, lifecycle.as_ref());
    // The version before ends, and its segments are those of this one.
    let (put, _) = supersede(draft, &key, Some(current), object)?;
    draft.remember(result, RememberedReply::Put(put.clone()))?;
    Ok(Reply::ObjectPut(put))
}

fn require_unversioned(draft: &Draft<'_>, bucket: BucketId) -> Decision<BucketRecord> {
    let record = draft.require_bucket(bucket)?;
    if record.versioning.is_some() { Err(Refusal::Versioned.into()) } else { Ok(record) }
}

/// The object, which must be the one that the proposer has read.
fn require_base(current: Option<ObjectRecord>, base: &ObjectBase) -> std::result::Result<ObjectRecord, Refusal> {
    let size = current.as_ref().map(|current| current.size);
    current.filter(|current| ObjectBase::of(current) == *base).ok_or(Refusal::BaseChanged { size })
}

/// Takes the segment of a new part of `current`, or of its body, into the records.
fn adopt(
    draft: &mut Draft<'_>,
    (bucket, key): (BucketId, &str),
    (current, part): (&ObjectRecord, &PartRecord),
    intent_epoch: IntentEpoch,
) -> Decision<Segment> {
    manifest::check_intent_epoch(draft, part.segment.write_id, intent_epoch)?;
    manifest::check_segment(draft, &part.segment)?;
    check_size(current.encryption.as_ref(), part).map_err(Refusal::InvalidManifest)?;
    let segment = manifest::stamped(&part.segment, draft.now());
    manifest::adopt(draft, &segment, TreeId::Objects(bucket), &keys::object(key))?;
    Ok(segment)
}

/// The object with its new part. One that was put whole becomes the first part, unless it is empty.
fn with_part(
    current: &ObjectRecord,
    command: &AppendObject,
    segment: Segment,
) -> std::result::Result<ObjectRecord, Refusal> {
    let mut object = current.clone();
    let mut segments = match &current.body {
        Body::Striped(segments) => segments.clone(),
        Body::Inline(bytes) if bytes.is_empty() => Vec::new(),
        Body::Inline(_) | Body::Apart => return Err(Refusal::BaseChanged { size: Some(current.size) }),
    };
    if object.parts.is_empty() && !segments.is_empty() {
        let checksum = object.checksum.clone().filter(|checksum| checksum.kind() == ChecksumKind::FullObject);
        object.parts.push(ObjectPart { number: 1, size: object.size, checksum });
        object.was_whole = true;
    }
    if object.parts.last().map_or(0, |part| part.number) == PART_NUMBER_MAX {
        return Err(Refusal::TooManyParts);
    }
    let number = object.parts.last().map_or(1, |part| part.number + 1);
    if number != command.number {
        return Err(Refusal::InvalidPartNumber(command.number));
    }
    let PartRecord { checksum, .. } = &command.part;
    object.parts.push(ObjectPart { number, size: command.part.size(), checksum: checksum.clone() });
    segments.push(segment);
    object.body = Body::Striped(segments);
    object.size += command.part.size();
    object.etag = command.etag.clone();
    object.checksum = command.checksum.clone();
    Ok(object)
}
