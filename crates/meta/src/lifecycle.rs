//! Lifecycle: which versions and uploads a bucket's rules end, and when.
//!
//! Pure: the front door compiles what a client sends into [`LifecycleRules`], `apply` asks them. A day ends at midnight, UTC:
//! what is due during a day is due at its end, as Amazon has it. Rules with days of another length, which only tests
//! have, round nothing.

use std::collections::BTreeMap;

use env::UnixMillis;

use serde::{Deserialize, Serialize};

use crate::record::{Hlc, UnknownFields, UploadId, VersionName};

/// A real day.
pub const DAY_MILLIS: u64 = 24 * 3600 * 1000;

/// The rules of a bucket that are enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleRules {
    /// How long a day is.
    pub day_millis: u64,
    /// The rules. Whatever any of them ends, ends.
    pub rules: Vec<LifecycleRule>,
    /// Fields that newer software wrote.
    pub unknown: UnknownFields,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    /// What it is about.
    pub filter: Filter,
    /// When it ends current versions.
    pub expiration: Option<Expiration>,
    /// When it ends the others.
    pub noncurrent: Option<Noncurrent>,
    /// How many days after its beginning it drops an upload.
    pub abort_days: Option<u32>,
}

/// What a rule is about: all of this must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The key starts with it.
    pub prefix: String,
    /// The object has these tags.
    pub tags: BTreeMap<String, String>,
    /// The object has more bytes.
    pub size_above: Option<u64>,
    /// The object has fewer bytes.
    pub size_below: Option<u64>,
}

/// When a current version ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiration {
    /// So many days after it was written; a delete marker without other versions as well.
    Days(u32),
    /// At this time, or when it is written later.
    Date(UnixMillis),
    /// Never; but a delete marker as soon as it has no other versions.
    Markers,
}

/// When another version ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noncurrent {
    /// So many days after a newer one took its place.
    pub days: u32,
    /// As long as there are so many objects between it and the current version at least.
    pub keep: u32,
}

/// What comes to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// A version of a key.
    Version(String, VersionName),
    /// An upload of a key.
    Upload(String, UploadId),
}

/// What rules ask of an object.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its size.
    pub size: u64,
    /// Its tags.
    pub tags: &'a BTreeMap<String, String>,
}

impl Filter {
    /// Whether the rule is about an object.
    pub fn matches(&self, object: &Facts<'_>) -> bool {
        object.key.starts_with(&self.prefix)
            && self.tags.iter().all(|(name, value)| object.tags.get(name) == Some(value))
            && self.size_above.is_none_or(|size| size < object.size)
            && self.size_below.is_none_or(|size| object.size < size)
    }

    /// Whether the rule is about delete markers and uploads of a key, which have neither tags nor a size.
    pub fn matches_key(&self, key: &str) -> bool {
        let by_key = self.tags.is_empty() && self.size_above.is_none() && self.size_below.is_none();
        by_key && key.starts_with(&self.prefix)
    }
}

impl LifecycleRule {
    /// When it ends an object that was committed at `modified`, while that is current.
    pub fn expires(&self, object: &Facts<'_>, modified: UnixMillis, day_millis: u64) -> Option<UnixMillis> {
        let due = match self.expiration? {
            Expiration::Days(days) => after(modified, days, day_millis),
            Expiration::Date(date) => date.max(modified),
            Expiration::Markers => return None,
        };
        self.filter.matches(object).then_some(due)
    }

    /// When it drops an upload that was begun at `initiated`.
    pub fn aborts(&self, key: &str, initiated: UnixMillis, day_millis: u64) -> Option<UnixMillis> {
        let due = after(initiated, self.abort_days?, day_millis);
        self.filter.matches_key(key).then_some(due)
    }

    /// When it ends a delete marker without other versions.
    fn marker_expires(&self, key: &str, modified: UnixMillis, day_millis: u64) -> Option<UnixMillis> {
        let due = match self.expiration? {
            Expiration::Days(days) => after(modified, days, day_millis),
            Expiration::Markers => modified,
            Expiration::Date(_) => return None,
        };
        self.filter.matches_key(key).then_some(due)
    }

    /// When it ends a version that has not been current since `since`, and how many objects it keeps above it.
    fn noncurrent(&self, matches: bool, since: UnixMillis, day_millis: u64) -> Option<(UnixMillis, u32)> {
        let Noncurrent { days, keep } = self.noncurrent.filter(|_| matches)?;
        Some((after(since, days, day_millis), keep))
    }
}

impl LifecycleRules {
    /// When the rules end an object that was committed at `modified`, while that is current.
    pub fn expires(&self, object: &Facts<'_>, modified: Hlc) -> Option<UnixMillis> {
        let due = self.rules.iter().filter_map(|rule| rule.expires(object, modified.millis(), self.day_millis));
        due.min()
    }

    /// When the rules end a delete marker that is the only version of `key`.
    pub fn marker_expires(&self, key: &str, modified: Hlc) -> Option<UnixMillis> {
        let due = self.rules.iter().filter_map(|rule| rule.marker_expires(key, modified.millis(), self.day_millis));
        due.min()
    }

    /// When the rules drop an upload.
    pub fn aborts(&self, key: &str, initiated: Hlc) -> Option<UnixMillis> {
        self.rules.iter().filter_map(|rule| rule.aborts(key, initiated.millis(), self.day_millis)).min()
    }

