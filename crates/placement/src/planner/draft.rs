//! The placement being planned: who holds which slot, and what a change would be worth.

use std::collections::BTreeSet;

use crate::fleet::DiskState;
use crate::identity::{DiskId, Epoch, GroupId};
use crate::table::Table;

use super::fleet::Fleet;
use super::mix;

/// Weight of spreading each disk's neighbours evenly (fast rebuilds) against evening out the fill.
const COMPANY_WEIGHT: f64 = 0.8;

/// Weight of giving every disk its share of data positions (even reads).
const DATA_WEIGHT: f64 = 0.5;

/// Price of one shard above the even spread over nodes or racks.
const SOFT_CAP_WEIGHT: f64 = 0.5;

/// Worth of mending a group that breaks a cap.
const MEND_WEIGHT: f64 = 4.0;

/// An assignment of slots to disks, all named by their positions in the fleet.
pub(crate) struct Draft<'a> {
    fleet: &'a Fleet,
    shards: usize,
    /// Holder of each slot, group by group.
    holders: Vec<Option<usize>>,
    /// Living holders as the table has them: what they hold must be copied if the slot moves.
    origins: Vec<Option<usize>>,
    /// Sources of moves in flight: their disks may take no other slot of the group.
    leaving: BTreeSet<(GroupId, usize)>,
    /// Slots that were taken from disks in doubt, and from which.
    relieved: Vec<(GroupId, usize, usize)>,
    /// Groups in which something is in flight: what lives there stays.
    busy: Vec<bool>,
    /// Groups in which each disk holds a slot.
    held: Vec<BTreeSet<GroupId>>,
    /// Data positions among the slots of each disk.
    data_counts: Vec<u64>,
    /// How many groups each pair of disks shares.
    company: Vec<u32>,
    targets: Vec<u64>,
}

impl<'a> Draft<'a> {
    /// Takes over what lives of `table`, but for the slots that shall be relieved of the disk that they name.
    pub(crate) fn new(table: &Table, fleet: &'a Fleet, is_relieved: impl Fn(GroupId, DiskId) -> bool) -> Self {
        let (disks, shards) = (fleet.len(), fleet.profile().shards());
        let mut draft = Self {
            fleet,
            shards,
            holders: vec![None; table.groups().len() * shards],
            origins: Vec::new(),
            leaving: BTreeSet::new(),
            relieved: Vec::new(),
            busy: Vec::new(),
            held: vec![BTreeSet::new(); disks],
            data_counts: vec![0; disks],
            company: vec![0; disks * disks],
            targets: vec![0; disks],
        };
        let unused = table.version() == Epoch(0);
        for (group, row) in table.groups() {
            draft.busy.push(!unused && row.slots.iter().any(|slot| slot.settled().is_some()));
            for (index, slot) in row.slots.iter().enumerate() {
                let mut sources = slot.read_sources().filter_map(|disk| fleet.position(disk));
                let holder = sources.next();
                let in_doubt = holder.filter(|&holder| is_relieved(group, fleet.disk(holder).id));
                let source = sources.next();
                match in_doubt {
                    Some(disk) if source.is_none() => {
                        draft.leaving.insert((group, disk));
                        draft.relieved.push((group, index, disk));
                    }
                    Some(_) => draft.set(group, index, source),
                    None => {
                        draft.set(group, index, holder);
                        draft.leaving.extend(source.map(|from| (group, from)));
                    }
                }
            }
        }
        draft.origins.clone_from(&draft.holders);
        draft
    }

    /// Gives slots back that no other disk can have.
    pub(crate) fn return_unrelieved(&mut self) {
        for (group, index, disk) in std::mem::take(&mut self.relieved) {
            if self.holder(group, index).is_none() {
                self.set(group, index, Some(disk));
                let slot = self.slot(group, index);
                self.origins[slot] = Some(disk);
            }
        }
    }

    pub(crate) fn set_targets(&mut self, targets: Vec<u64>) {
        self.targets = targets;
    }

