//! Versions: what commands do with those before.

use std::collections::{BTreeMap, BTreeSet};

use env::UnixMillis;

use super::fixture::Fixture;
use crate::apply::apply;
use crate::command::{
    Command, DeleteBucket, DeleteObject, DeleteVersion, EtagCondition, FreeRetired, LogStamp, Precondition, RepairDone,
    RepairedStripe, ReportMissing, SetBucketQuota, SetBucketVersioning,
};
use crate::keys;
use crate::outcome::{ObjectDeleted, Refusal, Reply};
use crate::query::{self, ListVersions, ListedVersion, VersionEntry};
use crate::record::{Governance, Hlc, Quota, VersionId, VersionName, VersionRecord, Versioning, WriteId};
use crate::testing::CountingView;
use crate::view::{BucketId, TreeId};

const MIB: u64 = 1 << 20;

impl Fixture {
    fn set_versioning(&mut self, versioning: Versioning) {
        let command = SetBucketVersioning { bucket: self.bucket, versioning };
        self.apply(Command::SetBucketVersioning(command)).unwrap();
    }

    /// Puts a small object; returns how its version is named.
    fn put_version(&mut self, body: &'static str) -> Option<VersionName> {
        let put = self.inline("key", body);
        match self.put(put) {
            Ok(Reply::ObjectPut(put)) => put.version,
            other => panic!("{other:?}"),
        }
    }

    /// Puts a large object; returns its write.
    fn put_striped(&mut self) -> WriteId {
        let put = self.striped("key", MIB);
        let write_id = put.write_id;
        self.put(put).unwrap();
        write_id
    }

    fn delete(&mut self) -> ObjectDeleted {
        let deletion = self.deletion("key");
        match self.apply(Command::DeleteObject(deletion)) {
            Ok(Reply::ObjectDeleted(deleted)) => deleted,
            other => panic!("{other:?}"),
        }
    }

    fn deletion_of(&mut self, version: VersionName) -> DeleteVersion {
        let DeleteObject { bucket, key, precondition, write_id } = self.deletion("key");
        DeleteVersion { bucket, key, version, precondition, governance: Governance::Observed, write_id }
    }

    fn delete_version(&mut self, version: VersionName) -> ObjectDeleted {
        let deletion = self.deletion_of(version);
        match self.apply(Command::DeleteVersion(deletion)) {
            Ok(Reply::ObjectDeleted(deleted)) => deleted,
            other => panic!("{other:?}"),
        }
    }

    /// Records looked up and moves of cursors to decide a command.
    fn cost(&self, command: &Command) -> (Vec<(TreeId, Vec<u8>)>, usize) {
        let view = CountingView::new(self.view.clone());
        let stamp = LogStamp { index: 1 << 40, time: UnixMillis(self.time) };
        apply(&view, command, stamp).unwrap().0.unwrap();
        (view.lookups(), view.steps())
    }

    /// The versions of the key, newest first: name, and size or that it is a delete marker.
    fn versions(&self) -> Vec<(VersionName, Option<u64>)> {
        let request = ListVersions { limit: 1000, ..ListVersions::default() };
        let page = query::list_versions(&self.view, self.bucket, &request).unwrap();
        let versions = page.entries.into_iter().enumerate().map(|(index, entry)| match entry {
            VersionEntry::Version { name, is_latest, version, .. } => {
                assert_eq!(is_latest, index == 0);
                match version {
                    ListedVersion::Object(head) => (name, Some(head.size)),
                    ListedVersion::Marker { .. } => (name, None),
                }
            }
            VersionEntry::CommonPrefix(_) => unreachable!("no delimiter"),
        });
        versions.collect()
    }
}

#[test]
fn a_bucket_without_versioning_has_null_versions_that_are_not_named() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.put_version("body"), None);
    assert_eq!(fixture.versions(), [(VersionName::Null, Some(4))]);
    assert_eq!(fixture.delete(), ObjectDeleted { existed: true, version: None, is_marker: false });
    assert_eq!(fixture.versions(), []);
    fixture.put_version("body");
    let deleted = ObjectDeleted { existed: true, version: Some(VersionName::Null), is_marker: false };
    assert_eq!(fixture.delete_version(VersionName::Null), deleted);
    assert_eq!(fixture.versions(), []);
}

