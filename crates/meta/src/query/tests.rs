//! Listings against a naive listing of a sorted map, and what they cost.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::keys;
use crate::record::{Body, Etag, Hlc, ObjectRecord, Record, UploadId, UploadRecord};
use crate::testing::{CountingView, MemoryView};
use crate::view::{BucketId, Edit};

const BUCKET: BucketId = BucketId(7);

/// Keys that lie close together, with everything that has ever confused a listing.
fn key() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "aa",
        "/",
        "//",
        ".",
        "..",
        " ",
        "\0",
        "\u{1}",
        "\n",
        "é",
        "🦀",
        "\u{10ffff}",
        "0",
        "~",
    ]);
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn prefix() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 4 => key()]
}

fn delimiter() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("/".to_owned()), key()]
}

fn object(size: u64) -> Bytes {
    let record = ObjectRecord {
        modified: Hlc::from_bits(size << 40),
        ..ObjectRecord::plain(size, Etag::Md5([0; 16]), Body::Inline(Bytes::new()))
    };
    record.encode()
}

fn view_of(names: &BTreeSet<String>) -> MemoryView {
    let mut view = MemoryView::new();
    for (name, size) in names.iter().zip(1..) {
        let (key, value) = (keys::object(name).into(), object(size));
        view.edit(Edit::Put { tree: TreeId::Objects(BUCKET), key, value });
    }
    view
}

fn names(page: &ObjectPage) -> Vec<(bool, String)> {
    let entries = page.entries.iter();
    entries.map(|entry| (matches!(entry, ObjectEntry::CommonPrefix(_)), entry.name().to_owned())).collect()
}

fn rolled_up(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    let behind = &key[prefix.len()..];
    let (before, _) = if delimiter.is_empty() { None } else { behind.split_once(delimiter) }?;
    Some(format!("{prefix}{before}{delimiter}"))
}

/// Every entry above `after`, whether a common prefix, and its name.
fn naive(keys: &BTreeSet<String>, prefix: &str, delimiter: &str, after: &str) -> Vec<(bool, String)> {
    let keys = keys.iter().filter(|key| key.starts_with(prefix));
    let entries: BTreeSet<(String, bool)> = keys
        .map(|key| match rolled_up(key, prefix, delimiter) {
            Some(common) => (common, true),
            None => (key.clone(), false),
        })
        .collect();
    entries.into_iter().filter(|(name, _)| name.as_str() > after).map(|(name, common)| (common, name)).collect()
}

