//! The index of what a bucket's rules end, ordered by when.
//!
//! In a bucket with rules every command that changes a version, or begins or ends an upload, changes its entries in the same
//! step; buckets without rules pay for none of it. When the entries are is a function of the rules and of the record, so
//! they are found again without a search. A rule that keeps a number of versions above another enters that one only
//! once they are there ([`raise`]); entries that turn out to be early are dropped when they are met.

use env::UnixMillis;

use super::draft::{Decision, Draft};
use super::object::{delete_only_version, hide};
use super::version::{self, Key};
use super::{lock, upload};
use crate::command::{Expire, Precondition};
use crate::error::Result;
use crate::keys;
use crate::lifecycle::{Facts, LifecycleRules, Subject};
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{
    BucketRecord, Governance, Hlc, LegalHold, MarkerRecord, ObjectRecord, UploadId, VersionName, VersionRecord,
};
use crate::view::{BucketId, TreeId};

/// Records that a search for the versions above another reads at most.
const SEARCH_MAX: usize = 1000;

/// The rules of a bucket, and which of its indexes is theirs.
pub(super) struct Lifecycle {
    bucket: BucketId,
    generation: Hlc,
    rules: LifecycleRules,
}

/// The rules that a bucket has.
pub(super) fn of(draft: &Draft<'_>, bucket: BucketId, record: &BucketRecord) -> Result<Option<Lifecycle>> {
    let Some(generation) = record.lifecycle else { return Ok(None) };
    let rules = query::lifecycle_rules(draft.view(), bucket)?;
    Ok(Some(Lifecycle { bucket, generation, rules }))
}

impl Lifecycle {
    fn entry(&self, due: UnixMillis, subject: &Subject) -> Vec<u8> {
        keys::due(self.bucket, self.generation, due, subject)
    }

    fn expires(&self, key: &str, object: &ObjectRecord) -> Option<UnixMillis> {
        self.rules.expires(&facts(key, object), object.modified)
    }

    /// When each rule ends a version that is not current, and how many objects it keeps above it. What is locked ends no
    /// earlier than its lock, and what is held has no end.
    fn ends(&self, key: &str, version: &VersionRecord) -> Vec<(UnixMillis, u32)> {
        match version {
            VersionRecord::Object(object) => {
                let Some(since) = object.noncurrent_since else { return Vec::new() };
                if object.lock.hold == Some(LegalHold::On) {
                    return Vec::new();
                }
                let retained = object.lock.retention.map_or(UnixMillis(0), |retention| retention.until);
                let ends = self.rules.noncurrent(&facts(key, object), since);
                ends.into_iter().map(|(due, keep)| (due.max(retained), keep)).collect()
            }
            VersionRecord::Marker(marker) => {
                let since = marker.noncurrent_since.into_iter();
                since.flat_map(|since| self.rules.noncurrent_marker(key, since)).collect()
            }
        }
    }
}

fn facts<'a>(key: &'a str, object: &'a ObjectRecord) -> Facts<'a> {
    Facts { key, size: object.size, tags: &object.tags }
}

fn subject(key: &str, name: VersionName) -> Subject {
    Subject::Version(key.to_owned(), name)
}

/// Enters an object that is current now.
pub(super) fn enter_current(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord) {
    let Some(lifecycle) = key.lifecycle else { return };
    if let Some(due) = lifecycle.expires(key.name, object) {
        draft.enter_due(lifecycle.entry(due, &subject(key.name, object.version.into())));
    }
}

/// Takes an object out that is not current any more.
pub(super) fn leave_current(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord) {
    let Some(lifecycle) = key.lifecycle else { return };
    if let Some(due) = lifecycle.expires(key.name, object) {
        draft.leave_due(lifecycle.entry(due, &subject(key.name, object.version.into())));
    }
}

/// Enters a version that is not current, for the rules that keep as many above it as `keeps` admits.
fn enter_other(draft: &mut Draft<'_>, key: &Key<'_>, version: &VersionRecord, keeps: impl Fn(u32) -> bool) {
    let Some(lifecycle) = key.lifecycle else { return };
    for (due, _) in lifecycle.ends(key.name, version).into_iter().filter(|(_, keep)| keeps(*keep)) {
        draft.enter_due(lifecycle.entry(due, &subject(key.name, version.name())));
    }
}

/// Takes a version out that was not current, or a delete marker wherever it was.
pub(super) fn leave_other(draft: &mut Draft<'_>, key: &Key<'_>, version: &VersionRecord) {
    let Some(lifecycle) = key.lifecycle else { return };
    let mut dues: Vec<_> = lifecycle.ends(key.name, version).into_iter().map(|(due, _)| due).collect();
    if let VersionRecord::Marker(marker) = version {
        dues.extend(lifecycle.rules.marker_expires(key.name, marker.modified));
    }
    for due in dues {
        draft.leave_due(lifecycle.entry(due, &subject(key.name, version.name())));
    }
}

