//! The codec, over all records: round trips, canonical form, unknown fields, damage.

use std::fmt::Debug;

use bytes::Bytes;
use env::UnixMillis;
use placement::Epoch;
use proptest::prelude::*;

use super::samples::{bucket, checksum, etag, hlc, missing, object, segment, upload, uploaded_part, version_id};
use super::*;
use crate::codec::read_whole;
use crate::error::CodecError;
use crate::lifecycle::{Expiration, Filter, LifecycleRule, LifecycleRules, Noncurrent};
use crate::outcome::{ObjectDeleted, ObjectPut};
use crate::view::{BucketId, TreeId};

/// What must hold of every record: it survives a round trip, keeps what newer software added, and whatever else decodes
/// as one is itself in canonical form.
fn check<R: Record + PartialEq + Debug>(record: &R, added: &[u8], damage: Damage) {
    let encoded = record.encode();
    assert_eq!(R::decode(&encoded).as_ref(), Ok(record));

    let newer = with_field(&encoded, 62, added);
    let kept = R::decode(&newer).unwrap();
    assert_ne!(&kept, record);
    assert_eq!(kept.encode(), newer, "a field of newer software survives byte for byte");

    let damaged = damage.apply(&newer);
    if let Ok(found) = R::decode(&damaged) {
        assert_eq!(found.encode(), damaged, "only canonical bytes are read");
    }
    for end in 0..encoded.len() {
        assert!(R::decode(&encoded.slice(..end)).is_err(), "cut at {end}");
    }
    let mut longer = encoded.to_vec();
    longer.push(0);
    assert_eq!(R::decode(&longer.into()), Err(CodecError::Trailing(1)));
}

/// The record with one field more.
fn with_field(encoded: &[u8], number: u8, bytes: &[u8]) -> Bytes {
    let mut input = crate::codec::Input(&encoded[2..]);
    let present = input.varint().unwrap();
    let mut newer = encoded[..2].to_vec();
    crate::codec::write_varint(present | 1 << number, &mut newer);
    newer.extend_from_slice(input.0);
    crate::codec::write_prefixed(bytes, &mut newer);
    newer.into()
}

/// One changed, inserted or removed byte.
#[derive(Clone, Copy, Debug)]
struct Damage {
    position: prop::sample::Index,
    byte: u8,
    how: u8,
}

impl Damage {
    fn any() -> impl Strategy<Value = Self> {
        (any::<prop::sample::Index>(), any::<u8>(), 0_u8..3).prop_map(|(position, byte, how)| Self {
            position,
            byte,
            how,
        })
    }

    fn apply(self, bytes: &[u8]) -> Bytes {
        let mut bytes = bytes.to_vec();
        let position = self.position.index(bytes.len());
        match self.how {
            0 => bytes[position] = self.byte,
            1 => bytes.insert(position, self.byte),
            _ => drop(bytes.remove(position)),
        }
        bytes.into()
    }
}