#[test]
fn an_enabled_bucket_keeps_every_version_until_it_is_deleted_by_name() {
    let mut fixture = Fixture::new();
    fixture.put_version("null");
    fixture.set_versioning(Versioning::Enabled);
    let first = fixture.put_version("1").unwrap();
    let second = fixture.put_version("22").unwrap();
    let marker = fixture.delete();
    assert_eq!((marker.existed, marker.is_marker), (true, true));
    let marker = marker.version.unwrap();
    assert_eq!(fixture.object("key"), None);
    let null = VersionName::Null;
    assert_eq!(fixture.versions(), [(marker, None), (second, Some(2)), (first, Some(1)), (null, Some(4))]);
    assert_eq!(fixture.retired_writes(), []);

    let deleted = ObjectDeleted { existed: true, version: Some(marker), is_marker: true };
    assert_eq!(fixture.delete_version(marker), deleted);
    assert_eq!(fixture.object("key").unwrap().size, 2, "the version below the marker is current again");
    fixture.delete_version(first);
    assert_eq!(fixture.object("key").unwrap().size, 2);
    fixture.delete_version(second);
    assert_eq!(fixture.object("key").unwrap().size, 4);
    assert_eq!(
        fixture.delete_version(second),
        ObjectDeleted { existed: false, version: Some(second), is_marker: false }
    );
    fixture.delete_version(null);
    assert_eq!((fixture.object("key"), fixture.versions()), (None, Vec::new()));
    assert_eq!(fixture.view.records(TreeId::Objects(fixture.bucket)).count(), 0);
}

#[test]
fn a_suspended_bucket_replaces_the_null_version_and_no_other() {
    let mut fixture = Fixture::new();
    let null = VersionName::Null;
    fixture.put_version("null");
    fixture.set_versioning(Versioning::Enabled);
    let kept = fixture.put_version("1").unwrap();
    fixture.set_versioning(Versioning::Suspended);
    assert_eq!(fixture.put_version("22"), Some(null));
    assert_eq!(fixture.versions(), [(null, Some(2)), (kept, Some(1))]);
    let marker = ObjectDeleted { existed: true, version: Some(null), is_marker: true };
    assert_eq!(fixture.delete(), marker);
    assert_eq!(fixture.versions(), [(null, None), (kept, Some(1))]);
    assert_eq!(fixture.delete(), ObjectDeleted { existed: false, ..marker.clone() });
    assert_eq!(fixture.versions(), [(null, None), (kept, Some(1))]);
    assert_eq!(fixture.put_version("333"), Some(null));
    assert_eq!(fixture.versions(), [(null, Some(3)), (kept, Some(1))]);
    fixture.delete();
    assert_eq!(fixture.delete_version(null), marker);
    assert_eq!(fixture.versions(), [(kept, Some(1))]);
    assert_eq!(fixture.object("key").unwrap().size, 1);
}

#[test]
fn the_names_of_deleted_versions_are_never_given_out_again() {
    let mut fixture = Fixture::new();
    // The clock stands still, and the time of the null version is ahead of it.
    for _ in 0..10 {
        fixture.put_version("null");
    }
    fixture.set_versioning(Versioning::Enabled);
    let mut names = BTreeSet::new();
    for round in 0..10 {
        fixture.time -= round * 100;
        let name = fixture.put_version("version").unwrap();
        assert!(names.insert(name), "{name}");
        assert_eq!(fixture.versions().len(), 2);
        fixture.delete_version(name);
        let name = fixture.delete().version.unwrap();
        assert!(names.insert(name), "{name}");
        fixture.delete_version(name);
        assert_eq!(fixture.versions(), [(VersionName::Null, Some(4))]);
    }
}