/// Enters a delete marker that is the only version of its key.
pub(super) fn enter_sole_marker(draft: &mut Draft<'_>, key: &Key<'_>, marker: &MarkerRecord) {
    let Some(lifecycle) = key.lifecycle else { return };
    if let Some(due) = lifecycle.rules.marker_expires(key.name, marker.modified) {
        draft.enter_due(lifecycle.entry(due, &subject(key.name, marker.version.into())));
    }
}

/// A version as it is among the others, from now on.
pub(super) fn displaced(draft: &mut Draft<'_>, key: &Key<'_>, current: &ObjectRecord) -> Decision<ObjectRecord> {
    let mut other = current.clone();
    if key.lifecycle.is_some() {
        other.noncurrent_since = Some(draft.now());
        enter_other(draft, key, &VersionRecord::Object(other.clone()), |keep| keep == 0);
        raise(draft, key)?;
    }
    Ok(other)
}

/// One more object comes to lie above the versions that are not current: enters those that now have as many above them
/// as a rule keeps.
fn raise(draft: &mut Draft<'_>, key: &Key<'_>) -> Decision<()> {
    let Some(lifecycle) = key.lifecycle else { return Ok(()) };
    let keep_max = lifecycle.rules.keep_max();
    if keep_max == 0 {
        return Ok(());
    }
    let mut above = 1;
    query::visit_versions(draft.view(), key.bucket, key.name, SEARCH_MAX, |_, version| {
        enter_other(draft, key, &version, |keep| keep == above);
        above += u32::from(matches!(version, VersionRecord::Object(_)));
        above <= keep_max
    })?;
    Ok(())
}

/// A new version comes to lie above a delete marker, if one is newest.
pub(super) fn cover_marker(draft: &mut Draft<'_>, key: &Key<'_>, replaces_null: bool) -> Decision<()> {
    if key.lifecycle.is_none() {
        return Ok(());
    }
    let newest = query::newest_versions(draft.view(), key.bucket, key.name, 1)?.pop();
    let Some((tree_key, VersionRecord::Marker(mut marker))) = newest else { return Ok(()) };
    leave_other(draft, key, &VersionRecord::Marker(marker.clone()));
    if replaces_null && marker.version.is_none() {
        // It is removed, not covered.
        return Ok(());
    }
    marker.noncurrent_since = Some(draft.now());
    draft.put(key.tree(), tree_key, &marker);
    enter_other(draft, key, &VersionRecord::Marker(marker), |keep| keep == 0);
    Ok(())
}

/// Whether a key has no version among those that are not current, but perhaps a null version that is replaced.
pub(super) fn has_no_other(draft: &Draft<'_>, key: &Key<'_>, replaces_null: bool) -> Decision<bool> {
    if key.lifecycle.is_none() {
        return Ok(false);
    }
    let others = query::newest_versions(draft.view(), key.bucket, key.name, 2)?;
    Ok(others.iter().all(|(_, other)| replaces_null && other.name() == VersionName::Null))
}

/// The version at `removed` goes, and nothing becomes current for it: a delete marker may be newest now, or alone.
pub(super) fn uncover_marker(draft: &mut Draft<'_>, key: &Key<'_>, removed: &[u8]) -> Decision<()> {
    let was_current = removed == key.current();
    if key.lifecycle.is_none() || key.versioning.is_none() {
        return Ok(());
    }
    if !was_current && draft.current(key.bucket, key.name)?.is_some() {
        return Ok(());
    }
    let mut others = query::newest_versions(draft.view(), key.bucket, key.name, 3)?;
    others.retain(|(tree_key, _)| tree_key != removed);
    let Some((tree_key, VersionRecord::Marker(marker))) = others.first() else { return Ok(()) };
    leave_other(draft, key, &VersionRecord::Marker(marker.clone()));
    let newest = MarkerRecord { noncurrent_since: None, ..marker.clone() };
    if newest != *marker {
        draft.put(key.tree(), tree_key.clone(), &newest);
    }
    if others.len() == 1 {
        enter_sole_marker(draft, key, &newest);
    }
    Ok(())
}

/// A detail of an object changed.
pub(super) fn change(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    tree_key: &[u8],
    before: ObjectRecord,
    after: &ObjectRecord,
) {
    if tree_key == key.current() {
        leave_current(draft, key, &before);
        enter_current(draft, key, after);
    } else {
        leave_other(draft, key, &VersionRecord::Object(before));
        enter_other(draft, key, &VersionRecord::Object(after.clone()), |_| true);
    }
}

/// Enters an upload.
pub(super) fn enter_upload(draft: &mut Draft<'_>, lifecycle: Option<&Lifecycle>, key: &str, id: UploadId) {
    let Some(lifecycle) = lifecycle else { return };
    if let Some(due) = lifecycle.rules.aborts(key, id.initiated) {
        draft.enter_due(lifecycle.entry(due, &Subject::Upload(key.to_owned(), id)));
    }
}

/// Takes an upload out.
pub(super) fn leave_upload(draft: &mut Draft<'_>, lifecycle: Option<&Lifecycle>, key: &str, id: UploadId) {
    let Some(lifecycle) = lifecycle else { return };
    if let Some(due) = lifecycle.rules.aborts(key, id.initiated) {
        draft.leave_due(lifecycle.entry(due, &Subject::Upload(key.to_owned(), id)));
    }
}

