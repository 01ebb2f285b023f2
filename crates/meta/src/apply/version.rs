//! The versions of a key: where they are, and how they move.
//!
//! The newest version is current and lies under [`keys::object`], unless it is a delete marker. All others, and every
//! delete marker, lie under [`keys::version`], newest first. The null version is one of them or current;
//! [`keys::null_version`] says where it is while it is not current. Only versioned buckets have more than current ones.

use super::draft::{Decision, Draft};
use super::lifecycle::{self, Lifecycle};
use super::quota::signed;
use super::{annotation, lock, manifest};
use crate::keys;
use crate::query;
use crate::record::{
    Body, BucketRecord, Governance, Hlc, MarkerRecord, NullVersionRecord, ObjectRecord, Quota, UnknownFields,
    VersionId, VersionName, VersionRecord, Versioning,
};
use crate::view::{BucketId, TreeId};

/// A key whose versions a command changes.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) bucket: BucketId,
    pub(super) versioning: Option<Versioning>,
    pub(super) name: &'a str,
    /// The rules that its versions are under.
    pub(super) lifecycle: Option<&'a Lifecycle>,
    /// How much its bucket may hold.
    pub(super) quota: Option<Quota>,
}

impl<'a> Key<'a> {
    /// A key of the bucket with this record and these rules.
    pub(super) fn of(bucket: BucketId, record: &BucketRecord, name: &'a str, lifecycle: Option<&'a Lifecycle>) -> Self {
        Self { bucket, versioning: record.versioning, name, lifecycle, quota: record.quota }
    }

    /// The tree with all its versions.
    pub(super) fn tree(&self) -> TreeId {
        TreeId::Objects(self.bucket)
    }

    /// The tree key of its current version.
    pub(super) fn current(&self) -> Vec<u8> {
        keys::object(self.name)
    }
}

/// What a new newest version replaces.
#[derive(Default)]
pub(super) struct Replaced {
    /// The object of the null version, when that ends because the new version is the null version.
    pub(super) object: Option<ObjectRecord>,
    /// Whether it was noted where the null version is.
    pub(super) was_noted: bool,
}

/// Makes room for a new newest version above `current`: moves that to the others, and ends the null version wherever it
/// is when the new one is the null version. The caller replaces or removes the record of the current version, and the
/// note where the null version is.
pub(super) fn make_room(draft: &mut Draft<'_>, key: &Key<'_>, current: Option<ObjectRecord>) -> Decision<Replaced> {
    match &current {
        Some(current) => lifecycle::leave_current(draft, key, current),
        None if key.versioning.is_some() => {
            lifecycle::cover_marker(draft, key, key.versioning == Some(Versioning::Suspended))?;
        }
        None => {}
    }
    let is_null = current.as_ref().is_some_and(|current| current.version.is_none());
    let replaced = match key.versioning {
        None => Replaced { object: current, was_noted: false },
        Some(Versioning::Suspended) if is_null => Replaced { object: current, was_noted: false },
        Some(versioning) => {
            if let Some(current) = current {
                displace(draft, key, &current)?;
            }
            match versioning {
                Versioning::Enabled => Replaced::default(),
                Versioning::Suspended => remove_null_version(draft, key)?,
            }
        }
    };
    if let Some(ended) = &replaced.object {
        lock::check_removal(draft, ended, Governance::Observed)?;
        draft.grow(key, -signed(ended.size), 0);
    }
    Ok(replaced)
}

/// Puts the current version among the others.
fn displace(draft: &mut Draft<'_>, key: &Key<'_>, current: &ObjectRecord) -> Decision<()> {
    let place = match current.version {
        Some(id) => id,
        None => {
            // Where its time says, which may be ahead of the clock; but below what displaces it now.
            let place = VersionId::at(current.modified.min(draft.now().previous()));
            note_null_version(draft, key, place);
            place
        }
    };
    let tree_key = keys::version(key.name, place);
    own(draft, key, current, &tree_key);
    let other = lifecycle::displaced(draft, key, current)?;
    draft.put(key.tree(), tree_key, &other);
    Ok(())
}

/// Removes the null version, which is not current, and leaves the note of where it was.
fn remove_null_version(draft: &mut Draft<'_>, key: &Key<'_>) -> Decision<Replaced> {
    let Some((tree_key, record)) = query::locate_null_version(draft.view(), key.bucket, key.name)? else {
        return Ok(Replaced::default());
    };
    draft.remove(key.tree(), tree_key);
    lifecycle::leave_other(draft, key, &record);
    Ok(Replaced { object: record.object(), was_noted: true })
}

/// Notes where the null version is, which is not current.
fn note_null_version(draft: &mut Draft<'_>, key: &Key<'_>, place: VersionId) {
    let record = NullVersionRecord { place, unknown: UnknownFields::default() };
    draft.put(key.tree(), keys::null_version(key.name), &record);
}

