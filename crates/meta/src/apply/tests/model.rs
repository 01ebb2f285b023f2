//! Random histories against a model S3.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::fixture::{Fixture, create_bucket};
use crate::command::{
    AdvanceIntentEpoch, Command, CompletedPart, DeleteBucket, DeleteObject, DrainUploads, EtagCondition, FreeRetired,
    Precondition, PutObject, RepairDone, RepairedStripe, ReportMissing,
};
use crate::outcome::{Outcome, Refusal, Reply};
use crate::query::{self, ListObjects, ListUploads, ObjectEntry, UploadEntry};
use crate::record::{Etag, PART_SIZE_MIN, UploadId, WriteId};
use crate::view::BucketId;

/// What S3 would know of an object or a part.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    etag: Etag,
    size: u64,
}

#[derive(Debug, Default)]
struct ModelUpload {
    key: String,
    parts: BTreeMap<u16, Stored>,
}

#[derive(Debug, Default)]
struct ModelBucket {
    objects: BTreeMap<String, Stored>,
    uploads: BTreeMap<UploadId, ModelUpload>,
}

/// One step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    CreateBucket(usize),
    DeleteBucket(usize),
    Put { bucket: usize, key: usize, size: u64, inline: bool, condition: usize },
    Delete { bucket: usize, key: usize, condition: usize },
    CreateUpload { bucket: usize, key: usize },
    PutPart { bucket: usize, upload: usize, number: u16, size: u64 },
    Complete { bucket: usize, upload: usize, skip: u16, spoil: bool, condition: usize },
    Abort { bucket: usize, upload: usize },
    Lose { write: usize, shard: u8 },
    Repair(usize),
    Free(usize),
    Drain,
    AdvanceIntentEpoch,
    Replay(usize),
    Wait(u64),
}

const BUCKETS: [&str; 3] = ["one", "two", "three"];
const KEYS: [&str; 5] = ["a", "a/b", "a\0", "", "🦀/../"];

fn step() -> impl Strategy<Value = Step> {
    let bucket = || 0..BUCKETS.len();
    let key = || 0..KEYS.len();
    let condition = || prop_oneof![3 => Just(0_usize), 2 => 1_usize..5];
    let any_index = || 0_usize..1000;
    prop_oneof![
        2 => bucket().prop_map(Step::CreateBucket),
        1 => bucket().prop_map(Step::DeleteBucket),
        6 => (bucket(), key(), 0_u64..20 << 20, any::<bool>(), condition())
            .prop_map(|(bucket, key, size, inline, condition)| Step::Put { bucket, key, size, inline, condition }),
        4 => (bucket(), key(), condition()).prop_map(|(bucket, key, condition)| Step::Delete { bucket, key, condition }),
        2 => (bucket(), key()).prop_map(|(bucket, key)| Step::CreateUpload { bucket, key }),
        6 => (bucket(), any_index(), 0_u16..4, prop::sample::select(vec![1, PART_SIZE_MIN, 3 * PART_SIZE_MIN]))
            .prop_map(|(bucket, upload, number, size)| Step::PutPart { bucket, upload, number, size }),
        3 => (bucket(), any_index(), 0_u16..4, prop::bool::weighted(0.2), condition()).prop_map(
            |(bucket, upload, skip, spoil, condition)| Step::Complete { bucket, upload, skip, spoil, condition }
        ),
        1 => (bucket(), any_index()).prop_map(|(bucket, upload)| Step::Abort { bucket, upload }),
        3 => (any_index(), 0_u8..7).prop_map(|(write, shard)| Step::Lose { write, shard }),
        2 => any_index().prop_map(Step::Repair),
        1 => (0_usize..5).prop_map(Step::Free),
        1 => Just(Step::Drain),
        1 => Just(Step::AdvanceIntentEpoch),
        3 => any_index().prop_map(Step::Replay),
        1 => (0_u64..100_000).prop_map(Step::Wait),
    ]
}

struct History {
    fixture: Fixture,
    buckets: [Option<(BucketId, ModelBucket)>; BUCKETS.len()],
    writes: Vec<WriteId>,
    /// Commands that must answer the same when they are proposed again.
    done: Vec<(Command, Outcome)>,
}

