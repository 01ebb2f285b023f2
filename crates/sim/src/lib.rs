//! Simulated disasters: whole nodes on simulated disks, and an oracle that remembers what they acknowledged.
//!
//! [`PowerCuts`] runs a node under a mixed [`Writer`] workload, stops it at a random I/O call, lets the simulated file
//! system forget and tear what was not synced, starts the node again and compares every key with the oracle.
//!
//! Invariant: the oracle knows only what a client of the store's operations can know.

mod dice;
mod node;
mod oracle;
mod power_cuts;
mod writer;

pub use oracle::Violation;
pub use power_cuts::{Counts, PowerCuts};
pub use writer::Writer;