proptest! {
    #[test]
    fn a_listing_equals_the_naive_one(
        stored in prop::collection::btree_set(key(), 0..40),
        prefix in prefix(),
        delimiter in delimiter(),
        after in prefix(),
        limit in 0_usize..50,
    ) {
        let view = view_of(&stored);
        let request = ListObjects { prefix: &prefix, delimiter: &delimiter, after: &after, limit };
        let page = list_objects(&view, BUCKET, &request).unwrap();
        let mut expected = naive(&stored, &prefix, &delimiter, &after);
        let truncated = 0 < limit && limit < expected.len();
        expected.truncate(limit);
        prop_assert_eq!(names(&page), expected.clone());
        let next = truncated.then(|| expected.last().unwrap().1.clone());
        prop_assert_eq!(page.next, next);
    }

    #[test]
    fn pages_join_to_the_whole_listing(
        stored in prop::collection::btree_set(key(), 0..40),
        prefix in prefix(),
        delimiter in delimiter(),
        limit in 1_usize..6,
    ) {
        let view = view_of(&stored);
        let mut listed = Vec::new();
        let mut after = Some(String::new());
        while let Some(marker) = after {
            let request = ListObjects { prefix: &prefix, delimiter: &delimiter, after: &marker, limit };
            let page = list_objects(&view, BUCKET, &request).unwrap();
            prop_assert!(page.entries.len() == limit || page.next.is_none());
            listed.extend(names(&page));
            after = page.next;
        }
        prop_assert_eq!(listed, naive(&stored, &prefix, &delimiter, ""));
    }

    #[test]
    fn usage_of_a_prefix_is_the_sum_of_its_objects(
        stored in prop::collection::btree_set(key(), 0..40),
        prefix in prefix(),
    ) {
        let view = view_of(&stored);
        let usage = prefix_usage(&view, BUCKET, &prefix).unwrap();
        let sizes = stored.iter().zip(1_u64..).filter(|(key, _)| key.starts_with(&prefix)).map(|(_, size)| size);
        prop_assert_eq!(usage.objects, sizes.clone().count() as u64);
        prop_assert_eq!(usage.bytes, sizes.clone().sum::<u64>());
        prop_assert_eq!(usage.newest, sizes.clone().max().map_or(0, |size| size << 40));
        let oldest = sizes.min().map_or(u32::MAX, |size| u32::try_from((size << 24) / 1000).unwrap());
        prop_assert_eq!(usage.oldest, oldest);
    }

    #[test]
    fn uploads_are_listed_as_naively(
        stored in prop::collection::btree_set((key(), 1_u64..4), 0..30),
        prefix in prefix(),
        delimiter in delimiter(),
        key_marker in prefix(),
        upload_marker in prop::option::of(0_u64..4),
        limit in 0_usize..6,
    ) {
        let id = |time| UploadId { initiated: Hlc::from_bits(time), site: 0 };
        let mut view = MemoryView::new();
        for (key, time) in &stored {
            let value = UploadRecord::default().encode();
            view.edit(Edit::Put { tree: TreeId::Uploads(BUCKET), key: keys::upload(key, id(*time)).into(), value });
        }
        // A common prefix sorts as an upload before all others of its name.
        let all: BTreeSet<(String, Option<UploadId>)> = stored
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, time)| match rolled_up(key, &prefix, &delimiter) {
                Some(common) => (common, None),
                None => (key.clone(), Some(id(*time))),
            })
            .collect();
        let above = |name: &str, upload: Option<UploadId>, marker: &str, upload_marker: Option<UploadId>| {
            name > marker || (name == marker && upload_marker.is_some_and(|marker| upload > Some(marker)))
        };
        let listed = |key_marker: &str, upload_marker, limit| {
            let request = ListUploads { prefix: &prefix, delimiter: &delimiter, key_marker, upload_marker, limit };
            list_uploads(&view, BUCKET, &request).unwrap()
        };
        let names = |page: &UploadPage| -> Vec<_> { page.entries.iter().map(UploadEntry::marker).collect() };

        let upload_marker = upload_marker.map(id);
        let page = listed(&key_marker, upload_marker, limit);
        let expected: Vec<_> = all
            .iter()
            .filter(|(name, upload)| above(name, *upload, &key_marker, upload_marker))
            .cloned()
            .collect();
        prop_assert_eq!(names(&page), expected[..limit.min(expected.len())].to_vec());
        prop_assert_eq!(page.next.is_some(), 0 < limit && limit < expected.len());

        let mut joined = Vec::new();
        let mut next = Some((String::new(), None));
        while let Some((key_marker, upload_marker)) = next {
            let page = listed(&key_marker, upload_marker, limit + 1);
            joined.extend(names(&page));
            next = page.next;
        }
        prop_assert_eq!(joined, all.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn common_prefixes_cost_the_same_however_many_keys_they_stand_for() {
    let stored = (0..5000).map(|number| format!("{}/{number}", number % 5)).collect();
    let view = CountingView::new(view_of(&stored));
    let request = ListObjects { delimiter: "/", limit: 1000, ..ListObjects::default() };
    let page = list_objects(&view, BUCKET, &request).unwrap();
    assert_eq!(page.entries.len(), 5);
    let steps = view.steps();
    assert!(steps <= 12, "one seek, then a step and a seek for each prefix, then the end: {steps}");
}