proptest! {
    #[test]
    fn objects_are_canonical(record in object(), added: [u8; 3], damage in Damage::any()) {
        check(&record, &added, damage);
    }

    #[test]
    fn the_head_of_an_object_is_its_first_fields(record in object()) {
        let encoded = record.encode();
        let head = ObjectHead::decode(&encoded).unwrap();
        prop_assert_eq!(head.size, record.size);
        prop_assert_eq!(head.modified, record.modified);
        prop_assert_eq!(&head.etag, &record.etag);
        prop_assert_eq!(&head.storage_class, &record.storage_class);
        prop_assert_eq!(&head.checksum, &record.checksum);
        prop_assert_eq!(ObjectHead::decode_version(&encoded), Ok((head, record.version)));
    }

    #[test]
    fn uploads_are_canonical(record in upload(), added: [u8; 3], damage in Damage::any()) {
        check(&record, &added, damage);
    }

    #[test]
    fn parts_are_canonical(record in uploaded_part(), added: [u8; 3], damage in Damage::any()) {
        check(&record, &added, damage);
        prop_assert_eq!(PartRecord::decode_size(&record.encode()), Ok((record.size(), record.modified)));
    }

    #[test]
    fn small_records_are_canonical(
        bucket in bucket(),
        (etag, checksum, modified) in (etag(), checksum(), hlc()),
        (version, name) in (version_id(), prop::option::of(prop::option::of(version_id()))),
        segment in segment(),
        missing in missing(),
        (a, b, c) in (any::<u64>(), any::<u32>(), any::<u128>()),
        existed: bool,
        bytes: Vec<u8>,
        added: [u8; 3],
        damage in Damage::any(),
    ) {
        let unknown = UnknownFields::default;
        check(&bucket, &added, damage);
        check(&BucketNameRecord { id: BucketId(a), unknown: unknown() }, &added, damage);
        check(&RepairRecord { missing, unknown: unknown() }, &added, damage);
        check(&RetiredRecord { segment, unknown: unknown() }, &added, damage);
        check(&DrainingRecord::default(), &added, damage);
        let value = Bytes::from(bytes);
        check(&DocumentRecord { version: a, modified, value: value.clone(), unknown: unknown() }, &added, damage);
        let pinned = PinnedWrite { intent_epoch: IntentEpoch(a), holder: c, pinned: modified, unknown: unknown() };
        check(&pinned, &added, damage);
        check(&FenceRecord { epoch: Epoch(b), accepted_from: Epoch(7), unknown: unknown() }, &added, damage);
        let owner = WriteOwner { tree: TreeId::Objects(BucketId(a)), key: value.clone(), unknown: unknown() };
        check(&owner, &added, damage);
        check(&ConfigurationRecord { value: value.clone(), unknown: unknown() }, &added, damage);
        check(&BodyRecord { bytes: value.clone(), unknown: unknown() }, &added, damage);
        check(&ResultSlotRecord { result_key: value, unknown: unknown() }, &added, damage);
        for version in [None, Some(version)] {
            check(&MarkerRecord { modified, version, noncurrent_since: None, unknown: unknown() }, &added, damage);
        }
        check(&NullVersionRecord { place: version, unknown: unknown() }, &added, damage);
        let version = name.map(VersionName::from);
        let put = ObjectPut { modified, etag, checksum: Some(checksum), size: a, version };
        check(&ResultRecord { reply: RememberedReply::Put(put), fingerprint: None, unknown: unknown() }, &added, damage);
        let deleted = RememberedReply::Deleted(ObjectDeleted { existed, version, is_marker: a % 2 == 0 });
        check(&ResultRecord { reply: deleted, fingerprint: None, unknown: unknown() }, &added, damage);
        let state = StateRecord { clock: modified, next_bucket: a, write_results: a, ..StateRecord::default() };
        check(&state, &added, damage);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, kind in prop::sample::select(vec![0x02, 0x10, 0x20, 0x21, 0x41, 0x46])) {
        let mut framed = vec![kind, 1];
        framed.extend_from_slice(&bytes);
        for bytes in [Bytes::from(bytes), Bytes::from(framed)] {
            fn canonical<R: Record>(bytes: &Bytes) {
                if let Ok(record) = R::decode(bytes) {
                    assert_eq!(record.encode(), *bytes);
                }
            }
            canonical::<ObjectRecord>(&bytes);
            canonical::<BucketRecord>(&bytes);
            canonical::<UploadRecord>(&bytes);
            canonical::<PartRecord>(&bytes);
            canonical::<RetiredRecord>(&bytes);
            canonical::<ResultRecord>(&bytes);
        }
    }

    #[test]
    fn tags_are_equal_exactly_when_their_texts_are(left in etag(), right in etag()) {
        prop_assert_eq!(Etag::parse(&left.to_string()), Some(left.clone()));
        prop_assert_eq!(left == right, left.to_string() == right.to_string());
    }
}

#[test]
fn unknown_kinds_and_versions_are_refused_by_name() {
    let state = StateRecord::default().encode();
    assert_eq!(PinnedWrite::decode(&state), Err(CodecError::Kind { expected: 0x43, found: 0x4a }));
    let mut newer = state.to_vec();
    newer[1] = 2;
    assert_eq!(StateRecord::decode(&newer.into()), Err(CodecError::Version { kind: 0x4a, version: 2 }));
    assert_eq!(StateRecord::decode(&Bytes::new()), Err(CodecError::Truncated));
}

#[test]
fn a_missing_field_is_named() {
    let encoded = Bytes::from_static(&[0x01, 1, 0]);
    assert_eq!(BucketNameRecord::decode(&encoded), Err(CodecError::Missing(0)));
}

