//! Objects over the real stack on simulated disks.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may panic, and its numbers are small")]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]
#![expect(clippy::cast_possible_truncation, reason = "tests run on 64-bit machines, with small numbers")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests race tasks of their own, and take the number of cases from outside"
)]
#![expect(unreachable_pub, reason = "one crate of several modules")]

mod annotations;
mod append;
mod conditions;
mod degraded;
mod encryption;
mod full;
mod garbage;
mod growth;
mod members;
mod multipart;
mod node;
mod nodes;
mod repair;
mod rot;
mod round_trip;
mod versions;
mod workload;
