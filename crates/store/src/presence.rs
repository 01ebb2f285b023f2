//! Where shards are, as far as the disks' indexes know, and which node takes care of which.
//!
//! Each node cares for the shards that belong on its own disks: it counts them, fills their slots and repairs them. Those
//! that belong on no disk that answers are counted by the leader, so that every shard is somebody's.

use std::collections::BTreeMap;

use cluster::{DiskHandle, Topology};
use erasure::ShardIdentity;
use futures_util::future::join_all;
use placement::{DiskId, Slot};

use crate::shards::{Shards, Stripe};

/// What the disks' indexes say of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Some disk holds it, undamaged as far as anyone knows.
    Present,
    /// Every disk that may hold it answers, and none has it undamaged.
    Lost,
    /// A disk that may hold it does not answer.
    Unknown,
}

/// Questions that only disks of other nodes can answer: where the answers belong, and what is asked, by disk.
type Open = BTreeMap<DiskId, Vec<(usize, ShardIdentity)>>;

impl Shards {
    /// What the disks' indexes say of each of `shards`. Disks of this node answer at once; each other one is asked once,
    /// about the shards that were not found here.
    pub(crate) async fn presences(&self, topology: &Topology, shards: &[(&Stripe, u8)]) -> Vec<Presence> {
        let mut open = Open::new();
        let mut presences = Vec::with_capacity(shards.len());
        for (position, (stripe, index)) in shards.iter().enumerate() {
            presences.push(presence_here(topology, stripe, *index, position, &mut open));
        }
        let asked = open.into_iter().filter_map(|(disk, questions)| Some((topology.disk(disk)?.clone(), questions)));
        for (questions, found) in join_all(asked.map(|(disk, questions)| ask(disk, questions))).await {
            for (position, presence) in questions.into_iter().zip(found) {
                match (presences[position], presence) {
                    (Presence::Present, _) | (_, Presence::Lost) => {}
                    (_, presence) => presences[position] = presence,
                }
            }
        }
        presences
    }

    /// Whether a shard is there, as far as can be told without asking another node.
    pub(crate) fn seems_present(&self, topology: &Topology, stripe: &Stripe, index: u8) -> bool {
        let slot = stripe.slot(topology.table(), index);
        stripe.locations(topology.table(), index).into_iter().any(|disk| match topology.disk(disk) {
            None => false,
            Some(DiskHandle::Local(local)) => local.lookup(&stripe.identity(index)).is_some_and(|entry| !entry.damaged),
            Some(DiskHandle::Remote(_)) => !stripe.is_missing(index) && slot != Some(Slot::Rebuilding(disk)),
        })
    }

    /// Whether the disk that a shard's slot names is one of this node's.
    pub(crate) fn is_near(&self, topology: &Topology, stripe: &Stripe, index: u8) -> bool {
        let target = stripe.target(topology.table(), index).and_then(|disk| topology.disk(disk));
        target.is_some_and(|disk| disk.local().is_some())
    }

    /// Whether the index of a disk of this node, which the shard's slot names, has it.
    pub(crate) fn is_at_own_slot(&self, topology: &Topology, stripe: &Stripe, index: u8) -> bool {
        let disk = stripe.target(topology.table(), index).and_then(|disk| topology.disk(disk)?.local());
        let entry = disk.and_then(|disk| disk.lookup(&stripe.identity(index)));
        entry.is_some_and(|entry| !entry.damaged)
    }

    /// Which of `shards` the disks that their slots name have, as far as those answer.
    pub(crate) async fn are_at_slots(&self, topology: &Topology, shards: &[(Stripe, u8)]) -> Vec<bool> {
        let mut open = Open::new();
        for (position, (stripe, index)) in shards.iter().enumerate() {
            if let Some(target) = stripe.target(topology.table(), *index) {
                open.entry(target).or_default().push((position, stripe.identity(*index)));
            }
        }
        let mut there = vec![false; shards.len()];
        let asked = open.into_iter().filter_map(|(disk, questions)| Some((topology.disk(disk)?.clone(), questions)));
        for (questions, found) in join_all(asked.map(|(disk, questions)| ask(disk, questions))).await {
            for (position, presence) in questions.into_iter().zip(found) {
                there[position] = presence == Presence::Present;
            }
        }
        there
    }

    /// Whether this node takes care of the shards that belong on `target`.
    pub(crate) fn cares_for(&self, topology: &Topology, target: Option<DiskId>) -> bool {
        match target.and_then(|disk| topology.members().get(&disk)) {
            Some(member) if member.node == self.cluster().node() => true,
            Some(member) if member.answers() => false,
            Some(_) | None => self.cluster().is_leader(),
        }
    }
}

/// What the disks of this node say of a shard; questions to others go to `open`.
fn presence_here(topology: &Topology, stripe: &Stripe, index: u8, position: usize, open: &mut Open) -> Presence {
    let mut presence = Presence::Lost;
    let mut elsewhere = Vec::new();
    for disk in stripe.locations(topology.table(), index) {
        match topology.disk(disk) {
            // It left the cluster, or was given up, after a shard was put there in place of another disk.
            None if !topology.members().contains_key(&disk) && stripe.is_at(index, disk) => {}
            None => presence = Presence::Unknown,
            Some(DiskHandle::Remote(_)) => elsewhere.push(disk),
            Some(DiskHandle::Local(local)) => {
                if local.lookup(&stripe.identity(index)).is_some_and(|entry| !entry.damaged) {
                    return Presence::Present;
                }
            }
        }
    }
    for disk in elsewhere {
        open.entry(disk).or_default().push((position, stripe.identity(index)));
    }
    presence
}

/// Asks one disk; returns where the answers belong, and the answers.
async fn ask(disk: DiskHandle, questions: Vec<(usize, ShardIdentity)>) -> (Vec<usize>, Vec<Presence>) {
    let (positions, shards): (Vec<usize>, Vec<ShardIdentity>) = questions.into_iter().unzip();
    let found = match disk.lookup(&shards).await {
        Ok(entries) => {
            let presence = |entry: Option<disk::ShardEntry>| match entry {
                Some(entry) if !entry.damaged => Presence::Present,
                _ => Presence::Lost,
            };
            entries.into_iter().map(presence).collect()
        }
        Err(error) => {
            tracing::debug!(%error, "a disk does not say what it holds");
            vec![Presence::Unknown; shards.len()]
        }
    };
    (positions, found)
}
