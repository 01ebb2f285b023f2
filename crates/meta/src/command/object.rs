//! Commands about objects and their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{
    Checksum, Etag, Governance, Hlc, IntentEpoch, LegalHold, ObjectRecord, PartRecord, Retention, VersionName, WriteId,
};
use crate::view::BucketId;

/// Makes `object` the current version of `key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketId,
    /// The key, 1 to 1024 bytes.
    pub key: String,
    /// The object; its `modified` and its exceptions' `since` are assigned by apply.
    pub object: ObjectRecord,
    /// What must hold of the current version.
    pub precondition: Precondition,
    /// Identity of the write; a striped body has it in its segment too. Proposed again, the first result is returned.
    pub write_id: WriteId,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Deletes `key`: in a versioned bucket puts a delete marker above its versions, otherwise removes the only one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// What must hold of the newest version, also when that is a delete marker: such has no tag and no bytes. A key
    /// without any version is deleted successfully whatever this says, and then without a marker if it says anything.
    pub precondition: Precondition,
    /// Identity of the deletion, for replays.
    pub write_id: WriteId,
}

/// Conditions on the current version, all of which must hold. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Precondition {
    /// `If-Match`.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`.
    pub if_none_match: Option<EtagCondition>,
    /// `x-amz-if-match-last-modified-time`, compared in whole seconds since 1970.
    pub if_modified_at_seconds: Option<u64>,
    /// `x-amz-if-match-size`.
    pub if_size: Option<u64>,
}

impl Precondition {
    /// `If-None-Match: *`: the key must not exist.
    pub fn absent() -> Self {
        Self { if_none_match: Some(EtagCondition::Any), ..Self::default() }
    }

    /// `If-Match` with one tag: the key must exist with this tag.
    pub fn matches(etag: Etag) -> Self {
        Self { if_match: Some(EtagCondition::OneOf(vec![etag])), ..Self::default() }
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EtagCondition {
    /// `*`: any current version.
    Any,
    /// One of these tags.
    OneOf(Vec<Etag>),
}

/// Removes one version of `key` for good, object or delete marker. When it was the newest, the one before is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteVersion {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// The version.
    pub version: VersionName,
    /// What must hold of that version. One that does not exist is deleted successfully whatever this says.
    pub precondition: Precondition,
    /// Whether a retention in governance mode keeps the version. The front door has asked who may bypass it.
    pub governance: Governance,
    /// Identity of the deletion, for replays.
    pub write_id: WriteId,
}

/// Changes what may change about an object without a new version of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetObjectDetail {
    /// The bucket.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// The version that is changed; `None` is the current one.
    pub version: Option<VersionName>,
    /// What it becomes.
    pub detail: ObjectDetail,
}

/// A detail of an object, as it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ObjectDetail {
    /// Its tags; empty removes them.
    Tags(BTreeMap<String, String>),
    /// Its access control list; `None` makes it the bucket's owner's alone.
    Acl(Option<String>),
    /// Until when it is kept.
    Retention {
        /// The new retention; `None` removes it.
        retention: Option<Retention>,
        /// Whether one in governance mode keeps itself. The front door has asked who may bypass it.
        governance: Governance,
    },
    /// Its legal hold.
    LegalHold(LegalHold),
    /// The keys that it is encrypted with, wrapped in another way.
    Envelope {
        /// What must be there now.
        from: Vec<u8>,
        /// What is there from now on.
        to: Vec<u8>,
    },
}

/// The version that a change was made from: it must still be the current one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectBase {
    /// When it was committed.
    pub modified: Hlc,
    /// Its entity tag.
    pub etag: Etag,
    /// Its size.
    pub size: u64,
}

impl ObjectBase {
    /// Describes an object.
    pub fn of(object: &ObjectRecord) -> Self {
        Self { modified: object.modified, etag: object.etag.clone(), size: object.size }
    }
}

/// Names a segment with the bytes of `key` in place of the body that its record has beside it: other bytes can be appended
/// to it then. Nothing that clients see of the object changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StripeBody {
    /// The bucket, which never had versions.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// The object.
    pub base: ObjectBase,
    /// Its bytes, as a part whose number does not matter; its `modified` and its exceptions' `since` are assigned by apply.
    pub body: PartRecord,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Appends a part to the current version of `key`, whose body is not beside its record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppendObject {
    /// The bucket, which never had versions.
    pub bucket: BucketId,
    /// The key.
    pub key: String,
    /// What it is appended to.
    pub base: ObjectBase,
    /// The part: of an object that was put whole the second, which is the first of an empty one. Proposed again, the
    /// result of its write is returned.
    pub part: PartRecord,
    /// Its number: one above that of the last part.
    pub number: u16,
    /// Entity tag of the whole object.
    pub etag: Etag,
    /// Checksum of the whole object.
    pub checksum: Option<Checksum>,
    /// What must hold of the current version.
    pub precondition: Precondition,
    /// The epoch that the write began in and its shards carry.
    pub intent_epoch: IntentEpoch,
}

/// Gives the current version of a key to another key of the bucket, which replaces what that has as a PUT would.
///
/// A version that its key keeps when others come above it cannot be in two places: in a bucket with versioning it leaves
/// its key, where a delete marker stays behind, and is a new version of the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenameObject {
    /// The bucket.
    pub bucket: BucketId,
    /// The key that it has.
    pub source: String,
    /// What must hold of it.
    pub source_condition: RenameCondition,
    /// The key that it gets.
    pub target: String,
    /// What must hold of the current version there.
    pub target_condition: RenameCondition,
    /// Identity of the renaming, for replays; clients can choose it.
    pub write_id: WriteId,
    /// Digest of all of the above: another renaming under the same identity is refused.
    pub fingerprint: u128,
}

/// Conditions on an object that is renamed, or on what it replaces. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RenameCondition {
    /// On its entity tag.
    pub tags: Precondition,
    /// It was modified after this second since 1970. Without effect beside an `If-None-Match`.
    pub modified_since_seconds: Option<u64>,
    /// It was not. Without effect beside an `If-Match`.
    pub unmodified_since_seconds: Option<u64>,
}
