//! Putting and deleting objects.

use std::collections::BTreeMap;

use bytes::Bytes;
use env::Bug;

use super::draft::{Decision, Draft, ResultKey};
use super::quota::signed;
use super::version::{self, Key, Replaced};
use super::{KEY_SIZE_MAX, annotation, check_name, lifecycle, lock, manifest};
use crate::command::{
    DeleteObject, DeleteVersion, EtagCondition, NewAnnotation, ObjectDetail, Precondition, PutObject, SetObjectDetail,
};
use crate::keys;
use crate::outcome::{InvalidManifest, ObjectDeleted, ObjectPut, Refusal, Reply};
use crate::query;
use crate::record::{
    Body, BodyRecord, Etag, Governance, Hlc, ObjectRecord, RememberedReply, Segment, UnknownFields, VersionId,
    VersionName, VersionRecord, Versioning, WriteId,
};
use crate::view::{BucketId, TreeId};

pub(super) fn put(
    draft: &mut Draft<'_>,
    command: &PutObject,
    annotations: &BTreeMap<String, NewAnnotation>,
) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let bucket = draft.require_bucket(command.bucket)?;
    manifest::check_intent_epoch(draft, command.write_id, command.intent_epoch)?;
    check_body(&command.object, command.write_id).map_err(Refusal::InvalidManifest)?;
    annotation::check_all(draft, command.write_id, annotations)?;
    if let Body::Striped(segments) = &command.object.body {
        segments.iter().try_for_each(|segment| manifest::check_segment(draft, segment))?;
    }
    let current = draft.current(command.bucket, &command.key)?;
    check_precondition(&command.precondition, current.as_ref().map(Subject::of_object))?;

    let mut object = command.object.clone();
    object.lock = lock::of_new_version(draft, &bucket, object.lock)?;
    object.annotations = annotations.len() as u64;
    if let Body::Striped(segments) = &mut object.body {
        let tree_key = keys::object(&command.key);
        for segment in segments {
            *segment = manifest::stamped(segment, draft.now());
            manifest::adopt(draft, segment, TreeId::Objects(command.bucket), &tree_key)?;
        }
    }
    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    let lifecycle = lifecycle.as_ref();
    let key = Key::of(command.bucket, &bucket, &command.key, lifecycle);
    let reply = replace(draft, &key, current, object)?;
    for (name, new) in annotations {
        annotation::enter(draft, (&key, reply.version.unwrap_or(VersionName::Null)), name, new)?;
    }
    draft.remember(result, RememberedReply::Put(reply.clone()))?;
    Ok(Reply::ObjectPut(reply))
}

/// A plain object, or annotation, is inline or one segment, that of its write, and has no parts.
pub(super) fn check_body(object: &ObjectRecord, write: WriteId) -> std::result::Result<(), InvalidManifest> {
    let size = match &object.body {
        Body::Inline(bytes) => bytes.len() as u64,
        Body::Apart => return Err(InvalidManifest::Size),
        Body::Striped(segments) => match segments.as_slice() {
            [Segment { write_id, size, .. }] if *write_id == write => *size,
            _ => return Err(InvalidManifest::WriteId),
        },
    };
    let valid = size == object.stored_size() && object.parts.is_empty();
    if valid { Ok(()) } else { Err(InvalidManifest::Size) }
}

/// Makes `object` the current version above `current`, as of now.
pub(super) fn replace(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    current: Option<ObjectRecord>,
    mut object: ObjectRecord,
) -> Decision<ObjectPut> {
    object.modified = time_above(draft, current.as_ref());
    let (put, ended) = supersede(draft, key, current, object)?;
    if let Some(ended) = &ended {
        version::end(draft, key, ended)?;
    }
    Ok(put)
}

/// Makes `object` the current version above `current`. An inline body moves to a record of its own. Returns the version
/// that ends, if any does, with which the caller ends what belongs to it ([`version::end`]).
pub(super) fn supersede(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    current: Option<ObjectRecord>,
    mut object: ObjectRecord,
) -> Decision<(ObjectPut, Option<ObjectRecord>)> {
    object.version = new_id(draft, key);
    draft.grow(key, signed(object.size), i64::from(current.is_none()));
    let Replaced { object: ended, was_noted } = version::make_room(draft, key, current)?;
    if was_noted {
        draft.remove(key.tree(), keys::null_version(key.name));
    }
    match (&object.body, &ended) {
        (Body::Inline(bytes), _) if !bytes.is_empty() => {
            // In place of the body of `ended`, if any: both are the null version.
            let body = BodyRecord { bytes: bytes.clone(), unknown: UnknownFields::default() };
            draft.put(key.tree(), keys::body(key.name, object.version), &body);
            object.body = Body::Apart;
        }
        (_, Some(ended)) => version::remove_body(draft, key, ended),
        (_, None) => {}
    }
    draft.put(key.tree(), key.current(), &object);
    lifecycle::enter_current(draft, key, &object);
    let version = key.versioning.map(|_| object.version.into());
    let ObjectRecord { modified, etag, checksum, size, .. } = object;
    Ok((ObjectPut { modified, etag, checksum, size, version }, ended))
}

