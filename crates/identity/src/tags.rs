//! Tags of users, roles and sessions.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

/// Most tags of one thing.
const TAGS_MAX: usize = 50;

/// Checks a whole set of tags.
///
/// # Errors
///
/// [`Error::Validation`], [`Error::InvalidInput`] for keys that differ in letter case alone, [`Error::LimitExceeded`].
pub(crate) fn check(tags: &BTreeMap<String, String>) -> Result<()> {
    if TAGS_MAX < tags.len() {
        return Err(Error::LimitExceeded { what: "TagsPerResource", limit: TAGS_MAX });
    }
    for (key, value) in tags {
        let key_valid = (1..=128).contains(&key.chars().count()) && is_writable(key);
        let value_valid = value.chars().count() <= 256 && is_writable(value);
        if !key_valid || !value_valid {
            return Err(Error::Validation("The tag provided was not a valid tag.".to_owned()));
        }
        if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
            return Err(Error::InvalidInput("Tag keys beginning with aws: are reserved.".to_owned()));
        }
    }
    let folded: BTreeSet<String> = tags.keys().map(|key| key.to_lowercase()).collect();
    if folded.len() < tags.len() {
        return Err(Error::InvalidInput(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
        ));
    }
    Ok(())
}

fn is_writable(text: &str) -> bool {
    text.chars().all(|character| character.is_alphanumeric() || " _.:/=+-@".contains(character))
}

/// Puts `more` into `tags`: a key of another letter case is replaced.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn merge(tags: &mut BTreeMap<String, String>, more: &BTreeMap<String, String>) -> Result<()> {
    check(more)?;
    tags.retain(|key, _| !more.keys().any(|new| new.eq_ignore_ascii_case(key)));
    tags.extend(more.clone());
    check(tags)
}

/// Takes tags away by key, in any letter case.
pub(crate) fn remove(tags: &mut BTreeMap<String, String>, keys: &[String]) {
    tags.retain(|key, _| !keys.iter().any(|gone| gone.eq_ignore_ascii_case(key)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_are_checked_as_iam_does() {
        assert!(check(&tags(&[("Team", "red"), ("a:b/c", "x@y z")])).is_ok());
        assert!(check(&tags(&[("", "red")])).is_err());
        assert!(check(&tags(&[("AWS:team", "red")])).is_err());
        assert!(check(&tags(&[("team", "red"), ("TEAM", "blue")])).is_err());
        assert!(check(&tags(&[("team", "red;")])).is_err());
    }

    #[test]
    fn keys_of_tags_are_one_in_any_letter_case() {
        let mut own = tags(&[("Team", "red"), ("size", "s")]);
        merge(&mut own, &tags(&[("team", "blue")])).unwrap();
        assert_eq!(own, tags(&[("team", "blue"), ("size", "s")]));
        remove(&mut own, &["SIZE".to_owned()]);
        assert_eq!(own, tags(&[("team", "blue")]));
    }
}
