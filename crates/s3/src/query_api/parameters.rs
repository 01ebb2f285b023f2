//! Parameters of calls.

use std::collections::BTreeMap;

use identity::Listing;

use super::error::{CallError, Result};
use crate::uri::Query;

/// Entries of a page if nothing is said, and most that one can ask for.
const PAGE_SIZE: usize = 100;
const PAGE_SIZE_MAX: usize = 1000;

/// Most elements of a list.
const ELEMENTS_MAX: usize = 1000;

/// The parameters of a call, from its form and its query.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// What the query and the form say; of a parameter that is there twice the first counts.
    pub(super) fn new(query: &Query, form: Query) -> Self {
        let mut all = BTreeMap::new();
        for (name, value) in query.pairs().iter().chain(form.pairs()) {
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Self(all)
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    ///
    /// `MissingParameter`.
    pub(super) fn required(&self, name: &str) -> Result<&str> {
        self.optional(name).ok_or_else(|| CallError::missing(name))
    }

    /// A parameter; an empty one counts as missing.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter as an owned text.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.optional(name).map(str::to_owned)
    }

    /// A parameter that is a number.
    ///
    /// # Errors
    ///
    /// `ValidationError`.
    pub(super) fn number(&self, name: &str) -> Result<Option<u32>> {
        let Some(text) = self.optional(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| CallError::validation(format!("{name} is not a number: {text}")))
    }

    /// A parameter that is `true` or `false`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.optional(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The path of something new.
    pub(super) fn path(&self) -> String {
        self.optional("Path").unwrap_or("/").to_owned()
    }

    /// The elements of a list, `NAME.member.1` and so on.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let element = |number: usize| self.0.get(&format!("{name}.member.{number}"));
        (1..=ELEMENTS_MAX).map_while(element).cloned().collect()
    }

    /// One member of each element of a list, `NAME.member.1.MEMBER` and so on.
    pub(super) fn members(&self, name: &str, member: &str) -> Vec<String> {
        let element = |number: usize| self.0.get(&format!("{name}.member.{number}.{member}"));
        (1..=ELEMENTS_MAX).map_while(element).cloned().collect()
    }

    /// `Tags.member.1.Key` and so on.
    ///
    /// # Errors
    ///
    /// `ValidationError` for a tag without value, `InvalidInput` for one that is there twice.
    pub(super) fn tags(&self) -> Result<BTreeMap<String, String>> {
        let mut tags = BTreeMap::new();
        let (keys, values) = (self.members("Tags", "Key"), self.members("Tags", "Value"));
        if keys.len() != values.len() {
            return Err(CallError::validation("Each tag needs a key and a value."));
        }
        for (key, value) in keys.into_iter().zip(values) {
            if tags.insert(key, value).is_some() {
                let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
                return Err(identity::Error::InvalidInput(message.to_owned()).into());
            }
        }
        Ok(tags)
    }

    /// Which page is wanted.
    ///
    /// # Errors
    ///
    /// `ValidationError`.
    pub(super) fn listing(&self) -> Result<Listing> {
        let limit = match self.number("MaxItems")? {
            None => PAGE_SIZE,
            Some(number) => usize::try_from(number).unwrap_or(usize::MAX),
        };
        if !(1..=PAGE_SIZE_MAX).contains(&limit) {
            return Err(CallError::validation("MaxItems must be between 1 and 1000"));
        }
        let path_prefix = self.optional("PathPrefix").unwrap_or_default().to_owned();
        Ok(Listing { path_prefix, marker: self.owned("Marker"), limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(form: &str) -> Parameters {
        Parameters::new(&Query::default(), Query::parse(form).unwrap())
    }

    #[test]
    fn lists_and_tags_are_numbered() {
        let found = parameters(
            "A.member.1=x&A.member.2=y&A.member.4=z&Tags.member.1.Key=k&Tags.member.1.Value=&Tags.member.2.Key=l\
             &Tags.member.2.Value=v",
        );
        assert_eq!(found.list("A"), ["x", "y"]);
        assert!(found.list("B").is_empty());
        let tags = found.tags().unwrap();
        assert_eq!((tags["k"].as_str(), tags["l"].as_str()), ("", "v"));
        assert!(parameters("Tags.member.1.Key=k").tags().is_err());
        let twice = "Tags.member.1.Key=k&Tags.member.1.Value=1&Tags.member.2.Key=k&Tags.member.2.Value=2";
        assert!(parameters(twice).tags().is_err());
    }

    #[test]
    fn pages_have_a_size() {
        assert_eq!(parameters("").listing().unwrap().limit, 100);
        assert_eq!(parameters("MaxItems=7&Marker=m").listing().unwrap().limit, 7);
        for text in ["0", "1001", "-1", "many"] {
            assert!(parameters(&format!("MaxItems={text}")).listing().is_err(), "{text}");
        }
    }
}