/// When a version is committed above `current`.
pub(super) fn time_above(draft: &Draft<'_>, current: Option<&ObjectRecord>) -> Hlc {
    let above_current = current.map_or(Hlc::ZERO, |current| current.modified.next_millisecond());
    draft.now().max(above_current)
}

/// The id of a new version; `None` if it is the null version.
pub(super) fn new_id(draft: &Draft<'_>, key: &Key<'_>) -> Option<VersionId> {
    (key.versioning == Some(Versioning::Enabled)).then(|| VersionId::at(draft.now()))
}

pub(super) fn delete(draft: &mut Draft<'_>, command: &DeleteObject) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let bucket = draft.require_bucket(command.bucket)?;
    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    let lifecycle = lifecycle.as_ref();
    let key = Key::of(command.bucket, &bucket, &command.key, lifecycle);
    let current = draft.current(key.bucket, key.name)?;
    let deleted = match bucket.versioning {
        None => delete_only_version(draft, &key, current, &command.precondition)?,
        Some(_) => hide(draft, &key, current, &command.precondition)?,
    };
    if deleted == ObjectDeleted::default() {
        // Nothing to remember: a second proposal that finds an object has its one effect then.
        return Ok(Reply::ObjectDeleted(deleted));
    }
    draft.remember(result, RememberedReply::Deleted(deleted.clone()))?;
    Ok(Reply::ObjectDeleted(deleted))
}

/// Deletes the only version that a key has in a bucket which is not versioned.
pub(super) fn delete_only_version(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    current: Option<ObjectRecord>,
    precondition: &Precondition,
) -> Decision<ObjectDeleted> {
    let Some(current) = current else { return Ok(ObjectDeleted::default()) };
    check_precondition(precondition, Some(Subject::of_object(&current)))?;
    version::remove(draft, key, key.current(), &VersionRecord::Object(current), Governance::Observed)?;
    Ok(ObjectDeleted { existed: true, ..ObjectDeleted::default() })
}

/// Puts a delete marker above the versions of a key.
pub(super) fn hide(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    current: Option<ObjectRecord>,
    precondition: &Precondition,
) -> Decision<ObjectDeleted> {
    if *precondition != Precondition::default() {
        let marker = match &current {
            Some(_) => None,
            None => query::newest_versions(draft.view(), key.bucket, key.name, 1)?.pop().map(|(_, newest)| newest),
        };
        let newest = current.as_ref().map(Subject::of_object).or(marker.as_ref().map(Subject::of));
        let Some(newest) = newest else { return Ok(ObjectDeleted::default()) };
        check_precondition(precondition, Some(newest))?;
    }
    let existed = current.is_some();
    draft.grow(key, 0, -i64::from(existed));
    let (id, modified) = (new_id(draft, key), time_above(draft, current.as_ref()));
    let Replaced { object: ended, was_noted } = version::make_room(draft, key, current)?;
    let displaced = existed && (ended.is_none() || was_noted);
    let is_sole = !displaced && lifecycle::has_no_other(draft, key, was_noted)?;
    if let Some(ended) = &ended {
        version::remove_body(draft, key, ended);
        version::end(draft, key, ended)?;
    }
    if existed {
        draft.remove(key.tree(), key.current());
    }
    version::put_marker(draft, key, (id, modified), is_sole);
    Ok(ObjectDeleted { existed, version: Some(id.into()), is_marker: true })
}

pub(super) fn delete_version(draft: &mut Draft<'_>, command: &DeleteVersion) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let bucket = draft.require_bucket(command.bucket)?;
    let version = Some(command.version);
    let found = query::locate_version(draft.view(), command.bucket, &command.key, command.version)?;
    let Some((tree_key, record)) = found else {
        return Ok(Reply::ObjectDeleted(ObjectDeleted { existed: false, version, is_marker: false }));
    };
    check_precondition(&command.precondition, Some(Subject::of(&record)))?;
    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    let lifecycle = lifecycle.as_ref();
    let key = Key::of(command.bucket, &bucket, &command.key, lifecycle);
    version::remove(draft, &key, tree_key, &record, command.governance)?;
    let is_marker = matches!(record, VersionRecord::Marker(_));
    let deleted = ObjectDeleted { existed: true, version, is_marker };
    draft.remember(result, RememberedReply::Deleted(deleted.clone()))?;
    Ok(Reply::ObjectDeleted(deleted))
}

