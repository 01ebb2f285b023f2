//! A model of S3: what buckets hold, in the plainest form.

use std::collections::BTreeMap;

use crate::command::{EtagCondition, Precondition};
use crate::outcome::Refusal;
use env::UnixMillis;

use crate::record::{
    BucketLock, Etag, Governance, LegalHold, Quota, Retention, RetentionMode, UploadId, VersionLock, VersionName,
    Versioning, WriteId,
};

/// What S3 would know of an object or a part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) etag: Etag,
    pub(super) size: u64,
    /// The bytes, when they are few enough to be in the metadata.
    pub(super) body: Option<&'static str>,
    /// The writes that have the bytes otherwise.
    pub(super) writes: Vec<WriteId>,
    pub(super) lock: VersionLock,
    /// Annotations by name.
    pub(super) annotations: BTreeMap<String, Note>,
}

/// What S3 would know of an annotation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    pub(super) etag: Etag,
    pub(super) size: u64,
    pub(super) body: Option<&'static str>,
    pub(super) write: Option<WriteId>,
}

/// A version of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ModelVersion {
    pub(super) name: VersionName,
    /// `None` of a delete marker.
    pub(super) object: Option<Stored>,
}

#[derive(Debug, Default)]
pub(super) struct ModelUpload {
    pub(super) key: String,
    pub(super) parts: BTreeMap<u16, Stored>,
}

#[derive(Debug, Default)]
pub(super) struct ModelBucket {
    pub(super) versioning: Option<Versioning>,
    pub(super) lock: Option<BucketLock>,
    pub(super) quota: Option<Quota>,
    /// Newest first; no key without a version.
    pub(super) keys: BTreeMap<String, Vec<ModelVersion>>,
    pub(super) uploads: BTreeMap<UploadId, ModelUpload>,
}

impl ModelBucket {
    /// The newest version of a key, also if it is a delete marker.
    pub(super) fn newest(&self, key: &str) -> Option<&ModelVersion> {
        self.keys.get(key)?.first()
    }

    /// The current object of a key.
    pub(super) fn current(&self, key: &str) -> Option<&Stored> {
        self.newest(key)?.object.as_ref()
    }

    pub(super) fn version(&self, key: &str, name: VersionName) -> Option<&ModelVersion> {
        self.keys.get(key)?.iter().find(|version| version.name == name)
    }

    /// The object that is this version of a key, or its current one.
    pub(super) fn object_mut(&mut self, key: &str, name: Option<VersionName>) -> Option<&mut Stored> {
        let versions = self.keys.get_mut(key)?;
        let found = match name {
            None => versions.first_mut(),
            Some(name) => versions.iter_mut().find(|version| version.name == name),
        };
        found?.object.as_mut()
    }

    /// Bytes of all versions, and current objects.
    pub(super) fn usage(&self) -> (u64, u64) {
        let sizes = self.versions().filter_map(|(_, version)| version.object.as_ref()).map(Stored::bytes);
        let current = self.keys.keys().filter(|key| self.current(key).is_some());
        (sizes.sum(), current.count() as u64)
    }

    /// Whether one more object of `size` may be put.
    pub(super) fn check_quota(&self, key: &str, size: u64) -> Result<(), Refusal> {
        let Some(Quota { bytes, objects }) = self.quota else { return Ok(()) };
        let (held, count) = self.usage();
        let replaced = match self.versioning {
            Some(Versioning::Enabled) => None,
            _ => self.version(key, VersionName::Null).and_then(|version| version.object.as_ref()),
        };
        let replaced = replaced.map_or(0, Stored::bytes);
        let too_large = replaced < size && bytes.is_some_and(|limit| limit < held - replaced + size);
        let too_many = self.current(key).is_none() && objects.is_some_and(|limit| limit < count + 1);
        if too_large || too_many { Err(Refusal::QuotaExceeded) } else { Ok(()) }
    }

    /// All versions of all keys in order.
    pub(super) fn versions(&self) -> impl Iterator<Item = (&String, &ModelVersion)> {
        self.keys.iter().flat_map(|(key, versions)| versions.iter().map(move |version| (key, version)))
    }

