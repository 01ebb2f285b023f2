//! Random histories against the model.

mod annotation;
mod append;
mod check;
mod rename;
mod repair;
mod upload;

use std::collections::{BTreeMap, BTreeSet};

use env::UnixMillis;
use proptest::prelude::*;

use super::fixture::{Fixture, create_bucket};
use super::lifecycle::{End, expected_end, rules};
use super::model::{ModelBucket, ModelVersion, Stored, Subject, condition_on};
use crate::command::{
    ANNOTATION_SIZE_MAX, AdvanceIntentEpoch, Command, DeleteBucket, DeleteObject, DeleteVersion, Expire, Lifecycle,
    ObjectDetail, PutObject, SetBucketLock, SetBucketQuota, SetBucketVersioning, SetLifecycle, SetObjectDetail,
    StepLifecycle,
};
use crate::lifecycle::{self, LifecycleRule, LifecycleRules};
use crate::outcome::{ObjectDeleted, Outcome, Refusal, Reply};
use crate::query::{self, DueEntry, LifecycleState, ListedVersion, VersionEntry};
use crate::record::{
    Body, BucketLock, DefaultRetention, Etag, Governance, Hlc, LegalHold, ObjectRecord, PART_SIZE_MIN, Quota,
    Retention, RetentionMode, RetentionPeriod, Segment, UnknownFields, VersionId, VersionLock, VersionName, Versioning,
    WriteId,
};
use crate::testing::MemoryView;
use crate::view::BucketId;

/// One step of a history. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    CreateBucket(usize),
    DeleteBucket(usize),
    Put { bucket: usize, key: usize, size: u64, inline: bool, condition: usize, retained: Option<Term> },
    Append { bucket: usize, key: usize, size: u64, stale: bool, condition: usize },
    Annotate { bucket: usize, of: (usize, usize), name: usize, size: Option<u64>, stale: bool, condition: usize },
    Strip { bucket: usize, of: (usize, usize), name: usize, condition: usize, governance: Governance },
    Copy { bucket: usize, key: usize, names: BTreeMap<usize, Option<u64>> },
    Rename { bucket: usize, source: usize, target: usize, conditions: (usize, usize) },
    Delete { bucket: usize, key: usize, condition: usize },
    DeleteVersion { bucket: usize, key: usize, version: usize, condition: usize, governance: Governance },
    SetQuota { bucket: usize, quota: Option<Quota> },
    SetLock { bucket: usize, default: Option<RetentionMode> },
    SetRetention { bucket: usize, key: usize, version: usize, term: Option<Term>, governance: Governance },
    SetLifecycle { bucket: usize, rules: Option<Vec<LifecycleRule>> },
    IndexSome(u32),
    Expire(usize),
    SetTags { bucket: usize, key: usize, version: usize, red: bool },
    SetHold { bucket: usize, key: usize, version: usize, hold: LegalHold },
    SetVersioning { bucket: usize, versioning: Versioning },
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

/// Who may end a retention early, and the seconds that it lasts.
type Term = (RetentionMode, u64);

const BUCKETS: [&str; 3] = ["one", "two", "three"];
/// Of different sizes and contents, so that none is taken for another.
const BODIES: [&str; 4] = ["", "some body", "same size", "another body"];
const NAMES: [&str; 4] = ["n", "n\0", "na", ""];
const KEYS: [&str; 5] = ["a", "a/b", "a\0", "", "🦀/../"];

fn mode() -> impl Strategy<Value = RetentionMode> {
    prop::sample::select(vec![RetentionMode::Governance, RetentionMode::Compliance])
}

/// About as long as a step waits, so that some are over.
fn term() -> impl Strategy<Value = Term> {
    (mode(), 0_u64..200)
}

/// Of an annotation: `None` is of one whose bytes are in the metadata.
fn note_size() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(0..=ANNOTATION_SIZE_MAX + 1)
}

/// Of a few objects or few megabytes.
fn quota() -> impl Strategy<Value = Quota> {
    let bytes = prop::option::of(0_u64..60 << 20);
    (bytes, prop::option::of(0_u64..5)).prop_map(|(bytes, objects)| Quota { bytes, objects })
}

