//! Putting and deleting objects.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use env::UnixMillis;
use placement::{Epoch, GroupId};

use super::fixture::{Fixture, GROUP_COUNT, segment};
use crate::command::{
    AdvanceIntentEpoch, Command, DeleteObject, EtagCondition, ObjectDetail, PinWrite, Precondition, PutObject,
    SetObjectDetail, SetTable,
};
use crate::keys;
use crate::outcome::{InvalidManifest, ObjectDeleted, Refusal, Reply};
use crate::query;
use crate::record::{
    Body, Etag, GroupFence, Hlc, IntentEpoch, ObjectPart, ObjectRecord, Record, StateRecord, StripeException,
};
use crate::view::{BucketId, Edit, TreeId, read};

#[test]
fn a_put_is_read_back_whole() {
    let mut fixture = Fixture::new();
    let mut put = fixture.striped("key", 9 << 20);
    put.object.headers.insert("content-type".to_owned(), "text/plain".to_owned());
    put.object.user_metadata.insert("colour".to_owned(), "blue".to_owned());
    put.object.storage_class = Some("STANDARD_IA".to_owned());
    fixture.put(put.clone()).unwrap();
    let mut found = fixture.object("key").unwrap();
    assert_eq!(found.modified, Hlc::from_millis(UnixMillis(fixture.time)).next());
    found.modified = Hlc::ZERO;
    assert_eq!(found, put.object);
    assert_eq!(fixture.object("ke"), None);
    assert_eq!(fixture.object("key "), None);
}

#[test]
fn time_never_stands_still_for_a_key() {
    let mut fixture = Fixture::new();
    let mut previous = Hlc::ZERO;
    for time in [1_000_000, 1_000_000, 5, 1_000_001, 2_000_000] {
        fixture.time = time;
        let put = fixture.inline("key", "body");
        fixture.put(put).unwrap();
        let modified = fixture.object("key").unwrap().modified;
        assert!(previous.millis() < modified.millis());
        assert!(UnixMillis(time) <= modified.millis());
        previous = modified;
    }
}

#[test]
fn an_overwrite_retires_the_segments_of_the_version_before() {
    let mut fixture = Fixture::new();
    let first = fixture.striped("key", 9 << 20);
    let second = fixture.inline("key", "small now");
    fixture.put(first.clone()).unwrap();
    assert!(query::is_referenced(&fixture.view, first.write_id).unwrap());
    fixture.put(second).unwrap();
    assert_eq!(fixture.retired_writes(), [first.write_id]);
    assert!(query::is_referenced(&fixture.view, first.write_id).unwrap(), "retired shards are no orphans yet");
}

#[test]
fn a_write_proposed_again_answers_as_before_and_changes_nothing() {
    let mut fixture = Fixture::new();
    for put in [fixture.inline("key", "body"), fixture.striped("key", 1 << 20)] {
        let reply = fixture.put(put.clone());
        assert!(reply.is_ok());
        let later = fixture.inline("key", "later");
        fixture.put(later).unwrap();
        let before = fixture.view.clone();
        assert_eq!(fixture.put(put), reply);
        assert_eq!(fixture.view, before);
    }
    let deletion = Command::DeleteObject(fixture.deletion("key"));
    let reply = fixture.apply(deletion.clone());
    assert_eq!(reply, Ok(Reply::ObjectDeleted(ObjectDeleted { existed: true, ..ObjectDeleted::default() })));
    let later = fixture.inline("key", "later");
    fixture.put(later).unwrap();
    assert_eq!(fixture.apply(deletion), reply);
    assert!(fixture.object("key").is_some(), "the later object is not deleted by the replay");
}

#[test]
fn a_used_write_id_is_refused_for_another_write() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("other");
    let part = fixture.part("other", upload, 1, 100);
    let write_id = part.part.segment.write_id;
    fixture.put_part(part).unwrap();
    let mut put = fixture.striped("key", 100);
    put.write_id = write_id;
    put.object.body = Body::Striped(vec![segment(write_id, 100)]);
    assert_eq!(fixture.put(put), Err(Refusal::WriteIdUsed));
}

#[test]
fn the_oldest_result_is_forgotten_once_the_ring_is_full() {
    let mut fixture = Fixture::new();
    let [first, second, third] = ["first", "second", "third"].map(|key| fixture.inline(key, "body"));
    let first_reply = fixture.put(first.clone());
    let second_reply = fixture.put(second.clone());
    let state: StateRecord = read(&fixture.view, TreeId::Internal, &keys::state()).unwrap().unwrap();
    assert_eq!(state.write_results, 2);
    let full = StateRecord { write_results: 1 << 16, ..state };
    let (key, value) = (keys::state().into(), full.encode());
    fixture.view.edit(Edit::Put { tree: TreeId::Internal, key, value });
    fixture.put(third).unwrap();
    assert_eq!(fixture.put(second), second_reply);
    assert_ne!(fixture.put(first), first_reply, "the third took the place of the first");
}

