//! Listings of versions against a filter of the whole listing, and what they cost.
//!
//! That the whole listing is right, the histories of `apply` show.

use std::collections::BTreeMap;

use bytes::Bytes;
use env::UnixMillis;
use proptest::prelude::*;

use super::*;
use crate::command::{Command, CreateBucket, DeleteObject, LogStamp, Precondition, PutObject, SetBucketVersioning};
use crate::record::{Body, Etag, Governance, IntentEpoch, ObjectRecord, VersionName, Versioning, WriteId};
use crate::testing::{CountingView, MemoryView};
use crate::view::BucketId;

const BUCKET: BucketId = BucketId(0);

/// A bucket whose keys have versions.
#[derive(Debug)]
struct Built {
    view: MemoryView,
    index: u64,
}

impl Built {
    fn new() -> Self {
        let mut built = Self { view: MemoryView::new(), index: 0 };
        let bucket = CreateBucket {
            name: "bucket".to_owned(),
            owner: String::new(),
            region: None,
            has_lock: false,
            configurations: BTreeMap::new(),
        };
        built.apply(Command::CreateBucket(bucket));
        built
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        // Several commands in each millisecond.
        let stamp = LogStamp { index: self.index, time: UnixMillis(1000 + self.index / 3) };
        self.view.apply(&command, stamp).unwrap().unwrap();
    }

    fn set(&mut self, versioning: Versioning) {
        self.apply(Command::SetBucketVersioning(SetBucketVersioning { bucket: BUCKET, versioning }));
    }

    fn put(&mut self, key: &str) {
        let object = ObjectRecord::plain(0, Etag::Md5([0; 16]), Body::Inline(Bytes::new()));
        let (precondition, write_id) = (Precondition::default(), WriteId(u128::from(self.index)));
        let intent_epoch = IntentEpoch(0);
        let put = PutObject { bucket: BUCKET, key: key.to_owned(), object, precondition, write_id, intent_epoch };
        self.apply(Command::PutObject(Box::new(put)));
    }

    fn delete(&mut self, key: &str) {
        let (precondition, write_id) = (Precondition::default(), WriteId(u128::from(self.index)));
        self.apply(Command::DeleteObject(DeleteObject { bucket: BUCKET, key: key.to_owned(), precondition, write_id }));
    }

    fn list(&self, request: &ListVersions<'_>) -> VersionPage {
        list_versions(&self.view, BUCKET, request).unwrap()
    }

    fn list_all(&self) -> Vec<VersionEntry> {
        let page = self.list(&ListVersions { limit: usize::MAX, ..ListVersions::default() });
        assert_eq!(page.next, None);
        page.entries
    }
}

fn key() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["a", "b", "aa", "/", "\0", "\u{1}", "é", "\u{10ffff}"]);
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn prefix() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 2 => key()]
}

fn delimiter() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just(String::new()), 2 => Just("/".to_owned()), 1 => key()]
}

/// What happens to a bucket: keys, and whether they are put or deleted, under changing versioning.
fn built() -> impl Strategy<Value = Built> {
    let keys = prop::collection::vec(key(), 1..6);
    let steps = prop::collection::vec((any::<prop::sample::Index>(), 0_u8..10), 0..40);
    (keys, steps).prop_map(|(keys, steps)| {
        let mut built = Built::new();
        for (index, step) in steps {
            match step {
                0 => built.set(Versioning::Enabled),
                1 => built.set(Versioning::Suspended),
                2..=4 => built.delete(&keys[index.index(keys.len())]),
                _ => built.put(&keys[index.index(keys.len())]),
            }
        }
        built
    })
}

/// The entries with this prefix, rolled up.
fn rolled_up(all: &[VersionEntry], prefix: &str, delimiter: &str) -> Vec<VersionEntry> {
    let mut entries: Vec<VersionEntry> = Vec::new();
    for entry in all {
        let VersionEntry::Version { key, .. } = entry else { unreachable!("no delimiter") };
        let Some(behind) = key.strip_prefix(prefix) else { continue };
        match behind.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
            None => entries.push(entry.clone()),
            Some((before, _)) => {
                let common = VersionEntry::CommonPrefix(format!("{prefix}{before}{delimiter}"));
                if entries.last() != Some(&common) {
                    entries.push(common);
                }
            }
        }
    }
    entries
}

