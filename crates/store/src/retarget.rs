//! Brings a manifest up to date with a placement table that changed while its shards were being written.
//!
//! The metadata refuses a commit whose shards were written to a disk that has lost its slot, because whoever fills the slot
//! anew might not know of them. The shards are durable where they are nevertheless. A manifest that says so, at the group's
//! newer epoch, may be committed: the slot's new holder fetches them from there.

use std::collections::{BTreeMap, BTreeSet};

use cluster::Topology;
use meta::record::{Hlc, Segment, StripeException, StripeSlot};
use placement::{DiskId, Epoch, GroupId, StripeId};

/// The disks of each group's slots when stripes were written to it.
pub(crate) type WrittenRows = BTreeMap<(GroupId, Epoch), Vec<Option<DiskId>>>;

/// Lets every stripe of `segment` name the group's row of now, and the disks where its shards really are. A shard whose
/// disk does not answer any more is missing.
pub(crate) fn retarget(segment: &mut Segment, rows: &WrittenRows, topology: &Topology) {
    let table = topology.table();
    let write_id = segment.write_id.0;
    for (slot, number) in segment.slots.iter_mut().zip(0..) {
        let now = table.resolve(StripeId { write_id, number }, slot.group, slot.epoch);
        let (Some(row), Some(written)) = (table.group(now), rows.get(&(slot.group, slot.epoch))) else { continue };
        if row.epoch <= slot.epoch {
            continue;
        }
        let before = segment.exceptions.remove(&number).unwrap_or_default();
        let after = exception(&before, written, row, topology);
        if !(after.missing.is_empty() && after.overrides.is_empty()) {
            segment.exceptions.insert(number, after);
        }
        *slot = StripeSlot { group: now, epoch: row.epoch };
    }
}

fn exception(
    before: &StripeException,
    written: &[Option<DiskId>],
    row: &placement::Group,
    topology: &Topology,
) -> StripeException {
    let mut missing = BTreeSet::new();
    let mut overrides = BTreeMap::new();
    for ((slot, written), index) in row.slots.iter().zip(written).zip(0..) {
        let lies_at = before.overrides.get(&index).copied().or(*written);
        match lies_at.filter(|disk| !before.missing.contains(&index) && topology.disk(*disk).is_some()) {
            None => drop(missing.insert(index)),
            Some(disk) if slot.write_target() == Some(disk) => {}
            Some(disk) => drop(overrides.insert(index, disk)),
        }
    }
    StripeException { missing, since: Hlc::ZERO, overrides }
}
