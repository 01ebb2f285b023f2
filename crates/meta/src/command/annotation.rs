//! Commands about annotations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Precondition, PutObject};
use crate::record::{Governance, Hlc, IntentEpoch, ObjectRecord, VersionName, WriteId};
use crate::view::BucketId;

/// Most annotations of one version.
pub const ANNOTATION_COUNT_MAX: u64 = 1000;

/// Most bytes of an annotation's name.
pub const ANNOTATION_NAME_SIZE_MAX: usize = 512;

/// Most bytes of an annotation, before it is encrypted; it has at least one.
pub const ANNOTATION_SIZE_MAX: u64 = 1 << 20;

/// An annotation to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewAnnotation {
    /// Its body and what is known of that, as the record of an object that was put whole has it. What apply assigns to
    /// objects it assigns to this.
    pub record: ObjectRecord,
    /// The write that its shards, if it has any, belong to.
    pub write_id: WriteId,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Attaches an annotation to a version, in place of one with the same name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutAnnotation {
    /// The bucket.
    pub bucket: BucketId,
    /// The key of the object.
    pub key: String,
    /// Its version.
    pub version: VersionName,
    /// When that version was committed; another one is refused, since the annotation is encrypted as its object is.
    pub base: Hlc,
    /// Name of the annotation.
    pub name: String,
    /// The annotation. Proposed again, the result of its write is returned.
    pub annotation: NewAnnotation,
    /// What must hold of the object.
    pub precondition: Precondition,
}

/// Removes an annotation of a version. One that does not exist is removed successfully.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteAnnotation {
    /// The bucket.
    pub bucket: BucketId,
    /// The key of the object.
    pub key: String,
    /// Its version; `None` is the current one.
    pub version: Option<VersionName>,
    /// Name of the annotation.
    pub name: String,
    /// What must hold of the object.
    pub precondition: Precondition,
    /// Whether a retention of the object in governance mode keeps its annotations too. The front door has asked who may
    /// bypass it.
    pub governance: Governance,
    /// Identity of the deletion, for replays.
    pub write_id: WriteId,
}

/// Makes an object current together with annotations: a copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutAnnotated {
    /// The object.
    pub put: PutObject,
    /// Its annotations by name.
    pub annotations: BTreeMap<String, NewAnnotation>,
}