/// Opened by the newest code for ever.
#[test]
fn golden_object() {
    let record = ObjectRecord {
        size: 300,
        modified: Hlc::from_bits(0x0123_4567_89ab_cdef),
        etag: Etag::Multipart { md5: [0x11; 16], part_count: 2 },
        storage_class: Some("GLACIER".to_owned()),
        checksum: Checksum::new(ChecksumAlgorithm::Crc32, ChecksumKind::Composite, Bytes::from_static(&[1, 2, 3, 4])),
        headers: [("content-type".to_owned(), "a/b".to_owned()), ("x".to_owned(), String::new())].into(),
        user_metadata: [("k".to_owned(), "v".to_owned())].into(),
        tags: [("t".to_owned(), "u".to_owned())].into(),
        parts: vec![ObjectPart { number: 1, size: 300, checksum: None }],
        body: Body::Striped(vec![Segment {
            write_id: WriteId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
            size: 300,
            code_id: 0,
            data: 1,
            parity: 1,
            shard_size: 200,
            slots: vec![
                StripeSlot { group: placement::GroupId(200), epoch: Epoch(3) },
                StripeSlot { group: placement::GroupId(1), epoch: Epoch(3) },
            ],
            exceptions: [(
                1,
                StripeException {
                    missing: [0].into(),
                    since: Hlc::from_bits(5),
                    overrides: [(1, placement::DiskId(6))].into(),
                },
            )]
            .into(),
        }]),
        version: None,
        acl: None,
        encryption: None,
        lock: VersionLock::default(),
        noncurrent_since: None,
        was_whole: false,
        annotations: 0,
        unknown: UnknownFields::default(),
    };
    let golden = [
        "10 01 ff0b",
        "02 ac02",
        "08 0123456789abcdef",
        "12 02 11111111111111111111111111111111 02",
        "08 07 474c4143494552",
        "06 01 02 01020304",
        "0a 02 05 03 612f62 00 01 78 00",
        "06 01 00 01 6b 01 76",
        "06 01 00 01 74 01 75",
        "05 01 01 ac02 00",
        "3c 01 0102030405060708090a0b0c0d0e0f10 ac02 00 01 01 c801",
        "02 c801 01 02 03",
        "01 01 0000000000000005 01 00 01 01 00000000000000000000000000000006",
    ];
    let encoded = record.encode();
    assert_eq!(ObjectRecord::decode(&encoded), Ok(record));
    assert_eq!(hex(&encoded), golden.concat().replace(' ', ""));
}

/// Decodes a record of `kind` with one field.
fn with_only<R: Record + Debug>(number: u8, field: &[u8]) -> CodecError {
    let empty = Bytes::copy_from_slice(&[R::KIND, 1, 0]);
    R::decode(&with_field(&empty, number, field)).unwrap_err()
}

#[test]
fn other_forms_of_a_value_are_refused() {
    let not_canonical = CodecError::NotCanonical;
    assert_eq!(with_only::<BucketNameRecord>(0, &[0x80, 0x00]), not_canonical("integer"));
    assert_eq!(with_only::<BucketNameRecord>(0, &[0xff; 10]), not_canonical("integer"));
    let overlong = [[0xff; 9].as_slice(), &[0x02]].concat();
    assert_eq!(with_only::<BucketNameRecord>(0, &overlong), not_canonical("integer"), "65 bits");
    let overlong_bitmap = Bytes::from_static(&[0x42, 1, 0x80, 0x00]);
    assert_eq!(DrainingRecord::decode(&overlong_bitmap), Err(not_canonical("integer")));

    let headers: [(&[u8], _); 6] = [
        (&[0], not_canonical("empty collection")),
        (&[2, 5, 0, 1, 0], not_canonical("order of names")),
        (&[2, 5, 0, 5, 0], not_canonical("order of names")),
        (&[1, 0, 7, b'e', b'x', b'p', b'i', b'r', b'e', b's', 0], not_canonical("name")),
        (&[1, 8, 0], CodecError::Invalid("name number")),
        (&[0xff, 0xff, 0x7f], CodecError::Truncated),
    ];
    for (encoded, expected) in headers {
        assert_eq!(with_only::<UploadRecord>(2, encoded), expected, "{encoded:02x?}");
    }

    assert_eq!(with_only::<RepairRecord>(0, &[2, 4, 3]), not_canonical("order of shards"));
    assert_eq!(with_only::<RepairRecord>(0, &[2, 4, 4]), not_canonical("order of shards"));
    assert_eq!(with_only::<RepairRecord>(0, &[1, 4, 5]), CodecError::Trailing(1));

    let head = [[0; 17].as_slice(), &[0, 1, 1, 1]].concat();
    let segments: [(&[u8], _); 5] = [
        (&[2, 0, 0, 1, 7, 1, 7, 0], not_canonical("run of epochs")),
        (&[1, 0, 0, 7, 1, 7, 0], not_canonical("run of epochs")),
        (&[1, 0, 2, 7, 0], CodecError::Invalid("run of epochs")),
        (&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2], CodecError::Truncated),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], CodecError::Truncated),
    ];
    for (rest, expected) in segments {
        assert_eq!(with_only::<RetiredRecord>(0, &[&head, rest].concat()), expected, "{rest:02x?}");
    }

    let digest = [&[3, 32], [b'a'; 32].as_slice()].concat();
    assert_eq!(read_whole::<Etag>(&digest), Err(not_canonical("entity tag")));
    assert_eq!(read_whole::<Etag>(&[3, 0]), Err(CodecError::Invalid("entity tag")));
    assert_eq!(read_whole::<Checksum>(&[11, 1, 0, 0, 0, 0]), Err(CodecError::Invalid("checksum algorithm")));
    assert_eq!(read_whole::<Checksum>(&[1, 0, 0, 0, 0, 0]), Err(CodecError::Invalid("checksum kind")));

    let bucket = [&[0x02, 1, 0x17], [1, 0].as_slice(), &[8], &[0; 8], &[1, 0], &[8], &[0; 8]].concat();
    assert_eq!(BucketRecord::decode(&bucket.into()), Err(not_canonical("time")));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that a record has these bytes and no others, now and in every later version.
