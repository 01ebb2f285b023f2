//! Objects over the real stack on simulated disks.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may panic, and its numbers are small")]

mod conditions;
mod degraded;
mod full;
mod garbage;
mod multipart;
mod node;
mod round_trip;
mod workload;