proptest! {
    #[test]
    fn pages_join_to_the_whole_listing(
        built in built(),
        prefix in prefix(),
        delimiter in delimiter(),
        limit in 1_usize..6,
    ) {
        let expected = rolled_up(&built.list_all(), &prefix, &delimiter);
        let mut joined = Vec::new();
        let mut next = Some((String::new(), None));
        while let Some((key_marker, version_marker)) = next {
            let (prefix, delimiter, key_marker) = (prefix.as_str(), delimiter.as_str(), key_marker.as_str());
            let page = built.list(&ListVersions { prefix, delimiter, key_marker, version_marker, limit });
            prop_assert!(page.entries.len() == limit || page.next.is_none());
            joined.extend(page.entries);
            next = page.next;
        }
        prop_assert_eq!(joined, expected);
    }

    #[test]
    fn a_listing_begins_behind_its_markers(
        built in built(),
        prefix in prefix(),
        delimiter in delimiter(),
        key_marker in key(),
        entry: prop::sample::Index,
        limit in 0_usize..6,
    ) {
        let entries = rolled_up(&built.list_all(), &prefix, &delimiter);
        let name = |entry: &VersionEntry| entry.marker().0;
        let check = |key_marker: &str, version_marker, expected: &[VersionEntry]| {
            let (prefix, delimiter) = (prefix.as_str(), delimiter.as_str());
            let page = built.list(&ListVersions { prefix, delimiter, key_marker, version_marker, limit });
            assert_eq!(page.entries, expected[..limit.min(expected.len())].to_vec());
            assert_eq!(page.next.is_some(), 0 < limit && limit < expected.len());
        };
        let above: Vec<_> = entries.iter().filter(|entry| name(entry) > key_marker).cloned().collect();
        // A marker within a common prefix stands for all of it.
        if common_prefix(&key_marker, &prefix, &delimiter).is_none_or(|common| common == key_marker) {
            check(&key_marker, None, &above);
        }
        if !entries.is_empty() {
            let position = entry.index(entries.len());
            let (key_marker, version_marker) = entries[position].marker();
            check(&key_marker, version_marker, &entries[position + 1..]);
        }
    }

    #[test]
    fn a_listing_goes_on_where_it_was_when_the_version_is_gone(
        mut built in built(),
        entry: prop::sample::Index,
    ) {
        let all = built.list_all();
        if all.is_empty() {
            return Ok(());
        }
        let position = entry.index(all.len());
        let (key, Some(version)) = all[position].marker() else { unreachable!("no delimiter") };
        built.index += 1000;
        let write_id = WriteId(u128::from(built.index));
        let (precondition, bucket) = (Precondition::default(), BUCKET);
        let deletion = crate::command::DeleteVersion {
            bucket,
            key: key.clone(),
            version,
            precondition,
            governance: Governance::Observed,
            write_id,
        };
        built.apply(Command::DeleteVersion(deletion));
        let (key_marker, version_marker) = (key.as_str(), Some(version));
        let request = ListVersions { key_marker, version_marker, limit: usize::MAX, ..ListVersions::default() };
        let listed: Vec<_> = built.list(&request).entries.iter().map(VersionEntry::marker).collect();
        let rest: Vec<_> = all[position + 1..].iter().map(VersionEntry::marker).collect();
        // Nobody knows where a null version was: then the key is listed from its newest version on. Nor whether a null
        // version that is current now was newer than what is gone: then that is listed again.
        let newer = all[..position].iter().map(VersionEntry::marker).filter(|(other, _)| *other == key);
        let hides = |entry: &VersionEntry| {
            matches!(entry, VersionEntry::Version { version: ListedVersion::Marker { .. }, .. })
        };
        let is_current = |(index, _): &(usize, _)| *index == 0 && !hides(&all[position - newer.clone().count()]);
        let is_again = |entry: &(usize, (String, Option<VersionName>))| {
            version == VersionName::Null || (is_current(entry) && entry.1.1 == Some(VersionName::Null))
        };
        let again = newer.clone().enumerate().filter(is_again).map(|(_, entry)| entry);
        let expected: Vec<_> = again.chain(rest).collect();
        prop_assert_eq!(listed, expected);
    }
}

#[test]
fn a_page_costs_the_same_at_10_and_at_10_000_versions_of_a_key() {
    const LIMIT: usize = 5;
    let mut costs = Vec::new();
    for count in [10, 10_000] {
        let mut built = Built::new();
        built.set(Versioning::Enabled);
        for key in ["before", "key", "later"] {
            (0..if key == "key" { count } else { 1 }).for_each(|_| built.put(key));
        }
        let all = built.list_all();
        assert_eq!(all.len(), count + 2);
        let view = CountingView::new(built.view);
        // The first page, one from within the versions of the key, one that ends with them, and one of prefixes.
        let within = all[count / 2 - 1].marker();
        let near_end = all[count - 2].marker();
        let first = (String::new(), None);
        let pages = [(&first, ""), (&within, ""), (&near_end, ""), (&first, "e")];
        costs.push(pages.map(|((key_marker, version_marker), delimiter)| {
            let version_marker = *version_marker;
            let request =
                ListVersions { key_marker, version_marker, delimiter, limit: LIMIT, ..ListVersions::default() };
            let page = list_versions(&view, BUCKET, &request).unwrap();
            (page.entries.len(), view.steps(), view.lookups().len())
        }));
        hiding_marker(&view, BUCKET, "key").unwrap();
        version(&view, BUCKET, "key", within.1.unwrap()).unwrap();
        assert_eq!((view.steps(), view.lookups().len()), (0, 3));
    }
    assert_eq!(costs[0], costs[1]);
    for (_, steps, lookups) in &costs[0] {
        assert!(*steps <= LIMIT + 7 && *lookups <= 2, "{costs:?}");
    }
}