fn governance() -> impl Strategy<Value = Governance> {
    prop::sample::select(vec![Governance::Observed, Governance::Bypassed])
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly the same few, so that much happens to them.
    let bucket = || prop_oneof![4 => Just(0), 1 => 0..BUCKETS.len()];
    let key = || prop_oneof![2 => Just(0), 1 => 0..KEYS.len()];
    let condition = || prop_oneof![3 => Just(0_usize), 2 => 1_usize..6];
    let any_index = || 0_usize..1000;
    prop_oneof![
        2 => bucket().prop_map(Step::CreateBucket),
        1 => bucket().prop_map(Step::DeleteBucket),
        6 => (bucket(), key(), 0_u64..20 << 20, any::<bool>(), condition(), prop::option::weighted(0.1, term())).prop_map(
            |(bucket, key, size, inline, condition, retained)| {
                Step::Put { bucket, key, size, inline, condition, retained }
            }
        ),
        4 => (bucket(), key(), 0_u64..20 << 20, prop::bool::weighted(0.2), condition()).prop_map(
            |(bucket, key, size, stale, condition)| Step::Append { bucket, key, size, stale, condition }
        ),
        8 => (bucket(), (key(), any_index()), 0..NAMES.len(), note_size(), prop::bool::weighted(0.1), condition()).prop_map(
            |(bucket, of, name, size, stale, condition)| Step::Annotate { bucket, of, name, size, stale, condition }
        ),
        2 => (bucket(), (key(), any_index()), 0..NAMES.len(), condition(), governance()).prop_map(
            |(bucket, of, name, condition, governance)| Step::Strip { bucket, of, name, condition, governance }
        ),
        2 => (bucket(), key(), prop::collection::btree_map(0..NAMES.len(), note_size(), 0..4)).prop_map(
            |(bucket, key, names)| Step::Copy { bucket, key, names }
        ),
        4 => (bucket(), key(), key(), (condition(), condition())).prop_map(
            |(bucket, source, target, conditions)| Step::Rename { bucket, source, target, conditions }
        ),
        4 => (bucket(), key(), condition()).prop_map(|(bucket, key, condition)| Step::Delete { bucket, key, condition }),
        6 => (bucket(), key(), any_index(), condition(), governance()).prop_map(
            |(bucket, key, version, condition, governance)| {
                Step::DeleteVersion { bucket, key, version, condition, governance }
            }
        ),
        1 => (bucket(), prop::option::weighted(0.8, quota())).prop_map(|(bucket, quota)| Step::SetQuota { bucket, quota }),
        1 => (bucket(), prop::option::of(mode())).prop_map(|(bucket, default)| Step::SetLock { bucket, default }),
        3 => (bucket(), key(), any_index(), prop::option::weighted(0.8, term()), governance()).prop_map(
            |(bucket, key, version, term, governance)| Step::SetRetention { bucket, key, version, term, governance }
        ),
        1 => (bucket(), prop::option::weighted(0.8, rules())).prop_map(|(bucket, rules)| Step::SetLifecycle { bucket, rules }),
        4 => (1_u32..9).prop_map(Step::IndexSome),
        6 => (1_usize..4).prop_map(Step::Expire),
        2 => (bucket(), key(), any_index(), any::<bool>())
            .prop_map(|(bucket, key, version, red)| Step::SetTags { bucket, key, version, red }),
        1 => (bucket(), key(), any_index(), prop::sample::select(vec![LegalHold::On, LegalHold::Off]))
            .prop_map(|(bucket, key, version, hold)| Step::SetHold { bucket, key, version, hold }),
        3 => (bucket(), prop::sample::select(vec![Versioning::Enabled, Versioning::Suspended]))
            .prop_map(|(bucket, versioning)| Step::SetVersioning { bucket, versioning }),
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
    versions: BTreeSet<VersionId>,
    /// Commands that must answer the same when they are proposed again.
    done: Vec<(Command, Outcome)>,
}

impl History {
    fn new() -> Self {
        Self {
            fixture: Fixture::new(),
            buckets: Default::default(),
            writes: Vec::new(),
            versions: BTreeSet::new(),
            done: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::CreateBucket(bucket) => self.create_bucket(bucket),
            Step::DeleteBucket(bucket) => self.delete_bucket(bucket),
            Step::Put { bucket, key, size, inline, condition, retained } => {
                self.put(bucket, KEYS[key], (size, inline), condition, retained);
            }
            Step::Append { bucket, key, size, stale, condition } => {
                self.append(bucket, KEYS[key], size, stale, condition);
            }
            Step::Annotate { bucket, of: (key, version), name, size, stale, condition } => {
                self.annotate(bucket, (KEYS[key], version), (NAMES[name], size), stale, condition);
            }
            Step::Strip { bucket, of: (key, version), name, condition, governance } => {
                self.strip(bucket, (KEYS[key], version), NAMES[name], condition, governance);
            }
            Step::Copy { bucket, key, names } => self.copy(bucket, KEYS[key], names),
            Step::Rename { bucket, source, target, conditions } => {
                self.rename(bucket, (KEYS[source], KEYS[target]), conditions);
            }
            Step::Delete { bucket, key, condition } => self.delete(bucket, KEYS[key], condition),
            Step::DeleteVersion { bucket, key, version, condition, governance } => {
                self.delete_version(bucket, KEYS[key], version, condition, governance);
            }
            Step::SetLifecycle { bucket, rules } => self.set_lifecycle(bucket, rules),
            Step::IndexSome(limit) => self.step_lifecycle(limit),
            Step::Expire(count) => self.expire(count),
            Step::SetTags { bucket, key, version, red } => self.set_tags(bucket, KEYS[key], version, red),
            Step::SetQuota { bucket, quota } => self.set_quota(bucket, quota),
            Step::SetLock { bucket, default } => self.set_lock(bucket, default),
            Step::SetRetention { bucket, key, version, term, governance } => {
                let retention = term.map(|term| self.retention(term));
                let detail = ObjectDetail::Retention { retention, governance };
                self.set_lock_detail(bucket, KEYS[key], version, detail);
            }
            Step::SetHold { bucket, key, version, hold } => {
                self.set_lock_detail(bucket, KEYS[key], version, ObjectDetail::LegalHold(hold));
            }
            Step::SetVersioning { bucket, versioning } => self.set_versioning(bucket, versioning),
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
        self.buckets[bucket].as_ref()?.1.current(key)
    }

    fn newest(&self, bucket: usize, key: &str) -> Option<&ModelVersion> {
        self.buckets[bucket].as_ref()?.1.newest(key)
    }

    /// Checks the name of a new version.
    fn check_new(&mut self, bucket: usize, name: Option<VersionName>) -> VersionName {
        match (self.model(bucket).versioning, name) {
            (None, None) | (Some(Versioning::Suspended), Some(VersionName::Null)) => VersionName::Null,
            (Some(Versioning::Enabled), Some(VersionName::Id(id))) => {
                assert!(self.versions.insert(id), "{id} was used before");
                VersionName::Id(id)
            }
            other => panic!("{other:?}"),
        }
    }

    fn set_versioning(&mut self, bucket: usize, versioning: Versioning) {
        let expected = self.enter(bucket).and_then(|()| {
            let locked = self.model(bucket).lock.is_some() && versioning == Versioning::Suspended;
            if locked { Err(Refusal::VersioningLocked) } else { Ok(Reply::Done) }
        });
        let command = SetBucketVersioning { bucket: self.fixture.bucket, versioning };
        assert_eq!(self.fixture.apply(Command::SetBucketVersioning(command)), expected);
        if expected.is_ok() {
            self.model(bucket).versioning = Some(versioning);
        }
    }

    /// The retention of this term from now on.
    fn retention(&self, (mode, seconds): Term) -> Retention {
        Retention { mode, until: UnixMillis(self.fixture.now().0 + seconds * 1000) }
    }

    fn set_lock(&mut self, bucket: usize, default: Option<RetentionMode>) {
        let period = RetentionPeriod::Days(1);
        let lock = BucketLock { default: default.map(|mode| DefaultRetention { mode, period }) };
        let expected = self.enter(bucket).and_then(|()| match self.model(bucket).versioning {
            Some(Versioning::Enabled) => Ok(Reply::Done),
            _ => Err(Refusal::NotVersioned),
        });
        let command = SetBucketLock { bucket: self.fixture.bucket, lock };
        assert_eq!(self.fixture.apply(Command::SetBucketLock(command)), expected);
        if expected.is_ok() {
            self.model(bucket).lock = Some(lock);
        }
    }

    /// Changes the lock of one of the versions of a key, or of the current one.
    fn set_lock_detail(&mut self, bucket: usize, key: &str, version: usize, detail: ObjectDetail) {
        let entered = self.enter(bucket);
        let versions = self.buckets[bucket].as_ref().and_then(|(_, model)| model.keys.get(key));
        let named = versions.and_then(|versions| versions.get(version % (versions.len() + 1)));
        let named = named.map(|version| version.name);
        let now = self.fixture.now();
        let mut nowhere = ModelBucket::default();
        let model = self.buckets[bucket].as_mut().map_or(&mut nowhere, |(_, model)| model);
        let has_lock = if model.lock.is_some() { Ok(()) } else { Err(Refusal::NoObjectLock) };
        let found = model.object_mut(key, named);
        let allowed = match (&found, &detail) {
            (None, _) => Err(Refusal::NoSuchKey),
            (Some(object), ObjectDetail::Retention { retention, governance }) => {
                has_lock.and(object.check_retention(*retention, now, *governance))
            }
            (Some(_), _) => has_lock,
        };
        let expected = check_key(key).and(entered).and(allowed);
        let command = SetObjectDetail {
            bucket: self.fixture.bucket,
            key: key.to_owned(),
            version: named,
            detail: detail.clone(),
        };
        let outcome = self.fixture.apply(Command::SetObjectDetail(command));
        assert_eq!(outcome, expected.map(|()| Reply::Done));
        if let Some(object) = found.filter(|_| outcome.is_ok()) {
            match detail {
                ObjectDetail::Retention { retention, .. } => object.lock.retention = retention,
                ObjectDetail::LegalHold(hold) => object.lock.hold = Some(hold),
                other => panic!("{other:?}"),
            }
        }
    }

    fn set_quota(&mut self, bucket: usize, quota: Option<Quota>) {
        let expected = self.enter(bucket).map(|()| Reply::Done);
        let command = SetBucketQuota { bucket: self.fixture.bucket, quota };
        assert_eq!(self.fixture.apply(Command::SetBucketQuota(command)), expected);
        if expected.is_ok() {
            self.model(bucket).quota = quota;
        }
    }

    /// Whether the quota lets another object be put.
    fn check_quota(&self, bucket: usize, key: &str, size: u64) -> Result<(), Refusal> {
        self.buckets[bucket].as_ref().map_or(Ok(()), |(_, model)| model.check_quota(key, size))
    }

    fn set_lifecycle(&mut self, bucket: usize, rules: Option<Vec<LifecycleRule>>) {
        let expected = self.enter(bucket).map(|()| Reply::Done);
        let lifecycle = rules.map(|rules| Lifecycle {
            document: b"document".to_vec(),
            rules: LifecycleRules { day_millis: 20_000, rules, unknown: UnknownFields::default() },
        });
        let command = SetLifecycle { bucket: self.fixture.bucket, lifecycle };
        assert_eq!(self.fixture.apply(Command::SetLifecycle(Box::new(command))), expected);
    }

    fn step_lifecycle(&mut self, limit: u32) {
        for state in query::lifecycles(&self.fixture.view).unwrap() {
            let LifecycleState { bucket, generation, .. } = state;
            let command = StepLifecycle { bucket, generation, limit };
            self.fixture.apply(Command::StepLifecycle(command)).unwrap();
        }
    }

    /// Has some of what is due end, and the model with it.
    fn expire(&mut self, count: usize) {
        for LifecycleState { bucket, generation, .. } in query::lifecycles(&self.fixture.view).unwrap() {
            for DueEntry { due, subject } in query::due(&self.fixture.view, bucket, generation, count).unwrap() {
                let is_early = self.fixture.now() < due;
                let now = self.fixture.now();
                let command = Expire { bucket, generation, due_millis: due.0, subject: subject.clone() };
                let ended = expected_end(&self.fixture.view, bucket, generation, now, &subject);
                let outcome = self.fixture.apply(Command::Expire(command));
                if is_early {
                    assert_eq!(outcome, Err(Refusal::NotDue));
                    continue;
                }
                assert_eq!(outcome, Ok(Reply::Done));
                let found = self.buckets.iter_mut().flatten().find(|(id, _)| *id == bucket);
                let Some((_, model)) = found else { continue };
                match (ended, subject) {
                    (End::Nothing, _) => {}
                    (End::Upload, lifecycle::Subject::Upload(_, id)) => drop(model.uploads.remove(&id)),
                    (End::Version, lifecycle::Subject::Version(key, name)) => model.remove(&key, name),
                    (End::Hidden, lifecycle::Subject::Version(key, _)) => {
                        let marker = query::hiding_marker(&self.fixture.view, bucket, &key).unwrap().unwrap();
                        let name = marker.version.into();
                        if let VersionName::Id(id) = name {
                            assert!(self.versions.insert(id));
                        }
                        model.add(&key, ModelVersion { name, object: None });
                    }
                    (other, subject) => panic!("{other:?} of {subject:?}"),
                }
            }
        }
    }

    fn set_tags(&mut self, bucket: usize, key: &str, version: usize, red: bool) {
        if self.enter(bucket).is_err() {
            return;
        }
        let versions = self.model(bucket).keys.get(key);
        let named = versions.and_then(|versions| versions.get(version % (versions.len() + 1)));
        let version = named.map(|version| version.name);
        let tags = BTreeMap::from([("color".to_owned(), if red { "red" } else { "blue" }.to_owned())]);
        let detail = ObjectDetail::Tags(tags);
        let (bucket, key) = (self.fixture.bucket, key.to_owned());
        let _ = self.fixture.apply(Command::SetObjectDetail(SetObjectDetail { bucket, key, version, detail }));
    }

    /// The lock of a version that is put now and asks for `retention`.
    fn lock_of_new(&self, bucket: usize, retention: Option<Retention>) -> VersionLock {
        let lock = self.buckets[bucket].as_ref().and_then(|(_, model)| model.lock);
        let default = lock.and_then(|lock| lock.default).map(|default| self.retention((default.mode, 24 * 3600)));
        VersionLock { retention: retention.or(default), hold: None }
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
            if self.model(bucket).keys.is_empty() { Ok(Reply::Done) } else { Err(Refusal::BucketNotEmpty) }
        });
        let command = DeleteBucket { bucket: self.fixture.bucket };
        assert_eq!(self.fixture.apply(Command::DeleteBucket(command)), expected);
        if expected.is_ok() {
            self.buckets[bucket] = None;
        }
    }

    fn put(&mut self, bucket: usize, key: &str, (size, inline): (u64, bool), condition: usize, retained: Option<Term>) {
        let entered = self.enter(bucket);
        let requested = retained.map(|term| self.retention(term));
        let lock = self.lock_of_new(bucket, requested);
        let has_lock = self.buckets[bucket].as_ref().is_some_and(|(_, model)| model.lock.is_some());
        let lockable = if requested.is_none() || has_lock { Ok(()) } else { Err(Refusal::NoObjectLock) };
        let body = inline.then(|| BODIES[self.writes.len() % BODIES.len()]);
        let put = match body {
            Some(body) => self.fixture.inline(key, body),
            None => self.fixture.striped(key, size),
        };
        let (precondition, allowed) = condition_on(condition, &Subject::of_current(self.current(bucket, key)));
        let mut put = PutObject { precondition, intent_epoch: self.fixture.epoch(), ..put };
        put.object.lock.retention = requested;
        let write_id = put.write_id;
        let writes = if inline { Vec::new() } else { vec![write_id] };
        let size = put.object.size;
        let annotations = BTreeMap::new();
        let stored = Stored { etag: put.object.etag.clone(), size, body, writes, lock, annotations };
        let command = Command::PutObject(Box::new(put));
        let outcome = self.fixture.apply(command.clone());
        let expected = check_key(key).and(entered).and(allowed).and(lockable).and(self.check_quota(bucket, key, size));
        assert_eq!(outcome.clone().map(|_| ()), expected);
        if let Ok(Reply::ObjectPut(put)) = &outcome {
            let name = self.check_new(bucket, put.version);
            self.model(bucket).add(key, ModelVersion { name, object: Some(stored) });
            self.writes.push(write_id);
            self.done.push((command, outcome));
        }
    }

    fn delete(&mut self, bucket: usize, key: &str, condition: usize) {
        let entered = self.enter(bucket);
        let existed = self.current(bucket, key).is_some();
        let is_versioned = entered.is_ok() && self.model(bucket).versioning.is_some();
        let subject = Subject::of_version(self.newest(bucket, key));
        let is_vain = matches!(subject, Subject::Nothing) && (!is_versioned || condition != 0);
        let (precondition, allowed) = condition_on(condition, &subject);
        let deletion = DeleteObject { precondition, ..self.fixture.deletion(key) };
        let command = Command::DeleteObject(deletion);
        let outcome = self.fixture.apply(command.clone());
        let expected = check_key(key).and(entered).and(if is_vain { Ok(()) } else { allowed });
        let deleted = match outcome.clone() {
            Ok(Reply::ObjectDeleted(deleted)) => deleted,
            other => return assert_eq!(other.map(|_| ()), Err(expected.unwrap_err())),
        };
        assert_eq!(expected, Ok(()));
        if is_vain {
            return assert_eq!(deleted, ObjectDeleted::default());
        }
        assert_eq!((deleted.existed, deleted.is_marker), (existed, is_versioned));
        if is_versioned {
            let name = self.check_new(bucket, deleted.version);
            self.model(bucket).add(key, ModelVersion { name, object: None });
        } else {
            assert_eq!(deleted.version, None);
            self.model(bucket).remove(key, VersionName::Null);
        }
        self.done.push((command, outcome));
    }

    fn delete_version(&mut self, bucket: usize, key: &str, version: usize, condition: usize, governance: Governance) {
        let entered = self.enter(bucket);
        let versions = self.buckets[bucket].as_ref().and_then(|(_, model)| model.keys.get(key));
        let chosen = versions.and_then(|versions| versions.get(version % (versions.len() + 1)));
        // None of the versions, or one of another key, or the null version where there is none.
        let elsewhere = self.versions.iter().copied().nth(version % 7).map_or(VersionName::Null, VersionName::Id);
        let name = chosen.map_or(elsewhere, |chosen| chosen.name);
        let found = self.buckets[bucket].as_ref().and_then(|(_, model)| model.version(key, name));
        let (precondition, allowed) = condition_on(condition, &Subject::of_version(found));
        let object = found.and_then(|found| found.object.as_ref());
        let unlocked = object.map_or(Ok(()), |object| object.check_removal(self.fixture.now(), governance));
        let (existed, is_marker) = (found.is_some(), found.is_some() && object.is_none());
        let deletion = self.fixture.deletion(key);
        let DeleteObject { bucket: id, key: owned, write_id, .. } = deletion;
        let deletion = DeleteVersion { bucket: id, key: owned, version: name, precondition, governance, write_id };
        let command = Command::DeleteVersion(deletion);
        let outcome = self.fixture.apply(command.clone());
        let expected = check_key(key).and(entered).and(if existed { allowed.and(unlocked) } else { Ok(()) });
        let deleted = ObjectDeleted { existed, version: Some(name), is_marker };
        assert_eq!(outcome, expected.map(|()| Reply::ObjectDeleted(deleted)));
        if outcome.is_ok() && existed {
            self.model(bucket).remove(key, name);
            self.done.push((command, outcome));
        }
    }

    fn replay(&mut self, index: usize) {
        let Some(index) = index.checked_rem(self.done.len()) else { return };
        let (command, outcome) = self.done[index].clone();
        let before = self.fixture.view.clone();
        assert_eq!(self.fixture.apply(command), outcome);
        assert_eq!(self.fixture.view, before);
    }
}

