//! Encrypted objects: their sizes agree with their manifests, and their keys are exchanged only for keys of the same.

use bytes::Bytes;

use super::fixture::Fixture;
use crate::command::{Command, CreateUpload, ObjectDetail, PutObject, SetObjectDetail};
use crate::outcome::{InvalidManifest, Refusal, Reply};
use crate::query;
use crate::record::{EncryptionRecord, UploadId, UploadRecord};

const MIB: u64 = 1 << 20;
const WRONG_SIZE: Refusal = Refusal::InvalidManifest(InvalidManifest::Size);

fn encryption(layers: u8) -> EncryptionRecord {
    EncryptionRecord { layers, envelope: Bytes::from_static(b"envelope") }
}

/// A PUT of `plain_size` bytes that take `stored_size`.
fn put(fixture: &mut Fixture, (plain_size, stored_size): (u64, u64), layers: u8) -> PutObject {
    let mut put = fixture.striped("key", stored_size);
    put.object.size = plain_size;
    put.object.encryption = Some(encryption(layers));
    put
}

#[test]
fn what_is_stored_has_the_size_that_encryption_makes_of_the_object() {
    for (plain_size, stored_size, layers, expected) in [
        (MIB, MIB + 256, 1, true),
        (MIB + 1, MIB + 1 + 272, 1, true),
        (MIB, MIB + 512, 2, true),
        (MIB, MIB + 512, 1, false),
        (MIB, MIB, 1, false),
        (u64::MAX, MIB, 1, false),
    ] {
        let mut fixture = Fixture::new();
        let put = put(&mut fixture, (plain_size, stored_size), layers);
        let outcome = fixture.put(put).map(|_| ());
        assert_eq!(outcome, if expected { Ok(()) } else { Err(WRONG_SIZE) }, "{plain_size} {stored_size} {layers}");
    }
    let mut fixture = Fixture::new();
    let mut inline = fixture.inline("key", "seventeen bytes !");
    (inline.object.size, inline.object.encryption) = (1, Some(encryption(1)));
    fixture.put(inline).unwrap();
    assert_eq!(fixture.object("key").unwrap().size, 1, "its body is found again");
    let usage = query::bucket_usage(&fixture.view, fixture.bucket).unwrap();
    assert_eq!(usage.bytes, 1, "plain bytes are counted");
}

fn create(fixture: &mut Fixture, encryption: Option<EncryptionRecord>) -> UploadId {
    let upload = UploadRecord { encryption, ..UploadRecord::default() };
    let command = CreateUpload { bucket: fixture.bucket, key: "key".to_owned(), upload };
    match fixture.apply(Command::CreateUpload(Box::new(command))) {
        Ok(Reply::UploadCreated(id)) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn parts_are_encrypted_exactly_when_their_upload_is() {
    let mut fixture = Fixture::new();
    let (plain, encrypted) = (create(&mut fixture, None), create(&mut fixture, Some(encryption(1))));
    for (upload, plain_size, expected) in [
        (plain, None, true),
        (plain, Some(5 * MIB), false),
        (encrypted, Some(5 * MIB), true),
        (encrypted, Some(5 * MIB - 1), false),
        (encrypted, None, false),
    ] {
        let mut part = fixture.part("key", upload, 1, 5 * MIB + 16 * 80);
        part.part.plain_size = plain_size;
        let outcome = fixture.put_part(part).map(|_| ());
        assert_eq!(outcome, if expected { Ok(()) } else { Err(WRONG_SIZE) }, "{plain_size:?}");
    }
}

#[test]
fn an_object_of_encrypted_parts_has_their_plain_sizes() {
    let mut fixture = Fixture::new();
    let upload = create(&mut fixture, Some(encryption(1)));
    let mut listed = Vec::new();
    for (number, size) in [(1, 5 * MIB), (2, 100)] {
        let mut part = fixture.part("key", upload, number, encryption(1).sealed_size(size));
        part.part.plain_size = Some(size);
        let etag = part.part.etag.clone();
        fixture.put_part(part).unwrap();
        listed.push(crate::command::CompletedPart { number, etag, checksum: None });
    }
    let usage = query::bucket_usage(&fixture.view, fixture.bucket).unwrap();
    assert_eq!(usage.other_bytes, 5 * MIB + 100);
    fixture.complete(fixture.completion("key", upload, listed)).unwrap();
    let object = fixture.object("key").unwrap();
    assert_eq!((object.size, object.encryption), (5 * MIB + 100, Some(encryption(1))));
    assert_eq!(object.parts.iter().map(|part| part.size).collect::<Vec<_>>(), [5 * MIB, 100]);
}

#[test]
fn keys_are_exchanged_only_while_they_are_those_that_were_read() {
    let mut fixture = Fixture::new();
    let put = put(&mut fixture, (MIB, MIB + 256), 1);
    fixture.put(put).unwrap();
    let exchange = |fixture: &mut Fixture, from: &[u8], to: &[u8]| {
        let detail = ObjectDetail::Envelope { from: from.to_vec(), to: to.to_vec() };
        let (bucket, key) = (fixture.bucket, "key".to_owned());
        fixture.apply(Command::SetObjectDetail(SetObjectDetail { bucket, key, version: None, detail })).map(|_| ())
    };
    assert_eq!(exchange(&mut fixture, b"envelope", b"other"), Ok(()));
    assert_eq!(fixture.object("key").unwrap().encryption.unwrap().envelope, "other");
    assert_eq!(exchange(&mut fixture, b"envelope", b"late"), Err(Refusal::PreconditionFailed));
    let plain = fixture.inline("key", "plain");
    fixture.put(plain).unwrap();
    assert_eq!(exchange(&mut fixture, b"other", b"late"), Err(Refusal::PreconditionFailed));
}