#[test]
fn deleting_what_is_not_there_succeeds_whatever_the_precondition() {
    let mut fixture = Fixture::new();
    let deletion = DeleteObject {
        precondition: Precondition { if_size: Some(7), ..Precondition::matches(Etag::Md5([0; 16])) },
        ..fixture.deletion("key")
    };
    let before = fixture.view.clone();
    assert_eq!(fixture.apply(Command::DeleteObject(deletion)), Ok(Reply::ObjectDeleted(ObjectDeleted::default())));
    assert_eq!(fixture.view, before);
}

#[test]
fn preconditions_of_puts() {
    let tag = |text: &str| Etag::parse(text).unwrap();
    let one_of = |texts: &[&str]| EtagCondition::OneOf(texts.iter().map(|text| tag(text)).collect());
    let if_match = |condition| Precondition { if_match: Some(condition), ..Precondition::default() };
    let if_none_match = |condition| Precondition { if_none_match: Some(condition), ..Precondition::default() };
    let cases = [
        (if_match(EtagCondition::Any), Err(Refusal::NoSuchKey), Ok(())),
        (if_match(one_of(&["now"])), Err(Refusal::NoSuchKey), Ok(())),
        (if_match(one_of(&["old", "now"])), Err(Refusal::NoSuchKey), Ok(())),
        (if_match(one_of(&["old"])), Err(Refusal::NoSuchKey), Err(Refusal::PreconditionFailed)),
        (if_none_match(EtagCondition::Any), Ok(()), Err(Refusal::PreconditionFailed)),
        (if_none_match(one_of(&["old"])), Ok(()), Ok(())),
        (if_none_match(one_of(&["old", "now"])), Ok(()), Err(Refusal::PreconditionFailed)),
        (Precondition::absent(), Ok(()), Err(Refusal::PreconditionFailed)),
        (Precondition::default(), Ok(()), Ok(())),
    ];
    for (precondition, when_absent, when_present) in cases {
        for (present, expected) in [(false, when_absent.clone()), (true, when_present.clone())] {
            let mut fixture = Fixture::new();
            if present {
                let mut put = fixture.inline("key", "body");
                put.object.etag = tag("now");
                fixture.put(put).unwrap();
            }
            let put = PutObject { precondition: precondition.clone(), ..fixture.inline("key", "new") };
            assert_eq!(fixture.put(put).map(|_| ()), expected, "{precondition:?}, present: {present}");
        }
    }
}

#[test]
fn preconditions_of_deletions() {
    let size = |size| Precondition { if_size: Some(size), ..Precondition::default() };
    let modified = |seconds| Precondition { if_modified_at_seconds: Some(seconds), ..Precondition::default() };
    let cases = [
        (size(4), true),
        (size(5), false),
        (modified(1000), true),
        (modified(999), false),
        (Precondition { if_size: Some(4), ..modified(999) }, false),
        (Precondition { if_match: Some(EtagCondition::Any), ..size(4) }, true),
    ];
    for (precondition, allowed) in cases {
        let mut fixture = Fixture::new();
        let put = fixture.inline("key", "body");
        fixture.put(put).unwrap();
        let deletion = DeleteObject { precondition: precondition.clone(), ..fixture.deletion("key") };
        let expected = if allowed {
            Ok(Reply::ObjectDeleted(ObjectDeleted { existed: true, ..ObjectDeleted::default() }))
        } else {
            Err(Refusal::PreconditionFailed)
        };
        assert_eq!(fixture.apply(Command::DeleteObject(deletion)), expected, "{precondition:?}");
        assert_eq!(fixture.object("key").is_none(), allowed);
    }
}

#[test]
fn keys_of_impossible_length_are_refused() {
    let mut fixture = Fixture::new();
    for key in [String::new(), "k".repeat(1025)] {
        let put = fixture.inline(&key, "body");
        assert_eq!(fixture.put(put), Err(Refusal::InvalidName));
        let deletion = fixture.deletion(&key);
        assert_eq!(fixture.refusal(Command::DeleteObject(deletion)), Refusal::InvalidName);
    }
    let put = fixture.inline(&"k".repeat(1024), "body");
    fixture.put(put).unwrap();
}

