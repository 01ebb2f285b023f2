//! Multipart uploads.

use super::fixture::Fixture;
use crate::command::{Command, CompletedPart, CreateUpload, Precondition};
use crate::outcome::{Refusal, Reply};
use crate::query;
use crate::record::{Body, Checksum, ChecksumAlgorithm, ChecksumKind, Etag, UploadId, UploadRecord};
use crate::view::TreeId;

const MIB: u64 = 1 << 20;

#[test]
fn a_completed_upload_links_its_parts_in_order() {
    let mut fixture = Fixture::new();
    let upload = UploadRecord {
        storage_class: Some("GLACIER".to_owned()),
        headers: [("content-type".to_owned(), "text/plain".to_owned())].into(),
        user_metadata: [("a".to_owned(), "b".to_owned())].into(),
        ..UploadRecord::default()
    };
    let command = CreateUpload { bucket: fixture.bucket, key: "key".to_owned(), upload: upload.clone() };
    let Ok(Reply::UploadCreated(id)) = fixture.apply(Command::CreateUpload(Box::new(command))) else { unreachable!() };
    assert_eq!(query::upload(&fixture.view, fixture.bucket, "key", id).unwrap(), Some(upload.clone()));

    let mut listed = fixture.put_parts("key", id, &[(7, MIB), (2, 6 * MIB), (5, 5 * MIB)]);
    listed.sort_by_key(|part| part.number);
    let segments: Vec<_> = query::parts(&fixture.view, fixture.bucket, id).unwrap();
    let completion = fixture.completion("key", id, listed);
    assert!(fixture.complete(completion.clone()).is_ok());

    let object = fixture.object("key").unwrap();
    assert_eq!(object.size, 12 * MIB);
    assert_eq!(object.etag, completion.etag);
    assert_eq!(object.storage_class, upload.storage_class);
    assert_eq!((object.headers.clone(), object.user_metadata.clone()), (upload.headers, upload.user_metadata));
    assert_eq!(
        object.parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(),
        [(2, 6 * MIB), (5, 5 * MIB), (7, MIB)]
    );
    let linked: Vec<_> = segments.into_iter().map(|(_, part)| part.segment).collect();
    assert_eq!(object.body, Body::Striped(linked));
    assert_eq!(fixture.view.records(TreeId::Uploads(fixture.bucket)).count(), 0);
    assert_eq!(fixture.retired_writes(), []);
}

#[test]
fn unlisted_and_replaced_parts_retire() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let replaced = fixture.part("key", upload, 1, 5 * MIB);
    fixture.put_part(replaced.clone()).unwrap();
    let listed = fixture.put_parts("key", upload, &[(1, 6 * MIB), (3, MIB)]);
    let unlisted = fixture.part("key", upload, 2, MIB);
    fixture.put_part(unlisted.clone()).unwrap();
    let old = fixture.striped("key", 3 * MIB);
    fixture.put(old.clone()).unwrap();
    assert!(fixture.complete(fixture.completion("key", upload, listed)).is_ok());
    let mut expected = [replaced.part.segment.write_id, unlisted.part.segment.write_id, old.write_id];
    expected.sort();
    let mut retired = fixture.retired_writes();
    retired.sort();
    assert_eq!(retired, expected);
}

#[test]
fn a_part_proposed_again_changes_nothing() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let part = fixture.part("key", upload, 1, MIB);
    let reply = fixture.put_part(part.clone());
    let before = fixture.view.clone();
    assert_eq!(fixture.put_part(part), reply);
    assert_eq!(fixture.view, before);
}

#[test]
fn completing_twice_answers_the_same() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let listed = fixture.put_parts("key", upload, &[(1, MIB)]);
    let completion = fixture.completion("key", upload, listed);
    let reply = fixture.complete(completion.clone());
    assert!(reply.is_ok());
    let later = fixture.inline("key", "later");
    fixture.put(later.clone()).unwrap();
    assert_eq!(fixture.complete(completion), reply);
    assert_eq!(fixture.object("key").unwrap().etag, later.object.etag);
}

