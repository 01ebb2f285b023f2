//! Policies: documents that allow and deny, compiled when they are read.
//!
//! `parse` turns a document (`json`) into a [`Policy`] or into the [`PolicyError`] that AWS would answer. What a
//! statement names is found out then: its actions as a set of bits, its resources, texts and networks as patterns.

mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod json;
mod parse;
mod pattern;
mod principal;
mod resource;

pub use error::PolicyError;
pub use parse::PolicyLimit;
pub use resource::Resource;

pub(crate) use pattern::Pattern;
pub(crate) use principal::Naming;

use crate::Action;
use crate::action::ActionSet;
use crate::condition::{Condition, ConditionKey, Context};
use crate::principal::Principal;
use principal::Principals;
use resource::Resources;

/// The version of the policy language that a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `2008-10-17`, also when a document says nothing: `${...}` is plain text.
    Oldest,
    /// `2012-10-17`.
    Newest,
}

impl Version {
    pub(crate) fn glob(self, text: &str) -> Pattern {
        match self {
            Self::Oldest => Pattern::glob(text),
            Self::Newest => Pattern::glob_with_variables(text),
        }
    }

    pub(crate) fn literal(self, text: &str) -> Pattern {
        match self {
            Self::Oldest => Pattern::literal(text),
            Self::Newest => Pattern::literal_with_variables(text),
        }
    }
}

/// A policy that has been read and can be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    id: Option<String>,
    statements: Vec<Statement>,
}

/// What a statement does when it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    sid: Option<String>,
    effect: Effect,
    /// `None` in the policies of identities, which speak of their owner.
    principals: Option<Principals>,
    actions: ActionSet,
    resources: Resources,
    conditions: Vec<Condition>,
}

/// A request as statements see it.
pub(crate) struct Asked<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) action: Action,
    pub(crate) resource: Resource<'a>,
    pub(crate) context: &'a dyn Context,
}

impl Policy {
    /// Its `Id`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether it lets the public in: whether some statement allows something to more than principals, networks and
    /// sources that one can count (S3 user guide, "The meaning of public").
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }

    /// Whether a decision about `action` may depend on a key that `is_sought` accepts, so that its values must be there.
    pub fn needs(&self, action: Action, is_sought: impl Fn(&ConditionKey) -> bool) -> bool {
        let about = self.statements.iter().filter(|statement| statement.actions.contains(action));
        about.flat_map(Statement::keys).any(is_sought)
    }

    /// The first statement that denies what is asked.
    pub(crate) fn denies(&self, asked: &Asked<'_>) -> Option<&Statement> {
        let denials = self.statements.iter().filter(|statement| statement.effect == Effect::Deny);
        denials.into_iter().find(|statement| statement.applies(asked) != Naming::None)
    }

    /// The statement that allows what is asked and names the caller most directly, and how it does.
    pub(crate) fn allows(&self, asked: &Asked<'_>) -> Option<(Naming, &Statement)> {
        let allowing = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        let mut best: Option<(Naming, &Statement)> = None;
        for statement in allowing {
            let naming = statement.applies(asked);
            if naming == Naming::Direct {
                return Some((naming, statement));
            }
            if best.map_or(Naming::None, |(naming, _)| naming) < naming {
                best = Some((naming, statement));
            }
        }
        best
    }
}

impl Statement {
    /// Its name.
    pub(crate) fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// How it names the caller, when all else about it fits too. The cheapest questions come first.
    fn applies(&self, asked: &Asked<'_>) -> Naming {
        if !self.actions.contains(asked.action) {
            return Naming::None;
        }
        let naming = match &self.principals {
            Some(principals) => principals.naming(asked.principal),
            None => Naming::Direct,
        };
        let context = asked.context;
        let fits = naming != Naming::None
            && self.resources.cover(asked.resource, context)
            && self.conditions.iter().all(|condition| condition.holds(context));
        if fits { naming } else { Naming::None }
    }

    fn is_public(&self) -> bool {
        let confined = self.principals.as_ref().is_none_or(Principals::is_confined);
        self.effect == Effect::Allow && !confined && !self.conditions.iter().any(Condition::confines)
    }

    fn keys(&self) -> impl Iterator<Item = &ConditionKey> {
        self.conditions.iter().flat_map(Condition::keys).chain(self.resources.patterns().flat_map(Pattern::keys))
    }
}

#[cfg(test)]
mod tests;
