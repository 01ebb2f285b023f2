//! The disks in the planner's order, and how many shards of a group may share a node or rack.

use std::collections::BTreeMap;

use crate::fleet::{DiskSpec, DiskState, RackId};
use crate::identity::{DiskId, NodeId};
use crate::profile::Profile;

/// The living disks, sorted by identity; everything in the planner names a disk by its position here.
pub(crate) struct Fleet {
    disks: Vec<DiskSpec>,
    /// Position of each disk's node in `nodes`, and of its rack in `racks`.
    node_of: Vec<usize>,
    rack_of: Vec<usize>,
    /// Disks of each node; nodes of each rack.
    nodes: Vec<Vec<usize>>,
    racks: Vec<Vec<usize>>,
    profile: Profile,
    /// The most shards of a group that one node, or rack, may hold.
    node_cap: usize,
    rack_cap: usize,
}

impl Fleet {
    pub(crate) fn new(specs: &[DiskSpec], profile: Profile) -> Self {
        let mut disks: Vec<DiskSpec> = specs.to_vec();
        disks.sort_by_key(|disk| disk.id);
        disks.dedup_by_key(|disk| disk.id);
        disks.retain(|disk| disk.state != DiskState::Out);

        let mut by_node: BTreeMap<(RackId, NodeId), Vec<usize>> = BTreeMap::new();
        for (position, disk) in disks.iter().enumerate() {
            by_node.entry((disk.rack, disk.node)).or_default().push(position);
        }
        let mut by_rack: BTreeMap<RackId, Vec<usize>> = BTreeMap::new();
        let mut node_of = vec![0; disks.len()];
        for (node, (&(rack, _), members)) in by_node.iter().enumerate() {
            by_rack.entry(rack).or_default().push(node);
            members.iter().for_each(|&disk| node_of[disk] = node);
        }
        let nodes: Vec<Vec<usize>> = by_node.into_values().collect();
        let racks: Vec<Vec<usize>> = by_rack.into_values().collect();
        let mut rack_of = vec![0; disks.len()];
        for (rack, members) in racks.iter().enumerate() {
            members.iter().flat_map(|&node| &nodes[node]).for_each(|&disk| rack_of[disk] = rack);
        }

        // A disk that takes no new slots helps no group to obey a cap.
        let useful = |node: &Vec<usize>| node.iter().filter(|&&disk| disks[disk].state != DiskState::Draining).count();
        let disks_per_node: Vec<usize> = nodes.iter().map(useful).collect();
        let node_cap = smallest_cap(profile, &disks_per_node);
        let capped = |rack: &Vec<usize>| rack.iter().map(|&node| disks_per_node[node].min(node_cap)).sum();
        let disks_per_rack: Vec<usize> = racks.iter().map(capped).collect();
        let rack_cap = smallest_cap(profile, &disks_per_rack);
        Self { disks, node_of, rack_of, nodes, racks, profile, node_cap, rack_cap }
    }

    pub(crate) fn len(&self) -> usize {
        self.disks.len()
    }

    pub(crate) fn disk(&self, position: usize) -> &DiskSpec {
        &self.disks[position]
    }

    /// Where `disk` is; `None` for a lost disk.
    pub(crate) fn position(&self, disk: DiskId) -> Option<usize> {
        self.disks.binary_search_by_key(&disk, |spec| spec.id).ok()
    }

    /// Disks that carry, or may carry, a share of the data.
    pub(crate) fn in_service(&self) -> usize {
        self.disks.iter().filter(|disk| disk.state != DiskState::Draining).count()
    }

    pub(crate) fn node_of(&self, disk: usize) -> usize {
        self.node_of[disk]
    }

    pub(crate) fn rack_of(&self, disk: usize) -> usize {
        self.rack_of[disk]
    }

    /// Disks of each node.
    pub(crate) fn nodes(&self) -> &[Vec<usize>] {
        &self.nodes
    }

    /// Nodes of each rack.
    pub(crate) fn racks(&self) -> &[Vec<usize>] {
        &self.racks
    }

    pub(crate) fn profile(&self) -> Profile {
        self.profile
    }

    pub(crate) fn node_cap(&self) -> usize {
        self.node_cap
    }

    pub(crate) fn rack_cap(&self) -> usize {
        self.rack_cap
    }

    /// Shards of a group on each node if they were spread evenly: more is allowed, but not wished for.
    pub(crate) fn node_soft_cap(&self) -> usize {
        self.profile.shards().div_ceil(self.nodes.len().max(1))
    }

    /// The same for racks.
    pub(crate) fn rack_soft_cap(&self) -> usize {
        self.profile.shards().div_ceil(self.racks.len().max(1))
    }
}

/// The smallest cap, at least `m`, under which as many shards find a disk as without one.
///
/// Above `m`, losing the whole domain loses data: [`Survivability`](super::Survivability) says so.
fn smallest_cap(profile: Profile, disks_per_domain: &[usize]) -> usize {
    let placed = |cap: usize| disks_per_domain.iter().map(|&count| count.min(cap)).sum::<usize>();
    let shards = profile.shards();
    let wanted = placed(shards).min(shards);
    let lowest = usize::from(profile.parity()).max(1);
    (lowest..shards).find(|&cap| wanted <= placed(cap)).unwrap_or(shards)
}
