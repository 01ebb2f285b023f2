//! Building and removing the index of a bucket's rules in bounded steps.

use bytes::Bytes;

use super::bucket;
use super::draft::{Decision, Draft};
use super::lifecycle::{self, Lifecycle};
use super::version::Key;
use crate::command::{self, SetLifecycle, StepLifecycle};
use crate::error::Error;
use crate::keys;
use crate::outcome::Reply;
use crate::query;
use crate::record::{
    BucketRecord, Hlc, LIFECYCLE_DOCUMENT, LIFECYCLE_RULES, LifecycleIndex, LifecycleIndexRecord, ObjectRecord,
    UploadId, VersionRecord,
};
use crate::view::{BucketId, Cursor, TreeId, decode};

pub(super) fn set(draft: &mut Draft<'_>, command: &SetLifecycle) -> Decision<Reply> {
    let record = draft.require_bucket(command.bucket)?;
    drain(draft, command.bucket, &record);
    let mut generation = None;
    let [document_key, rules_key] =
        [LIFECYCLE_DOCUMENT, LIFECYCLE_RULES].map(|kind| keys::configuration(command.bucket, kind));
    match &command.lifecycle {
        Some(command::Lifecycle { document, rules }) => {
            bucket::check_size(document)?;
            bucket::put_configuration(draft, command.bucket, LIFECYCLE_DOCUMENT, document);
            draft.put(TreeId::Catalog, rules_key, rules);
            generation = (!rules.rules.is_empty()).then_some(draft.now());
        }
        None => {
            draft.remove(TreeId::Catalog, document_key);
            draft.remove(TreeId::Catalog, rules_key);
        }
    }
    if let Some(generation) = generation {
        let start = LifecycleIndex::Building(Bytes::from(keys::objects_start()));
        put_state(draft, command.bucket, generation, start);
    }
    let record = BucketRecord { configured: draft.now(), lifecycle: generation, ..record };
    draft.put(TreeId::Catalog, keys::bucket(command.bucket), &record);
    Ok(Reply::Done)
}

/// Has the index of a bucket's rules be removed, if it has any.
pub(super) fn drain(draft: &mut Draft<'_>, bucket: BucketId, record: &BucketRecord) {
    if let Some(generation) = record.lifecycle {
        put_state(draft, bucket, generation, LifecycleIndex::Draining);
    }
}

fn put_state(draft: &mut Draft<'_>, bucket: BucketId, generation: Hlc, index: LifecycleIndex) {
    draft.put(TreeId::Internal, keys::lifecycle(bucket, generation), &LifecycleIndexRecord::new(index));
}

/// Enters, or removes, some more.
pub(super) fn step(draft: &mut Draft<'_>, command: &StepLifecycle) -> Decision<Reply> {
    let StepLifecycle { bucket, generation, limit } = *command;
    let limit = limit.max(1) as usize;
    let state: Option<LifecycleIndexRecord> = draft.read(TreeId::Internal, &keys::lifecycle(bucket, generation))?;
    match state.map(|state| state.index) {
        None | Some(LifecycleIndex::Complete) => Ok(Reply::Drained { finished: true }),
        Some(LifecycleIndex::Draining) => remove_some(draft, bucket, generation, limit),
        Some(LifecycleIndex::Building(done)) => {
            let record = draft.require_bucket(bucket)?;
            let lifecycle = lifecycle::of(draft, bucket, &record)?;
            let lifecycle = lifecycle.ok_or(Error::Inconsistent("an index of rules has no rules"))?;
            let walk = Walk { bucket, record: &record, lifecycle: &lifecycle, limit };
            let next = walk.run(draft, &done)?;
            let finished = next.is_none();
            let index = next.map_or(LifecycleIndex::Complete, |done| LifecycleIndex::Building(done.into()));
            put_state(draft, bucket, generation, index);
            Ok(Reply::Drained { finished })
        }
    }
}

fn remove_some(draft: &mut Draft<'_>, bucket: BucketId, generation: Hlc, limit: usize) -> Decision<Reply> {
    let prefix = keys::dues(bucket, generation);
    let mut cursor = draft.view().cursor(TreeId::Internal)?;
    cursor.seek(&prefix)?;
    let mut removed = 0;
    let finished = loop {
        match cursor.next()?.filter(|(key, _)| key.starts_with(&prefix)) {
            None => break true,
            Some(_) if removed == limit => break false,
            Some((key, _)) => draft.remove(TreeId::Internal, key),
        }
        removed += 1;
    };
    if finished {
        draft.remove(TreeId::Internal, keys::lifecycle(bucket, generation));
    }
    Ok(Reply::Drained { finished })
}