fn check_golden<R: Record + PartialEq + Debug>(record: &R, golden: &str) {
    let encoded = record.encode();
    assert_eq!(hex(&encoded), golden.replace(' ', ""), "{record:?}");
    assert_eq!(R::decode(&encoded).as_ref(), Ok(record));
}

#[test]
fn golden_records() {
    let unknown = UnknownFields::default;
    let time = Hlc::from_bits(0x0123_4567_89ab_cdef);
    let segment = Segment {
        write_id: WriteId(9),
        size: 3,
        code_id: 0,
        data: 4,
        parity: 2,
        shard_size: 1 << 20,
        slots: vec![StripeSlot { group: placement::GroupId(5), epoch: Epoch(1) }],
        exceptions: [].into(),
    };
    check_golden(&BucketNameRecord { id: BucketId(300), unknown: unknown() }, "0101 01 02ac02");
    let bucket = BucketRecord {
        name: "b".to_owned(),
        created: time,
        owner: "o".to_owned(),
        region: Some("r".to_owned()),
        configured: Hlc::ZERO,
        versioning: None,
        lock: None,
        quota: None,
        lifecycle: None,
        unknown: unknown(),
    };
    check_golden(&bucket, "0201 0f 020162 080123456789abcdef 02016f 020172");
    let configured = BucketRecord { configured: Hlc::from_bits(5), ..bucket.clone() };
    check_golden(&configured, "0201 1f 020162 080123456789abcdef 02016f 020172 080000000000000005");
    let versioned = BucketRecord { versioning: Some(Versioning::Suspended), ..bucket.clone() };
    check_golden(&versioned, "0201 2f 020162 080123456789abcdef 02016f 020172 0102");
    let locked = BucketRecord { lock: Some(BucketLock::default()), ..bucket.clone() };
    check_golden(&locked, "0201 4f 020162 080123456789abcdef 02016f 020172 00");
    let quota = Some(Quota { bytes: Some(300), objects: None });
    check_golden(
        &BucketRecord { quota, ..bucket.clone() },
        "0201 8f01 020162 080123456789abcdef 02016f 020172 0301ac02",
    );
    check_golden(&UsageRecord { bytes: 300, objects: 2, unknown: unknown() }, "4d01 03 02ac02 0102");
    let default = DefaultRetention { mode: RetentionMode::Governance, period: RetentionPeriod::Days(30) };
    let locked = BucketRecord { lock: Some(BucketLock { default: Some(default) }), ..bucket };
    check_golden(&locked, "0201 4f 020162 080123456789abcdef 02016f 020172 0301011e");
    let configuration = ConfigurationRecord { value: Bytes::from_static(b"v"), unknown: unknown() };
    check_golden(&configuration, "0601 01 0176");
    let body = BodyRecord { bytes: Bytes::from_static(b"body"), unknown: unknown() };
    check_golden(&body, "1201 01 04626f6479");
    let upload = UploadRecord {
        storage_class: Some("G".to_owned()),
        checksum: Some((ChecksumAlgorithm::Sha256, ChecksumKind::FullObject)),
        headers: [("expires".to_owned(), "0".to_owned())].into(),
        ..UploadRecord::default()
    };
    check_golden(&upload, "2001 07 020147 020501 0401060130");
    let etag = Etag::Md5([0x22; 16]);
    let part = PartRecord {
        modified: time,
        etag: etag.clone(),
        checksum: None,
        segment: segment.clone(),
        plain_size: None,
        unknown: unknown(),
    };
    let encoded_segment = "1c 00000000000000000000000000000009 03 000402 808040 01 05 01 01 00";
    let golden = "2101 0b 080123456789abcdef 110122222222222222222222222222222222";
    check_golden(&part, &format!("{golden} {encoded_segment}"));
    let encryption = EncryptionRecord { layers: 1, envelope: Bytes::from_static(b"e") };
    let encrypted = PartRecord { plain_size: Some(200), ..part };
    let golden = "2101 1b 080123456789abcdef 110122222222222222222222222222222222";
    check_golden(&encrypted, &format!("{golden} {encoded_segment} 02c801"));
    check_golden(&UploadRecord { encryption: Some(encryption), ..UploadRecord::default() }, "2001 40 03010165");
    check_golden(&RepairRecord { missing: [1, 5].into(), unknown: unknown() }, "4001 01 03020105");
    check_golden(&RetiredRecord { segment, unknown: unknown() }, &format!("4101 01 {encoded_segment}"));
    check_golden(&DrainingRecord::default(), "4201 00");
    let pinned = PinnedWrite { intent_epoch: IntentEpoch(7), holder: 1, pinned: time, unknown: unknown() };
    check_golden(&pinned, "4301 07 0107 1000000000000000000000000000000001 080123456789abcdef");
    let fence = FenceRecord { epoch: Epoch(8), accepted_from: Epoch(7), unknown: unknown() };
    check_golden(&fence, "4501 03 0108 0107");
    let put = ObjectPut { modified: time, etag: etag.clone(), checksum: None, size: 1, version: None };
    let result = ResultRecord { reply: RememberedReply::Put(put), fingerprint: None, unknown: unknown() };
    check_golden(&result, "4601 07 080123456789abcdef 110122222222222222222222222222222222 0101");
    let deleted = ObjectDeleted { existed: true, ..ObjectDeleted::default() };
    let deleted = ResultRecord { reply: RememberedReply::Deleted(deleted), fingerprint: None, unknown: unknown() };
    check_golden(&deleted, "4601 10 0101");
    check_golden_versions(time, etag);
    let key = Bytes::from_static(&[1, 2]);
    check_golden(&ResultSlotRecord { result_key: key.clone(), unknown: unknown() }, "4701 01 020102");
    let owner = WriteOwner { tree: TreeId::Uploads(BucketId(3)), key, unknown: unknown() };
    check_golden(&owner, "4801 03 09030000000000000003 020102");
    let document = DocumentRecord { version: 2, modified: time, value: Bytes::from_static(b"v"), unknown: unknown() };
    check_golden(&document, "4901 07 0102 080123456789abcdef 0176");
    let state = StateRecord {
        clock: time,
        next_bucket: 1,
        intent_epoch: IntentEpoch(3),
        intent_epoch_min: IntentEpoch(2),
        write_results: 200,
        upload_results: 0,
        unknown: unknown(),
    };
    check_golden(&state, "4a01 3f 080123456789abcdef 0101 0103 0102 02c801 0100");
}

