//! A whole node on simulated files: starting, stopping, crashing, and disks that go and come.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]

mod consensus;
mod disks;
mod start;
mod world;
