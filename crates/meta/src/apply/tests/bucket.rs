//! Buckets.

use super::fixture::{Fixture, create_bucket};
use crate::command::{Command, CreateBucket, DeleteBucket, DrainUploads};
use crate::outcome::{Refusal, Reply};
use crate::query;
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
        let command = CreateBucket { name, owner: String::new(), region: None };
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