/// The condition numbered `condition`, and what it makes of the current version.
fn condition_on(condition: usize, current: Option<&Stored>) -> (Precondition, Result<(), Refusal>) {
    let other = Etag::parse("no such tag").unwrap();
    let current_tag = current.map_or(other.clone(), |current| current.etag.clone());
    let present = current.is_some();
    let when = |holds, refusal| if holds { Ok(()) } else { Err(refusal) };
    match condition {
        0 => (Precondition::default(), Ok(())),
        1 => (Precondition::absent(), when(!present, Refusal::PreconditionFailed)),
        2 => (Precondition::matches(current_tag), when(present, Refusal::NoSuchKey)),
        3 if present => (Precondition::matches(other), Err(Refusal::PreconditionFailed)),
        3 => (Precondition::matches(other), Err(Refusal::NoSuchKey)),
        _ => {
            let if_none_match = Some(EtagCondition::OneOf(vec![other]));
            (Precondition { if_none_match, ..Precondition::default() }, Ok(()))
        }
    }
}

impl History {
    fn new() -> Self {
        Self { fixture: Fixture::new(), buckets: Default::default(), writes: Vec::new(), done: Vec::new() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::CreateBucket(bucket) => self.create_bucket(bucket),
            Step::DeleteBucket(bucket) => self.delete_bucket(bucket),
            Step::Put { bucket, key, size, inline, condition } => self.put(bucket, KEYS[key], size, inline, condition),
            Step::Delete { bucket, key, condition } => self.delete(bucket, KEYS[key], condition),
            Step::CreateUpload { bucket, key } => self.create_upload(bucket, KEYS[key]),
            Step::PutPart { bucket, upload, number, size } => self.put_part(bucket, upload, number, size),
            Step::Complete { bucket, upload, skip, spoil, condition } => {
                self.complete(bucket, upload, skip, spoil, condition);
            }
            Step::Abort { bucket, upload } => self.abort(bucket, upload),
            Step::Lose { write, shard } => self.lose(write, shard),
            Step::Repair(entry) => self.repair(entry),
            Step::Free(count) => self.free(count),
            Step::Drain => self.drain(),
            Step::AdvanceIntentEpoch => {
                let from = self.fixture.epoch();
                self.fixture.apply(Command::AdvanceIntentEpoch(AdvanceIntentEpoch { from })).unwrap();
            }
            Step::Replay(index) => self.replay(index),
            Step::Wait(millis) => self.fixture.time = self.fixture.time.saturating_sub(1000) + millis,
        }
    }

    /// Points the fixture at a bucket; at one that never was when it does not exist.
    fn enter(&mut self, bucket: usize) -> Result<(), Refusal> {
        self.fixture.bucket = self.buckets[bucket].as_ref().map_or(BucketId(999), |(id, _)| *id);
        if self.buckets[bucket].is_some() { Ok(()) } else { Err(Refusal::NoSuchBucket) }
    }

    fn model(&mut self, bucket: usize) -> &mut ModelBucket {
        self.buckets[bucket].as_mut().map(|(_, model)| model).unwrap()
    }

    fn current(&self, bucket: usize, key: &str) -> Option<&Stored> {
        self.buckets[bucket].as_ref()?.1.objects.get(key)
    }

    fn create_bucket(&mut self, bucket: usize) {
        let outcome = self.fixture.apply(create_bucket(BUCKETS[bucket]));
        match (&self.buckets[bucket], outcome) {
            (None, Ok(Reply::BucketCreated(id))) => self.buckets[bucket] = Some((id, ModelBucket::default())),
            (Some(_), Err(Refusal::BucketExists(record))) => assert_eq!(record.name, BUCKETS[bucket]),
            (_, other) => panic!("{other:?}"),
        }
    }

    fn delete_bucket(&mut self, bucket: usize) {
        let expected = self.enter(bucket).and_then(|()| {
            if self.model(bucket).objects.is_empty() { Ok(Reply::Done) } else { Err(Refusal::BucketNotEmpty) }
        });
        let command = DeleteBucket { bucket: self.fixture.bucket };
        assert_eq!(self.fixture.apply(Command::DeleteBucket(command)), expected);
        if expected.is_ok() {
            self.buckets[bucket] = None;
        }
    }

    fn put(&mut self, bucket: usize, key: &str, size: u64, inline: bool, condition: usize) {
        let entered = self.enter(bucket);
        let put = if inline { self.fixture.inline(key, "some body") } else { self.fixture.striped(key, size) };
        let (precondition, allowed) = condition_on(condition, self.current(bucket, key));
        let put = PutObject { precondition, intent_epoch: self.fixture.epoch(), ..put };
        let stored = Stored { etag: put.object.etag.clone(), size: put.object.size };
        let write_id = put.write_id;
        let command = Command::PutObject(Box::new(put));
        let outcome = self.fixture.apply(command.clone());
        let expected = check_key(key).and(entered).and(allowed);
        assert_eq!(outcome.clone().map(|_| ()), expected);
        if expected.is_ok() {
            self.model(bucket).objects.insert(key.to_owned(), stored);
            self.writes.push(write_id);
            self.done.push((command, outcome));
        }
    }