#[test]
fn noncurrent_segments_are_owned_repaired_and_never_freed() {
    let mut fixture = Fixture::new();
    fixture.set_versioning(Versioning::Enabled);
    let old = fixture.put_striped();
    let stripes = |missing: &[u8]| BTreeMap::from([(0, missing.iter().copied().collect::<BTreeSet<u8>>())]);
    fixture.apply(Command::ReportMissing(ReportMissing { write_id: old, stripes: stripes(&[1]) })).unwrap();
    let new = fixture.put_striped();
    let writes = |fixture: &Fixture| {
        let live = query::segments(&fixture.view, None, 10).unwrap();
        live.into_iter().map(|segment| segment.write_id).collect::<Vec<_>>()
    };
    assert_eq!(writes(&fixture), [old, new]);
    assert_eq!(fixture.retired_writes(), []);
    assert_eq!(query::object_of(&fixture.view, old).unwrap(), Some((fixture.bucket, "key".to_owned())));

    fixture.apply(Command::ReportMissing(ReportMissing { write_id: old, stripes: stripes(&[2]) })).unwrap();
    let queue = query::repair_queue(&fixture.view, None, 10).unwrap();
    assert_eq!((queue.len(), queue[0].write_id, queue[0].spare_shards), (1, old, 0));
    let repaired = RepairedStripe { at_slot: [1, 2].into(), ..RepairedStripe::default() };
    let repaired = RepairDone { write_id: old, stripes: BTreeMap::from([(0, repaired)]) };
    fixture.apply(Command::RepairDone(repaired)).unwrap();
    assert_eq!(query::repair_queue(&fixture.view, None, 10).unwrap(), []);

    let marker = fixture.delete().version.unwrap();
    assert_eq!(writes(&fixture), [old, new]);
    let versions = fixture.versions();
    fixture.delete_version(versions[2].0);
    assert_eq!((writes(&fixture), fixture.retired_writes()), (vec![new], vec![old]));
    fixture.delete_version(marker);
    assert_eq!(query::object_of(&fixture.view, new).unwrap().unwrap().1, "key");
    let (id, _) = query::retired_segments(&fixture.view, u64::MAX, 10).unwrap().pop().unwrap();
    fixture.apply(Command::FreeRetired(FreeRetired { retired: vec![id] })).unwrap();
    assert!(!query::is_referenced(&fixture.view, old).unwrap());
}

#[test]
fn a_completed_upload_is_a_version() {
    let mut fixture = Fixture::new();
    fixture.set_versioning(Versioning::Enabled);
    let first = fixture.put_striped();
    let upload = fixture.create_upload("key");
    let listed = fixture.put_parts("key", upload, &[(1, 5 * MIB), (2, 1)]);
    let completion = fixture.completion("key", upload, listed);
    let Ok(Reply::ObjectPut(put)) = fixture.complete(completion.clone()) else { panic!("refused") };
    assert!(matches!(put.version, Some(VersionName::Id(_))));
    assert_eq!(fixture.complete(completion), Ok(Reply::ObjectPut(put.clone())), "also when it is repeated");
    let versions = fixture.versions();
    assert_eq!(versions[0], (put.version.unwrap(), Some(5 * MIB + 1)));
    fixture.delete_version(versions[1].0);
    assert_eq!(fixture.retired_writes(), [first]);
}

#[test]
fn what_was_proposed_twice_makes_and_deletes_one_version() {
    let mut fixture = Fixture::new();
    fixture.set_versioning(Versioning::Enabled);
    let put = Command::PutObject(Box::new(fixture.inline("key", "body")));
    let hide = Command::DeleteObject(fixture.deletion("key"));
    let mut replies = Vec::new();
    for command in [&put, &put, &hide, &hide, &put] {
        replies.push(fixture.apply(command.clone()).unwrap());
    }
    assert_eq!((&replies[0], &replies[2], &replies[0]), (&replies[1], &replies[3], &replies[4]));
    let versions = fixture.versions();
    assert_eq!(versions.len(), 2);

    fixture.set_versioning(Versioning::Suspended);
    fixture.put_version("null");
    let deletion = Command::DeleteVersion(fixture.deletion_of(VersionName::Null));
    let reply = fixture.apply(deletion.clone());
    fixture.put_version("later");
    assert_eq!(fixture.apply(deletion), reply);
    assert_eq!(fixture.object("key").unwrap().size, 5, "the later null version is not deleted by the replay");
    for command in [put, hide] {
        assert!(command.is_replayable());
    }
}

