//! Epochs, pins, the table, documents, the retire list.

use placement::{Epoch, GroupId};

use super::fixture::Fixture;
use crate::command::{
    AdvanceIntentEpoch, Command, DocumentState, FreeRetired, PinWrite, SetDocument, SetDocuments, SetTable, UnpinWrite,
};
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{GroupFence, IntentEpoch};

#[test]
fn intent_epochs_advance_once_a_proposal() {
    let mut fixture = Fixture::new();
    let advance = |from| Command::AdvanceIntentEpoch(AdvanceIntentEpoch { from: IntentEpoch(from) });
    assert_eq!(fixture.apply(advance(0)), Ok(Reply::IntentEpoch(IntentEpoch(1))));
    assert_eq!(fixture.apply(advance(0)), Ok(Reply::IntentEpoch(IntentEpoch(1))));
    assert_eq!(query::intent_epochs(&fixture.view).unwrap(), (IntentEpoch(1), IntentEpoch(0)));
    assert_eq!(fixture.apply(advance(1)), Ok(Reply::IntentEpoch(IntentEpoch(2))));
    assert_eq!(query::intent_epochs(&fixture.view).unwrap(), (IntentEpoch(2), IntentEpoch(1)));
}

#[test]
fn pins_are_kept_until_unpinned() {
    let mut fixture = Fixture::new();
    let (first, second) = (fixture.write_id(), fixture.write_id());
    for write_id in [first, second] {
        let pin = PinWrite { write_id, intent_epoch: IntentEpoch(0), holder: 42 };
        fixture.apply(Command::PinWrite(pin)).unwrap();
    }
    assert_eq!(query::pinned_write(&fixture.view, first).unwrap().unwrap().holder, 42);
    let above_first = query::pinned_writes(&fixture.view, Some(first), 10).unwrap();
    assert_eq!(above_first.iter().map(|(write, _)| *write).collect::<Vec<_>>(), [second]);
    for _ in 0..2 {
        assert_eq!(fixture.apply(Command::UnpinWrite(UnpinWrite { write_id: first })), Ok(Reply::Done));
        assert_eq!(query::pinned_writes(&fixture.view, None, 10).unwrap().len(), 1);
    }
}

#[test]
fn the_table_changes_only_from_the_version_it_was_planned_from() {
    let mut fixture = Fixture::new();
    let fence = GroupFence { group: GroupId(2), epoch: Epoch(5), accepted_from: Epoch(4) };
    let set =
        |based_on, table: &[u8]| Command::SetTable(SetTable { based_on, table: table.to_vec(), fences: vec![fence] });
    assert_eq!(fixture.refusal(set(0, b"late")), Refusal::VersionChanged { version: 1 });
    assert_eq!(fixture.apply(set(1, b"second")), Ok(Reply::Version(2)));
    let table = query::placement_table(&fixture.view).unwrap().unwrap();
    assert_eq!((table.version, &table.value[..]), (2, &b"second"[..]));
    assert_eq!(query::group_fence(&fixture.view, GroupId(2)).unwrap(), Some(fence));
    assert_eq!(query::group_fence(&fixture.view, GroupId(99)).unwrap(), None);
}

#[test]
fn documents_are_compared_and_swapped() {
    let mut fixture = Fixture::new();
    let set = |expected, value: Option<&str>| {
        let value = value.map(|value| value.as_bytes().to_vec());
        Command::SetDocument(SetDocument { name: "credentials".to_owned(), expected, value })
    };
    assert_eq!(fixture.refusal(set(DocumentState::Version(1), Some("a"))), Refusal::VersionChanged { version: 0 });
    assert_eq!(fixture.apply(set(DocumentState::Absent, Some("a"))), Ok(Reply::Version(1)));
    assert_eq!(fixture.refusal(set(DocumentState::Absent, Some("b"))), Refusal::VersionChanged { version: 1 });
    assert_eq!(fixture.apply(set(DocumentState::Version(1), Some("b"))), Ok(Reply::Version(2)));
    assert_eq!(fixture.apply(set(DocumentState::Any, Some("c"))), Ok(Reply::Version(3)));
    let document = query::document(&fixture.view, "credentials").unwrap().unwrap();
    assert_eq!((document.version, &document.value[..]), (3, &b"c"[..]));
    assert_eq!(fixture.refusal(set(DocumentState::Version(1), None)), Refusal::VersionChanged { version: 3 });
    assert_eq!(fixture.apply(set(DocumentState::Version(3), None)), Ok(Reply::Version(0)));
    assert_eq!(query::document(&fixture.view, "credentials").unwrap(), None);
    assert_eq!(fixture.apply(set(DocumentState::Any, None)), Ok(Reply::Version(0)));
    let nameless = SetDocument { name: String::new(), expected: DocumentState::Any, value: None };
    assert_eq!(fixture.refusal(Command::SetDocument(nameless)), Refusal::InvalidName);
}

