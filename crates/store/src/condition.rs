//! Conditional requests: RFC 9110 §13, with the meanings S3 gives them.

use env::UnixMillis;

use crate::error::{Error, Result};
use crate::object::Object;

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagCondition {
    /// `*`: any current representation.
    Any,
    /// A list of entity tags, without quotes and without `W/`.
    OneOf(Vec<String>),
}

/// Conditions of GET, HEAD and of the source of a copy. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// Condition of a write. The metadata decides it when it applies the write, so it is a compare-and-swap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteCondition {
    /// Always.
    #[default]
    Always,
    /// `If-None-Match: *`: only when the key does not exist, else [`crate::Error::PreconditionFailed`].
    Absent,
    /// `If-Match`: only when the current entity tag is this one (without quotes; `*` for any). A key that does not exist
    /// is [`crate::Error::NoSuchKey`].
    Matches(String),
}

impl EtagCondition {
    fn holds(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.iter().any(|tag| tag == etag),
        }
    }
}

impl ReadConditions {
    /// Decides whether `object` may be read, in the order of RFC 9110 §13.2.2.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed`, `NotModified`.
    pub fn check(&self, object: &Object) -> Result<()> {
        let etag = object.etag.to_string();
        let modified_after = |time: UnixMillis| time.0 / 1000 < object.modified.0 / 1000;
        if let Some(tags) = &self.if_match {
            if !tags.holds(&etag) {
                return Err(Error::PreconditionFailed { condition: "If-Match" });
            }
        } else if self.if_unmodified_since.is_some_and(modified_after) {
            return Err(Error::PreconditionFailed { condition: "If-Unmodified-Since" });
        }
        let unchanged = match &self.if_none_match {
            Some(tags) => tags.holds(&etag),
            None => self.if_modified_since.is_some_and(|time| !modified_after(time)),
        };
        if unchanged { Err(Error::NotModified(Box::new(object.clone()))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::etag::ETag;

    const ETAG: &str = "00000000000000000000000000000000";
    const NOW: UnixMillis = UnixMillis(1_700_000_000_500);

    fn check(conditions: ReadConditions) -> &'static str {
        let object = Object {
            size: 1,
            modified: NOW,
            etag: ETag { md5: [0; 16], part_count: None },
            checksum: None,
            headers: BTreeMap::new(),
            user_metadata: BTreeMap::new(),
            storage_class: None,
            part_count: None,
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
        let same = || Some(EtagCondition::OneOf(vec!["other".to_owned(), ETAG.to_owned()]));
        let other = || Some(EtagCondition::OneOf(vec!["other".to_owned()]));
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
