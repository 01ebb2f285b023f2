//! What names, paths and other parameters may look like (IAM user guide, "IAM and AWS STS quotas").

use crate::error::{Error, Result};

/// Checks a name of 1 to `length_max` letters, digits and `_+=,.@-`.
///
/// # Errors
///
/// [`Error::Validation`].
pub(crate) fn check(parameter: &str, name: &str, length_max: usize) -> Result<()> {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    if !name.is_empty() && name.len() <= length_max && characters {
        return Ok(());
    }
    Err(Error::Validation(format!(
        "The specified value for {parameter} is invalid. It must contain only alphanumeric characters and/or the \
         following: +=,.@_- and have a length of 1 to {length_max}"
    )))
}

/// Checks a path: it begins and ends with a slash.
///
/// # Errors
///
/// [`Error::Validation`].
pub(crate) fn check_path(path: &str) -> Result<()> {
    let characters = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 && characters {
        return Ok(());
    }
    Err(Error::Validation(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
         characters and/or / characters."
            .to_owned(),
    ))
}

/// Checks a text that people read.
///
/// # Errors
///
/// [`Error::Validation`].
pub(crate) fn check_description(text: &str) -> Result<()> {
    if text.chars().count() <= 1000 {
        return Ok(());
    }
    Err(Error::Validation("The specified value for description must have a length of at most 1000".to_owned()))
}

/// Names that differ in letter case alone are the same name.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Which part of a listing is wanted.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// What the paths must begin with; empty for all.
    pub path_prefix: String,
    /// The marker of the page before.
    pub marker: Option<String>,
    /// Most entries.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_have_the_forms_of_iam() {
        for name in ["a", "A-b_c+d=e,f.g@h", &"x".repeat(64)] {
            assert!(check("userName", name, 64).is_ok(), "{name}");
        }
        for name in ["", "a b", "a/b", "ä", "a:b", "a*", &"x".repeat(65)] {
            assert!(check("userName", name, 64).is_err(), "{name}");
        }
        for path in ["/", "/a/", "/a/b!c/"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in ["", "a", "/a", "a/", "/a b/", "/ä/"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