    fn delete(&mut self, bucket: usize, key: &str, condition: usize) {
        let entered = self.enter(bucket);
        let existed = self.current(bucket, key).is_some();
        let (precondition, allowed) = condition_on(condition, self.current(bucket, key));
        let deletion = DeleteObject { precondition, ..self.fixture.deletion(key) };
        let command = Command::DeleteObject(deletion);
        let outcome = self.fixture.apply(command.clone());
        let allowed = if existed { allowed } else { Ok(()) };
        let expected = check_key(key).and(entered).and(allowed).map(|()| Reply::ObjectDeleted { existed });
        assert_eq!(outcome, expected);
        if outcome.is_ok() && existed {
            self.model(bucket).objects.remove(key);
            self.done.push((command, outcome));
        }
    }

    fn create_upload(&mut self, bucket: usize, key: &str) {
        if self.enter(bucket).and(check_key(key)).is_ok() {
            let upload = self.fixture.create_upload(key);
            let key = key.to_owned();
            self.model(bucket).uploads.insert(upload, ModelUpload { key, parts: BTreeMap::new() });
        }
    }

    /// One of the uploads of a bucket, and the key of its object to be.
    fn pick_upload(&mut self, bucket: usize, index: usize) -> Option<(UploadId, String)> {
        self.enter(bucket).ok()?;
        let uploads = &self.model(bucket).uploads;
        let (id, upload) = uploads.iter().nth(index.checked_rem(uploads.len())?)?;
        Some((*id, upload.key.clone()))
    }

    fn put_part(&mut self, bucket: usize, upload: usize, number: u16, size: u64) {
        let Some((id, key)) = self.pick_upload(bucket, upload) else { return };
        let mut part = self.fixture.part(&key, id, number, size);
        part.intent_epoch = self.fixture.epoch();
        let stored = Stored { etag: part.part.etag.clone(), size };
        self.writes.push(part.part.segment.write_id);
        let outcome = self.fixture.put_part(part).map(|_| ());
        if number == 0 {
            assert_eq!(outcome, Err(Refusal::InvalidPartNumber(0)));
        } else {
            assert_eq!(outcome, Ok(()));
            self.model(bucket).uploads.get_mut(&id).unwrap().parts.insert(number, stored);
        }
    }

    fn complete(&mut self, bucket: usize, upload: usize, skip: u16, spoil: bool, condition: usize) {
        let Some((id, key)) = self.pick_upload(bucket, upload) else { return };
        let parts = &self.model(bucket).uploads[&id].parts;
        let chosen: Vec<(u16, Stored)> =
            parts.iter().filter(|(number, _)| **number != skip).map(|(number, part)| (*number, part.clone())).collect();
        let mut listed: Vec<CompletedPart> = chosen
            .iter()
            .map(|(number, part)| CompletedPart { number: *number, etag: part.etag.clone(), checksum: None })
            .collect();
        if let Some(last) = listed.last_mut().filter(|_| spoil) {
            last.etag = Etag::Md5([0xee; 16]);
        }
        let (precondition, allowed) = condition_on(condition, self.current(bucket, &key));
        let mut completion = self.fixture.completion(&key, id, listed);
        completion.precondition = precondition;
        let small = chosen.iter().rev().skip(1).rev().find(|(_, part)| part.size < PART_SIZE_MIN);
        let expected = match (chosen.last(), small) {
            (None, _) => Err(Refusal::NoParts),
            (Some((number, _)), _) if spoil => Err(Refusal::InvalidPart(*number)),
            (_, Some((number, part))) => Err(Refusal::PartTooSmall { number: *number, size: part.size }),
            _ => allowed,
        };
        let size = chosen.iter().map(|(_, part)| part.size).sum();
        let stored = Stored { etag: completion.etag.clone(), size };
        let command = Command::CompleteUpload(Box::new(completion));
        let outcome = self.fixture.apply(command.clone());
        assert_eq!(outcome.clone().map(|_| ()), expected);
        if expected.is_ok() {
            let model = self.model(bucket);
            model.uploads.remove(&id);
            model.objects.insert(key, stored);
            self.done.push((command, outcome));
        }
    }

    fn abort(&mut self, bucket: usize, upload: usize) {
        let Some((id, key)) = self.pick_upload(bucket, upload) else { return };
        self.fixture.abort(&key, id).unwrap();
        self.model(bucket).uploads.remove(&id);
    }

