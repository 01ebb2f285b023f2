//! Tokens of other identity providers (OpenID Connect Core 1.0; RFC 7519): whether the issuer that an account trusts has
//! really signed one.
//!
//! `token` reads a token without believing it; [`Issuers`] finds the issuer's keys (`fetch` asks for them, `key_set` reads
//! them) and checks the signature. What the claims mean is the caller's.
//!
//! Invariants: a key verifies with its own algorithm alone, whatever the token says; nothing is fetched from addresses
//! that are not of the public internet, unless the operator has allowed it, and no redirection is followed.

mod fetch;
mod issuers;
mod key_set;
mod token;

pub(crate) use issuers::Issuers;
pub(crate) use token::{Claims, Token};

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Not a token, or one of a kind that nobody here believes.
    #[error("{0}")]
    BadToken(&'static str),
    /// The issuer's keys cannot be had.
    #[error("{0}")]
    Unreachable(String),
}
