//! Annotations, against the model.

use std::collections::BTreeMap;

use super::super::fixture::Fixture;
use super::super::model::{ModelVersion, Note, Stored, Subject, condition_on};
use super::{BODIES, History, KEYS, NAMES, check_key, content};
use crate::command::{ANNOTATION_SIZE_MAX, Command, DeleteAnnotation, NewAnnotation, PutAnnotated, PutAnnotation};
use crate::outcome::{InvalidManifest, ObjectDeleted, ObjectPut, Refusal, Reply};
use crate::query::{self, Annotations};
use crate::record::{Governance, Hlc, VersionName};
use crate::testing::MemoryView;
use crate::view::BucketId;

impl History {
    /// Attaches an annotation to one of the versions of a key, or, if `stale`, to one that was there before.
    pub(super) fn annotate(
        &mut self,
        bucket: usize,
        (key, version): (&str, usize),
        (name, size): (&str, Option<u64>),
        stale: bool,
        condition: usize,
    ) {
        let entered = self.enter(bucket);
        let (version, found) = self.pick_version(bucket, key, version);
        let record = query::version(&self.fixture.view, self.fixture.bucket, key, version).unwrap();
        let modified = record.and_then(|record| record.object()).map_or(Hlc::ZERO, |object| object.modified);
        let (annotation, note) = new_note(&mut self.fixture, size);
        let subject = found.as_ref().map_or(Subject::Nothing, Subject::Object);
        let (precondition, allowed) = condition_on(condition, &subject);
        let there = found.as_ref().ok_or(Refusal::NoSuchKey);
        let held = found.as_ref().map(|object| object.size);
        let fresh = if stale { Err(Refusal::BaseChanged { size: held }) } else { Ok(()) };
        let replaced = found.as_ref().and_then(|object| object.annotations.get(name));
        let unlocked = match (&found, replaced) {
            (Some(object), Some(_)) => object.check_removal(self.fixture.now(), Governance::Observed),
            _ => Ok(()),
        };
        let expected = check_key(key).and(entered).and(there.map(drop)).and(allowed).and(fresh).and(check_key(name));
        let expected = expected.and(check_size(&note)).and(unlocked);
        let expected = expected.and(self.check_added(bucket, replaced.map_or(0, |note| note.size), note.size));
        let base = if stale { modified.next_millisecond() } else { modified };
        let write_id = annotation.write_id;
        let command = Command::PutAnnotation(Box::new(PutAnnotation {
            bucket: self.fixture.bucket,
            key: key.to_owned(),
            version,
            base,
            name: name.to_owned(),
            annotation,
            precondition,
        }));
        let outcome = self.fixture.apply(command.clone());
        assert_eq!(outcome.clone().map(|_| ()), expected);
        let Ok(Reply::ObjectPut(ObjectPut { version: shown, size, .. })) = &outcome else { return };
        let is_versioned = self.model(bucket).versioning.is_some();
        assert_eq!((*shown, *size), (is_versioned.then_some(version), note.size));
        let object = self.model(bucket).object_mut(key, Some(version)).unwrap();
        object.annotations.insert(name.to_owned(), note);
        self.writes.push(write_id);
        self.done.push((command, outcome));
    }

    /// Removes an annotation of one of the versions of a key.
    pub(super) fn strip(
        &mut self,
        bucket: usize,
        (key, version): (&str, usize),
        name: &str,
        condition: usize,
        governance: Governance,
    ) {
        let entered = self.enter(bucket);
        let (version, found) = self.pick_version(bucket, key, version);
        let subject = found.as_ref().map_or(Subject::Nothing, Subject::Object);
        let (precondition, allowed) = condition_on(condition, &subject);
        let there = found.as_ref().ok_or(Refusal::NoSuchKey);
        let existed = found.as_ref().is_some_and(|object| object.annotations.contains_key(name));
        let unlocked = match &found {
            Some(object) if existed => object.check_removal(self.fixture.now(), governance),
            _ => Ok(()),
        };
        let expected = check_key(key).and(entered).and(there.map(drop)).and(allowed).and(unlocked);
        let command = Command::DeleteAnnotation(DeleteAnnotation {
            bucket: self.fixture.bucket,
            key: key.to_owned(),
            version: Some(version),
            name: name.to_owned(),
            precondition,
            governance,
            write_id: self.fixture.write_id(),
        });
        let outcome = self.fixture.apply(command.clone());
        let shown = expected.is_ok().then(|| self.model(bucket).versioning.map(|_| version)).flatten();
        let deleted = ObjectDeleted { existed, version: shown, is_marker: false };
        assert_eq!(outcome, expected.map(|()| Reply::ObjectDeleted(deleted)));
        if outcome.is_ok() && existed {
            self.model(bucket).object_mut(key, Some(version)).unwrap().annotations.remove(name);
            self.done.push((command, outcome));
        }
    }

