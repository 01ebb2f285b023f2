//! The S3 front door over the real stack on temporary directories, without sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(unreachable_pub, reason = "one crate of several modules")]

mod access;
mod configurations;
mod details;
mod door;
mod listing;
mod multipart;
mod objects;
mod refusals;
