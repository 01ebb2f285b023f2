//! Placement: which disks hold which shards, as a value.
//!
//! A stripe picks its placement group once, when it is written, by jump hash over the groups that are
//! writable at that moment ([`WritableGroups::choose`]); the manifest records the group and its epoch. The
//! [`Table`] says which ordered disks a group consists of. Nothing is ever found again by hashing, so the
//! table may change freely: [`plan`] proposes the changes, [`Table::apply`] performs them.
//!
//! Invariants: a shard's index is its slot's position in the group and never shifts; a disk appears at most
//! once in a group; every change of a group raises its epoch; planning is a pure function of its arguments.
//! This crate knows nothing of files, sockets, tasks or time.

mod choose;
mod encoding;
mod error;
mod fleet;
mod identity;
mod planner;
mod profile;
mod table;

pub use choose::WritableGroups;
pub use error::{Error, Result};
pub use fleet::{DiskSpec, DiskState, RackId};
pub use identity::{DiskId, Epoch, GroupId, NodeId, StripeId};
pub use planner::{Survivability, plan, plan_relief};
pub use profile::Profile;
pub use table::{Group, Move, Plan, Slot, Table};