/// Puts a delete marker as the newest version; `is_sole` if there will be no other.
pub(super) fn put_marker(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    (id, modified): (Option<VersionId>, Hlc),
    is_sole: bool,
) {
    let place = VersionId::at(draft.now());
    if id.is_none() {
        note_null_version(draft, key, place);
    }
    let marker = MarkerRecord { modified, version: id, noncurrent_since: None, unknown: UnknownFields::default() };
    if is_sole {
        lifecycle::enter_sole_marker(draft, key, &marker);
    }
    draft.put(key.tree(), keys::version(key.name, place), &marker);
}

/// Takes a version out of its place, which is the current one or another, and ends its object if it has one. Then the
/// newest version left is current, unless it is a delete marker.
pub(super) fn remove(
    draft: &mut Draft<'_>,
    key: &Key<'_>,
    tree_key: Vec<u8>,
    record: &VersionRecord,
    governance: Governance,
) -> Decision<()> {
    if let VersionRecord::Object(object) = record {
        lock::check_removal(draft, object, governance)?;
        let ends_current = tree_key == key.current();
        draft.grow(key, -signed(object.size), -i64::from(ends_current));
        end(draft, key, object)?;
        remove_body(draft, key, object);
    }
    let was_current = tree_key == key.current();
    match record {
        VersionRecord::Object(object) if was_current => lifecycle::leave_current(draft, key, object),
        _ => lifecycle::leave_other(draft, key, record),
    }
    if record.name() == VersionName::Null && !was_current {
        draft.remove(key.tree(), keys::null_version(key.name));
    }
    match successor(draft, key, &tree_key, record)? {
        Some((successor_key, successor)) => {
            promote(draft, key, successor_key, successor);
            if !was_current {
                draft.remove(key.tree(), tree_key);
            }
        }
        None => {
            lifecycle::uncover_marker(draft, key, &tree_key)?;
            draft.remove(key.tree(), tree_key);
        }
    }
    Ok(())
}

/// The object that will be current once the version `record` at `tree_key` is gone, and is not yet; and where it is.
fn successor(
    draft: &Draft<'_>,
    key: &Key<'_>,
    tree_key: &[u8],
    record: &VersionRecord,
) -> Decision<Option<(Vec<u8>, ObjectRecord)>> {
    let newest = |limit| query::newest_versions(draft.view(), key.bucket, key.name, limit);
    let below = if tree_key == key.current() {
        // Without versioning there never was another.
        if key.versioning.is_some() { newest(1)?.pop() } else { None }
    } else {
        // Only a delete marker can be newest without being current.
        let can_hide = matches!(record, VersionRecord::Marker(_)) && draft.current(key.bucket, key.name)?.is_none();
        let mut newest = if can_hide { newest(2)?.into_iter() } else { Vec::new().into_iter() };
        newest.next().filter(|(newest_key, _)| newest_key == tree_key).and_then(|_| newest.next())
    };
    Ok(below.and_then(|(tree_key, version)| Some((tree_key, version.object()?))))
}

/// Makes the newest of the other versions current.
fn promote(draft: &mut Draft<'_>, key: &Key<'_>, tree_key: Vec<u8>, mut object: ObjectRecord) {
    if object.version.is_none() {
        draft.remove(key.tree(), keys::null_version(key.name));
    }
    lifecycle::leave_other(draft, key, &VersionRecord::Object(object.clone()));
    object.noncurrent_since = None;
    own(draft, key, &object, &key.current());
    draft.put(key.tree(), key.current(), &object);
    lifecycle::enter_current(draft, key, &object);
    draft.grow(key, 0, 1);
    draft.remove(key.tree(), tree_key);
}

/// Takes the current version, whose object goes elsewhere, out of its place. In a versioned bucket the caller puts a delete
/// marker there, before which the null version, if it is another one, ends like that of [`make_room`].
pub(super) fn take_current(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord) -> Decision<Replaced> {
    lock::check_removal(draft, object, Governance::Observed)?;
    lifecycle::leave_current(draft, key, object);
    draft.grow(key, -signed(object.size), -1);
    draft.remove(key.tree(), key.current());
    remove_body(draft, key, object);
    let replaced = match key.versioning {
        Some(Versioning::Suspended) if object.version.is_some() => remove_null_version(draft, key)?,
        _ => Replaced::default(),
    };
    if let Some(ended) = &replaced.object {
        lock::check_removal(draft, ended, Governance::Observed)?;
        draft.grow(key, -signed(ended.size), 0);
    }
    Ok(replaced)
}

/// Records that the record under `tree_key` names the segments of `object` from now on.
pub(super) fn own(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord, tree_key: &[u8]) {
    for segment in object.segments() {
        manifest::set_owner(draft, segment.write_id, key.tree(), tree_key);
    }
}

/// Retires the segments of an object that ends, and ends its annotations.
pub(super) fn end(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord) -> Decision<()> {
    for segment in object.segments() {
        manifest::retire(draft, segment);
    }
    annotation::end_all(draft, key, object)
}

/// Removes the body of an object that ends, if it has a record of its own.
pub(super) fn remove_body(draft: &mut Draft<'_>, key: &Key<'_>, object: &ObjectRecord) {
    if object.body == Body::Apart {
        draft.remove(key.tree(), keys::body(key.name, object.version));
    }
}
