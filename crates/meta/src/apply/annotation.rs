//! Annotations: named payloads that belong to one version of one object, move with it and end with it.
//!
//! An annotation has the record of an object that was put whole, under a key of its own beside those of the versions, so
//! that whatever follows manifests follows its segment too. A small body lies in a record of its own, which stays where it
//! is when the object is renamed. The version's record counts its annotations: without any, nobody looks for them.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Decision, Draft, ResultKey};
use super::object::{Subject, check_body, check_precondition, require_version};
use super::quota::signed;
use super::version::Key;
use super::{KEY_SIZE_MAX, check_name, lock, manifest};
use crate::command::{
    ANNOTATION_COUNT_MAX, ANNOTATION_NAME_SIZE_MAX, ANNOTATION_SIZE_MAX, DeleteAnnotation, NewAnnotation, PutAnnotation,
};
use crate::error::Error;
use crate::keys;
use crate::outcome::{InvalidManifest, ObjectDeleted, ObjectPut, Refusal, Reply};
use crate::query;
use crate::record::{Body, BodyRecord, Governance, ObjectRecord, RememberedReply, UnknownFields, VersionName, WriteId};

pub(super) fn put(draft: &mut Draft<'_>, command: &PutAnnotation) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.annotation.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let bucket = draft.require_bucket(command.bucket)?;
    let (tree_key, object) = require_version(draft, command.bucket, &command.key, Some(command.version))?;
    check_precondition(&command.precondition, Some(Subject::of_object(&object)))?;
    if object.modified != command.base {
        return Err(Refusal::BaseChanged { size: Some(object.size) }.into());
    }
    check(draft, &command.name, &command.annotation)?;

    let key = Key::of(command.bucket, &bucket, &command.key, None);
    let annotation_key = keys::annotation(key.name, command.version, &command.name);
    match draft.read::<ObjectRecord>(key.tree(), &annotation_key)? {
        Some(replaced) => {
            // It would be lost as if it was deleted.
            lock::check_removal(draft, &object, Governance::Observed)?;
            end(draft, &key, annotation_key, &command.name, &replaced);
        }
        None if ANNOTATION_COUNT_MAX <= object.annotations => return Err(Refusal::TooManyAnnotations.into()),
        None => {
            let annotations = object.annotations + 1;
            draft.put(key.tree(), tree_key, &ObjectRecord { annotations, ..object });
        }
    }
    let put = enter(draft, (&key, command.version), &command.name, &command.annotation)?;
    draft.remember(result, RememberedReply::Put(put.clone()))?;
    Ok(Reply::ObjectPut(put))
}

pub(super) fn delete(draft: &mut Draft<'_>, command: &DeleteAnnotation) -> Decision<Reply> {
    check_name(&command.key, KEY_SIZE_MAX)?;
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered(&result)? {
        return Ok(reply);
    }
    let bucket = draft.require_bucket(command.bucket)?;
    let (tree_key, object) = require_version(draft, command.bucket, &command.key, command.version)?;
    check_precondition(&command.precondition, Some(Subject::of_object(&object)))?;
    let key = Key::of(command.bucket, &bucket, &command.key, None);
    let version = VersionName::from(object.version);
    let annotation_key = keys::annotation(key.name, version, &command.name);
    let shown = key.versioning.map(|_| version);
    let Some(record) = draft.read::<ObjectRecord>(key.tree(), &annotation_key)? else {
        // Nothing to remember: a second proposal that finds one has its one effect then.
        return Ok(Reply::ObjectDeleted(ObjectDeleted { version: shown, ..ObjectDeleted::default() }));
    };
    lock::check_removal(draft, &object, command.governance)?;
    end(draft, &key, annotation_key, &command.name, &record);
    let annotations = object.annotations.checked_sub(1);
    let annotations = annotations.ok_or(Error::Inconsistent("the annotations of a version were counted wrong"))?;
    draft.put(key.tree(), tree_key, &ObjectRecord { annotations, ..object });
    let deleted = ObjectDeleted { existed: true, version: shown, is_marker: false };
    draft.remember(result, RememberedReply::Deleted(deleted.clone()))?;
    Ok(Reply::ObjectDeleted(deleted))
}

