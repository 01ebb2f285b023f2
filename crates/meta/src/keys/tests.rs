//! Keys sort as documented, and are read back.

use env::UnixMillis;
use placement::GroupId;
use proptest::prelude::*;

use super::internal::REPAIR;
use super::objects::{ANNOTATION, OBJECT, VERSION, annotations_of};
use super::uploads::{PART, UPLOAD};
use super::*;
use crate::lifecycle::Subject;
use crate::record::{ConfigurationKind, RetiredId, VersionId, VersionName, WriteId};
use crate::view::BucketId;

/// Few bytes, so that prefixes and zeros meet often.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, 1, 2, b'a', 0xfe, 0xff]), 0..6)
}

proptest! {
    #[test]
    fn what_is_due_sorts_by_time_and_is_read_back(
        left in (any::<u64>(), "[ab\\x00]{0,4}", prop::option::of(any::<(u64, u16)>())),
        right in (any::<u64>(), "[ab\\x00]{0,4}", prop::option::of(any::<(u64, u16)>())),
    ) {
        let (bucket, generation) = (BucketId(7), Hlc::from_bits(9));
        let key = |(time, name, id): (u64, String, Option<(u64, u16)>)| {
            let id = id.map(|(bits, site)| VersionId { committed: Hlc::from_bits(bits), site });
            let subject = Subject::Version(name, id.into());
            let key = due(bucket, generation, UnixMillis(time), &subject);
            assert_eq!(parse_due(&key), Some((UnixMillis(time), subject)));
            key
        };
        if left.0 < right.0 {
            prop_assert!(key(left) < key(right));
        } else {
            let id = UploadId { initiated: generation, site: 1 };
            let upload = due(bucket, generation, UnixMillis(left.0), &Subject::Upload(left.1.clone(), id));
            prop_assert_eq!(parse_due(&upload), Some((UnixMillis(left.0), Subject::Upload(left.1, id))));
        }
    }
}

fn terminated(bytes: &[u8], after: u64) -> Vec<u8> {
    let mut key = escaped(OBJECT, bytes);
    key.extend_from_slice(&TERMINATOR);
    key.extend_from_slice(&after.to_be_bytes());
    key
}

proptest! {
    #[test]
    fn the_last_component_keeps_the_order_of_any_bytes(left in bytes(), right in bytes()) {
        prop_assert_eq!(escaped(OBJECT, &left).cmp(&escaped(OBJECT, &right)), left.cmp(&right));
    }

    #[test]
    fn a_terminated_component_keeps_the_order_of_any_bytes(
        left in (bytes(), any::<u64>()),
        right in (bytes(), any::<u64>()),
    ) {
        let keys = [&left, &right].map(|(bytes, after)| terminated(bytes, *after));
        prop_assert_eq!(keys[0].cmp(&keys[1]), left.cmp(&right));
    }

    #[test]
    fn components_are_read_back(bytes in bytes(), after: u64) {
        let key = terminated(&bytes, after);
        prop_assert_eq!(unescape(&key[1..]), Some((bytes.clone(), Some(&after.to_be_bytes()[..]))));
        let last = escaped(OBJECT, &bytes);
        prop_assert_eq!(unescape(&last[1..]), Some((bytes, None)));
    }

    #[test]
    fn a_prefix_of_components_is_a_range_of_keys(prefix in bytes(), other in bytes()) {
        let start = escaped(OBJECT, &prefix);
        let end = prefix_end(start.clone()).unwrap();
        let key = escaped(OBJECT, &other);
        prop_assert_eq!(start <= key && key < end, other.starts_with(&prefix));
        prop_assert_eq!(key.starts_with(&start), other.starts_with(&prefix));
    }

    #[test]
    fn just_above_leaves_no_room(left in bytes(), right in bytes()) {
        let above = just_above(escaped(OBJECT, &left));
        prop_assert_eq!(above <= escaped(OBJECT, &right), left < right);
    }

    #[test]
    fn uploads_sort_by_key_then_time_then_site(
        left in ("[a\0/]{1,3}", any::<u64>(), any::<u16>()),
        right in ("[a\0/]{1,3}", any::<u64>(), any::<u16>()),
    ) {
        let id = |time, site| UploadId { initiated: Hlc::from_bits(time), site };
        let keys = [&left, &right].map(|(key, time, site)| upload(key, id(*time, *site)));
        prop_assert_eq!(keys[0].cmp(&keys[1]), left.cmp(&right));
        prop_assert_eq!(parse_upload(&keys[0]), Some((left.0, id(left.1, left.2))));
    }

    #[test]
    fn versions_sort_by_key_then_newest_first(
        left in ("[a\0/]{1,3}", any::<u64>()),
        right in ("[a\0/]{1,3}", any::<u64>()),
    ) {
        let place = |time| VersionId::at(Hlc::from_bits(time));
        let keys = [&left, &right].map(|(key, time)| version(key, place(*time)));
        let expected = left.0.cmp(&right.0).then(right.1.cmp(&left.1));
        prop_assert_eq!(keys[0].cmp(&keys[1]), expected);
        prop_assert_eq!(parse_version(&keys[0]), Some((left.0, place(left.1))));
    }

    #[test]
    fn annotations_of_a_version_lie_together_and_sort_by_name(
        left in ("[a\0/]{1,2}", prop::option::of(0_u64..3), "[ab\0]{1,3}"),
        right in ("[a\0/]{1,2}", prop::option::of(0_u64..3), "[ab\0]{1,3}"),
        prefix in "[ab\0]{0,2}",
    ) {
        let name = |time: Option<u64>| VersionName::from(time.map(|time| VersionId::at(Hlc::from_bits(time))));
        let keys = [&left, &right].map(|(key, time, text)| annotation(key, name(*time), text));
        prop_assert_eq!(keys[0].cmp(&keys[1]), left.cmp(&right));
        prop_assert_eq!(parse_annotation(&keys[0]), Some((left.0.clone(), name(left.1), left.2.clone())));
        let within = keys[0].starts_with(&annotations_of(&right.0, name(right.1)));
        prop_assert_eq!(within, (&left.0, left.1) == (&right.0, right.1));
        let begins = keys[0].starts_with(&annotation(&right.0, name(right.1), &prefix));
        prop_assert_eq!(begins, within && left.2.starts_with(&prefix));
    }

    #[test]
    fn repairs_sort_by_spare_shards_age_write_and_stripe(
        left in (-2_i16..3, 0_u64..3, 0_u128..3, 0_u32..3),
        right in (-2_i16..3, 0_u64..3, 0_u128..3, 0_u32..3),
    ) {
        let key = |(spare, since, write, stripe)| repair(spare, Hlc::from_bits(since), WriteId(write), stripe);
        prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
        let (spare, since, write, stripe) = left;
        prop_assert_eq!(parse_repair(&key(left)), Some((spare, Hlc::from_bits(since), WriteId(write), stripe)));
    }

    #[test]
    fn parsing_any_bytes_never_panics(bytes: Vec<u8>, kind in prop::sample::select(vec![OBJECT, VERSION, ANNOTATION, UPLOAD, PART, REPAIR])) {
        let mut key = vec![kind];
        key.extend_from_slice(&bytes);
        for key in [&bytes, &key] {
            if let Some(object_key) = parse_object(key) {
                prop_assert_eq!(&object(&object_key), key);
            }
            if let Some((object_key, id)) = parse_upload(key) {
                prop_assert_eq!(&upload(&object_key, id), key);
            }
            if let Some((object_key, place)) = parse_version(key) {
                prop_assert_eq!(&version(&object_key, place), key);
            }
            if let Some((object_key, version, name)) = parse_annotation(key) {
                prop_assert_eq!(&annotation(&object_key, version, &name), key);
            }
            parse_part(key);
            parse_retired(key);
            if let Some((spare, since, write, stripe)) = parse_repair(key) {
                prop_assert_eq!(&repair(spare, since, write, stripe), key);
            }
        }
    }
}

