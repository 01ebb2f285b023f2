//! Commands about buckets and their settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::lifecycle::{LifecycleRules, Subject};
use crate::record::{BucketLock, ConfigurationKind, Hlc, Quota, Versioning};
use crate::view::BucketId;

/// Creates a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateBucket {
    /// Its name, checked by the front door.
    pub name: String,
    /// Who will own it.
    pub owner: String,
    /// Location constraint; `None` is the default region.
    pub region: Option<String>,
    /// Whether its versions can be locked; they are kept then.
    pub has_lock: bool,
    /// What it is configured with from the beginning, as [`SetBucketConfiguration`] would.
    pub configurations: BTreeMap<ConfigurationKind, Vec<u8>>,
}

/// Deletes a bucket that holds no object. Unfinished uploads are dropped with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteBucket {
    /// The bucket.
    pub bucket: BucketId,
}

/// Most bytes of a bucket's configuration of one kind. The largest that S3 takes, lifecycle and replication rules, have
/// a thousand rules and 2 MB.
pub const CONFIGURATION_SIZE_MAX: usize = 2 << 20;

/// Sets or removes one configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketConfiguration {
    /// The bucket.
    pub bucket: BucketId,
    /// Which one.
    pub kind: ConfigurationKind,
    /// What it says, at most [`CONFIGURATION_SIZE_MAX`] bytes; the format is its owner's. `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// Changes one configuration of a bucket that depends on what it was, or on others: refused with
/// [`Refusal::VersionChanged`](crate::Refusal::VersionChanged) when any was set since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeBucketConfiguration {
    /// What it becomes.
    pub change: SetBucketConfiguration,
    /// The stamp of the bucket's configurations that the change was made from.
    pub configured: Hlc,
}

/// Has a bucket keep the versions of its objects, or not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketVersioning {
    /// The bucket.
    pub bucket: BucketId,
    /// What it does from now on.
    pub versioning: Versioning,
}

/// Has the versions of a bucket be locked, which they can be from then on, and sets the default for new ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketLock {
    /// The bucket, whose versioning must be enabled.
    pub bucket: BucketId,
    /// The default.
    pub lock: BucketLock,
}

/// Bounds what a bucket may hold from now on, or not any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetBucketQuota {
    /// The bucket.
    pub bucket: BucketId,
    /// How much; `None` is without bounds.
    pub quota: Option<Quota>,
}

/// Sets or removes the lifecycle rules of a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetLifecycle {
    /// The bucket.
    pub bucket: BucketId,
    /// The rules; `None` removes them.
    pub lifecycle: Option<Lifecycle>,
}

/// Lifecycle rules in both of their forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// As a GET answers them; the format is the front door's.
    pub document: Vec<u8>,
    /// Those that are enabled, as they are followed.
    pub rules: LifecycleRules,
}

/// Enters some more of what a bucket held before its rules into their index, or removes some of an index whose rules are
/// gone; repeated until nothing is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLifecycle {
    /// The bucket, which may be deleted.
    pub bucket: BucketId,
    /// When its rules were set.
    pub generation: Hlc,
    /// Most records to look at in this step; at least 1.
    pub limit: u32,
}

/// Ends what an entry of the index of lifecycle rules is about, if it is still to be ended, and removes the entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expire {
    /// The bucket.
    pub bucket: BucketId,
    /// When its rules were set.
    pub generation: Hlc,
    /// When it is due, in milliseconds since 1970.
    pub due_millis: u64,
    /// What.
    pub subject: Subject,
}