    /// Puts an object together with annotations.
    pub(super) fn copy(&mut self, bucket: usize, key: &str, names: BTreeMap<usize, Option<u64>>) {
        let entered = self.enter(bucket);
        let lock = self.lock_of_new(bucket, None);
        let body = BODIES[self.writes.len() % BODIES.len()];
        let put = self.fixture.inline(key, body);
        let mut command = PutAnnotated { put, annotations: BTreeMap::new() };
        command.put.intent_epoch = self.fixture.epoch();
        let mut stored = Stored {
            etag: command.put.object.etag.clone(),
            size: body.len() as u64,
            body: Some(body),
            writes: Vec::new(),
            lock,
            annotations: BTreeMap::new(),
        };
        for (name, size) in names {
            let (annotation, note) = new_note(&mut self.fixture, size);
            command.annotations.insert(NAMES[name].to_owned(), annotation);
            stored.annotations.insert(NAMES[name].to_owned(), note);
        }
        let notes = stored.annotations.iter();
        let valid = notes.map(|(name, note)| check_key(name).and(check_size(note))).find(Result::is_err);
        let expected = check_key(key).and(entered).and(valid.unwrap_or(Ok(())));
        let expected = expected.and(self.check_quota(bucket, key, stored.bytes()));
        let writes: Vec<_> = command.annotations.values().map(|annotation| annotation.write_id).collect();
        let command = Command::PutAnnotated(Box::new(command));
        let outcome = self.fixture.apply(command.clone());
        assert_eq!(outcome.clone().map(|_| ()), expected);
        let Ok(Reply::ObjectPut(put)) = &outcome else { return };
        let name = self.check_new(bucket, put.version);
        self.model(bucket).add(key, ModelVersion { name, object: Some(stored) });
        self.writes.extend(writes);
        self.done.push((command, outcome));
    }

    /// One of the versions of a key, and its object; or a version that the key does not have.
    fn pick_version(&self, bucket: usize, key: &str, index: usize) -> (VersionName, Option<Stored>) {
        let versions = self.buckets[bucket].as_ref().and_then(|(_, model)| model.keys.get(key));
        match versions.and_then(|versions| versions.get(index % (versions.len() + 1))) {
            Some(version) => (version.name, version.object.clone()),
            None => {
                let object = self.buckets[bucket].as_ref().and_then(|(_, model)| model.version(key, VersionName::Null));
                (VersionName::Null, object.and_then(|version| version.object.clone()))
            }
        }
    }

    /// Whether the quota lets `size` bytes take the place of `replaced`.
    fn check_added(&self, bucket: usize, replaced: u64, size: u64) -> Result<(), Refusal> {
        let Some((_, model)) = &self.buckets[bucket] else { return Ok(()) };
        let limit = model.quota.and_then(|quota| quota.bytes).filter(|_| replaced < size);
        let exceeded = limit.is_some_and(|limit| limit < model.usage().0 - replaced + size);
        if exceeded { Err(Refusal::QuotaExceeded) } else { Ok(()) }
    }
}

/// An annotation of `size` bytes, or, without one, of one of the bodies.
fn new_note(fixture: &mut Fixture, size: Option<u64>) -> (NewAnnotation, Note) {
    let annotation = match size {
        Some(size) => fixture.annotation(Err(size)),
        None => fixture.annotation(Ok(BODIES[1])),
    };
    let record = &annotation.record;
    let (body, writes) = match size {
        Some(_) => (None, Some(annotation.write_id)),
        None => (Some(BODIES[1]), None),
    };
    let note = Note { etag: record.etag.clone(), size: record.size, body, write: writes };
    (annotation, note)
}

fn check_size(note: &Note) -> Result<(), Refusal> {
    let valid = 0 < note.size && note.size <= ANNOTATION_SIZE_MAX;
    if valid { Ok(()) } else { Err(Refusal::InvalidManifest(InvalidManifest::Size)) }
}

/// The annotations of a version, listed in pages and read one by one.
pub(super) fn listed(
    view: &MemoryView,
    bucket: BucketId,
    (key, version): (&str, VersionName),
) -> BTreeMap<String, Note> {
    let mut listed = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = Annotations { key, version, prefix: "", after: after.as_deref(), limit: 2 };
        let page = query::list_annotations(view, bucket, &page).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (name, head) in page {
            let whole = query::annotation(view, bucket, (key, version), &name).unwrap().unwrap();
            assert_eq!((&whole.etag, whole.size, whole.modified), (&head.etag, head.size, head.modified));
            let (body, writes) = content(&whole);
            let note = Note { etag: whole.etag, size: whole.size, body, write: writes.first().copied() };
            assert!(listed.insert(name, note).is_none(), "listed twice");
        }
    }
    for prefix in NAMES {
        let page = Annotations { key, version, prefix, after: None, limit: usize::MAX };
        let found = query::list_annotations(view, bucket, &page).unwrap().into_iter().map(|(name, _)| name);
        let expected = listed.keys().filter(|name| name.starts_with(prefix)).cloned();
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
    assert!(KEYS.contains(&key));
    listed
}
