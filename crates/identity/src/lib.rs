//! Who there is: accounts, users, groups, roles, policies and access keys, as documents of the metadata.
//!
//! A request names an access key. [`Directory::find`] returns whom it belongs to with the secret that proves it and the
//! policies that apply ([`Known`]), from the newest metadata; what was found is kept as long as no identity changes
//! (`cache`). Each family of operations that change identities is one file: it reads and writes `record`s within one
//! `transaction`, which takes effect as a whole or is asked again. `seal` encrypts secrets, `session` makes temporary
//! credentials that need no document at all.
//!
//! Invariants: a removed or inactive key is refused by the next request on any node; no secret is stored in the clear; what
//! a document says was checked before it was written. This crate knows nothing of HTTP, and does not ask who may change
//! what: its caller has.

mod access_key;
mod account;
mod arn;
mod cache;
mod directory;
mod error;
mod grants;
mod group;
mod holder;
mod known;
mod last_use;
mod managed;
mod name;
mod policy;
mod provider;
mod record;
mod role;
mod seal;
mod session;
mod tags;
mod transaction;
mod user;

pub use access_key::{AccessKeyEntry, KeyHolder, NewAccessKey};
pub use account::{AccountEntry, NewAccount, Summary};
pub use directory::{Directory, Found};
pub use error::{Error, LookUpError, Result};
pub use grants::{Attached, HolderKind};
pub use group::Group;
pub use known::{Known, Policies};
pub use last_use::LastUse;
pub use name::Listing;
pub use policy::{ManagedPolicy, PolicyScope, PolicyVersion};
pub use provider::Provider;
pub use role::{NewRole, Role, RoleChange};
pub use session::{SessionOrder, SessionSubject, TemporaryCredential};
pub use transaction::Page;
pub use user::User;