    fn lose(&mut self, write: usize, shard: u8) {
        let Some(index) = write.checked_rem(self.writes.len()) else { return };
        let write_id = self.writes[index];
        let stripes = BTreeMap::from([(0, BTreeSet::from([shard]))]);
        let outcome = self.fixture.apply(Command::ReportMissing(ReportMissing { write_id, stripes }));
        let known = matches!(outcome, Ok(Reply::Done) | Err(Refusal::NoSuchWrite | Refusal::NoSuchShard { stripe: 0 }));
        assert!(known, "{outcome:?}");
    }

    fn repair(&mut self, entry: usize) {
        let queue = query::repair_queue(&self.fixture.view, None, usize::MAX).unwrap();
        let Some(index) = entry.checked_rem(queue.len()) else { return };
        let entry = &queue[index];
        let repaired = RepairedStripe { at_slot: entry.missing.clone(), ..RepairedStripe::default() };
        let stripes = BTreeMap::from([(entry.stripe, repaired)]);
        self.fixture.apply(Command::RepairDone(RepairDone { write_id: entry.write_id, stripes })).unwrap();
        assert_eq!(query::repair_queue(&self.fixture.view, None, usize::MAX).unwrap().len(), queue.len() - 1);
    }

    fn free(&mut self, count: usize) {
        let retired = query::retired_segments(&self.fixture.view, u64::MAX, count).unwrap();
        let retired: Vec<_> = retired.into_iter().map(|(id, _)| id).collect();
        self.fixture.apply(Command::FreeRetired(FreeRetired { retired: retired.clone() })).unwrap();
        for id in retired {
            assert!(!query::is_referenced(&self.fixture.view, id.write_id).unwrap());
        }
    }

    fn drain(&mut self) {
        for bucket in query::draining_buckets(&self.fixture.view, 10).unwrap() {
            let step = DrainUploads { bucket, limit: 2 };
            while self.fixture.apply(Command::DrainUploads(step.clone())) == Ok(Reply::Drained { finished: false }) {}
        }
        assert_eq!(query::draining_buckets(&self.fixture.view, 10).unwrap(), []);
    }

    fn replay(&mut self, index: usize) {
        let Some(index) = index.checked_rem(self.done.len()) else { return };
        let (command, outcome) = self.done[index].clone();
        let before = self.fixture.view.clone();
        assert_eq!(self.fixture.apply(command), outcome);
        assert_eq!(self.fixture.view, before);
    }

    /// Listings, parts and usage say what the model says.
    fn check(&self) {
        let view = &self.fixture.view;
        for (id, model) in self.buckets.iter().flatten() {
            let request = ListObjects { limit: usize::MAX, ..ListObjects::default() };
            let listed = query::list_objects(view, *id, &request).unwrap().entries;
            let listed: BTreeMap<String, Stored> = listed
                .into_iter()
                .map(|entry| match entry {
                    ObjectEntry::Object { key, head } => (key, Stored { etag: head.etag, size: head.size }),
                    ObjectEntry::CommonPrefix(_) => unreachable!("no delimiter"),
                })
                .collect();
            assert_eq!(listed, model.objects);

            let request = ListUploads { limit: usize::MAX, ..ListUploads::default() };
            let listed = query::list_uploads(view, *id, &request).unwrap().entries;
            let listed: BTreeMap<UploadId, String> = listed
                .into_iter()
                .map(|entry| match entry {
                    UploadEntry::Upload { key, id, .. } => (id, key),
                    UploadEntry::CommonPrefix(_) => unreachable!("no delimiter"),
                })
                .collect();
            let expected = model.uploads.iter().map(|(id, upload)| (*id, upload.key.clone()));
            assert_eq!(listed, expected.collect());
            for (upload_id, upload) in &model.uploads {
                let parts = query::parts(view, *id, *upload_id).unwrap().into_iter();
                let parts = parts.map(|(number, part)| (number, Stored { etag: part.etag, size: part.segment.size }));
                assert_eq!(parts.collect::<BTreeMap<_, _>>(), upload.parts);
            }

            let usage = query::bucket_usage(view, *id).unwrap();
            let part_bytes = model.uploads.values().flat_map(|upload| upload.parts.values()).map(|part| part.size);
            assert_eq!(usage.objects, model.objects.len() as u64);
            assert_eq!(usage.bytes, model.objects.values().map(|object| object.size).sum::<u64>());
            assert_eq!(usage.other_bytes, part_bytes.sum::<u64>());
        }
    }
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() { Err(Refusal::InvalidName) } else { Ok(()) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn histories_equal_the_model(steps in prop::collection::vec(step(), 1..120)) {
        let mut history = History::new();
        history.create_bucket(0);
        for step in steps {
            history.step(step);
            history.check();
        }
    }
}