    /// A new version; a null version takes the place of the null version before it.
    pub(super) fn add(&mut self, key: &str, version: ModelVersion) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        if version.name == VersionName::Null {
            versions.retain(|version| version.name != VersionName::Null);
        }
        versions.insert(0, version);
    }

    pub(super) fn remove(&mut self, key: &str, name: VersionName) {
        let versions = self.keys.entry(key.to_owned()).or_default();
        versions.retain(|version| version.name != name);
        if versions.is_empty() {
            self.keys.remove(key);
        }
    }

    /// Every write that an object or a part has bytes in.
    pub(super) fn has_write(&self, write_id: WriteId) -> bool {
        let objects = self.versions().filter_map(|(_, version)| version.object.as_ref());
        let parts = self.uploads.values().flat_map(|upload| upload.parts.values());
        objects.chain(parts).any(|stored| {
            let annotations = stored.annotations.values().filter_map(|note| note.write);
            stored.writes.iter().copied().chain(annotations).any(|write| write == write_id)
        })
    }
}

impl Stored {
    /// Its bytes and those of its annotations.
    pub(super) fn bytes(&self) -> u64 {
        self.size + self.annotations.values().map(|note| note.size).sum::<u64>()
    }

    /// Whether it may be removed.
    pub(super) fn check_removal(&self, now: UnixMillis, governance: Governance) -> Result<(), Refusal> {
        let free = self.lock.hold != Some(LegalHold::On) && free_of(self.lock.retention, now, governance);
        if free { Ok(()) } else { Err(Refusal::Locked) }
    }

    /// Whether its retention may be replaced.
    pub(super) fn check_retention(
        &self,
        next: Option<Retention>,
        now: UnixMillis,
        governance: Governance,
    ) -> Result<(), Refusal> {
        let longer = match (self.lock.retention, next) {
            (Some(old), Some(next)) => old.mode == next.mode && old.until <= next.until,
            (None, _) => true,
            (Some(_), None) => false,
        };
        if longer || free_of(self.lock.retention, now, governance) { Ok(()) } else { Err(Refusal::Locked) }
    }
}

fn free_of(retention: Option<Retention>, now: UnixMillis, governance: Governance) -> bool {
    match retention {
        None => true,
        Some(Retention { until, .. }) if until <= now => true,
        Some(Retention { mode: RetentionMode::Governance, .. }) => governance == Governance::Bypassed,
        Some(Retention { mode: RetentionMode::Compliance, .. }) => false,
    }
}

/// What a condition finds.
pub(super) enum Subject<'a> {
    Nothing,
    Marker,
    Object(&'a Stored),
}

impl<'a> Subject<'a> {
    /// What a write finds: a delete marker is as good as nothing.
    pub(super) fn of_current(current: Option<&'a Stored>) -> Self {
        current.map_or(Self::Nothing, Self::Object)
    }

    /// What a deletion finds.
    pub(super) fn of_version(version: Option<&'a ModelVersion>) -> Self {
        match version {
            None => Self::Nothing,
            Some(ModelVersion { object: None, .. }) => Self::Marker,
            Some(ModelVersion { object: Some(object), .. }) => Self::Object(object),
        }
    }
}

/// The condition numbered `condition`, and what it makes of what it finds.
pub(super) fn condition_on(condition: usize, subject: &Subject<'_>) -> (Precondition, Result<(), Refusal>) {
    let other = Etag::parse("no such tag").unwrap();
    let (tag, exists) = match subject {
        Subject::Nothing => (None, false),
        Subject::Marker => (None, true),
        Subject::Object(stored) => (Some(stored.etag.clone()), true),
    };
    let absent = if exists { Refusal::PreconditionFailed } else { Refusal::NoSuchKey };
    let when = |holds, refusal| if holds { Ok(()) } else { Err(refusal) };
    match condition {
        0 => (Precondition::default(), Ok(())),
        1 => (Precondition::absent(), when(!exists, Refusal::PreconditionFailed)),
        2 => (Precondition::matches(tag.clone().unwrap_or(other)), when(tag.is_some(), absent)),
        3 => (Precondition::matches(other), Err(absent)),
        4 => {
            let if_match = Some(EtagCondition::Any);
            (Precondition { if_match, ..Precondition::default() }, when(exists, Refusal::NoSuchKey))
        }
        _ => {
            let if_none_match = Some(EtagCondition::OneOf(vec![other]));
            (Precondition { if_none_match, ..Precondition::default() }, Ok(()))
        }
    }
}
