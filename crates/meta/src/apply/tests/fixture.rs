//! A state with a bucket, short ways to change it, and the invariants that hold after every command.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use env::UnixMillis;
use placement::{Epoch, GroupId};

use crate::apply::apply;
use crate::command::{
    AbortUpload, Command, CompleteUpload, CompletedPart, CreateBucket, CreateUpload, DeleteObject, LogStamp,
    NewAnnotation, Precondition, PutObject, PutPart,
};
use crate::keys;
use crate::outcome::{Outcome, Refusal, Reply};
use crate::query;
use crate::record::{
    Body, Etag, Hlc, IntentEpoch, ObjectRecord, PartRecord, PinnedWrite, Record, RetiredRecord, Segment, StateRecord,
    StripeSlot, UnknownFields, UploadId, UploadRecord, VersionId, VersionName, VersionRecord, WriteId, WriteOwner,
};
use crate::testing::MemoryView;
use crate::view::{BucketId, Edit, TreeId, View};

pub(super) const GROUP_COUNT: u32 = 4;
pub(super) const SHARD_SIZE: u32 = 1 << 20;
/// Data shards, then parity shards, of every striped sample.
pub(super) const GEOMETRY: (u8, u8) = (4, 2);

pub(super) struct Fixture {
    pub(super) view: MemoryView,
    pub(super) bucket: BucketId,
    pub(super) time: u64,
    index: u64,
    next_write: u128,
}

impl Fixture {
    /// A state with one bucket, whose groups accept commits at epoch 1.
    pub(super) fn new() -> Self {
        let mut view = MemoryView::new();
        view.accept_groups(GROUP_COUNT).unwrap().unwrap();
        let mut fixture = Self { view, bucket: BucketId(0), time: 1_000_000, index: 1, next_write: 1 };
        fixture.bucket = fixture.create_bucket("bucket");
        fixture
    }

    /// Applies a command twice from the same state, compares, and checks the invariants.
    pub(super) fn apply(&mut self, command: Command) -> Outcome {
        self.index += 1;
        let stamp = LogStamp { index: self.index, time: UnixMillis(self.time) };
        let (outcome, edits) = apply(&self.view, &command, stamp).unwrap();
        let decoded = postcard::from_bytes(&postcard::to_stdvec(&command).unwrap()).unwrap();
        assert_eq!(command, decoded, "commands survive the log");
        assert_eq!(apply(&self.view, &decoded, stamp).unwrap(), (outcome.clone(), edits.clone()), "deterministic");
        assert!(outcome.is_ok() || edits.is_empty(), "a refused command changes nothing");
        check_disjoint(&edits);
        edits.into_iter().for_each(|edit| self.view.edit(edit));
        check_invariants(&self.view);
        outcome
    }

    pub(super) fn refusal(&mut self, command: Command) -> Refusal {
        self.apply(command).expect_err("the command should be refused")
    }