#[test]
fn a_commit_whose_epoch_has_passed_is_refused_unless_pinned() {
    let mut fixture = Fixture::new();
    let advance = |fixture: &mut Fixture| {
        let from = fixture.epoch();
        fixture.apply(Command::AdvanceIntentEpoch(AdvanceIntentEpoch { from })).unwrap();
    };
    let slow = fixture.striped("slow", 1 << 20);
    let pinned = fixture.striped("pinned", 1 << 20);
    let timely = fixture.striped("timely", 1 << 20);
    let pin = PinWrite { write_id: pinned.write_id, intent_epoch: IntentEpoch(0), holder: 1 };
    fixture.apply(Command::PinWrite(pin.clone())).unwrap();
    advance(&mut fixture);
    fixture.put(timely).unwrap();
    advance(&mut fixture);
    assert_eq!(fixture.put(slow), Err(Refusal::IntentEpochPassed { minimum: IntentEpoch(1) }));
    let write_id = pinned.write_id;
    fixture.put(pinned).unwrap();
    assert_eq!(query::pinned_write(&fixture.view, write_id).unwrap(), None, "the commit unpins");
    let late_pin = PinWrite { write_id: fixture.write_id(), ..pin.clone() };
    assert_eq!(fixture.refusal(Command::PinWrite(late_pin)), Refusal::IntentEpochPassed { minimum: IntentEpoch(1) });
    let used = PinWrite { write_id, intent_epoch: IntentEpoch(2), holder: 1 };
    assert_eq!(fixture.refusal(Command::PinWrite(used)), Refusal::WriteIdUsed);
}

#[test]
fn a_commit_at_a_fenced_epoch_is_refused() {
    let mut fixture = Fixture::new();
    let fence = |epoch, accepted_from| GroupFence {
        group: GroupId(1),
        epoch: Epoch(epoch),
        accepted_from: Epoch(accepted_from),
    };
    let set = |fixture: &mut Fixture, based_on, fence| {
        let command = SetTable { based_on, table: vec![1], fences: vec![fence] };
        fixture.apply(Command::SetTable(command)).unwrap();
    };
    // Two stripes, in groups 0 and 1, at epoch 1.
    let size = 8 << 20;
    let put = fixture.striped("moving", size);
    set(&mut fixture, 1, fence(2, 1));
    fixture.put(put).unwrap();
    let put = fixture.striped("rebuilding", size);
    set(&mut fixture, 2, fence(3, 2));
    let refused = |epoch| Err(Refusal::StaleGroup { group: GroupId(1), epoch: Epoch(epoch) });
    assert_eq!(fixture.put(put), refused(1));
    let mut put = fixture.striped("future", size);
    let Body::Striped(segments) = &mut put.object.body else { unreachable!() };
    segments[0].slots[1].epoch = Epoch(4);
    assert_eq!(fixture.put(put), refused(4));
    let mut put = fixture.striped("unknown", 1);
    let Body::Striped(segments) = &mut put.object.body else { unreachable!() };
    segments[0].slots[0].group = GroupId(GROUP_COUNT);
    assert_eq!(fixture.put(put), Err(Refusal::StaleGroup { group: GroupId(GROUP_COUNT), epoch: Epoch(1) }));
}

#[test]
fn missing_shards_enter_the_repair_index_with_the_commit() {
    let mut fixture = Fixture::new();
    let mut put = fixture.striped("key", 9 << 20);
    let Body::Striped(segments) = &mut put.object.body else { unreachable!() };
    let missing =
        |indices: &[u8]| StripeException { missing: indices.iter().copied().collect(), ..StripeException::default() };
    segments[0].exceptions.insert(1, missing(&[5]));
    let write_id = put.write_id;
    fixture.put(put).unwrap();
    let queue = query::repair_queue(&fixture.view, None, 10).unwrap();
    assert_eq!(queue.len(), 1);
    assert_eq!((queue[0].spare_shards, queue[0].write_id, queue[0].stripe), (1, write_id, 1));
    assert_eq!(queue[0].missing, BTreeSet::from([5]));
    let overwrite = fixture.inline("key", "small");
    fixture.put(overwrite).unwrap();
    assert_eq!(query::repair_queue(&fixture.view, None, 10).unwrap(), []);

    let mut put = fixture.striped("key", 9 << 20);
    let Body::Striped(segments) = &mut put.object.body else { unreachable!() };
    segments[0].exceptions.insert(2, missing(&[0, 5]));
    assert_eq!(fixture.put(put), Err(Refusal::TooFewShards { stripe: 2 }), "5 of 4+2 are the quorum");
}

