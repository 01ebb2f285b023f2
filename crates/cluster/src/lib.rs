//! Nodes: this node's disks, the metadata's consensus, and the placement table's life.
//!
//! [`Cluster::open`] looks at the storage directories (`disks`), opens the metadata on them and starts the consensus
//! (`raft`), compares the disks with those it had before, and lets the planner adapt the placement table (`tables`).
//! From then on `monitor` watches the disks. Writers and readers take a [`Topology`], an immutable value of table and
//! disks; everything that changes metadata goes through [`meta::Consensus`].
//!
//! Invariants: metadata is begun anew only where it never existed; a disk joins in the order format, roster, table, so
//! that a crash in between is continued; a group's fence rises whenever a slot gets another write target; nothing
//! answered is forgotten while one mirror of the metadata is left. This crate knows nothing of HTTP, XML or objects.

mod additions;
mod admin;
mod birth;
mod cluster;
mod config;
mod disks;
mod divergence;
mod documents;
mod error;
mod follow;
mod halts;
mod handle;
mod health;
mod inquiries;
mod join;
mod links;
mod liveness;
mod monitor;
mod nodes;
mod opening;
mod raft;
mod readers;
mod recovery;
mod renewal;
mod rooms;
mod rpc;
mod security;
mod shards;
mod start;
mod steward;
mod substitutes;
mod tables;
#[cfg(test)]
mod testing;
mod topology;
mod urgency;
mod voters;

pub use admin::{DiskCommand, DiskOverview, GroupOverview, NodeCommand, NodeOverview, Overview, Safety, TableOverview};
pub use cluster::{Cluster, SlotSeen};
pub use config::{ClusterConfig, Entry, NodeConfig, Purpose};
pub use error::{Error, Result};
pub use halts::{Halts, Work};
pub use handle::{Destination, DiskHandle, ShardError};
pub use health::{DiskHealth, Health};
pub use inquiries::Respondent;
pub use readers::OldestReader;
pub use recovery::{Standing, StoppedNode};
pub use shards::RemoteDisk;
pub use topology::{Member, MemberState, NoGroup, Topology};