pub(super) fn set_detail(draft: &mut Draft<'_>, command: &SetObjectDetail) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let bucket = draft.require_bucket(command.bucket)?;
    let (tree_key, mut object) = require_version(draft, command.bucket, &command.key, command.version)?;
    let before = object.clone();
    match &command.detail {
        ObjectDetail::Tags(tags) => object.tags.clone_from(tags),
        ObjectDetail::Acl(acl) => object.acl.clone_from(acl),
        ObjectDetail::Retention { retention, governance } => {
            lock::require(&bucket)?;
            lock::set_retention(draft, &mut object.lock, *retention, *governance)?;
        }
        ObjectDetail::LegalHold(hold) => {
            lock::require(&bucket)?;
            object.lock.hold = Some(*hold);
        }
        ObjectDetail::Envelope { from, to } => {
            // Of another object, which is there by now, the keys would be lost.
            let encryption = object.encryption.as_mut().filter(|encryption| encryption.envelope == *from);
            encryption.ok_or(Refusal::PreconditionFailed)?.envelope = Bytes::copy_from_slice(to);
        }
    }
    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    let lifecycle = lifecycle.as_ref();
    let key = Key::of(command.bucket, &bucket, &command.key, lifecycle);
    lifecycle::change(draft, &key, &tree_key, before, &object);
    draft.put(key.tree(), tree_key, &object);
    Ok(Reply::Done)
}

/// The object that is this version of a key, or its current one, and where it is.
pub(super) fn require_version(
    draft: &Draft<'_>,
    bucket: BucketId,
    key: &str,
    version: Option<VersionName>,
) -> Decision<(Vec<u8>, ObjectRecord)> {
    let Some(version) = version else {
        let current = draft.current(bucket, key)?.ok_or(Refusal::NoSuchKey)?;
        return Ok((keys::object(key), current));
    };
    match query::locate_version(draft.view(), bucket, key, version)? {
        Some((tree_key, VersionRecord::Object(object))) => Ok((tree_key, object)),
        // A delete marker has nothing to change.
        Some((_, VersionRecord::Marker(_))) | None => Err(Refusal::NoSuchKey.into()),
    }
}

/// What a precondition is about.
pub(super) struct Subject<'a> {
    /// `None` of a delete marker.
    etag: Option<&'a Etag>,
    modified: Hlc,
    size: u64,
}

impl<'a> Subject<'a> {
    pub(super) fn of_object(object: &'a ObjectRecord) -> Self {
        Self { etag: Some(&object.etag), modified: object.modified, size: object.size }
    }

    fn of(version: &'a VersionRecord) -> Self {
        match version {
            VersionRecord::Object(object) => Self::of_object(object),
            VersionRecord::Marker(marker) => Self { etag: None, modified: marker.modified, size: 0 },
        }
    }
}

/// Compares a precondition with a version. A required version that does not exist is `NoSuchKey`.
pub(super) fn check_precondition(
    precondition: &Precondition,
    subject: Option<Subject<'_>>,
) -> std::result::Result<(), Refusal> {
    let Precondition { if_match, if_none_match, if_modified_at_seconds, if_size } = precondition;
    let requires_version = if_match.is_some() || if_modified_at_seconds.is_some() || if_size.is_some();
    let Some(Subject { etag, modified, size }) = subject else {
        return if requires_version { Err(Refusal::NoSuchKey) } else { Ok(()) };
    };
    let holds = (Bug::IfMatchIgnored.is_planted()
        || if_match.as_ref().is_none_or(|condition| matches(condition, etag)))
        && (Bug::IfNoneMatchIgnored.is_planted()
            || !if_none_match.as_ref().is_some_and(|condition| matches(condition, etag)))
        && if_modified_at_seconds.is_none_or(|seconds| seconds == modified.millis().0 / 1000)
        && if_size.is_none_or(|expected| expected == size);
    if holds { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}

fn matches(condition: &EtagCondition, etag: Option<&Etag>) -> bool {
    match condition {
        EtagCondition::Any => true,
        EtagCondition::OneOf(etags) => etag.is_some_and(|etag| etags.contains(etag)),
    }
}
