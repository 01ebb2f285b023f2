//! Conditional requests: RFC 9110 §13, with the meanings S3 gives them.

use env::UnixMillis;

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