/// What came with versions.
fn check_golden_versions(time: Hlc, etag: Etag) {
    let unknown = UnknownFields::default;
    let id = VersionId { committed: time, site: 1 };
    let object = ObjectRecord {
        modified: Hlc::from_bits(5),
        version: Some(id),
        ..ObjectRecord::plain(0, etag.clone(), Body::Apart)
    };
    let golden = "1001 8730 0100 080000000000000005 110122222222222222222222222222222222 00 0a0123456789abcdef0001";
    check_golden(&object, golden);
    let annotated = ObjectRecord { annotations: 3, ..object.clone() };
    let golden = golden.replacen("8730", "87b0 8080 8040", 1) + " 0103";
    check_golden(&annotated, &golden);
    check_golden_locks(object);
    let marker =
        MarkerRecord { modified: Hlc::from_bits(5), version: Some(id), noncurrent_since: None, unknown: unknown() };
    check_golden(&marker, "1101 03 080000000000000005 0a0123456789abcdef0001");
    let null_marker = MarkerRecord { version: None, ..marker };
    check_golden(&null_marker, "1101 01 080000000000000005");
    let covered = MarkerRecord { noncurrent_since: Some(Hlc::from_bits(6)), ..null_marker };
    check_golden(&covered, "1101 818040 080000000000000005 080000000000000006");
    check_golden_lifecycle();
    check_golden(&NullVersionRecord { place: id, unknown: unknown() }, "1301 01 0a0123456789abcdef0001");

    let put = ObjectPut { modified: time, etag, checksum: None, size: 1, version: Some(VersionName::Id(id)) };
    let put = ResultRecord { reply: RememberedReply::Put(put), fingerprint: None, unknown: unknown() };
    let golden = "4601 27 080123456789abcdef 110122222222222222222222222222222222 0101 0a0123456789abcdef0001";
    check_golden(&put, golden);
    let deleted = ObjectDeleted { existed: false, version: Some(VersionName::Null), is_marker: true };
    let deleted = ResultRecord { reply: RememberedReply::Deleted(deleted), fingerprint: None, unknown: unknown() };
    check_golden(&deleted, "4601 70 0100 00 00");
}