#[test]
fn names_that_are_prefixes_sort_as_raw_bytes() {
    let sorted = ["a", "a\0", "a\0\0", "a\0b", "a\u{1}", "a/", "ab", "b"];
    assert!(sorted.map(object).is_sorted());
    let id = UploadId { initiated: Hlc::from_bits(u64::MAX), site: u16::MAX };
    assert!(sorted.map(|key| upload(key, id)).is_sorted());
}

#[test]
fn golden_keys() {
    let hex = |key: Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let id = UploadId { initiated: Hlc::from_bits(0x0123_4567_89ab_cdef), site: 2 };
    let version_id = VersionId { committed: id.initiated, site: 2 };
    let write = WriteId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
    let write_hex = "0102030405060708090a0b0c0d0e0f10";
    let golden = [
        (bucket_name("b"), "01 62".to_owned()),
        (bucket(BucketId(3)), "02 0000000000000003 00".to_owned()),
        (configuration(BucketId(3), ConfigurationKind::new(7).unwrap()), "02 0000000000000003 07".to_owned()),
        (object("a\0b"), "10 6100ff62".to_owned()),
        (body("a", None), "12 61".to_owned()),
        (body("a", Some(version_id)), "12 61 0001 0123456789abcdef 0002".to_owned()),
        (version("a\0", version_id), "11 6100ff 0001 fedcba9876543210 0002".to_owned()),
        (null_version("a\0"), "13 6100ff".to_owned()),
        (annotation("a", VersionName::Null, "n\0"), "14 61 0001 00 6e00ff".to_owned()),
        (annotation("a", VersionName::Id(version_id), "n"), "14 61 0001 01 0123456789abcdef 0002 6e".to_owned()),
        (annotation_body(id.initiated, "n"), "15 0123456789abcdef 6e".to_owned()),
        (upload("a\0", id), "20 6100ff 0001 0123456789abcdef 0002".to_owned()),
        (part(id, 258), "21 0123456789abcdef 0002 0102".to_owned()),
        (repair(-1, Hlc::from_bits(5), write, 6), format!("40 7fff 0000000000000005 {write_hex} 00000006")),
        (retired(RetiredId { index: 4, write_id: write }), format!("41 0000000000000004 {write_hex}")),
        (draining(BucketId(3)), "42 0000000000000003".to_owned()),
        (pinned(write), format!("43 {write_hex}")),
        (table(), "44".to_owned()),
        (fence(GroupId(7)), "45 00000007".to_owned()),
        (write_result(write), format!("46 00 {write_hex}")),
        (upload_result(BucketId(3), id), "46 01 0000000000000003 0123456789abcdef 0002".to_owned()),
        (result_slot(1, 9), "47 01 00000009".to_owned()),
        (owner(write), format!("48 {write_hex}")),
        (document("d"), "49 64".to_owned()),
        (state(), "4a".to_owned()),
    ];
    for (key, expected) in golden {
        assert_eq!(hex(key), expected.replace(' ', ""));
    }
}