/// Enters a version that was there before the rules. `newer` is when the one above it was written, if there is one.
pub(super) fn enter_old(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    (tree_key, version): (&[u8], VersionRecord),
    newer: Option<Hlc>,
    is_sole: bool,
) {
    let version = match version {
        VersionRecord::Object(mut object) => {
            if object.noncurrent_since.is_none() {
                object.noncurrent_since = newer;
                draft.put(key.tree(), tree_key.to_vec(), &object);
            }
            VersionRecord::Object(object)
        }
        VersionRecord::Marker(mut marker) => {
            if marker.noncurrent_since != newer {
                leave_other(draft, key, &VersionRecord::Marker(marker.clone()));
                marker.noncurrent_since = newer;
                draft.put(key.tree(), tree_key.to_vec(), &marker);
            }
            if is_sole {
                enter_sole_marker(draft, key, &marker);
            }
            VersionRecord::Marker(marker)
        }
    };
    enter_other(draft, key, &version, |_| true);
}

/// Ends what an entry of the index is about, if the rules still say so and its lock lets it; and removes the entry.
pub(super) fn expire(draft: &mut Draft<'_>, command: &Expire) -> Decision<Reply> {
    let Expire { bucket: id, generation, due_millis, subject } = command;
    let (due, now) = (UnixMillis(*due_millis), draft.now().millis());
    if now < due {
        return Err(Refusal::NotDue.into());
    }
    draft.leave_due(keys::due(*id, *generation, due, subject));
    let record: Option<BucketRecord> = draft.read(TreeId::Catalog, &keys::bucket(*id))?;
    let Some(record) = record.filter(|record| record.lifecycle == Some(*generation)) else { return Ok(Reply::Done) };
    let Some(rules) = of(draft, *id, &record)? else { return Ok(Reply::Done) };
    match subject {
        Subject::Version(name, version) => {
            let key = Key::of(*id, &record, name, Some(&rules));
            expire_version(draft, &key, &rules, *version)?;
        }
        Subject::Upload(name, upload) => {
            let is_due = rules.rules.aborts(name, upload.initiated).is_some_and(|due| due <= now);
            if is_due && query::upload(draft.view(), *id, name, *upload)?.is_some() {
                upload::drop_upload(draft, Some(&rules), *id, name, *upload)?;
            }
        }
    }
    Ok(Reply::Done)
}

fn expire_version(draft: &mut Draft<'_>, key: &Key<'_>, lifecycle: &Lifecycle, name: VersionName) -> Decision<()> {
    let now = draft.now().millis();
    let Some((tree_key, version)) = query::locate_version(draft.view(), key.bucket, key.name, name)? else {
        return Ok(());
    };
    match version {
        VersionRecord::Object(object) if tree_key == key.current() => {
            if lifecycle.expires(key.name, &object).is_some_and(|due| due <= now) {
                expire_current(draft, key, object)?;
            }
        }
        version => {
            let is_sole = |others: Vec<(Vec<u8>, VersionRecord)>| others.len() == 1;
            let alone = match &version {
                VersionRecord::Marker(marker) => {
                    let due = lifecycle.rules.marker_expires(key.name, marker.modified);
                    due.is_some_and(|due| due <= now)
                        && draft.current(key.bucket, key.name)?.is_none()
                        && is_sole(query::newest_versions(draft.view(), key.bucket, key.name, 2)?)
                }
                VersionRecord::Object(_) => false,
            };
            let kept = match &version {
                VersionRecord::Object(object) => lock::check_removal(draft, object, Governance::Observed).is_err(),
                VersionRecord::Marker(_) => false,
            };
            if !kept && (alone || is_over(draft, key, lifecycle, &tree_key, &version)?) {
                version::remove(draft, key, tree_key, &version, Governance::Observed)?;
            }
        }
    }
    Ok(())
}

/// The object stays below a delete marker, where versions are kept.
fn expire_current(draft: &mut Draft<'_>, key: &Key<'_>, object: ObjectRecord) -> Decision<()> {
    match key.versioning {
        None => delete_only_version(draft, key, Some(object), &Precondition::default())?,
        Some(_) => hide(draft, key, Some(object), &Precondition::default())?,
    };
    Ok(())
}

/// Whether a rule ends a version that is not current now: it is due, and enough others lie above it.
fn is_over(
    draft: &Draft<'_>,
    key: &Key<'_>,
    lifecycle: &Lifecycle,
    tree_key: &[u8],
    version: &VersionRecord,
) -> Decision<bool> {
    let now = draft.now().millis();
    let ends = lifecycle.ends(key.name, version);
    let Some(keep) = ends.into_iter().filter(|(due, _)| *due <= now).map(|(_, keep)| keep).min() else {
        return Ok(false);
    };
    let mut above = 0;
    if 0 < keep {
        query::visit_versions(draft.view(), key.bucket, key.name, SEARCH_MAX, |newer_key, newer| {
            let is_above = newer_key < tree_key;
            above += u32::from(is_above && matches!(newer, VersionRecord::Object(_)));
            is_above && above < keep
        })?;
    }
    Ok(keep <= above)
}