/// Refuses annotations that no version may have, or that their writes did not make. `object_write` is that of the object
/// which they come with.
pub(super) fn check_all(
    draft: &Draft<'_>,
    object_write: WriteId,
    annotations: &BTreeMap<String, NewAnnotation>,
) -> Decision<()> {
    if ANNOTATION_COUNT_MAX < annotations.len() as u64 {
        return Err(Refusal::TooManyAnnotations.into());
    }
    let mut writes = BTreeSet::from([object_write]);
    for (name, annotation) in annotations {
        if !writes.insert(annotation.write_id) {
            return Err(Refusal::InvalidManifest(InvalidManifest::WriteId).into());
        }
        check(draft, name, annotation)?;
    }
    Ok(())
}

fn check(draft: &Draft<'_>, name: &str, annotation: &NewAnnotation) -> Decision<()> {
    let NewAnnotation { record, write_id, intent_epoch } = annotation;
    check_name(name, ANNOTATION_NAME_SIZE_MAX)?;
    manifest::check_intent_epoch(draft, *write_id, *intent_epoch)?;
    if !(1..=ANNOTATION_SIZE_MAX).contains(&record.size) {
        return Err(Refusal::InvalidManifest(InvalidManifest::Size).into());
    }
    check_body(record, *write_id).map_err(Refusal::InvalidManifest)?;
    record.segments().iter().try_for_each(|segment| manifest::check_segment(draft, segment))
}

/// Attaches an annotation that was checked to a version. The caller counts it.
pub(super) fn enter(
    draft: &mut Draft<'_>,
    (key, version): (&Key<'_>, VersionName),
    name: &str,
    annotation: &NewAnnotation,
) -> Decision<ObjectPut> {
    let tree_key = keys::annotation(key.name, version, name);
    let mut record = ObjectRecord { modified: draft.now(), annotations: 0, ..annotation.record.clone() };
    record.body = match record.body {
        Body::Striped(segments) => {
            let segments: Vec<_> = segments.iter().map(|segment| manifest::stamped(segment, draft.now())).collect();
            for segment in &segments {
                manifest::adopt(draft, segment, key.tree(), &tree_key)?;
            }
            Body::Striped(segments)
        }
        Body::Inline(bytes) => {
            let body = BodyRecord { bytes, unknown: UnknownFields::default() };
            draft.put(key.tree(), keys::annotation_body(record.modified, name), &body);
            Body::Apart
        }
        Body::Apart => Body::Apart,
    };
    draft.grow(key, signed(record.size), 0);
    draft.put_annotation(key.tree(), tree_key, &record);
    let version = key.versioning.map(|_| version);
    let ObjectRecord { modified, etag, checksum, size, .. } = record;
    Ok(ObjectPut { modified, etag, checksum, size, version })
}

/// Ends an annotation.
fn end(draft: &mut Draft<'_>, key: &Key<'_>, tree_key: Vec<u8>, name: &str, record: &ObjectRecord) {
    record.segments().iter().for_each(|segment| manifest::retire(draft, segment));
    if record.body == Body::Apart {
        draft.remove(key.tree(), keys::annotation_body(record.modified, name));
    }
    draft.grow(key, -signed(record.size), 0);
    draft.remove_annotation(key.tree(), tree_key);
}

/// Ends the annotations of a version that ends.
pub(super) fn end_all(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord) -> Decision<()> {
    let version = VersionName::from(object.version);
    for (name, record) in of(draft, (key, version), object.annotations)? {
        end(draft, key, keys::annotation(key.name, version, &name), &name, &record);
    }
    Ok(())
}

/// Gives the `count` annotations of a version that was renamed to the version that it is now.
pub(super) fn carry(
    draft: &mut Draft<'_>,
    (source, was): (&Key<'_>, VersionName),
    (target, is): (&Key<'_>, VersionName),
    count: u64,
) -> Decision<()> {
    for (name, record) in of(draft, (source, was), count)? {
        draft.remove_annotation(source.tree(), keys::annotation(source.name, was, &name));
        let tree_key = keys::annotation(target.name, is, &name);
        for segment in record.segments() {
            manifest::set_owner(draft, segment.write_id, target.tree(), &tree_key);
        }
        draft.put_annotation(target.tree(), tree_key, &record);
    }
    Ok(())
}

/// The `count` annotations of a version.
fn of(draft: &Draft<'_>, (key, version): (&Key<'_>, VersionName), count: u64) -> Decision<Vec<(String, ObjectRecord)>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let found = query::annotations(draft.view(), key.bucket, (key.name, version))?;
    if found.len() as u64 == count {
        Ok(found)
    } else {
        Err(Error::Inconsistent("the annotations of a version were counted wrong").into())
    }
}