    pub(super) fn create_bucket(&mut self, name: &str) -> BucketId {
        match self.apply(create_bucket(name)) {
            Ok(Reply::BucketCreated(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn write_id(&mut self) -> WriteId {
        self.next_write += 1;
        WriteId(self.next_write << 80)
    }

    /// A PUT of an inline body.
    pub(super) fn inline(&mut self, key: &str, body: &'static str) -> PutObject {
        let write_id = self.write_id();
        put_object(self.bucket, key, write_id, body.len() as u64, Body::Inline(Bytes::from_static(body.as_bytes())))
    }

    /// A PUT of a striped body.
    pub(super) fn striped(&mut self, key: &str, size: u64) -> PutObject {
        let write_id = self.write_id();
        put_object(self.bucket, key, write_id, size, Body::Striped(vec![segment(write_id, size)]))
    }

    /// An annotation: of this body, or of this many bytes elsewhere.
    pub(super) fn annotation(&mut self, body: Result<&'static str, u64>) -> NewAnnotation {
        let PutObject { object: record, write_id, .. } = match body {
            Ok(body) => self.inline("", body),
            Err(size) => self.striped("", size),
        };
        NewAnnotation { record, write_id, intent_epoch: self.epoch() }
    }

    pub(super) fn put(&mut self, put: PutObject) -> Outcome {
        self.apply(Command::PutObject(Box::new(put)))
    }

    pub(super) fn deletion(&mut self, key: &str) -> DeleteObject {
        let write_id = self.write_id();
        DeleteObject { bucket: self.bucket, key: key.to_owned(), precondition: Precondition::default(), write_id }
    }

    pub(super) fn object(&self, key: &str) -> Option<ObjectRecord> {
        query::object(&self.view, self.bucket, key).unwrap()
    }

    pub(super) fn create_upload(&mut self, key: &str) -> UploadId {
        let command = CreateUpload { bucket: self.bucket, key: key.to_owned(), upload: UploadRecord::default() };
        match self.apply(Command::CreateUpload(Box::new(command))) {
            Ok(Reply::UploadCreated(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn part(&mut self, key: &str, upload: UploadId, number: u16, size: u64) -> PutPart {
        let segment = segment(self.write_id(), size);
        let etag = Etag::Md5(segment.write_id.0.to_be_bytes());
        let unknown = UnknownFields::default();
        let part = PartRecord { modified: Hlc::ZERO, etag, checksum: None, segment, plain_size: None, unknown };
        PutPart { bucket: self.bucket, key: key.to_owned(), upload, number, part, intent_epoch: self.epoch() }
    }

    pub(super) fn put_part(&mut self, part: PutPart) -> Outcome {
        self.apply(Command::PutPart(Box::new(part)))
    }

    /// Puts parts of these numbers and sizes; returns how a completion lists them.
    pub(super) fn put_parts(&mut self, key: &str, upload: UploadId, parts: &[(u16, u64)]) -> Vec<CompletedPart> {
        let mut listed = Vec::new();
        for &(number, size) in parts {
            let part = self.part(key, upload, number, size);
            listed.push(CompletedPart { number, etag: part.part.etag.clone(), checksum: None });
            self.put_part(part).unwrap();
        }
        listed
    }

    pub(super) fn completion(&self, key: &str, upload: UploadId, parts: Vec<CompletedPart>) -> CompleteUpload {
        let part_count = u16::try_from(parts.len()).unwrap();
        CompleteUpload {
            bucket: self.bucket,
            key: key.to_owned(),
            upload,
            parts,
            etag: Etag::Multipart { md5: [7; 16], part_count: part_count.max(1) },
            checksum: None,
            precondition: Precondition::default(),
        }
    }

    pub(super) fn complete(&mut self, completion: CompleteUpload) -> Outcome {
        self.apply(Command::CompleteUpload(Box::new(completion)))
    }

    pub(super) fn abort(&mut self, key: &str, upload: UploadId) -> Outcome {
        self.apply(Command::AbortUpload(AbortUpload { bucket: self.bucket, key: key.to_owned(), upload }))
    }

    /// The time of the next command.
    pub(super) fn now(&self) -> UnixMillis {
        let state = self.view.get(TreeId::Internal, &keys::state()).unwrap().unwrap();
        let clock = StateRecord::decode(&state).unwrap().clock;
        Hlc::from_millis(UnixMillis(self.time)).max(clock.next()).millis()
    }

    pub(super) fn epoch(&self) -> IntentEpoch {
        query::intent_epochs(&self.view).unwrap().0
    }

    pub(super) fn retired_writes(&self) -> Vec<WriteId> {
        let retired = query::retired_segments(&self.view, u64::MAX, usize::MAX).unwrap();
        retired.into_iter().map(|(id, _)| id.write_id).collect()
    }
}

pub(super) fn create_bucket(name: &str) -> Command {
    Command::CreateBucket(CreateBucket {
        name: name.to_owned(),
        owner: "owner".to_owned(),
        region: None,
        has_lock: false,
        configurations: BTreeMap::new(),
    })
}

/// A segment without exceptions, its stripes over all groups.
pub(super) fn segment(write_id: WriteId, size: u64) -> Segment {
    let (data, parity) = GEOMETRY;
    let stripe_count = size.div_ceil(u64::from(data) * u64::from(SHARD_SIZE));
    let slots = (0..stripe_count)
        .map(|stripe| StripeSlot { group: GroupId(u32::try_from(stripe).unwrap() % GROUP_COUNT), epoch: Epoch(1) })
        .collect();
    Segment { write_id, size, code_id: 0, data, parity, shard_size: SHARD_SIZE, slots, exceptions: BTreeMap::new() }
}

fn put_object(bucket: BucketId, key: &str, write_id: WriteId, size: u64, body: Body) -> PutObject {
    let object = ObjectRecord::plain(size, Etag::Md5(write_id.0.to_be_bytes()), body);
    let precondition = Precondition::default();
    PutObject { bucket, key: key.to_owned(), object, precondition, write_id, intent_epoch: IntentEpoch(0) }
}

/// Each record is edited at most once, and none of a dropped tree.
fn check_disjoint(edits: &[Edit]) {
    let mut seen = BTreeSet::new();
    let dropped: BTreeSet<_> = edits
        .iter()
        .filter_map(|edit| match edit {
            Edit::DropTree { tree } => Some(*tree),
            Edit::Put { .. } | Edit::Remove { .. } => None,
        })
        .collect();
    for edit in edits {
        if let Edit::Put { tree, key, .. } | Edit::Remove { tree, key } = edit {
            assert!(seen.insert((*tree, key.clone())), "{tree:?} {key:02x?} is edited twice");
            assert!(!dropped.contains(tree), "{tree:?} is edited and dropped");
        }
    }
}

/// The index by write, the repair index and the pins say exactly what the manifests say, and versions are in order.
fn check_invariants(view: &MemoryView) {
    let mut owners = BTreeMap::new();
    let mut repairs = BTreeSet::new();
    let mut own = |tree: TreeId, key: &Bytes, segment: &Segment| {
        assert!(owners.insert(segment.write_id, (tree, key.clone())).is_none(), "{:?} named twice", segment.write_id);
        for (&stripe, exception) in segment.exceptions.iter().filter(|(_, exception)| !exception.missing.is_empty()) {
            assert_ne!(exception.since, Hlc::ZERO);
            if tree != TreeId::Internal {
                let spare = segment.spare_shards(stripe);
                repairs.insert((spare, exception.since, segment.write_id, stripe, exception.missing.clone()));
            }
        }
    };
    for bucket in (0..10).map(BucketId) {
        let records: Vec<_> = view.records(TreeId::Objects(bucket)).collect();
        let record = query::bucket_by_id(view, bucket).unwrap();
        assert!(records.is_empty() || record.is_some(), "objects without a bucket");
        let is_versioned = record.is_some_and(|record| record.versioning.is_some());
        check_versions(view, bucket, is_versioned);
        let has_manifest = |key: &Bytes| keys::is_object(key) || keys::is_version(key) || keys::is_annotation(key);
        for (key, value) in records.iter().filter(|(key, _)| has_manifest(key)) {
            if let VersionRecord::Object(object) = VersionRecord::decode(value).unwrap() {
                object.segments().iter().for_each(|segment| own(TreeId::Objects(bucket), key, segment));
            }
        }
        for (key, value) in view.records(TreeId::Uploads(bucket)).filter(|(key, _)| keys::is_part(key)) {
            own(TreeId::Uploads(bucket), key, &PartRecord::decode(value).unwrap().segment);
        }
    }
    for (key, value) in view.records(TreeId::Internal).filter(|(key, _)| keys::parse_retired(key).is_some()) {
        own(TreeId::Internal, key, &RetiredRecord::decode(value).unwrap().segment);
    }

    let indexed = view.records(TreeId::Internal).filter_map(|(key, value)| {
        let owner = keys::parse_owner(key).map(|write| (write, WriteOwner::decode(value).unwrap()));
        owner.map(|(write, owner)| (write, (owner.tree, owner.key)))
    });
    assert_eq!(indexed.collect::<BTreeMap<_, _>>(), owners, "the index by write equals the manifests");
    let queued = query::repair_queue(view, None, usize::MAX).unwrap().into_iter();
    let queued = queued.map(|entry| (entry.spare_shards, entry.since, entry.write_id, entry.stripe, entry.missing));
    assert_eq!(queued.collect::<BTreeSet<_>>(), repairs, "the repair index equals the manifests");
    let pinned: Vec<(WriteId, PinnedWrite)> = query::pinned_writes(view, None, usize::MAX).unwrap();
    assert!(pinned.iter().all(|(write, _)| !owners.contains_key(write)), "a committed write is not pinned");
    for (write_id, _) in owners {
        assert_eq!(query::segment_of(view, write_id).unwrap().unwrap().write_id, write_id);
    }
}

/// Every version is where it belongs, and nothing else is there.
fn check_versions(view: &MemoryView, bucket: BucketId, is_versioned: bool) {
    let tree = TreeId::Objects(bucket);
    let mut expected = BTreeSet::new();
    let mut newest: BTreeMap<String, (VersionId, bool)> = BTreeMap::new();
    for (tree_key, value) in view.records(tree).filter(|(key, _)| keys::is_object(key)) {
        let key = keys::parse_object(tree_key).unwrap();
        let object = ObjectRecord::decode(value).unwrap();
        newest.insert(key.clone(), (object.version.unwrap_or(VersionId::at(object.modified)), true));
        expected.insert(tree_key.to_vec());
        expect_body(&key, &object, &mut expected);
        expect_annotations(view, bucket, &key, &object, &mut expected);
        check_found(view, bucket, &key, &VersionRecord::Object(object));
    }
    for (tree_key, value) in view.records(tree).filter(|(key, _)| keys::is_version(key)) {
        assert!(is_versioned);
        let (key, place) = keys::parse_version(tree_key).unwrap();
        let version = VersionRecord::decode(value).unwrap();
        expected.insert(tree_key.to_vec());
        match version.name() {
            VersionName::Id(id) => assert_eq!(id, place),
            VersionName::Null => assert!(expected.insert(keys::null_version(&key)), "two null versions"),
        }
        let is_marker = matches!(version, VersionRecord::Marker(_));
        let (newer, _) = newest.entry(key.clone()).or_insert_with(|| {
            assert!(is_marker, "an object is newest, but not current");
            (VersionId { site: place.site + 1, ..place }, false)
        });
        assert!(place < *newer, "versions are out of order");
        *newer = place;
        check_found(view, bucket, &key, &version);
        if let VersionRecord::Object(object) = &version {
            expect_body(&key, object, &mut expected);
            expect_annotations(view, bucket, &key, object, &mut expected);
        }
    }
    assert_eq!(view.records(tree).map(|(key, _)| key.to_vec()).collect::<BTreeSet<_>>(), expected);
}

fn expect_body(key: &str, object: &ObjectRecord, expected: &mut BTreeSet<Vec<u8>>) {
    if object.body == Body::Apart {
        expected.insert(keys::body(key, object.version));
    }
}

/// A version has as many annotations as it says.
fn expect_annotations(
    view: &MemoryView,
    bucket: BucketId,
    key: &str,
    object: &ObjectRecord,
    expected: &mut BTreeSet<Vec<u8>>,
) {
    let version = object.version.into();
    let annotations = query::annotations(view, bucket, (key, version)).unwrap();
    assert_eq!(annotations.len() as u64, object.annotations);
    for (name, annotation) in annotations {
        expected.insert(keys::annotation(key, version, &name));
        if annotation.body == Body::Apart {
            assert!(expected.insert(keys::annotation_body(annotation.modified, &name)), "two of one body");
        }
        let whole = query::annotation(view, bucket, (key, version), &name).unwrap().unwrap();
        assert_ne!(whole.body, Body::Apart);
    }
}

/// A version is found by its name, and nothing else is.
fn check_found(view: &MemoryView, bucket: BucketId, key: &str, version: &VersionRecord) {
    assert_eq!(query::version_without_body(view, bucket, key, version.name()).unwrap().as_ref(), Some(version));
    let whole = query::version(view, bucket, key, version.name()).unwrap().unwrap();
    assert!(whole.object().is_none_or(|object| object.body != Body::Apart));
}
