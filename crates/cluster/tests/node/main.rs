//! A whole node on simulated files: starting, stopping, crashing, and disks that go and come.

mod consensus;
mod disks;
mod start;
mod world;