/// One step through what a bucket held before its rules.
struct Walk<'a> {
    bucket: BucketId,
    record: &'a BucketRecord,
    lifecycle: &'a Lifecycle,
    limit: usize,
}

impl Walk<'_> {
    /// Enters what follows the tree key `done`; returns the last key that it entered, `None` at the end.
    fn run(&self, draft: &mut Draft<'_>, done: &[u8]) -> Decision<Option<Vec<u8>>> {
        if keys::is_upload(done) {
            return self.enter_uploads(draft, done);
        }
        let tree = TreeId::Objects(self.bucket);
        let mut last = done.to_vec();
        let mut cursor = draft.view().cursor(tree)?;
        cursor.seek(&keys::just_above(last.clone()))?;
        let mut following = cursor.next()?;
        for _ in 0..self.limit {
            let Some((tree_key, value)) = following.take() else { return Ok(Some(keys::uploads_start())) };
            if keys::is_object(&tree_key) {
                following = cursor.next()?;
                let name = keys::parse_object(&tree_key).ok_or(Error::Inconsistent("malformed key of an object"))?;
                let object: ObjectRecord = decode(tree, &tree_key, &value)?;
                lifecycle::enter_current(draft, &self.key(&name), &object);
            } else if let Some((name, _)) = keys::parse_version(&tree_key) {
                following = cursor.next()?;
                let version = query::decode_version(tree, &tree_key, &value)?;
                let follows = following.as_ref().is_some_and(|(next, _)| next.starts_with(&keys::versions_of(&name)));
                self.enter_version(draft, &name, (&tree_key, version), &last, follows)?;
            } else {
                return Ok(Some(keys::uploads_start()));
            }
            last = tree_key.to_vec();
        }
        Ok(Some(last))
    }

    fn key<'a>(&'a self, name: &'a str) -> Key<'a> {
        let lifecycle = Some(self.lifecycle);
        let (versioning, quota) = (self.record.versioning, self.record.quota);
        Key { bucket: self.bucket, versioning, name, lifecycle, quota }
    }

    fn enter_version(
        &self,
        draft: &mut Draft<'_>,
        name: &str,
        found: (&[u8], VersionRecord),
        last: &[u8],
        follows: bool,
    ) -> Decision<()> {
        let above = keys::parse_version(last).filter(|(above, _)| above == name).map(|(_, above)| above.committed);
        let current = draft.current(self.bucket, name)?;
        // What the step before came to may be gone.
        let is_newest = current.is_none() && self.is_first(draft, name, found.0)?;
        let newer = above.or(current.map(|current| current.modified)).filter(|_| !is_newest);
        lifecycle::enter_old(draft, &self.key(name), found, newer, newer.is_none() && !follows);
        Ok(())
    }

    fn is_first(&self, draft: &Draft<'_>, name: &str, tree_key: &[u8]) -> Decision<bool> {
        let newest = query::newest_versions(draft.view(), self.bucket, name, 1)?;
        Ok(newest.first().is_some_and(|(newest_key, _)| newest_key == tree_key))
    }

    fn enter_uploads(&self, draft: &mut Draft<'_>, done: &[u8]) -> Decision<Option<Vec<u8>>> {
        let mut cursor = draft.view().cursor(TreeId::Uploads(self.bucket))?;
        cursor.seek(&keys::just_above(done.to_vec()))?;
        let mut last = None;
        for _ in 0..self.limit {
            let Some((name, id, key)) = next_upload(cursor.as_mut())? else { return Ok(None) };
            lifecycle::enter_upload(draft, Some(self.lifecycle), &name, id);
            last = Some(key);
        }
        Ok(last)
    }
}

fn next_upload(cursor: &mut dyn Cursor) -> Decision<Option<(String, UploadId, Vec<u8>)>> {
    let found = cursor.next()?.and_then(|(key, _)| {
        let (name, id) = keys::parse_upload(&key)?;
        Some((name, id, key.to_vec()))
    });
    Ok(found)
}
