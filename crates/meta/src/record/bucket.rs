//! Buckets.

use super::{Hlc, UnknownFields};

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRecord {
    /// Its name.
    pub name: String,
    /// When it was created; assigned by apply.
    pub created: Hlc,
    /// Who owns it.
    pub owner: String,
    /// The location constraint that it was created with; `None` is the default region.
    pub region: Option<String>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}
