//! Putting and deleting objects.

use env::Bug;

use super::draft::{Decision, Draft, ResultKey};
use super::{KEY_SIZE_MAX, check_name, manifest};
use crate::command::{DeleteObject, EtagCondition, Precondition, PutObject};
use crate::keys;
use crate::outcome::{InvalidManifest, ObjectPut, Refusal, Reply};
use crate::record::{Body, BodyRecord, Etag, Hlc, ObjectRecord, RememberedReply, Segment, UnknownFields};
use crate::view::{BucketId, TreeId};

pub(super) fn put(draft: &mut Draft<'_>, command: &PutObject) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    draft.require_bucket(command.bucket)?;
    manifest::check_intent_epoch(draft, command.write_id, command.intent_epoch)?;
    check_body(command).map_err(Refusal::InvalidManifest)?;
    if let Body::Striped(segments) = &command.object.body {
        segments.iter().try_for_each(|segment| manifest::check_segment(draft, segment))?;
    }
    let current = draft.current(command.bucket, &command.key)?;
    check_precondition(&command.precondition, current.as_ref())?;

    let mut object = command.object.clone();
    if let Body::Striped(segments) = &mut object.body {
        let key = keys::object(&command.key);
        for segment in segments {
            *segment = manifest::stamped(segment, draft.now());
            manifest::adopt(draft, segment, TreeId::Objects(command.bucket), &key)?;
        }
    }
    let reply = replace(draft, command.bucket, &command.key, current, object);
    draft.remember(result, RememberedReply::Put(reply.clone()))?;
    Ok(Reply::ObjectPut(reply))
}

/// A plain object is inline or one segment, the command's write, and has no parts.
fn check_body(command: &PutObject) -> std::result::Result<(), InvalidManifest> {
    let object = &command.object;
    let size = match &object.body {
        Body::Inline(bytes) => bytes.len() as u64,
        Body::Apart => return Err(InvalidManifest::Size),
        Body::Striped(segments) => match segments.as_slice() {
            [Segment { write_id, size, .. }] if *write_id == command.write_id => *size,
            _ => return Err(InvalidManifest::WriteId),
        },
    };
    let valid = size == object.size && object.parts.is_empty();
    if valid { Ok(()) } else { Err(InvalidManifest::Size) }
}

/// Makes `object` the current version in place of `current`, whose segments retire. An inline body moves to a record of
/// its own.
pub(super) fn replace(
    draft: &mut Draft<'_>,
    bucket: BucketId,
    key: &str,
    current: Option<ObjectRecord>,
    mut object: ObjectRecord,
) -> ObjectPut {
    let above_current = current.as_ref().map_or(Hlc::ZERO, |current| current.modified.next_millisecond());
    object.modified = draft.now().max(above_current);
    let tree = TreeId::Objects(bucket);
    match &object.body {
        Body::Inline(bytes) if !bytes.is_empty() => {
            let body = BodyRecord { bytes: bytes.clone(), unknown: UnknownFields::default() };
            draft.put(tree, keys::body(key), &body);
            object.body = Body::Apart;
        }
        _ => remove_body(draft, tree, key, current.as_ref()),
    }
    draft.put(tree, keys::object(key), &object);
    for segment in current.iter().flat_map(ObjectRecord::segments) {
        manifest::retire(draft, segment);
    }
    ObjectPut { modified: object.modified, etag: object.etag, checksum: object.checksum, size: object.size }
}

/// Removes the body of `current`, if it has a record of its own.
fn remove_body(draft: &mut Draft<'_>, tree: TreeId, key: &str, current: Option<&ObjectRecord>) {
    if current.is_some_and(|current| current.body == Body::Apart) {
        draft.remove(tree, keys::body(key));
    }
}

pub(super) fn delete(draft: &mut Draft<'_>, command: &DeleteObject) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    draft.require_bucket(command.bucket)?;
    let Some(current) = draft.current(command.bucket, &command.key)? else {
        // Nothing to remember: a second proposal that finds an object has its one effect then.
        return Ok(Reply::ObjectDeleted { existed: false });
    };
    check_precondition(&command.precondition, Some(&current))?;
    for segment in current.segments() {
        manifest::retire(draft, segment);
    }
    let tree = TreeId::Objects(command.bucket);
    draft.remove(tree, keys::object(&command.key));
    remove_body(draft, tree, &command.key, Some(&current));
    draft.remember(result, RememberedReply::Deleted { existed: true })?;
    Ok(Reply::ObjectDeleted { existed: true })
}

/// Compares a precondition with the current version. A required version that does not exist is `NoSuchKey`.
pub(super) fn check_precondition(
    precondition: &Precondition,
    current: Option<&ObjectRecord>,
) -> std::result::Result<(), Refusal> {
    let Precondition { if_match, if_none_match, if_modified_at_seconds, if_size } = precondition;
    let requires_version = if_match.is_some() || if_modified_at_seconds.is_some() || if_size.is_some();
    let Some(current) = current else {
        return if requires_version { Err(Refusal::NoSuchKey) } else { Ok(()) };
    };
    let holds = (Bug::IfMatchIgnored.is_planted()
        || if_match.as_ref().is_none_or(|condition| matches(condition, &current.etag)))
        && (Bug::IfNoneMatchIgnored.is_planted()
            || !if_none_match.as_ref().is_some_and(|condition| matches(condition, &current.etag)))
        && if_modified_at_seconds.is_none_or(|seconds| seconds == current.modified.millis().0 / 1000)
        && if_size.is_none_or(|size| size == current.size);
    if holds { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}

fn matches(condition: &EtagCondition, etag: &Etag) -> bool {
    match condition {
        EtagCondition::Any => true,
        EtagCondition::OneOf(etags) => etags.contains(etag),
    }
}