#[test]
fn conditions_of_writes_see_no_delete_markers_and_those_of_deletions_do() {
    let absent = Precondition::absent;
    let any = || Precondition { if_match: Some(EtagCondition::Any), ..Precondition::default() };
    let mut fixture = Fixture::new();
    fixture.set_versioning(Versioning::Enabled);
    let delete = |fixture: &mut Fixture, precondition| {
        let deletion = DeleteObject { precondition, ..fixture.deletion("key") };
        fixture.apply(Command::DeleteObject(deletion))
    };
    assert_eq!(delete(&mut fixture, any()), Ok(Reply::ObjectDeleted(ObjectDeleted::default())));
    assert_eq!(fixture.versions(), [], "no marker where there was nothing");
    let put = fixture.inline("key", "body");
    let etag = put.object.etag.clone();
    fixture.put(put).unwrap();
    let marker = fixture.delete().version.unwrap();

    let mut put = fixture.inline("key", "body");
    put.precondition = any();
    assert_eq!(fixture.put(put), Err(Refusal::NoSuchKey));
    let tagged = Precondition::matches(etag.clone());
    assert_eq!(delete(&mut fixture, tagged.clone()), Err(Refusal::PreconditionFailed));
    assert!(delete(&mut fixture, any()).is_ok());
    let mut put = fixture.inline("key", "body");
    put.precondition = absent();
    assert!(fixture.put(put).is_ok());

    let first = fixture.versions().last().unwrap().0;
    let named = |fixture: &mut Fixture, version, precondition| {
        let deletion = DeleteVersion { precondition, ..fixture.deletion_of(version) };
        fixture.apply(Command::DeleteVersion(deletion)).map(|_| ())
    };
    assert_eq!(named(&mut fixture, marker, tagged.clone()), Err(Refusal::PreconditionFailed));
    assert_eq!(named(&mut fixture, marker, any()), Ok(()));
    assert_eq!(named(&mut fixture, marker, tagged.clone()), Ok(()), "it is gone");
    let other = Precondition::matches(crate::record::Etag::Md5([0; 16]));
    assert_eq!(named(&mut fixture, first, other), Err(Refusal::PreconditionFailed));
    assert_eq!(named(&mut fixture, first, tagged), Ok(()));
}

#[test]
fn a_bucket_with_any_version_or_marker_stays() {
    let mut fixture = Fixture::new();
    let delete = Command::DeleteBucket(DeleteBucket { bucket: fixture.bucket });
    fixture.set_versioning(Versioning::Enabled);
    let version = fixture.put_version("body").unwrap();
    let marker = fixture.delete().version.unwrap();
    assert_eq!(fixture.refusal(delete.clone()), Refusal::BucketNotEmpty);
    fixture.delete_version(version);
    assert_eq!(fixture.refusal(delete.clone()), Refusal::BucketNotEmpty);
    fixture.delete_version(marker);
    fixture.apply(delete).unwrap();
}

#[test]
fn versions_count_in_bytes_and_not_as_objects() {
    let mut fixture = Fixture::new();
    fixture.set_versioning(Versioning::Enabled);
    for (body, objects, bytes) in [("1", 1, 1), ("22", 1, 3), ("333", 1, 6)] {
        fixture.put_version(body);
        let usage = query::bucket_usage(&fixture.view, fixture.bucket).unwrap();
        assert_eq!((usage.objects, usage.bytes, usage.other_bytes), (objects, bytes, 0));
        assert_eq!(query::prefix_usage(&fixture.view, fixture.bucket, "k").unwrap().bytes, bytes);
        assert_eq!(query::prefix_usage(&fixture.view, fixture.bucket, "l").unwrap().bytes, 0);
    }
    fixture.delete();
    let usage = query::bucket_usage(&fixture.view, fixture.bucket).unwrap();
    assert_eq!((usage.objects, usage.bytes), (0, 6));
}