/// What the model knows of an object.
fn stored(view: &MemoryView, (bucket, key): (BucketId, &str), object: ObjectRecord) -> Stored {
    let (body, writes) = content(&object);
    let annotations = annotation::listed(view, bucket, (key, object.version.into()));
    Stored { etag: object.etag, size: object.size, body, writes, lock: object.lock, annotations }
}

/// Where the bytes of an object or annotation are.
fn content(object: &ObjectRecord) -> (Option<&'static str>, Vec<WriteId>) {
    assert_ne!(object.modified, Hlc::ZERO);
    let writes = |segments: &[Segment]| segments.iter().map(|segment| segment.write_id).collect();
    match &object.body {
        Body::Inline(bytes) => (BODIES.into_iter().find(|body| body.as_bytes() == bytes), Vec::new()),
        Body::Striped(segments) => (None, writes(segments)),
        Body::Apart => panic!("a body is missing"),
    }
}

/// What the model knows of a listed version.
fn listed_version(entry: VersionEntry) -> (String, VersionName, bool, Option<(Etag, u64)>) {
    let VersionEntry::Version { key, name, is_latest, version } = entry else { unreachable!("no delimiter") };
    match version {
        ListedVersion::Object(head) => (key, name, is_latest, Some((head.etag, head.size))),
        ListedVersion::Marker { .. } => (key, name, is_latest, None),
    }
}

fn check_key(key: &str) -> Result<(), Refusal> {
    if key.is_empty() { Err(Refusal::InvalidName) } else { Ok(()) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

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