    pub(crate) fn group_count(&self) -> usize {
        self.busy.len()
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        (0..u32::try_from(self.busy.len()).expect("at most 65536 groups")).map(GroupId)
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards
    }

    pub(crate) fn disks(&self) -> usize {
        self.fleet.len()
    }

    /// Slots that `disk` holds.
    pub(crate) fn count(&self, disk: usize) -> u64 {
        self.held[disk].len() as u64
    }

    /// Groups in which `disk` holds a slot.
    pub(crate) fn held(&self, disk: usize) -> &BTreeSet<GroupId> {
        &self.held[disk]
    }

    pub(crate) fn holder(&self, group: GroupId, index: usize) -> Option<usize> {
        self.holders[self.slot(group, index)]
    }

    /// The slot of `group` that `disk` holds.
    pub(crate) fn index_of(&self, group: GroupId, disk: usize) -> Option<usize> {
        self.row(group).iter().position(|holder| *holder == Some(disk))
    }

    /// Slots that `disk` should get (positive) or give away (negative).
    pub(crate) fn deficit(&self, disk: usize) -> i64 {
        self.targets[disk].cast_signed() - self.count(disk).cast_signed()
    }

    /// The deficit as a part of the target.
    pub(crate) fn need(&self, disk: usize) -> f64 {
        self.deficit(disk) as f64 / self.targets[disk].max(1) as f64
    }

    /// Whether the slot's holder may change: nobody living holds its shards, or nothing is in flight in its group.
    ///
    /// A group with a vacancy waits too: the source of a move may take no other slot, and might be needed for it.
    pub(crate) fn is_movable(&self, group: GroupId, index: usize) -> bool {
        self.is_free(group, index) || !(self.busy[group.0 as usize] || self.row(group).contains(&None))
    }

    /// Whether moving the slot costs no copying: nobody living holds its shards.
    pub(crate) fn is_free(&self, group: GroupId, index: usize) -> bool {
        self.origins[self.slot(group, index)].is_none()
    }

    /// Whom this plan takes the slot from, and who gets it, if it moves at all.
    pub(crate) fn taken(&self, group: GroupId, index: usize) -> Option<(usize, usize)> {
        let slot = self.slot(group, index);
        let (former, receiver) = (self.origins[slot]?, self.holders[slot]?);
        (former != receiver).then_some((former, receiver))
    }

    /// Whether `disk` may hold the slot without doubling up in the group, ever, while shards move.
    pub(crate) fn is_distinct(&self, group: GroupId, index: usize, disk: usize) -> bool {
        let own = self.slot(group, index);
        let start = own - index;
        let doubled = (start..start + self.shards)
            .filter(|&slot| slot != own)
            .any(|slot| self.holders[slot] == Some(disk) || self.origins[slot] == Some(disk));
        !doubled && !self.leaving.contains(&(group, disk))
    }

    /// Whether `disk` in this slot keeps the group within the caps of its node and rack.
    pub(crate) fn is_within_caps(&self, group: GroupId, index: usize, disk: usize) -> bool {
        let (in_node, in_rack) = self.neighbours(group, index, disk);
        in_node < self.fleet.node_cap() && in_rack < self.fleet.rack_cap()
    }

    /// Whether `disk` may get this slot: in service, distinct, within the caps.
    pub(crate) fn fits(&self, group: GroupId, index: usize, disk: usize) -> bool {
        self.takes_slots(disk) && self.is_distinct(group, index, disk) && self.is_within_caps(group, index, disk)
    }

    /// Whether `disk` may get slots at all.
    pub(crate) fn takes_slots(&self, disk: usize) -> bool {
        let spec = self.fleet.disk(disk);
        spec.state == DiskState::In && 0 < spec.weight
    }

    /// Whether `disk` shall hold nothing any more.
    pub(crate) fn must_be_emptied(&self, disk: usize) -> bool {
        self.fleet.disk(disk).state == DiskState::Draining
    }