#[test]
fn manifests_that_contradict_themselves_are_refused() {
    type Spoil = fn(&mut PutObject);
    fn only(put: &mut PutObject) -> &mut crate::record::Segment {
        let Body::Striped(segments) = &mut put.object.body else { unreachable!() };
        &mut segments[0]
    }
    let exception = |index: u8| StripeException { missing: BTreeSet::from([index]), ..StripeException::default() };
    assert_eq!(exception(1).since, Hlc::ZERO);
    let cases: [(Spoil, InvalidManifest); 12] = [
        (|put| put.object.size += 1, InvalidManifest::Size),
        (|put| put.object.parts = vec![ObjectPart { number: 1, size: 9 << 20, checksum: None }], InvalidManifest::Size),
        (|put| put.object.body = Body::Inline(Bytes::from_static(b"short")), InvalidManifest::Size),
        (|put| put.object.body = Body::Striped(Vec::new()), InvalidManifest::WriteId),
        (|put| only(put).write_id.0 += 1, InvalidManifest::WriteId),
        (|put| only(put).data = 0, InvalidManifest::Geometry),
        (|put| (only(put).data, only(put).parity) = (255, 2), InvalidManifest::Geometry),
        (|put| only(put).shard_size = 0, InvalidManifest::Geometry),
        (|put| only(put).code_id = 1, InvalidManifest::Geometry),
        (|put| only(put).slots.truncate(2), InvalidManifest::StripeCount),
        (|put| drop(only(put).exceptions.insert(0, StripeException::default())), InvalidManifest::Exception),
        (
            |put| {
                let missing = StripeException { missing: BTreeSet::from([6]), ..StripeException::default() };
                only(put).exceptions.insert(0, missing);
            },
            InvalidManifest::Exception,
        ),
    ];
    for (spoil, expected) in cases {
        let mut fixture = Fixture::new();
        let mut put = fixture.striped("key", 9 << 20);
        spoil(&mut put);
        assert_eq!(fixture.put(put), Err(Refusal::InvalidManifest(expected)));
    }
}

#[test]
fn small_bodies_lie_beside_the_records_that_listings_and_heads_read() {
    let mut fixture = Fixture::new();
    let (small, empty, large) =
        (fixture.inline("key", "body"), fixture.inline("key", ""), fixture.striped("key", 1 << 20));
    let bodies = |fixture: &Fixture| {
        let records = fixture.view.records(TreeId::Objects(fixture.bucket));
        records.filter(|(key, _)| !keys::is_object(key)).count()
    };
    for (put, expected) in [(&small, 1), (&empty, 0), (&small, 1), (&large, 0)] {
        let put = PutObject { write_id: fixture.write_id(), ..put.clone() };
        let put = match &put.object.body {
            Body::Striped(_) => large.clone(),
            _ => put,
        };
        fixture.put(put.clone()).unwrap();
        assert_eq!(fixture.object("key").unwrap().body, put.object.body);
        assert_eq!(bodies(&fixture), expected);
    }
    let found = query::object_without_body(&fixture.view, fixture.bucket, "key").unwrap().unwrap();
    assert_eq!(found.body, large.object.body);
    let put = fixture.inline("key", "body");
    fixture.put(put).unwrap();
    let found = query::object_without_body(&fixture.view, fixture.bucket, "key").unwrap().unwrap();
    assert_eq!((found.body, found.size), (Body::Apart, 4));
    let mut put = fixture.inline("key", "body");
    put.object.body = Body::Apart;
    assert_eq!(fixture.put(put), Err(Refusal::InvalidManifest(InvalidManifest::Size)));
}

#[test]
fn details_change_without_a_new_version() {
    let mut fixture = Fixture::new();
    let put = fixture.inline("key", "content");
    fixture.apply(Command::PutObject(Box::new(put))).unwrap();
    let read = |fixture: &Fixture| query::object(&fixture.view, fixture.bucket, "key").unwrap().unwrap();
    let set = |fixture: &mut Fixture, key: &str, detail: ObjectDetail| {
        let (bucket, key) = (fixture.bucket, key.to_owned());
        fixture.apply(Command::SetObjectDetail(SetObjectDetail { bucket, key, version: None, detail }))
    };
    let before = read(&fixture);
    let tags = BTreeMap::from([("color".to_owned(), "red".to_owned())]);
    set(&mut fixture, "key", ObjectDetail::Tags(tags.clone())).unwrap();
    set(&mut fixture, "key", ObjectDetail::Acl(Some("list".to_owned()))).unwrap();
    assert_eq!(read(&fixture), ObjectRecord { tags, acl: Some("list".to_owned()), ..before.clone() });
    set(&mut fixture, "key", ObjectDetail::Tags(BTreeMap::new())).unwrap();
    set(&mut fixture, "key", ObjectDetail::Acl(None)).unwrap();
    assert_eq!(read(&fixture), before);
    assert_eq!(set(&mut fixture, "missing", ObjectDetail::Acl(None)), Err(Refusal::NoSuchKey));
    fixture.bucket = BucketId(999);
    assert_eq!(set(&mut fixture, "key", ObjectDetail::Acl(None)), Err(Refusal::NoSuchBucket));
}
