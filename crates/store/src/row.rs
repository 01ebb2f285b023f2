//! [`Row`]: the disks that a new stripe goes to, and those that stand in when they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster::Topology;
use placement::{DiskId, Epoch, Group, GroupId, NodeId, StripeId};

/// Where a new stripe goes.
pub(crate) struct Row {
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    /// The disk of each slot, if it can be written to.
    targets: Vec<Option<DiskId>>,
    stripe: StripeId,
    topology: Arc<Topology>,
    /// Looked for when the first is needed.
    substitutes: Option<Substitutes>,
}

/// Disks outside of the group that can be written to, and how many shards of the stripe each node was given.
struct Substitutes {
    candidates: Vec<(DiskId, NodeId)>,
    given: BTreeMap<NodeId, usize>,
    /// A node with more shards than parity takes data along when it goes.
    given_max: usize,
    /// Nodes whose disks have failed, or are slow. They are asked last.
    doubtful: BTreeSet<NodeId>,
}

impl Row {
    /// The row of `group` for `stripe`.
    pub(crate) fn new(topology: Arc<Topology>, id: GroupId, stripe: StripeId) -> Option<Self> {
        let group = topology.table().group(id)?;
        let writable = |disk: &DiskId| topology.is_writable(*disk);
        let targets = group.slots.iter().map(|slot| slot.write_target().filter(writable)).collect();
        let epoch = group.epoch;
        Some(Self { group: id, epoch, targets, stripe, topology, substitutes: None })
    }

    /// Indices of its slots.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u8> + use<> {
        (0..self.targets.len()).map(|index| u8::try_from(index).expect("a stripe has at most 256 shards"))
    }

    /// The disk of a slot, if it can be written to.
    pub(crate) fn write_target(&self, index: u8) -> Option<DiskId> {
        self.targets[usize::from(index)]
    }

    /// The disk of each slot, whether or not it can be written to.
    pub(crate) fn holders(&self) -> Vec<Option<DiskId>> {
        let row = self.topology.table().group(self.group);
        row.into_iter().flat_map(|row| &row.slots).map(|slot| slot.write_target()).collect()
    }

    /// Takes a disk outside of the group, each at most once, in place of `failed`. One on a node that has fewer shards of
    /// the stripe than there is parity, and of whose disks none has failed, if there is such a disk.
    pub(crate) fn take_substitute(&mut self, failed: Option<DiskId>) -> Option<DiskId> {
        let Self { topology, group, targets, stripe, .. } = self;
        let substitutes = self.substitutes.get_or_insert_with(|| Substitutes::new(topology, *group, targets, *stripe));
        substitutes.take(failed.and_then(|disk| node_of(&self.topology, disk)))
    }
}

impl Substitutes {
    fn new(topology: &Topology, group: GroupId, targets: &[Option<DiskId>], stripe: StripeId) -> Self {
        let slots = topology.table().group(group).map_or(&[][..], |row: &Group| &row.slots);
        // A disk that a slot moves away from has no part in new stripes.
        let in_group: BTreeSet<DiskId> = slots.iter().filter_map(|slot| slot.write_target()).collect();
        let outside = topology.members().iter().filter(|(disk, _)| !in_group.contains(disk));
        let writable = outside.filter(|(disk, _)| topology.is_writable(**disk));
        let mut candidates: Vec<(DiskId, NodeId)> = writable.map(|(disk, member)| (*disk, member.node)).collect();
        if !candidates.is_empty() {
            let turn = stripe.hash() % candidates.len() as u64;
            candidates.rotate_left(usize::try_from(turn).expect("smaller than a length"));
            // What went to a disk that is being emptied would have to move again.
            candidates.sort_by_key(|(disk, _)| topology.members().get(disk).is_some_and(|member| member.leaving));
        }
        let mut given = BTreeMap::new();
        for node in targets.iter().flatten().filter_map(|disk| node_of(topology, *disk)) {
            *given.entry(node).or_insert(0) += 1;
        }
        let given_max = usize::from(topology.table().profile().parity());
        Self { candidates, given, given_max, doubtful: BTreeSet::new() }
    }

    fn take(&mut self, failed: Option<NodeId>) -> Option<DiskId> {
        if let Some(node) = failed {
            self.doubtful.insert(node);
            if let Some(count) = self.given.get_mut(&node) {
                *count -= 1;
            }
        }
        let is_full = |node: &NodeId| self.given.get(node).is_some_and(|count| self.given_max <= *count);
        let ranked = self.candidates.iter().enumerate();
        let best = ranked.min_by_key(|(_, (_, node))| (is_full(node), self.doubtful.contains(node)));
        let (position, (disk, node)) = best.map(|(position, candidate)| (position, *candidate))?;
        self.candidates.remove(position);
        *self.given.entry(node).or_insert(0) += 1;
        Some(disk)
    }
}

fn node_of(topology: &Topology, disk: DiskId) -> Option<NodeId> {
    Some(topology.members().get(&disk)?.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutes_spare_nodes_that_have_as_many_shards_as_there_is_parity() {
        let candidates = [(1, 1), (2, 1), (3, 2), (4, 3)];
        let candidates = candidates.map(|(disk, node)| (DiskId(disk), NodeId(node))).to_vec();
        let given = [(NodeId(1), 2), (NodeId(2), 1)].into();
        let mut substitutes = Substitutes { candidates, given, given_max: 2, doubtful: BTreeSet::new() };
        assert_eq!(substitutes.take(None), Some(DiskId(3)), "node 1 has enough");
        assert_eq!(substitutes.take(Some(NodeId(1))), Some(DiskId(4)), "a disk of node 1 has failed, others may, too");
        assert_eq!(substitutes.take(None), Some(DiskId(1)), "but it has room again");
        assert_eq!(substitutes.take(None), Some(DiskId(2)), "rather there than nowhere");
        assert_eq!(substitutes.take(None), None);
    }
}
