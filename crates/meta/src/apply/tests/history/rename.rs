//! Renaming, against the model.

use super::super::model::{ModelVersion, Subject, condition_on};
use super::{History, check_key};
use crate::command::{Command, RenameCondition, RenameObject};
use crate::outcome::{Refusal, Reply};
use crate::record::{Governance, VersionName, Versioning};

impl History {
    pub(super) fn rename(&mut self, bucket: usize, (source, target): (&str, &str), conditions: (usize, usize)) {
        let entered = self.enter(bucket);
        let moved = self.newest(bucket, source).filter(|newest| newest.object.is_some()).cloned();
        let stored = moved.as_ref().and_then(|moved| moved.object.as_ref());
        let (source_tags, source_allowed) = condition_on(conditions.0, &Subject::of_current(stored));
        let there = self.current(bucket, target);
        let (target_tags, target_allowed) = condition_on(conditions.1, &Subject::of_current(there));
        let same = if source == target { Err(Refusal::InvalidName) } else { Ok(()) };
        let unlocked = stored
            .map_or(Err(Refusal::NoSuchKey), |object| object.check_removal(self.fixture.now(), Governance::Observed));
        let found = stored.map_or(Err(Refusal::NoSuchKey), |_| Ok(()));
        let expected = check_key(source).and(check_key(target)).and(same).and(entered).and(found);
        let expected = expected.and(source_allowed).and(target_allowed).and(unlocked);
        let lock = self.lock_of_new(bucket, None);
        let write_id = self.fixture.write_id();
        let rename = RenameObject {
            bucket: self.fixture.bucket,
            source: source.to_owned(),
            source_condition: RenameCondition { tags: source_tags, ..RenameCondition::default() },
            target: target.to_owned(),
            target_condition: RenameCondition { tags: target_tags, ..RenameCondition::default() },
            write_id,
            fingerprint: write_id.0,
        };
        let command = Command::RenameObject(Box::new(rename.clone()));
        let outcome = self.fixture.apply(command.clone());
        assert_eq!(outcome.clone().map(|_| ()), expected);
        let Ok(Reply::ObjectPut(put)) = &outcome else { return };
        let mut moved = moved.unwrap();
        let versioning = self.model(bucket).versioning;
        let name = self.check_new(bucket, put.version);
        self.model(bucket).remove(source, moved.name);
        if let Some(versioning) = versioning {
            // The delete marker is of the same moment as the version.
            let name = if versioning == Versioning::Enabled { name } else { VersionName::Null };
            self.model(bucket).add(source, ModelVersion { name, object: None });
        }
        if let Some(object) = &mut moved.object {
            object.lock = lock;
        }
        self.model(bucket).add(target, ModelVersion { name, ..moved });
        let other = RenameObject { fingerprint: !rename.fingerprint, ..rename };
        assert_eq!(self.fixture.apply(Command::RenameObject(Box::new(other))), Err(Refusal::TokenReused));
        self.done.push((command, outcome));
    }
}
