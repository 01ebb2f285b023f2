//! What the index of lifecycle rules must hold, found the plain way: by looking at everything.

use std::collections::BTreeSet;

use env::UnixMillis;
use proptest::prelude::*;

use crate::keys;
use crate::lifecycle::{Expiration, Facts, Filter, LifecycleRule, LifecycleRules, Noncurrent, Subject};
use crate::query::{self, ListUploads, UploadEntry};
use crate::record::{Governance, Hlc, LegalHold, LifecycleIndex, ObjectRecord, Record, VersionRecord};
use crate::testing::MemoryView;
use crate::view::{BucketId, TreeId};

/// What an entry of the index leads to.
#[derive(Debug)]
pub(super) enum End {
    Nothing,
    /// The version is gone.
    Version,
    /// It lies below a delete marker.
    Hidden,
    /// The upload is gone.
    Upload,
}

/// Rules about few keys, with days of few seconds.
pub(super) fn rules() -> impl Strategy<Value = Vec<LifecycleRule>> {
    let expiration = prop_oneof![
        (1_u32..4).prop_map(Expiration::Days),
        (900_000_u64..1_200_000).prop_map(|date| Expiration::Date(UnixMillis(date))),
        Just(Expiration::Markers),
    ];
    let noncurrent = (1_u32..3, 0_u32..3).prop_map(|(days, keep)| Noncurrent { days, keep });
    let filter = prop_oneof![
        3 => Just(Filter::default()),
        1 => Just(Filter { prefix: "a".to_owned(), ..Filter::default() }),
        1 => Just(Filter { tags: [("color".to_owned(), "red".to_owned())].into(), ..Filter::default() }),
        1 => Just(Filter { size_above: Some(9), ..Filter::default() }),
    ];
    let (expiration, noncurrent) = (prop::option::of(expiration), prop::option::of(noncurrent));
    let rule = (filter, expiration, noncurrent, prop::option::of(1_u32..3)).prop_map(
        |(filter, expiration, noncurrent, abort_days)| LifecycleRule { filter, expiration, noncurrent, abort_days },
    );
    prop::collection::vec(rule, 0..3)
}

/// A version of a key: whether it is newest, and how many objects lie above it that are not current.
struct Placed {
    key: String,
    version: VersionRecord,
    is_newest: bool,
    is_sole: bool,
    above: u32,
}

fn versions(view: &MemoryView, bucket: BucketId) -> Vec<Placed> {
    let tree = TreeId::Objects(bucket);
    let mut placed: Vec<Placed> = Vec::new();
    let current = view.records(tree).filter_map(|(key, value)| Some((keys::parse_object(key)?, value)));
    let mut currents: Vec<_> =
        current.map(|(key, value)| (key, VersionRecord::Object(ObjectRecord::decode(value).unwrap()))).collect();
    let others: Vec<_> = view
        .records(tree)
        .filter_map(|(key, value)| Some((keys::parse_version(key)?.0, VersionRecord::decode(value).unwrap())))
        .collect();
    let keys: BTreeSet<_> = currents.iter().chain(&others).map(|(key, _)| key.clone()).collect();
    for key in keys {
        let mut all: Vec<_> = currents.extract_if(.., |(found, _)| *found == key).collect();
        all.extend(others.iter().filter(|(found, _)| *found == key).cloned());
        let (mut above, count) = (0, all.len());
        for (position, (key, version)) in all.into_iter().enumerate() {
            let is_object = matches!(version, VersionRecord::Object(_));
            placed.push(Placed { key, version, is_newest: position == 0, is_sole: count == 1, above });
            above += u32::from(is_object && 0 < position);
        }
    }
    placed
}

/// When a version ends: by when the index must have it, and by when it may.
fn ends(rules: &LifecycleRules, placed: &Placed) -> (Vec<UnixMillis>, Vec<UnixMillis>) {
    let Placed { key, version, is_newest, is_sole, above } = placed;
    match version {
        VersionRecord::Object(object) => {
            let facts = Facts { key, size: object.size, tags: &object.tags };
            if *is_newest {
                assert_eq!(object.noncurrent_since, None);
                let due: Vec<_> = rules.expires(&facts, object.modified).into_iter().collect();
                return (due.clone(), due);
            }
            let since = object.noncurrent_since.expect("a complete index knows since when");
            if object.lock.hold == Some(LegalHold::On) {
                return Default::default();
            }
            let until = object.lock.retention.map_or(UnixMillis(0), |retention| retention.until);
            let ends = rules.noncurrent(&facts, since).into_iter().map(|(due, keep)| (due.max(until), keep));
            split(ends.collect(), *above)
        }
        VersionRecord::Marker(marker) if *is_newest => {
            let due = rules.marker_expires(key, marker.modified).filter(|_| *is_sole);
            (due.into_iter().collect(), due.into_iter().collect())
        }
        VersionRecord::Marker(marker) => {
            let since = marker.noncurrent_since.expect("a complete index knows since when");
            split(rules.noncurrent_marker(key, since), *above)
        }
    }
}

