//! Uploads, against the model.

use std::collections::BTreeMap;

use super::super::model::{ModelUpload, ModelVersion, Stored, Subject, condition_on};
use super::{History, check_key};
use crate::command::{Command, CompletedPart};
use crate::outcome::{Refusal, Reply};
use crate::record::{Etag, PART_SIZE_MIN, UploadId, VersionLock};

impl History {
    pub(super) fn create_upload(&mut self, bucket: usize, key: &str) {
        if self.enter(bucket).and(check_key(key)).is_ok() {
            let upload = self.fixture.create_upload(key);
            let key = key.to_owned();
            self.model(bucket).uploads.insert(upload, ModelUpload { key, parts: BTreeMap::new() });
        }
    }

    /// One of the uploads of a bucket, and the key of its object to be.
    pub(super) fn pick_upload(&mut self, bucket: usize, index: usize) -> Option<(UploadId, String)> {
        self.enter(bucket).ok()?;
        let uploads = &self.model(bucket).uploads;
        let (id, upload) = uploads.iter().nth(index.checked_rem(uploads.len())?)?;
        Some((*id, upload.key.clone()))
    }

    pub(super) fn put_part(&mut self, bucket: usize, upload: usize, number: u16, size: u64) {
        let Some((id, key)) = self.pick_upload(bucket, upload) else { return };
        let mut part = self.fixture.part(&key, id, number, size);
        part.intent_epoch = self.fixture.epoch();
        let write_id = part.part.segment.write_id;
        let lock = VersionLock::default();
        let (etag, writes, annotations) = (part.part.etag.clone(), vec![write_id], BTreeMap::new());
        let stored = Stored { etag, size, body: None, writes, lock, annotations };
        self.writes.push(write_id);
        let outcome = self.fixture.put_part(part).map(|_| ());
        if number == 0 {
            assert_eq!(outcome, Err(Refusal::InvalidPartNumber(0)));
        } else {
            assert_eq!(outcome, Ok(()));
            self.model(bucket).uploads.get_mut(&id).unwrap().parts.insert(number, stored);
        }
    }

    pub(super) fn complete(&mut self, bucket: usize, upload: usize, skip: u16, spoil: bool, condition: usize) {
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
        let (precondition, allowed) = condition_on(condition, &Subject::of_current(self.current(bucket, &key)));
        let mut completion = self.fixture.completion(&key, id, listed);
        completion.precondition = precondition;
        let small = chosen.iter().rev().skip(1).rev().find(|(_, part)| part.size < PART_SIZE_MIN);
        let expected = match (chosen.last(), small) {
            (None, _) => Err(Refusal::NoParts),
            (Some((number, _)), _) if spoil => Err(Refusal::InvalidPart(*number)),
            (_, Some((number, part))) => Err(Refusal::PartTooSmall { number: *number, size: part.size }),
            _ => allowed.and(self.check_quota(bucket, &key, chosen.iter().map(|(_, part)| part.size).sum())),
        };
        let size = chosen.iter().map(|(_, part)| part.size).sum();
        let writes = chosen.iter().flat_map(|(_, part)| part.writes.clone()).collect();
        let lock = self.lock_of_new(bucket, None);
        let annotations = BTreeMap::new();
        let stored = Stored { etag: completion.etag.clone(), size, body: None, writes, lock, annotations };
        let command = Command::CompleteUpload(Box::new(completion));
        let outcome = self.fixture.apply(command.clone());
        assert_eq!(outcome.clone().map(|_| ()), expected);
        if let Ok(Reply::ObjectPut(put)) = &outcome {
            let name = self.check_new(bucket, put.version);
            let model = self.model(bucket);
            model.uploads.remove(&id);
            model.add(&key, ModelVersion { name, object: Some(stored) });
            self.done.push((command, outcome));
        }
    }

    pub(super) fn abort(&mut self, bucket: usize, upload: usize) {
        let Some((id, key)) = self.pick_upload(bucket, upload) else { return };
        self.fixture.abort(&key, id).unwrap();
        self.model(bucket).uploads.remove(&id);
    }
}
