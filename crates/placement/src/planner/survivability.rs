//! What the fleet may lose next without losing data.

use std::collections::BTreeMap;

use crate::fleet::{DiskSpec, DiskState, RackId};
use crate::identity::{DiskId, NodeId};
use crate::table::{Slot, Table};

/// Which single further loss every stripe survives, as things are now: vacant slots and slots that are still being
/// rebuilt count as lost already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivability {
    /// Every stripe can be read now.
    pub readable: bool,
    /// Any one disk may be lost.
    pub disk: bool,
    /// Any one node may be lost.
    pub node: bool,
    /// Any one rack may be lost.
    pub rack: bool,
}

impl Survivability {
    /// Judges `table` on the fleet `disks`.
    pub fn of(table: &Table, disks: &[DiskSpec]) -> Self {
        let living = disks.iter().filter(|disk| disk.state != DiskState::Out);
        let fleet: BTreeMap<DiskId, &DiskSpec> = living.map(|disk| (disk.id, disk)).collect();
        let parity = usize::from(table.profile().parity());
        let mut verdict = Self { readable: true, disk: true, node: true, rack: true };
        for (_, group) in table.groups() {
            let mut per_node: BTreeMap<NodeId, usize> = BTreeMap::new();
            let mut per_rack: BTreeMap<RackId, usize> = BTreeMap::new();
            let mut missing = 0;
            for slot in &group.slots {
                let Some(disk) = surest_holder(*slot).and_then(|disk| fleet.get(&disk)) else {
                    missing += 1;
                    continue;
                };
                *per_node.entry(disk.node).or_default() += 1;
                *per_rack.entry(disk.rack).or_default() += 1;
            }
            let survives = |largest: Option<&usize>| missing + largest.copied().unwrap_or(0) <= parity;
            verdict.readable &= missing <= parity;
            verdict.disk &= missing < parity;
            verdict.node &= survives(per_node.values().max());
            verdict.rack &= survives(per_rack.values().max());
        }
        verdict
    }
}

/// The disk that holds most of the slot's shards; the source, while a move lasts.
fn surest_holder(slot: Slot) -> Option<DiskId> {
    match slot {
        Slot::Stable(disk) | Slot::Moving { from: disk, .. } => Some(disk),
        Slot::Vacant | Slot::Rebuilding(_) => None,
    }
}