#[test]
fn completions_that_do_not_fit_the_parts_are_refused() {
    let sizes = [(1, 5 * MIB), (2, 5 * MIB - 1), (3, 1)];
    let pick = |listed: &[CompletedPart], numbers: &[u16]| -> Vec<CompletedPart> {
        let find = |number: &u16| listed.iter().find(|part| part.number == *number).unwrap().clone();
        numbers.iter().map(find).collect()
    };
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let listed = fixture.put_parts("key", upload, &sizes);
    let mut wrong_etag = pick(&listed, &[1, 3]);
    wrong_etag[1].etag = Etag::Md5([0xee; 16]);
    let mut wrong_checksum = pick(&listed, &[1]);
    let value = bytes::Bytes::from_static(&[0; 4]);
    wrong_checksum[0].checksum = Checksum::new(ChecksumAlgorithm::Crc32, ChecksumKind::FullObject, value);
    let absent = CompletedPart { number: 4, etag: Etag::Md5([0; 16]), checksum: None };
    let cases = [
        (Vec::new(), Refusal::NoParts),
        (pick(&listed, &[3, 1]), Refusal::InvalidPartOrder(1)),
        (pick(&listed, &[1, 1]), Refusal::InvalidPartOrder(1)),
        (wrong_etag, Refusal::InvalidPart(3)),
        (wrong_checksum, Refusal::InvalidPart(1)),
        (vec![absent], Refusal::InvalidPart(4)),
        (pick(&listed, &[1, 2, 3]), Refusal::PartTooSmall { number: 2, size: 5 * MIB - 1 }),
    ];
    for (parts, expected) in cases {
        assert_eq!(fixture.complete(fixture.completion("key", upload, parts)), Err(expected));
    }
    let absent_only = crate::command::CompleteUpload {
        precondition: Precondition::matches(Etag::Md5([0; 16])),
        ..fixture.completion("key", upload, pick(&listed, &[1, 3]))
    };
    assert_eq!(fixture.complete(absent_only), Err(Refusal::NoSuchKey));
    assert!(fixture.complete(fixture.completion("key", upload, pick(&listed, &[1, 2]))).is_ok());
}

#[test]
fn an_aborted_upload_is_gone() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let listed = fixture.put_parts("key", upload, &[(1, MIB), (2, MIB)]);
    assert_eq!(fixture.abort("other key", upload), Err(Refusal::NoSuchUpload));
    assert_eq!(fixture.abort("key", upload), Ok(Reply::Done));
    assert_eq!(fixture.retired_writes().len(), 2);
    assert_eq!(fixture.abort("key", upload), Err(Refusal::NoSuchUpload));
    assert_eq!(fixture.complete(fixture.completion("key", upload, listed)), Err(Refusal::NoSuchUpload));
    let part = fixture.part("key", upload, 1, MIB);
    assert_eq!(fixture.put_part(part), Err(Refusal::NoSuchUpload));
}

#[test]
fn part_numbers_are_1_to_10000() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    for (number, allowed) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let part = fixture.part("key", upload, number, MIB);
        let expected = if allowed { Ok(()) } else { Err(Refusal::InvalidPartNumber(number)) };
        assert_eq!(fixture.put_part(part).map(|_| ()), expected);
    }
}

#[test]
fn uploads_begun_at_the_same_time_have_different_ids() {
    let mut fixture = Fixture::new();
    let ids: Vec<UploadId> = (0..5).map(|_| fixture.create_upload("key")).collect();
    assert!(ids.is_sorted_by(|left, right| left < right));
    for id in ids {
        assert_eq!(UploadId::parse(&id.to_string()), Some(id));
    }
    for text in ["", "0", "00000000000000000000 ", "0000000000000000000G", "0000000000000000000A", "ééééééééééé"]
    {
        assert_eq!(UploadId::parse(text), None);
    }
}

#[test]
fn parts_are_listed_in_pages() {
    let mut fixture = Fixture::new();
    let upload = fixture.create_upload("key");
    let other = fixture.create_upload("key");
    fixture.put_parts("key", upload, &[(3, MIB), (1, MIB), (700, MIB)]);
    fixture.put_parts("key", other, &[(2, MIB)]);
    let list = |after, limit| {
        let page = query::list_parts(&fixture.view, fixture.bucket, upload, after, limit).unwrap();
        (page.parts.into_iter().map(|(number, _)| number).collect::<Vec<_>>(), page.truncated)
    };
    assert_eq!(list(0, 1000), (vec![1, 3, 700], false));
    assert_eq!(list(0, 2), (vec![1, 3], true));
    assert_eq!(list(3, 2), (vec![700], false));
    assert_eq!(list(700, 2), (vec![], false));
    assert_eq!(list(u16::MAX, 2), (vec![], false));
    assert_eq!(list(0, 0), (vec![], false));
}
