//! What lifecycle rules end, and when.

use env::UnixMillis;

use super::scan;
use crate::error::{Error, Result};
use crate::keys;
use crate::lifecycle::{LifecycleRules, Subject};
use crate::record::{Hlc, LIFECYCLE_RULES, LifecycleIndex, LifecycleIndexRecord};
use crate::view::{BucketId, TreeId, View, decode, read};

/// The index of one generation of a bucket's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleState {
    /// The bucket, which may be deleted when the index is being removed.
    pub bucket: BucketId,
    /// When the rules were set.
    pub generation: Hlc,
    /// How far it is.
    pub index: LifecycleIndex,
}

/// What rules end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueEntry {
    /// When.
    pub due: UnixMillis,
    /// What.
    pub subject: Subject,
}

/// All indexes of lifecycle rules: one a bucket with rules, and those that are being removed.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn lifecycles(view: &dyn View) -> Result<Vec<LifecycleState>> {
    scan(view, TreeId::Internal, &keys::lifecycles(), None, usize::MAX, |key, value| {
        let (bucket, generation) =
            keys::parse_lifecycle(key).ok_or(Error::Inconsistent("malformed key of an index of rules"))?;
        let LifecycleIndexRecord { index, .. } = decode(TreeId::Internal, key, value)?;
        Ok(LifecycleState { bucket, generation, index })
    })
}

/// At most `limit` entries of an index, the ones that are due first before others.
///
/// # Errors
///
/// [`crate::Error`] when the state cannot be read.
pub fn due(view: &dyn View, bucket: BucketId, generation: Hlc, limit: usize) -> Result<Vec<DueEntry>> {
    scan(view, TreeId::Internal, &keys::dues(bucket, generation), None, limit, |key, _| {
        let (due, subject) = keys::parse_due(key).ok_or(Error::Inconsistent("malformed key of what is due"))?;
        Ok(DueEntry { due, subject })
    })
}

/// The rules of a bucket that has some.
pub(crate) fn lifecycle_rules(view: &dyn View, bucket: BucketId) -> Result<LifecycleRules> {
    let rules = read(view, TreeId::Catalog, &keys::configuration(bucket, LIFECYCLE_RULES))?;
    rules.ok_or(Error::Inconsistent("a bucket's lifecycle rules are missing"))
}
