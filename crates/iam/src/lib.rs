//! Who may call: access keys, their secrets, and the account that owns everything.
//!
//! A request names an access key; [`KeyStore::find`] returns the [`Credential`] whose secret proves the name. There is
//! one credential for now, the root's. Users, groups and policies join it later.
//!
//! Invariants: a secret is never formatted and is wiped when dropped; this crate knows nothing of HTTP or signatures.

mod account;
mod credential;
mod error;
mod key_store;

pub use account::Account;
pub use credential::{AccessKey, Credential, SecretKey};
pub use error::{Error, Result};
pub use key_store::KeyStore;
