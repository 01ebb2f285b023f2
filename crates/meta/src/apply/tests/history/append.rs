//! Appending, against the model.

use super::super::fixture::segment;
use super::super::model::{Subject, condition_on};
use super::{History, check_key};
use crate::command::{AppendObject, Command, ObjectBase, StripeBody};
use crate::outcome::{ObjectPut, Refusal, Reply};
use crate::record::{Body, Etag, Hlc, ObjectRecord, PartRecord, UnknownFields};

impl History {
    /// Appends `size` bytes to a key, or, if `stale`, to what it was before.
    pub(super) fn append(&mut self, bucket: usize, key: &str, size: u64, stale: bool, condition: usize) {
        let entered = self.enter(bucket);
        let may_change = entered.is_ok() && self.model(bucket).versioning.is_none();
        let mut current = self.fixture.object(key);
        if may_change && current.as_ref().is_some_and(|object| object.size != 0 && object.segments().is_empty()) {
            self.stripe_body(bucket, key);
            current = self.fixture.object(key);
        }
        let part = self.new_part(size);
        let write_id = part.segment.write_id;
        let base = current.as_ref().filter(|_| !stale).map(ObjectBase::of);
        let base = base.unwrap_or(ObjectBase { modified: Hlc::ZERO, etag: part.etag.clone(), size: 5 });
        let (precondition, allowed) = condition_on(condition, &Subject::of_current(self.current(bucket, key)));
        let held = current.as_ref().map(|object| object.size);
        let fresh = if stale || held.is_none() { Err(Refusal::BaseChanged { size: held }) } else { Ok(()) };
        let expected = check_key(key).and(entered).and(self.check_unversioned(bucket)).and(allowed).and(fresh);
        let expected = expected.and(self.check_growth(bucket, size));
        let etag = Etag::Multipart { md5: write_id.0.to_be_bytes(), part_count: 2 };
        let number = current.as_ref().map_or(1, next_number);
        let (id, intent_epoch) = (self.fixture.bucket, self.fixture.epoch());
        let command = AppendObject {
            bucket: id,
            key: key.to_owned(),
            base,
            part,
            number,
            etag: etag.clone(),
            checksum: None,
            precondition,
            intent_epoch,
        };
        let command = Command::AppendObject(Box::new(command));
        let outcome = self.fixture.apply(command.clone());
        assert_eq!(outcome.clone().map(|_| ()), expected);
        let Ok(Reply::ObjectPut(ObjectPut { size: whole, version, .. })) = &outcome else { return };
        assert_eq!((*whole, *version), (held.unwrap() + size, None));
        let stored = self.model(bucket).object_mut(key, None).unwrap();
        stored.etag = etag;
        stored.size += size;
        stored.body = None;
        stored.writes.push(write_id);
        self.writes.push(write_id);
        self.done.push((command, outcome));
    }

    /// Has the bytes of a small object be in a segment, which nobody notices.
    fn stripe_body(&mut self, bucket: usize, key: &str) {
        let object = self.fixture.object(key).unwrap();
        let body = self.new_part(object.size);
        let write_id = body.segment.write_id;
        let (id, intent_epoch) = (self.fixture.bucket, self.fixture.epoch());
        let command = StripeBody { bucket: id, key: key.to_owned(), base: ObjectBase::of(&object), body, intent_epoch };
        let command = Command::StripeBody(Box::new(command));
        assert_eq!(self.fixture.apply(command.clone()), Ok(Reply::Done));
        let striped = self.fixture.object(key).unwrap();
        assert_eq!(ObjectRecord { body: Body::Apart, ..striped }, ObjectRecord { body: Body::Apart, ..object });
        let stored = self.model(bucket).object_mut(key, None).unwrap();
        stored.body = None;
        stored.writes.push(write_id);
        self.writes.push(write_id);
        assert_eq!(self.fixture.apply(command), Ok(Reply::Done), "it is done already");
    }

    fn new_part(&mut self, size: u64) -> PartRecord {
        let segment = segment(self.fixture.write_id(), size);
        let etag = Etag::Md5(segment.write_id.0.to_be_bytes());
        let unknown = UnknownFields::default();
        PartRecord { modified: Hlc::ZERO, etag, checksum: None, segment, plain_size: None, unknown }
    }

    fn check_unversioned(&self, bucket: usize) -> Result<(), Refusal> {
        let versioning = self.buckets[bucket].as_ref().and_then(|(_, model)| model.versioning);
        if versioning.is_some() { Err(Refusal::Versioned) } else { Ok(()) }
    }

    /// Whether the quota lets the current version of a key grow.
    fn check_growth(&self, bucket: usize, size: u64) -> Result<(), Refusal> {
        let Some((_, model)) = &self.buckets[bucket] else { return Ok(()) };
        let limit = model.quota.and_then(|quota| quota.bytes).filter(|_| 0 < size);
        let exceeded = limit.is_some_and(|limit| limit < model.usage().0 + size);
        if exceeded { Err(Refusal::QuotaExceeded) } else { Ok(()) }
    }
}

/// The number of the part that comes behind those of an object.
fn next_number(object: &ObjectRecord) -> u16 {
    let put_whole = u16::from(!object.segments().is_empty());
    object.parts.last().map_or(put_whole, |part| part.number) + 1
}
