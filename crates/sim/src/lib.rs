//! Simulated disasters: whole nodes on simulated disks, and an oracle that remembers what they acknowledged.
//!
//! [`PowerCuts`] runs a node under a mixed [`Writer`] workload, stops it at a random I/O call, lets the simulated file
//! system forget and tear what was not synced, starts the node again and compares every key with the oracle.
//!
//! [`World`] runs everything on one thread, clients, network and time included, so that a seed decides all of it: a
//! failure repeats exactly. Real threads interleave freely only in [`PowerCuts`].
//!
//! Invariant: the oracle knows only what a client of the store's operations can know.

mod dice;
mod entropy;
mod node;
mod oracle;
mod power_cuts;
mod world;
mod writer;

pub use oracle::Violation;
pub use power_cuts::{Counts, PowerCuts};
pub use world::{Report, World};
pub use writer::Writer;
