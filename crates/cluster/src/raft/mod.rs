//! The Raft runtime: [`meta::Consensus`] by openraft, on the metadata's own log and state machine.
//!
//! A command is encoded by its caller and queued; `batcher` makes one log entry of everything that queued up while the
//! entry before was being synced; `log_store` gives the entry to the log; once it is durable and committed,
//! `state_machine` applies it and the answers go back. `purge` lets go of log entries whose effects are durable in the
//! trees. A single node is a group of one voter on the same path.

mod batcher;
mod consensus;
mod entry;
mod forward;
mod leader;
mod log_store;
mod network;
pub(crate) mod offline;
mod purge;
mod reader;
pub(crate) mod regrow;
#[cfg(test)]
mod snapshot_tests;
mod state_machine;
mod transfer;

pub(crate) use consensus::RaftConsensus;
