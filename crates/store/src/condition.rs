//! Conditional requests: RFC 9110 §13, with the meanings S3 gives them.
//!
//! [`ReadConditions`] are decided here. The [`Precondition`] of a write is decided by the metadata when it applies the
//! write, so that it is a compare-and-swap.

use env::UnixMillis;
pub use meta::command::{EtagCondition, Precondition};
use meta::record::Etag;

use crate::error::{Error, Result};
use crate::object::Object;

/// Conditions of GET, HEAD and of the source of a copy. Empty by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadConditions {
    /// `If-Match`; when given, `If-Unmodified-Since` is ignored.
    pub if_match: Option<EtagCondition>,
    /// `If-None-Match`; when given, `If-Modified-Since` is ignored.
    pub if_none_match: Option<EtagCondition>,
    /// `If-Modified-Since`; compared in whole seconds.
    pub if_modified_since: Option<UnixMillis>,
    /// `If-Unmodified-Since`; compared in whole seconds.
    pub if_unmodified_since: Option<UnixMillis>,
}

fn holds(condition: &EtagCondition, etag: &Etag) -> bool {
    match condition {
        EtagCondition::Any => true,
        EtagCondition::OneOf(tags) => tags.contains(etag),
    }
}

impl ReadConditions {
    /// Decides whether `object` may be read, in the order of RFC 9110 §13.2.2.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed`, `NotModified`.
    pub fn check(&self, object: &Object) -> Result<()> {
        let modified_after = |time: UnixMillis| time.0 / 1000 < object.modified.0 / 1000;
        if let Some(tags) = &self.if_match {
            if !holds(tags, &object.etag) {
                return Err(Error::PreconditionFailed { condition: "If-Match" });
            }
        } else if self.if_unmodified_since.is_some_and(modified_after) {
            return Err(Error::PreconditionFailed { condition: "If-Unmodified-Since" });
        }
        let unchanged = match &self.if_none_match {
            Some(tags) => holds(tags, &object.etag),
            None => self.if_modified_since.is_some_and(|time| !modified_after(time)),
        };
        if unchanged { Err(Error::NotModified(Box::new(object.clone()))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const ETAG: Etag = Etag::Md5([0; 16]);
    const OTHER: Etag = Etag::Md5([1; 16]);
    const NOW: UnixMillis = UnixMillis(1_700_000_000_500);

    fn check(conditions: ReadConditions) -> &'static str {
        let object = Object {
            size: 1,
            modified: NOW,
            etag: ETAG,
            checksum: None,
            headers: BTreeMap::new(),
            user_metadata: BTreeMap::new(),
            storage_class: None,
            tags: BTreeMap::new(),
            acl: None,
            lock: crate::object::VersionLock::default(),
            part_count: None,
            version: None,
            encryption: None,
            annotations: 0,
        };
        match conditions.check(&object) {
            Ok(()) => "ok",
            Err(Error::PreconditionFailed { condition }) => condition,
            Err(Error::NotModified(_)) => "not modified",
            Err(_) => "another error",
        }
    }

    #[test]
    fn conditions_are_decided_in_the_order_of_the_rfc() {
        let same = || Some(EtagCondition::OneOf(vec![OTHER, ETAG]));
        let other = || Some(EtagCondition::OneOf(vec![OTHER]));
        let any = || Some(EtagCondition::Any);
        let (before, after) = (Some(UnixMillis(NOW.0 - 1000)), Some(UnixMillis(NOW.0 + 1000)));
        let same_second = Some(UnixMillis(NOW.0 - 500));
        let cases = [
            (None, None, None, None, "ok"),
            (same(), None, None, None, "ok"),
            (any(), None, None, None, "ok"),
            (other(), None, None, None, "If-Match"),
            (same(), None, None, before, "ok"),
            (None, None, None, before, "If-Unmodified-Since"),
            (None, None, None, same_second, "ok"),
            (None, None, None, after, "ok"),
            (None, same(), None, None, "not modified"),
            (None, any(), None, None, "not modified"),
            (None, other(), None, None, "ok"),
            (None, other(), after, None, "ok"),
            (None, same(), before, None, "not modified"),
            (None, None, before, None, "ok"),
            (None, None, same_second, None, "not modified"),
            (None, None, after, None, "not modified"),
            (other(), same(), None, None, "If-Match"),
            (same(), same(), None, None, "not modified"),
        ];
        for (index, (if_match, if_none_match, if_modified_since, if_unmodified_since, expected)) in
            cases.into_iter().enumerate()
        {
            let conditions = ReadConditions { if_match, if_none_match, if_modified_since, if_unmodified_since };
            assert_eq!(check(conditions), expected, "case {index}");
        }
    }
}