#[test]
fn versioning_is_set_in_an_existing_bucket_and_twice_without_effect() {
    let mut fixture = Fixture::new();
    let set = |bucket| Command::SetBucketVersioning(SetBucketVersioning { bucket, versioning: Versioning::Suspended });
    assert_eq!(fixture.refusal(set(BucketId(999))), Refusal::NoSuchBucket);
    fixture.apply(set(fixture.bucket)).unwrap();
    let before = fixture.view.clone();
    fixture.apply(set(fixture.bucket)).unwrap();
    assert_eq!(fixture.view, before);
    assert!(!set(fixture.bucket).is_replayable());
    let record = query::bucket_by_id(&fixture.view, fixture.bucket).unwrap().unwrap();
    assert_eq!(record.versioning, Some(Versioning::Suspended));
}

#[test]
fn the_place_of_the_null_version_is_no_name() {
    let mut fixture = Fixture::new();
    fixture.put_version("null");
    fixture.set_versioning(Versioning::Enabled);
    fixture.put_version("version");
    let records = fixture.view.records(TreeId::Objects(fixture.bucket));
    let places: Vec<VersionId> =
        records.filter_map(|(key, _)| keys::parse_version(key)).map(|(_, place)| place).collect();
    assert_eq!(places.len(), 1);
    assert_ne!(places[0].committed, Hlc::ZERO);
    let name = VersionName::Id(places[0]);
    assert_eq!(query::version(&fixture.view, fixture.bucket, "key", name).unwrap(), None);
    assert!(!fixture.delete_version(name).existed);
    let null = query::version(&fixture.view, fixture.bucket, "key", VersionName::Null).unwrap();
    assert!(matches!(null, Some(VersionRecord::Object(_))));
}

#[test]
fn unversioned_buckets_are_never_searched_for_other_versions() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.striped("key", MIB), fixture.inline("key", "body"));
    let delete = Command::DeleteObject(fixture.deletion("key"));
    let delete_null = Command::DeleteVersion(fixture.deletion_of(VersionName::Null));
    let put = |put| Command::PutObject(Box::new(put));
    let body = fixture.inline("key", "body");
    for command in [put(first), put(second), delete, put(body), delete_null] {
        let (lookups, steps) = fixture.cost(&command);
        let objects = TreeId::Objects(fixture.bucket);
        let of_objects: Vec<_> = lookups.into_iter().filter(|(tree, _)| *tree == objects).collect();
        assert_eq!(of_objects, [(objects, keys::object("key"))], "{command:?}");
        assert_eq!(steps, 0, "{command:?}");
        fixture.apply(command).unwrap();
    }
}

#[test]
fn a_version_costs_the_same_above_and_below_however_many_others() {
    let mut fixture = Fixture::new();
    fixture.put_version("null");
    fixture.set_versioning(Versioning::Enabled);
    let mut costs = BTreeSet::new();
    for count in 1..=100 {
        let name = fixture.put_version("body").unwrap();
        let marker = fixture.delete().version.unwrap();
        if count % 10 == 0 {
            let put = Command::PutObject(Box::new(fixture.inline("key", "body")));
            let hide = Command::DeleteObject(fixture.deletion("key"));
            let delete_old = Command::DeleteVersion(fixture.deletion_of(name));
            let delete_newest = Command::DeleteVersion(fixture.deletion_of(marker));
            let commands = [put, hide, delete_old, delete_newest];
            costs.insert(commands.map(|command| {
                let (lookups, steps) = fixture.cost(&command);
                (lookups.len(), steps)
            }));
        }
    }
    assert_eq!(costs.len(), 1, "{costs:?}");
}

#[test]
fn a_deletion_by_which_an_older_version_shows_again_is_no_matter_of_quota() {
    let mut fixture = Fixture::new();
    let bucket = fixture.bucket;
    fixture.set_versioning(Versioning::Enabled);
    fixture.put_version("content");
    let marker = fixture.delete().version.unwrap();
    let quota = Some(Quota { bytes: None, objects: Some(0) });
    fixture.apply(Command::SetBucketQuota(SetBucketQuota { bucket, quota })).unwrap();
    let put = fixture.inline("other", "content");
    assert_eq!(fixture.refusal(Command::PutObject(Box::new(put))), Refusal::QuotaExceeded);
    assert!(fixture.delete_version(marker).is_marker);
    assert!(fixture.object("key").is_some());
}
