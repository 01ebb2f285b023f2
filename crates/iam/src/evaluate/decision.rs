//! What the evaluator says, and why, so that logs and errors can say it too.

use crate::Action;

/// Whether a request may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// It may.
    Allowed(Allowed<'a>),
    /// It may not.
    Denied(Denied<'a>),
}

/// What let a request in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed<'a> {
    /// The caller owns the account that owns the resource.
    Root,
    /// A statement.
    Policy {
        /// Where it stands.
        source: PolicySource,
        /// Its name, if it has one.
        sid: Option<&'a str>,
    },
    /// A grant in an access control list.
    Acl,
}

/// What kept a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied<'a> {
    /// A statement denies it.
    Explicitly {
        /// Where it stands.
        source: PolicySource,
        /// Its name, if it has one.
        sid: Option<&'a str>,
    },
    /// Nothing of this kind allows it, and it would have to.
    Unmentioned(PolicySource),
}

/// Where a policy belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// To the caller.
    Identity,
    /// To the caller, as the most it can have.
    Boundary,
    /// To the session.
    Session,
    /// To the resource.
    Resource,
}

impl Decision<'_> {
    /// Whether it may happen.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

impl PolicySource {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
            Self::Resource => "resource-based policy",
        }
    }
}

impl Denied<'_> {
    /// Why `action` is denied, as AWS words it behind "is not authorized to perform: ... on resource: ...".
    pub fn explain(&self, action: Action) -> String {
        match self {
            Self::Explicitly { source, .. } => {
                let article = if *source == PolicySource::Identity { "an" } else { "a" };
                format!("with an explicit deny in {article} {}", source.name())
            }
            Self::Unmentioned(source) => {
                format!("because no {} allows the {} action", source.name(), action.name())
            }
        }
    }
}
