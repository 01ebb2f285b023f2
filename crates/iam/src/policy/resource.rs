//! The resources of a statement.

use super::{Pattern, PolicyError, Version};
use crate::condition::Context;

/// Starts the ARN of every bucket and object.
const S3_PREFIX: &str = "arn:aws:s3:::";

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A bucket (`bucket`), an object (`bucket/key`), or all buckets of the account (`*`).
    S3(&'a str),
    /// Anything else, by its whole ARN.
    Arn(&'a str),
}

impl Resource<'_> {
    /// The whole ARN.
    pub fn arn(&self) -> String {
        match self {
            Self::S3(name) => format!("{S3_PREFIX}{name}"),
            Self::Arn(arn) => (*arn).to_owned(),
        }
    }
}

/// `Resource` or `NotResource` of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resources {
    /// One of these.
    Only(Vec<ResourcePattern>),
    /// None of these.
    AllBut(Vec<ResourcePattern>),
    /// A role's trust policy does not say, it can only mean the role.
    Own,
}

/// One entry of `Resource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResourcePattern {
    Any,
    /// For what follows the prefix of S3's ARNs, so that no ARN has to be put together at each request.
    S3(Pattern),
    Arn(Pattern),
}

impl Resources {
    /// Whether the statement is about `resource`.
    pub(super) fn cover(&self, resource: Resource<'_>, context: &dyn Context) -> bool {
        match self {
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.matches(resource, context)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| pattern.matches(resource, context)),
            Self::Own => true,
        }
    }

    /// The patterns in it.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let patterns: &[ResourcePattern] = match self {
            Self::Only(patterns) | Self::AllBut(patterns) => patterns,
            Self::Own => &[],
        };
        patterns.iter().filter_map(|pattern| match pattern {
            ResourcePattern::Any => None,
            ResourcePattern::S3(pattern) | ResourcePattern::Arn(pattern) => Some(pattern),
        })
    }
}

impl ResourcePattern {
    fn matches(&self, resource: Resource<'_>, context: &dyn Context) -> bool {
        match (self, resource) {
            (Self::Any, _) => true,
            (Self::S3(pattern), Resource::S3(name)) => pattern.matches(name, context),
            (Self::S3(_), Resource::Arn(_)) => false,
            (Self::Arn(pattern), resource) => pattern.matches(&resource.arn(), context),
        }
    }

    /// Reads a resource of an identity's policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NotAnArn`].
    pub(super) fn parse(text: &str, version: Version) -> Result<Self, PolicyError> {
        let pattern = version.glob(text);
        if pattern.is_star() {
            return Ok(Self::Any);
        }
        let is_arn = text.starts_with("arn:") && 5 <= text.matches(':').count();
        if !is_arn {
            return Err(PolicyError::NotAnArn(text.to_owned()));
        }
        Ok(pattern.without_prefix(S3_PREFIX).map_or(Self::Arn(pattern), Self::S3))
    }

    /// Reads a resource of the policy of `bucket`, and says of what kind the resources are that it covers.
    ///
    /// # Errors
    ///
    /// [`PolicyError::BadResource`] for what is not in the bucket.
    pub(super) fn parse_in_bucket(text: &str, bucket: &str, version: Version) -> Result<(Self, Coverage), PolicyError> {
        let name = text.strip_prefix(S3_PREFIX).ok_or(PolicyError::BadResource)?;
        let (bucket_part, key_part) = match name.split_once('/') {
            Some((bucket_part, key_part)) => (bucket_part, Some(key_part)),
            None => (name, None),
        };
        let in_bucket = Pattern::glob(bucket_part).matches(bucket, &crate::condition::NoContext);
        if !in_bucket || key_part == Some("") {
            return Err(PolicyError::BadResource);
        }
        let coverage = Coverage {
            bucket: key_part.is_none(),
            // A star reaches over the slash into the keys.
            objects: key_part.is_some() || bucket_part.contains('*'),
        };
        Ok((Self::S3(version.glob(name)), coverage))
    }
}

/// Of what kind the resources of a statement are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Coverage {
    pub(super) bucket: bool,
    pub(super) objects: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::NoContext;

    #[test]
    fn arns_cover_what_they_name() {
        for (pattern, resource, expected) in [
            ("*", Resource::Arn("arn:aws:iam::1:user/a"), true),
            ("arn:aws:s3:::b", Resource::S3("b"), true),
            ("arn:aws:s3:::b", Resource::S3("b/k"), false),
            ("arn:aws:s3:::b/*", Resource::S3("b/k"), true),
            ("arn:aws:s3:::b/*", Resource::S3("b"), false),
            ("arn:aws:s3:::*", Resource::S3("*"), true),
            ("arn:*:s3:::b", Resource::S3("b"), true),
            ("arn:aws:s3:::b", Resource::Arn("arn:aws:iam::1:user/a"), false),
            ("arn:aws:iam::*:user/a", Resource::Arn("arn:aws:iam::1:user/a"), true),
            ("arn:aws:iam::*:user/a", Resource::S3("b"), false),
        ] {
            let pattern = ResourcePattern::parse(pattern, Version::Newest).unwrap();
            assert_eq!(pattern.matches(resource, &NoContext), expected, "{pattern:?} {resource:?}");
        }
        for text in ["", "bucket", "arn:aws:s3*", "s3:::b"] {
            assert!(ResourcePattern::parse(text, Version::Newest).is_err(), "{text}");
        }
    }

    #[test]
    fn resources_of_a_bucket_lie_in_it() {
        let parse = |text: &str| ResourcePattern::parse_in_bucket(text, "photos", Version::Newest);
        for (text, bucket, objects) in [
            ("arn:aws:s3:::photos", true, false),
            ("arn:aws:s3:::photos/*", false, true),
            ("arn:aws:s3:::photos/a", false, true),
            ("arn:aws:s3:::photos*", true, true),
            ("arn:aws:s3:::*", true, true),
            ("arn:aws:s3:::phot?s", true, false),
            ("arn:aws:s3:::*/*", false, true),
        ] {
            assert_eq!(parse(text).unwrap().1, Coverage { bucket, objects }, "{text}");
        }
        for text in [
            "*",
            "photos",
            "arn:aws:s3:::photo",
            "arn:aws:s3:::photos/",
            "arn:aws:s3:::other/*",
            "arn:aws:s3:::",
            "arn:aws:iam::1:user/a",
        ] {
            assert_eq!(parse(text).unwrap_err(), PolicyError::BadResource, "{text}");
        }
    }
}
