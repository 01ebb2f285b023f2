//! Buckets.

use std::collections::BTreeMap;

use super::fixture::{Fixture, create_bucket};
use crate::command::{
    CONFIGURATION_SIZE_MAX, ChangeBucketConfiguration, Command, CreateBucket, DeleteBucket, DrainUploads,
    SetBucketConfiguration,
};
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{BucketLock, ConfigurationKind, Hlc, Versioning};
use crate::view::{BucketId, TreeId};

fn delete(bucket: BucketId) -> Command {
    Command::DeleteBucket(DeleteBucket { bucket })
}

#[test]
fn a_bucket_is_found_by_name_and_by_id() {
    let fixture = Fixture::new();
    let found = query::bucket(&fixture.view, "bucket").unwrap().unwrap();
    assert_eq!(found.id, fixture.bucket);
    assert_eq!(found.record.owner, "owner");
    assert_eq!(query::bucket_by_id(&fixture.view, found.id).unwrap(), Some(found.record));
    assert_eq!(query::bucket(&fixture.view, "other").unwrap(), None);
}

#[test]
fn a_taken_name_is_refused_with_its_bucket() {
    let mut fixture = Fixture::new();
    match fixture.refusal(create_bucket("bucket")) {
        Refusal::BucketExists(record) => assert_eq!(record.owner, "owner"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_impossible_name_is_refused() {
    let mut fixture = Fixture::new();
    for name in [String::new(), "x".repeat(256)] {
        let command =
            CreateBucket { name, owner: String::new(), region: None, has_lock: false, configurations: BTreeMap::new() };
        assert_eq!(fixture.refusal(Command::CreateBucket(command)), Refusal::InvalidName);
    }
}

#[test]
fn a_bucket_with_an_object_stays() {
    let mut fixture = Fixture::new();
    let put = fixture.inline("key", "body");
    fixture.put(put).unwrap();
    assert_eq!(fixture.refusal(delete(fixture.bucket)), Refusal::BucketNotEmpty);
    let deletion = fixture.deletion("key");
    fixture.apply(Command::DeleteObject(deletion)).unwrap();
    fixture.apply(delete(fixture.bucket)).unwrap();
    assert_eq!(fixture.refusal(delete(fixture.bucket)), Refusal::NoSuchBucket);
}

#[test]
fn a_bucket_created_again_is_another_bucket() {
    let mut fixture = Fixture::new();
    let old = fixture.bucket;
    let late = fixture.inline("key", "from before");
    fixture.apply(delete(old)).unwrap();
    let new = fixture.create_bucket("bucket");
    assert_ne!(old, new);
    assert_eq!(fixture.put(late), Err(Refusal::NoSuchBucket));
}

#[test]
fn the_uploads_of_a_deleted_bucket_are_drained_in_steps() {
    let mut fixture = Fixture::new();
    let bucket = fixture.bucket;
    for key in ["a", "b"] {
        let upload = fixture.create_upload(key);
        fixture.put_parts(key, upload, &[(1, 100), (2, 200)]);
    }
    fixture.apply(delete(bucket)).unwrap();
    assert_eq!(query::draining_buckets(&fixture.view, 10).unwrap(), [bucket]);
    let step = Command::DrainUploads(DrainUploads { bucket, limit: 4 });
    assert_eq!(fixture.apply(step.clone()), Ok(Reply::Drained { finished: false }));
    assert_eq!(fixture.apply(step.clone()), Ok(Reply::Drained { finished: true }));
    assert_eq!(fixture.retired_writes().len(), 4);
    assert_eq!(fixture.view.records(TreeId::Uploads(bucket)).count(), 0);
    assert_eq!(query::draining_buckets(&fixture.view, 10).unwrap(), []);
    assert_eq!(fixture.apply(step), Ok(Reply::Drained { finished: true }));
}

#[test]
fn buckets_are_listed_in_pages() {
    let mut fixture = Fixture::new();
    for name in ["b", "a", "bb", "c"] {
        fixture.create_bucket(name);
    }
    let list = |prefix, after, limit| {
        let page = query::list_buckets(&fixture.view, prefix, after, limit).unwrap();
        (page.buckets.into_iter().map(|bucket| bucket.record.name).collect::<Vec<_>>().join(" "), page.truncated)
    };
    assert_eq!(list("", "", 10), ("a b bb bucket c".to_owned(), false));
    assert_eq!(list("", "", 2), ("a b".to_owned(), true));
    assert_eq!(list("", "b", 2), ("bb bucket".to_owned(), true));
    assert_eq!(list("", "bucket", 2), ("c".to_owned(), false));
    assert_eq!(list("b", "", 3), ("b bb bucket".to_owned(), false));
    assert_eq!(list("b", "c", 3), (String::new(), false));
    assert_eq!(list("", "", 0), (String::new(), false));
}

fn kind(number: u8) -> ConfigurationKind {
    ConfigurationKind::new(number).unwrap()
}

fn configure(bucket: BucketId, number: u8, value: Option<&str>) -> Command {
    let value = value.map(|value| value.as_bytes().to_vec());
    Command::SetBucketConfiguration(SetBucketConfiguration { bucket, kind: kind(number), value })
}

#[test]
fn a_configuration_is_set_read_and_removed_by_kind() {
    let mut fixture = Fixture::new();
    let bucket = fixture.bucket;
    let read = |fixture: &Fixture, number| {
        let value = query::bucket_configuration(&fixture.view, bucket, kind(number)).unwrap();
        value.map(|value| String::from_utf8(value.to_vec()).unwrap())
    };
    assert_eq!(read(&fixture, 1), None);
    for (number, value) in [(1, "policy"), (255, ""), (1, "other policy")] {
        fixture.apply(configure(bucket, number, Some(value))).unwrap();
        assert_eq!(read(&fixture, number).as_deref(), Some(value));
    }
    assert_eq!((read(&fixture, 2), read(&fixture, 255).as_deref()), (None, Some("")));
    fixture.apply(configure(bucket, 1, None)).unwrap();
    assert_eq!((read(&fixture, 1), read(&fixture, 255).as_deref()), (None, Some("")));
}

#[test]
fn the_stamp_of_a_bucket_changes_with_every_configuration() {
    let mut fixture = Fixture::new();
    let bucket = fixture.bucket;
    let stamp = |fixture: &Fixture| query::bucket_by_id(&fixture.view, bucket).unwrap().unwrap().configured;
    let mut last = stamp(&fixture);
    assert_eq!(last, Hlc::ZERO);
    for value in [Some("a"), Some("a"), None] {
        fixture.apply(configure(bucket, 1, value)).unwrap();
        assert!(last < stamp(&fixture), "{value:?}");
        last = stamp(&fixture);
    }
    let before = fixture.view.clone();
    fixture.apply(configure(bucket, 1, None)).unwrap();
    assert_eq!(fixture.view, before, "there was nothing to remove");
}

#[test]
fn a_change_from_older_configurations_is_refused() {
    let mut fixture = Fixture::new();
    let bucket = fixture.bucket;
    let stamp = |fixture: &Fixture| query::bucket_by_id(&fixture.view, bucket).unwrap().unwrap().configured;
    let change = |configured, value: Option<&str>| {
        let Command::SetBucketConfiguration(change) = configure(bucket, 1, value) else { panic!() };
        Command::ChangeBucketConfiguration(ChangeBucketConfiguration { change, configured })
    };
    let never = stamp(&fixture);
    for value in [Some("a"), Some("b"), None, Some("c")] {
        let (before, state) = (stamp(&fixture), fixture.view.clone());
        if before != never {
            let refusal = Refusal::VersionChanged { version: before.bits() };
            assert_eq!(fixture.refusal(change(never, value)), refusal);
            assert_eq!(fixture.view, state);
        }
        fixture.apply(change(before, value)).unwrap();
        let read = query::bucket_configuration(&fixture.view, bucket, kind(1)).unwrap();
        assert_eq!(read.as_deref(), value.map(str::as_bytes));
    }
    // Another configuration counts as well: what depends on it was decided by what it was.
    let before = stamp(&fixture);
    fixture.apply(configure(bucket, 2, Some("other"))).unwrap();
    let refusal = Refusal::VersionChanged { version: stamp(&fixture).bits() };
    assert_eq!(fixture.refusal(change(before, Some("d"))), refusal);
}

#[test]
fn configurations_of_impossible_size_or_bucket_are_refused() {
    let mut fixture = Fixture::new();
    let set = |bucket, size| {
        let value = Some(vec![0; size]);
        Command::SetBucketConfiguration(SetBucketConfiguration { bucket, kind: kind(1), value })
    };
    fixture.apply(set(fixture.bucket, CONFIGURATION_SIZE_MAX)).unwrap();
    let size = CONFIGURATION_SIZE_MAX + 1;
    let refusal = Refusal::ConfigurationTooLarge { size: size as u64 };
    assert_eq!(fixture.refusal(set(fixture.bucket, size)), refusal);
    assert_eq!(fixture.refusal(set(BucketId(999), 1)), Refusal::NoSuchBucket);
    assert_eq!(fixture.refusal(configure(BucketId(999), 1, None)), Refusal::NoSuchBucket);
}

#[test]
fn the_configurations_of_a_bucket_vanish_with_it() {
    let mut fixture = Fixture::new();
    let (old, neighbour) = (fixture.bucket, fixture.create_bucket("neighbour"));
    for (bucket, number) in [(old, 1), (old, 255), (neighbour, 1)] {
        fixture.apply(configure(bucket, number, Some("value"))).unwrap();
    }
    fixture.apply(delete(old)).unwrap();
    let new = fixture.create_bucket("bucket");
    for (bucket, number, exists) in [(old, 1, false), (old, 255, false), (new, 1, false), (neighbour, 1, true)] {
        let found = query::bucket_configuration(&fixture.view, bucket, kind(number)).unwrap();
        assert_eq!(found.is_some(), exists, "{bucket:?} {number}");
    }
}

#[test]
fn a_bucket_is_born_with_its_configurations_and_its_lock() {
    let mut fixture = Fixture::new();
    let create = |name: &str, size| CreateBucket {
        name: name.to_owned(),
        owner: "owner".to_owned(),
        region: None,
        has_lock: true,
        configurations: BTreeMap::from([(kind(3), b"mine".to_vec()), (kind(4), vec![0; size])]),
    };
    let Ok(Reply::BucketCreated(id)) = fixture.apply(Command::CreateBucket(create("born", 1))) else { panic!() };
    let record = query::bucket_by_id(&fixture.view, id).unwrap().unwrap();
    assert_eq!((record.versioning, record.lock), (Some(Versioning::Enabled), Some(BucketLock::default())));
    assert_eq!(record.configured, record.created);
    let found = query::bucket_configuration(&fixture.view, id, kind(3)).unwrap();
    assert_eq!(found.as_deref(), Some(&b"mine"[..]));
    let size = CONFIGURATION_SIZE_MAX + 1;
    let refusal = Refusal::ConfigurationTooLarge { size: size as u64 };
    assert_eq!(fixture.refusal(Command::CreateBucket(create("stillborn", size))), refusal);
}

#[test]
fn only_setting_a_configuration_needs_room() {
    assert!(configure(BucketId(1), 1, Some("value")).adds());
    assert!(!configure(BucketId(1), 1, None).adds());
    assert!(!configure(BucketId(1), 1, None).is_replayable());
}
