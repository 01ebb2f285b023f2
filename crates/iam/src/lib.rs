//! Who may call, and what they may do: access keys, accounts, policies, access control lists and the one evaluator.
//!
//! A request names an access key, whose [`Credential`] has the secret that proves the name. Documents
//! become a [`Policy`] once, when they are stored or loaded. [`evaluate()`] then answers each request from the policies of
//! the caller ([`IdentityPolicies`]) and of the resource ([`ResourcePolicies`]), asking a [`condition::Context`] for the values that
//! conditions name, and says why.
//!
//! Invariants: a denial wins over everything; evaluation does no I/O and its time is bounded by the sizes of policy and
//! request; a secret is never formatted and is wiped when dropped; this crate knows nothing of HTTP or signatures.

mod account;
pub mod acl;
mod action;
pub mod condition;
mod credential;
mod error;
mod evaluate;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ownership;
mod policy;
mod principal;

pub use account::Account;
pub use action::{Action, ActionResource};
pub use credential::{AccessKey, Credential, SecretKey};
pub use error::{Error, Result};
pub use evaluate::{
    AccessRequest, Allowed, Decision, Denied, IdentityPolicies, PolicySource, ResourcePolicies, evaluate,
};
pub use ownership::{ObjectOwnership, PublicAccessBlock};
pub use policy::{Policy, PolicyError, PolicyLimit, Resource};
pub use principal::{Principal, Session};