/// What came with lifecycle rules.
fn check_golden_lifecycle() {
    let filter = Filter {
        prefix: "p".to_owned(),
        tags: [("k".to_owned(), "v".to_owned())].into(),
        size_above: Some(1),
        size_below: Some(300),
    };
    let rule = LifecycleRule {
        filter,
        expiration: Some(Expiration::Days(2)),
        noncurrent: Some(Noncurrent { days: 3, keep: 4 }),
        abort_days: Some(5),
    };
    let marked = LifecycleRule { expiration: Some(Expiration::Markers), ..LifecycleRule::default() };
    let dated = LifecycleRule { expiration: Some(Expiration::Date(UnixMillis(300))), ..LifecycleRule::default() };
    let rules =
        LifecycleRules { day_millis: 10_000, rules: vec![rule, marked, dated], unknown: UnknownFields::default() };
    let golden = "0701 03 02904e 18 03 0170 01016b0176 67 01ac02 02 0304 05 000010 000008ac02";
    check_golden(&rules, golden);
    let building = LifecycleIndexRecord::new(LifecycleIndex::Building(Bytes::from_static(b"k")));
    check_golden(&building, "4c01 01 016b");
    check_golden(&LifecycleIndexRecord::new(LifecycleIndex::Complete), "4c01 00");
    check_golden(&LifecycleIndexRecord::new(LifecycleIndex::Draining), "4c01 02 00");
    check_golden(&DueRecord::default(), "4b01 00");
}

/// What came with object lock.
fn check_golden_locks(object: ObjectRecord) {
    let retention = Retention { mode: RetentionMode::Compliance, until: UnixMillis(300) };
    let lock = VersionLock { retention: Some(retention), hold: Some(LegalHold::On) };
    let golden = "1001 87b006 0100 080000000000000005 110122222222222222222222222222222222 00 0a0123456789abcdef0001";
    check_golden(&ObjectRecord { lock, ..object }, &format!("{golden} 0302ac02 0101"));
    let lock = VersionLock { retention: None, hold: Some(LegalHold::Off) };
    check_golden(&UploadRecord { lock, ..UploadRecord::default() }, "2001 8002 0100");
}

#[test]
fn versions_are_named_in_one_way() {
    let id = VersionId { committed: Hlc::from_bits(0x0123_4567_89ab_cdef), site: 0x1f };
    let text = "0123456789abcdef001f";
    assert_eq!(id.to_string(), text);
    assert_eq!(VersionName::parse(text), Some(VersionName::Id(id)));
    assert_eq!(VersionName::parse("null"), Some(VersionName::Null));
    assert_eq!(VersionName::Null.to_string(), "null");
    for other in
        ["", "Null", "0123456789abcdef001", "0123456789abcdef001F", "0123456789abcdef001f0", "+123456789abcdef001f"]
    {
        assert_eq!(VersionName::parse(other), None, "{other}");
    }
}