#[test]
fn several_documents_are_set_together_or_not_at_all() {
    let mut fixture = Fixture::new();
    let set = |name: &str, expected, value: Option<&str>| {
        let value = value.map(|value| value.as_bytes().to_vec());
        SetDocument { name: name.to_owned(), expected, value }
    };
    let all = |documents: &[SetDocument]| Command::SetDocuments(SetDocuments { documents: documents.to_vec() });
    let first = [
        set("a/1", DocumentState::Absent, Some("one")),
        set("a/2", DocumentState::Absent, Some("two")),
        set("b/1", DocumentState::Any, Some("three")),
    ];
    assert_eq!(fixture.apply(all(&first)), Ok(Reply::Done));
    let refused = [set("a/1", DocumentState::Any, None), set("a/2", DocumentState::Absent, Some("again"))];
    assert_eq!(fixture.refusal(all(&refused)), Refusal::VersionChanged { version: 1 });
    let twice = [set("a/1", DocumentState::Any, None), set("a/1", DocumentState::Any, Some("again"))];
    assert_eq!(fixture.refusal(all(&twice)), Refusal::InvalidName);
    let names = |prefix: &str, after: Option<&str>, limit| {
        let found = query::documents(&fixture.view, prefix, after, limit).unwrap();
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names("a/", None, 9), ["a/1", "a/2"]);
    assert_eq!(names("a/", None, 1), ["a/1"]);
    assert_eq!(names("a/", Some("a/1"), 9), ["a/2"]);
    assert_eq!(names("b/", Some("a/1"), 9), ["b/1"]);
    assert!(names("a/", Some("a/2"), 9).is_empty());
}

#[test]
fn retired_segments_are_listed_by_log_index_and_freed_once() {
    let mut fixture = Fixture::new();
    let mut writes = Vec::new();
    for _ in 0..3 {
        let put = fixture.striped("key", 1 << 20);
        writes.push(put.write_id);
        fixture.put(put).unwrap();
    }
    let retired = query::retired_segments(&fixture.view, u64::MAX, 10).unwrap();
    assert_eq!(retired.iter().map(|(id, _)| id.write_id).collect::<Vec<_>>(), writes[..2]);
    let (first, second) = (retired[0].0, retired[1].0);
    assert!(first.index < second.index);
    let up_to_first = query::retired_segments(&fixture.view, first.index, 10).unwrap();
    assert_eq!(up_to_first.len(), 1);
    assert_eq!(query::retired_segments(&fixture.view, u64::MAX, 1).unwrap().len(), 1);

    let free = Command::FreeRetired(FreeRetired { retired: vec![first, second] });
    assert_eq!(fixture.apply(free.clone()), Ok(Reply::Done));
    assert!(!query::is_referenced(&fixture.view, writes[0]).unwrap());
    assert!(query::is_referenced(&fixture.view, writes[2]).unwrap());
    let before = fixture.view.clone();
    assert_eq!(fixture.apply(free), Ok(Reply::Done));
    assert_eq!(fixture.view, before);
}

#[test]
fn the_walk_over_all_live_segments_is_complete_and_resumable() {
    let mut fixture = Fixture::new();
    let mut writes = Vec::new();
    for key in ["a", "b", "a"] {
        let put = fixture.striped(key, 1 << 20);
        writes.push(put.write_id);
        fixture.put(put).unwrap();
    }
    let upload = fixture.create_upload("c");
    fixture.put_parts("c", upload, &[(1, 5 << 20), (2, 1)]);
    for (_, part) in query::parts(&fixture.view, fixture.bucket, upload).unwrap() {
        writes.push(part.segment.write_id);
    }
    for limit in 1..=6 {
        let mut walked = Vec::new();
        loop {
            let page = query::segments(&fixture.view, walked.last().copied(), limit).unwrap();
            walked.extend(page.iter().map(|segment| segment.write_id));
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(walked, writes[1..], "by {limit}, without the overwritten one");
    }
}