    /// Whether the slot's holder breaks a cap together with others of its group.
    pub(crate) fn breaks_cap(&self, group: GroupId, index: usize) -> bool {
        self.holder(group, index).is_some_and(|disk| !self.is_within_caps(group, index, disk))
    }

    /// Gives the slot to `disk`.
    pub(crate) fn set(&mut self, group: GroupId, index: usize, disk: Option<usize>) {
        let slot = self.slot(group, index);
        if let Some(old) = self.holders[slot].take() {
            self.account(group, index, old, -1);
            self.held[old].remove(&group);
        }
        if let Some(new) = disk {
            self.account(group, index, new, 1);
            self.held[new].insert(group);
        }
        self.holders[slot] = disk;
    }

    /// How good it is to give the slot to `disk`; larger is better. Only the order of values means something.
    pub(crate) fn score(&self, group: GroupId, index: usize, disk: usize) -> f64 {
        let target = self.targets[disk].max(1) as f64;

        // Row by row of the others: those stay in the cache while one disk after the other is scored.
        let others = self.row(group).iter().enumerate().filter(|(other, _)| *other != index);
        let shared: u32 =
            others.filter_map(|(_, holder)| holder.map(|other| self.company[self.pair(other, disk)])).sum();
        // Shared groups per pair if company were spread evenly, times the pairs of a group.
        let even = target * ((self.shards - 1) * (self.shards - 1)) as f64 / (self.disks().max(2) - 1) as f64;
        let company = f64::from(shared) / even.max(1.0);

        let data = usize::from(self.fleet.profile().data());
        let data_share = self.data_counts[disk] as f64 * self.shards as f64 / (target * data as f64);
        let data_excess = if index < data { data_share } else { -data_share };

        let (in_node, in_rack) = self.neighbours(group, index, disk);
        let crowding = (in_node + 1).saturating_sub(self.fleet.node_soft_cap())
            + (in_rack + 1).saturating_sub(self.fleet.rack_soft_cap());

        let tie = mix(group, index, disk) as f64 / u64::MAX as f64;
        let mends = if self.breaks_cap(group, index) { MEND_WEIGHT } else { 0.0 };
        self.need(disk) + mends
            - COMPANY_WEIGHT * company
            - DATA_WEIGHT * data_excess
            - SOFT_CAP_WEIGHT * crowding as f64
            + 1e-9 * tie
    }

    /// Shards of the group, other than this slot's, on the node and in the rack of `disk`.
    fn neighbours(&self, group: GroupId, index: usize, disk: usize) -> (usize, usize) {
        let (node, rack) = (self.fleet.node_of(disk), self.fleet.rack_of(disk));
        let (mut in_node, mut in_rack) = (0, 0);
        for (other, holder) in self.row(group).iter().enumerate() {
            if let Some(holder) = holder.filter(|_| other != index) {
                in_node += usize::from(self.fleet.node_of(holder) == node);
                in_rack += usize::from(self.fleet.rack_of(holder) == rack);
            }
        }
        (in_node, in_rack)
    }

    fn account(&mut self, group: GroupId, index: usize, disk: usize, change: i32) {
        if index < usize::from(self.fleet.profile().data()) {
            self.data_counts[disk] = self.data_counts[disk].saturating_add_signed(i64::from(change));
        }
        let start = self.slot(group, 0);
        for slot in (start..start + self.shards).filter(|&slot| slot != start + index) {
            if let Some(other) = self.holders[slot] {
                for pair in [self.pair(disk, other), self.pair(other, disk)] {
                    self.company[pair] = self.company[pair].saturating_add_signed(change);
                }
            }
        }
    }

    fn row(&self, group: GroupId) -> &[Option<usize>] {
        &self.holders[self.slot(group, 0)..][..self.shards]
    }

    fn slot(&self, group: GroupId, index: usize) -> usize {
        group.0 as usize * self.shards + index
    }

    fn pair(&self, disk: usize, other: usize) -> usize {
        disk * self.disks() + other
    }
}