fn split(ends: Vec<(UnixMillis, u32)>, above: u32) -> (Vec<UnixMillis>, Vec<UnixMillis>) {
    let required = ends.iter().filter(|(_, keep)| *keep <= above).map(|(due, _)| *due).collect();
    (required, ends.into_iter().map(|(due, _)| due).collect())
}

fn rules_of(view: &MemoryView, bucket: BucketId) -> Option<(Hlc, LifecycleRules)> {
    let generation = query::bucket_by_id(view, bucket).unwrap()?.lifecycle?;
    Some((generation, query::lifecycle_rules(view, bucket).unwrap()))
}

/// A complete index of a bucket has an entry for everything that the rules end, and none that says anything wrong.
pub(super) fn check_index(view: &MemoryView, bucket: BucketId) {
    let indexes = query::lifecycles(view).unwrap();
    let live: Vec<_> =
        indexes.iter().filter(|state| state.bucket == bucket && state.index != LifecycleIndex::Draining).collect();
    let Some((generation, rules)) = rules_of(view, bucket) else { return assert!(live.is_empty()) };
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].generation, generation);
    if live[0].index != LifecycleIndex::Complete {
        return;
    }
    let found = query::due(view, bucket, generation, usize::MAX).unwrap();
    let found: BTreeSet<_> = found.into_iter().map(|entry| format!("{:?} {:?}", entry.due, entry.subject)).collect();
    let (mut required, mut allowed) = (BTreeSet::new(), BTreeSet::new());
    for placed in versions(view, bucket) {
        let subject = Subject::Version(placed.key.clone(), placed.version.name());
        if let VersionRecord::Marker(marker) = &placed.version {
            assert_eq!(marker.noncurrent_since.is_none(), placed.is_newest);
        }
        let (must, may) = ends(&rules, &placed);
        required.extend(must.into_iter().map(|due| format!("{due:?} {subject:?}")));
        allowed.extend(may.into_iter().map(|due| format!("{due:?} {subject:?}")));
    }
    let uploads = query::list_uploads(view, bucket, &ListUploads { limit: usize::MAX, ..ListUploads::default() });
    for entry in uploads.unwrap().entries {
        let UploadEntry::Upload { key, id, .. } = entry else { unreachable!("no delimiter") };
        if let Some(due) = rules.aborts(&key, id.initiated) {
            let entry = format!("{due:?} {:?}", Subject::Upload(key, id));
            required.insert(entry.clone());
            allowed.insert(entry);
        }
    }
    let missing: Vec<_> = required.difference(&found).collect();
    let wrong: Vec<_> = found.difference(&allowed).collect();
    assert!(missing.is_empty() && wrong.is_empty(), "missing {missing:?}, wrong {wrong:?}");
}

/// What ending `subject` at `now` comes to.
pub(super) fn expected_end(
    view: &MemoryView,
    bucket: BucketId,
    generation: Hlc,
    now: UnixMillis,
    subject: &Subject,
) -> End {
    let Some((_, rules)) = rules_of(view, bucket).filter(|(current, _)| *current == generation) else {
        return End::Nothing;
    };
    match subject {
        Subject::Upload(key, id) => {
            let exists = query::upload(view, bucket, key, *id).unwrap().is_some();
            let is_due = rules.aborts(key, id.initiated).is_some_and(|due| due <= now);
            if exists && is_due { End::Upload } else { End::Nothing }
        }
        Subject::Version(key, name) => {
            let found = versions(view, bucket).into_iter();
            let mut found = found.filter(|placed| placed.key == *key && placed.version.name() == *name);
            let Some(placed) = found.next() else { return End::Nothing };
            end_of_version(view, bucket, &rules, &placed, now)
        }
    }
}

fn end_of_version(
    view: &MemoryView,
    bucket: BucketId,
    rules: &LifecycleRules,
    placed: &Placed,
    now: UnixMillis,
) -> End {
    let since = match &placed.version {
        VersionRecord::Object(object) => object.noncurrent_since,
        VersionRecord::Marker(marker) => marker.noncurrent_since,
    };
    if !placed.is_newest && since.is_none() {
        // Nobody knows yet since when; it has no entry of its own, so this one is of another place of it.
        return End::Nothing;
    }
    let is_due = ends(rules, placed).0.into_iter().any(|due| due <= now);
    let is_versioned = query::bucket_by_id(view, bucket).unwrap().unwrap().versioning.is_some();
    let locked = match &placed.version {
        VersionRecord::Object(object) => object.lock.keeps(now, Governance::Observed),
        VersionRecord::Marker(_) => false,
    };
    match &placed.version {
        _ if !is_due => End::Nothing,
        VersionRecord::Object(_) if placed.is_newest && is_versioned => End::Hidden,
        _ if locked => End::Nothing,
        _ => End::Version,
    }
}