    /// When each rule ends an object that has not been current since `since`, and how many objects it keeps above it.
    pub fn noncurrent(&self, object: &Facts<'_>, since: Hlc) -> Vec<(UnixMillis, u32)> {
        let rules = self.rules.iter();
        rules.filter_map(|rule| rule.noncurrent(rule.filter.matches(object), since.millis(), self.day_millis)).collect()
    }

    /// The same of a delete marker.
    pub fn noncurrent_marker(&self, key: &str, since: Hlc) -> Vec<(UnixMillis, u32)> {
        let rules = self.rules.iter();
        rules
            .filter_map(|rule| rule.noncurrent(rule.filter.matches_key(key), since.millis(), self.day_millis))
            .collect()
    }

    /// Most objects that any rule keeps above another.
    pub fn keep_max(&self) -> u32 {
        let keep = self.rules.iter().filter_map(|rule| rule.noncurrent.map(|noncurrent| noncurrent.keep));
        keep.max().unwrap_or(0)
    }
}

/// The end of the day that is so many days after `from`.
fn after(from: UnixMillis, days: u32, day_millis: u64) -> UnixMillis {
    let due = from.0.saturating_add(u64::from(days).saturating_mul(day_millis));
    let is_real = day_millis == DAY_MILLIS;
    UnixMillis(if is_real { due.checked_next_multiple_of(DAY_MILLIS).unwrap_or(u64::MAX) } else { due })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixMillis = UnixMillis(10 * DAY_MILLIS + DAY_MILLIS / 2);

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn rules(rules: &[LifecycleRule]) -> LifecycleRules {
        LifecycleRules { day_millis: DAY_MILLIS, rules: rules.to_vec(), unknown: UnknownFields::default() }
    }

    #[test]
    fn filters_want_all_that_they_name() {
        let object_tags = tags(&[("color", "red"), ("size", "small")]);
        let object = Facts { key: "logs/a", size: 10, tags: &object_tags };
        let all = Filter::default();
        for (filter, object_matches, key_matches) in [
            (all.clone(), true, true),
            (Filter { prefix: "logs/".to_owned(), ..all.clone() }, true, true),
            (Filter { prefix: "log/".to_owned(), ..all.clone() }, false, false),
            (Filter { tags: tags(&[("color", "red")]), ..all.clone() }, true, false),
            (Filter { tags: tags(&[("color", "red"), ("size", "large")]), ..all.clone() }, false, false),
            (Filter { size_above: Some(9), size_below: Some(11), ..all.clone() }, true, false),
            (Filter { size_above: Some(10), ..all.clone() }, false, false),
            (Filter { size_below: Some(10), ..all.clone() }, false, false),
        ] {
            assert_eq!(filter.matches(&object), object_matches, "{filter:?}");
            assert_eq!(filter.matches_key("logs/a"), key_matches, "{filter:?}");
        }
    }

    #[test]
    fn current_versions_end_at_midnight() {
        let none = BTreeMap::new();
        let object = Facts { key: "key", size: 0, tags: &none };
        let (day, modified) = (DAY_MILLIS, Hlc::from_millis(NOON));
        let midnight = UnixMillis(11 * DAY_MILLIS);
        let at = |expiration| LifecycleRule { expiration: Some(expiration), ..LifecycleRule::default() };
        for (rule, object_ends, marker_ends) in [
            (LifecycleRule::default(), None, None),
            (at(Expiration::Days(3)), Some(UnixMillis(14 * day)), Some(UnixMillis(14 * day))),
            (at(Expiration::Date(midnight)), Some(midnight), None),
            (at(Expiration::Date(UnixMillis(0))), Some(NOON), None),
            (at(Expiration::Markers), None, Some(NOON)),
        ] {
            let both = rules(&[rule.clone(), LifecycleRule::default()]);
            assert_eq!(both.expires(&object, modified), object_ends, "{rule:?}");
            assert_eq!(both.marker_expires("key", modified), marker_ends, "{rule:?}");
        }
        let exactly = rules(&[at(Expiration::Days(1))]).expires(&object, Hlc::from_millis(midnight));
        assert_eq!(exactly, Some(UnixMillis(12 * day)));
        let first = rules(&[at(Expiration::Days(9)), at(Expiration::Days(2))]).expires(&object, modified);
        assert_eq!(first, Some(UnixMillis(13 * day)));
        let short = LifecycleRules { day_millis: 10_000, ..rules(&[at(Expiration::Days(2))]) };
        assert_eq!(short.expires(&object, modified), Some(UnixMillis(NOON.0 + 20_000)));
    }

    #[test]
    fn other_versions_and_uploads_end_by_their_own_terms() {
        let none = BTreeMap::new();
        let object = Facts { key: "key", size: 0, tags: &none };
        let since = Hlc::from_millis(NOON);
        let noncurrent =
            |days, keep| LifecycleRule { noncurrent: Some(Noncurrent { days, keep }), ..LifecycleRule::default() };
        let both = rules(&[noncurrent(1, 5), noncurrent(3, 0)]);
        let expected = [(UnixMillis(12 * DAY_MILLIS), 5), (UnixMillis(14 * DAY_MILLIS), 0)];
        assert_eq!(both.noncurrent(&object, since), expected);
        assert_eq!(both.noncurrent_marker("key", since), expected);
        assert_eq!((both.keep_max(), both.expires(&object, since), both.aborts("key", since)), (5, None, None));
        let aborts = rules(&[LifecycleRule { abort_days: Some(2), ..LifecycleRule::default() }]);
        assert_eq!(aborts.aborts("key", since), Some(UnixMillis(13 * DAY_MILLIS)));
    }
}
