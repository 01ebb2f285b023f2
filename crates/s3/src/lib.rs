//! The S3 front door: HTTP in, calls on the [`store::Store`], HTTP out.
//!
//! [`serve()`] accepts connections and hands each request to [`Frontend::handle`]. There `auth` verifies the signature,
//! `target` and `operation` find out what is asked, `access` asks `iam` whether that may happen by what is configured for
//! the bucket (`settings`), the operation's own file decodes the request, calls the store and encodes the answer, `error` turns what went wrong into an S3 error, and `access_log` writes one event, and lines for `bucket_logs` where a
//! bucket's requests are logged.
//!
//! Invariants: nothing about a bucket is looked up before the sender is known, or known to be nobody; no operation runs
//! before its action is permitted; the bytes of a body pass the checks of its
//! signature on their way and are never held as a whole, but for the few bounded XML documents; a header whose meaning
//! is not acted upon is refused. This crate knows nothing of shards or consensus.

mod access;
mod access_log;
mod auth;
mod body;
mod bucket_logs;
mod caller;
mod config;
mod connection;
mod error;
mod federation;
mod form;
mod frontend;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod header;
mod operation;
mod query_api;
mod request;
mod response;
mod serve;
mod settings;
mod signed;
mod target;
mod timestamp;
mod uri;
mod website;
mod xml;

pub use config::{Config, Limits};
pub use error::{Error, ErrorCode};
pub use frontend::Frontend;
pub use serve::{router, serve};
pub use signed::signed;
