//! Renaming objects: the record moves to another key with its annotations, and all segments stay where they are.

use super::draft::{Decision, Draft, ResultKey};
use super::object::{Subject, check_precondition, new_id, supersede, time_above};
use super::version::{self, Key, Replaced};
use super::{KEY_SIZE_MAX, annotation, check_name, lifecycle, lock};
use crate::command::{RenameCondition, RenameObject};
use crate::keys;
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{ObjectRecord, RememberedReply, ResultRecord, UnknownFields, VersionLock, VersionName};

pub(super) fn rename(draft: &mut Draft<'_>, command: &RenameObject) -> Decision<Reply> {
    check_name(&command.source, KEY_SIZE_MAX)?;
    check_name(&command.target, KEY_SIZE_MAX)?;
    if command.source == command.target {
        return Err(Refusal::InvalidName.into());
    }
    let result = ResultKey::Write(keys::write_result(command.write_id));
    if let Some(reply) = draft.remembered_of(&result, command.fingerprint)? {
        return Ok(reply);
    }
    let bucket = draft.require_bucket(command.bucket)?;
    let object = query::object(draft.view(), command.bucket, &command.source)?.ok_or(Refusal::NoSuchKey)?;
    check(&command.source_condition, Some(&object))?;
    let replaced = draft.current(command.bucket, &command.target)?;
    check(&command.target_condition, replaced.as_ref())?;

    let lifecycle = lifecycle::of(draft, command.bucket, &bucket)?;
    let key = |name| Key::of(command.bucket, &bucket, name, lifecycle.as_ref());
    let (source, target) = (key(&command.source), key(&command.target));
    let (was, annotations) = (VersionName::from(object.version), object.annotations);
    leave(draft, &source)?;
    let mut object = ObjectRecord { lock: VersionLock::default(), ..object };
    object.lock = lock::of_new_version(draft, &bucket, object.lock)?;
    if target.versioning.is_some() {
        // Where there are versions, it is one of now. Without them it is what it was, as on AWS.
        object.modified = time_above(draft, replaced.as_ref());
    }
    version::own(draft, &target, &object, &target.current());
    let (put, ended) = supersede(draft, &target, replaced, object)?;
    if let Some(ended) = &ended {
        version::end(draft, &target, ended)?;
    }
    let is = put.version.unwrap_or(VersionName::Null);
    annotation::carry(draft, (&source, was), (&target, is), annotations)?;
    let (reply, fingerprint) = (RememberedReply::Put(put.clone()), Some(command.fingerprint));
    draft.remember_result(result, ResultRecord { reply, fingerprint, unknown: UnknownFields::default() })?;
    Ok(Reply::ObjectPut(put))
}

/// Takes the current version from its key, and puts a delete marker in its place where there are versions.
fn leave(draft: &mut Draft<'_>, key: &Key<'_>) -> Decision<()> {
    let current = draft.current(key.bucket, key.name)?.ok_or(Refusal::NoSuchKey)?;
    let Replaced { object: ended, was_noted } = version::take_current(draft, key, &current)?;
    if let Some(ended) = &ended {
        version::remove_body(draft, key, ended);
        version::end(draft, key, ended)?;
    }
    if key.versioning.is_none() {
        return Ok(());
    }
    let is_sole = lifecycle::has_no_other(draft, key, was_noted)?;
    let marker = (new_id(draft, key), time_above(draft, Some(&current)));
    version::put_marker(draft, key, marker, is_sole);
    Ok(())
}

/// Compares a condition with an object, as RFC 9110 §13.2.2 has it. A required object that does not exist is `NoSuchKey`.
fn check(condition: &RenameCondition, object: Option<&ObjectRecord>) -> std::result::Result<(), Refusal> {
    let RenameCondition { tags, modified_since_seconds, unmodified_since_seconds } = condition;
    check_precondition(tags, object.map(Subject::of_object))?;
    let modified_since = modified_since_seconds.filter(|_| tags.if_none_match.is_none());
    let unmodified_since = unmodified_since_seconds.filter(|_| tags.if_match.is_none());
    let Some(object) = object else {
        return if modified_since.is_some() { Err(Refusal::NoSuchKey) } else { Ok(()) };
    };
    let modified = object.modified.millis().0 / 1000;
    let holds =
        modified_since.is_none_or(|since| since < modified) && unmodified_since.is_none_or(|since| modified <= since);
    if holds { Ok(()) } else { Err(Refusal::PreconditionFailed) }
}
