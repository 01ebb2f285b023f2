//! The placement table: groups, their slots, and how they change.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::identity::{DiskId, Epoch, GroupId, StripeId};
use crate::profile::Profile;

/// Bounds of the number of groups; powers of two.
const GROUPS_MIN: u64 = 256;
const GROUPS_MAX: u64 = 65536;

/// Slots a disk should have. Some 32 already reach every other disk for rebuilding (`distributed.md` §1.4).
const SLOTS_PER_DISK: u64 = 32;

/// Below this many slots a disk, the groups are split.
const SLOTS_PER_DISK_MIN: u64 = 16;

/// Who holds the shards of one index of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// Nobody: there are too few disks, and stripes miss this shard.
    Vacant,
    /// This disk holds all of them.
    Stable(DiskId),
    /// New shards go to `to`; older ones are found at `from` until they have been copied.
    Moving {
        /// Holds the shards written before the move began.
        from: DiskId,
        /// Receives new shards and the copies.
        to: DiskId,
    },
    /// New shards go to this disk; older ones are lost until they have been rebuilt here from the others.
    Rebuilding(DiskId),
}

impl Slot {
    /// The one disk that may accept new shards of this slot, if any.
    pub fn write_target(self) -> Option<DiskId> {
        match self {
            Self::Vacant => None,
            Self::Stable(disk) | Self::Rebuilding(disk) | Self::Moving { to: disk, .. } => Some(disk),
        }
    }

    /// The disks that may hold a shard of this slot, in the order in which to ask them.
    pub fn read_sources(self) -> impl Iterator<Item = DiskId> {
        let second = if let Self::Moving { from, .. } = self { Some(from) } else { None };
        self.write_target().into_iter().chain(second)
    }

    /// Whether the write target holds every shard of this slot (as far as the table knows).
    pub fn is_stable(self) -> bool {
        matches!(self, Self::Stable(_))
    }

    /// The slot once a census has found everything on the write target; `None` when nothing is in flight.
    pub fn settled(self) -> Option<Self> {
        match self {
            Self::Moving { to: disk, .. } | Self::Rebuilding(disk) => Some(Self::Stable(disk)),
            Self::Vacant | Self::Stable(_) => None,
        }
    }

    /// Whether a plan may turn `self` into `next`. `unused` says that no stripe was ever written to the table.
    fn may_become(self, next: Self, unused: bool) -> bool {
        match (self, next) {
            (Self::Vacant, Self::Stable(_)) => unused,
            (Self::Vacant, Self::Rebuilding(_)) => true,
            (Self::Stable(old), Self::Moving { from, to }) => old == from && from != to,
            (Self::Stable(_) | Self::Rebuilding(_) | Self::Moving { .. }, Self::Rebuilding(_) | Self::Vacant) => true,
            (Self::Moving { to: target, .. } | Self::Rebuilding(target), Self::Stable(disk)) => target == disk,
            _ => false,
        }
    }
}

/// One placement group: `k+m` slots; a shard's index in its stripe is its slot's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Version of the table at this group's last change. A storage call with another epoch is refused.
    pub epoch: Epoch,
    /// The slots by shard index; always `profile.shards()` of them.
    pub slots: Vec<Slot>,
}

/// Which disks every group consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub(crate) version: Epoch,
    pub(crate) profile: Profile,
    /// Version at each doubling of the groups, ascending.
    pub(crate) splits: Vec<Epoch>,
    pub(crate) groups: Vec<Group>,
}

/// One change of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The group, numbered as after the plan's splits.
    pub group: GroupId,
    /// The slot's position.
    pub index: u8,
    /// What the slot must be now.
    pub before: Slot,
    /// What it becomes.
    pub after: Slot,
}

/// A set of changes that take effect together, in one log entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of the table that the plan was made for; it applies to no other.
    pub based_on: Epoch,
    /// How many times the number of groups doubles before the moves.
    pub splits: u8,
    /// Changes, ordered by group and index.
    pub moves: Vec<Move>,
}

impl Plan {
    /// Whether applying the plan would change nothing.
    pub fn is_empty(&self) -> bool {
        self.splits == 0 && self.moves.is_empty()
    }
}

impl Table {
    /// A table at version zero whose slots are all vacant, with as many groups as `disks` disks call for.
    pub fn vacant(profile: Profile, disks: usize) -> Self {
        let slots = vec![Slot::Vacant; profile.shards()];
        let group = Group { epoch: Epoch(0), slots };
        let group_count = group_count(disks, profile);
        Self { version: Epoch(0), profile, splits: Vec::new(), groups: vec![group; group_count] }
    }

    /// The version: one more with every plan applied.
    pub fn version(&self) -> Epoch {
        self.version
    }

    /// The redundancy profile of the pool.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The row of `group`; `None` when the table has no such group.
    pub fn group(&self, group: GroupId) -> Option<&Group> {
        self.groups.get(group.0 as usize)
    }

    /// All groups in order of their numbers.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (GroupId, &Group)> {
        let number = |index| GroupId(u32::try_from(index).expect("at most 65536 groups"));
        self.groups.iter().enumerate().map(move |(index, group)| (number(index), group))
    }

    /// The group that now holds a stripe which was written to `group` at `epoch`.
    ///
    /// A group keeps its number until the groups are split; then half of its stripes, by the next bit of their
    /// hash, belong to the group that took its other half.
    pub fn resolve(&self, stripe: StripeId, group: GroupId, epoch: Epoch) -> GroupId {
        let hash = stripe.hash();
        let mut current = group.0;
        let mut group_count = self.groups.len() >> self.splits.len();
        for &split in &self.splits {
            if epoch < split && hash & group_count as u64 != 0 {
                current += u32::try_from(group_count).expect("at most 65536 groups");
            }
            group_count *= 2;
        }
        GroupId(current)
    }

    /// The groups that may hold stripes which were written to `group` at some time: itself, and those that splits made of
    /// it.
    pub fn heirs(&self, group: GroupId) -> impl Iterator<Item = GroupId> {
        // The number of groups when this one began.
        let mut group_count = self.groups.len() >> self.splits.len();
        while group_count <= group.0 as usize {
            group_count *= 2;
        }
        let heirs = (group.0 as usize..self.groups.len()).step_by(group_count);
        heirs.map(|heir| GroupId(u32::try_from(heir).expect("at most 65536 groups")))
    }

    /// Performs `plan` and raises the version, and the epoch of every group that it touches.
    ///
    /// # Errors
    ///
    /// The table is unchanged then. [`Error::StalePlan`] unless the plan was made for this very version;
    /// [`Error::IllegalMove`] and [`Error::DuplicateDisk`] when the plan itself is wrong.
    pub fn apply(&mut self, plan: &Plan) -> Result<()> {
        if plan.based_on != self.version {
            return Err(Error::StalePlan { based_on: plan.based_on, version: self.version });
        }
        let mut next = self.clone();
        let unused = self.version == Epoch(0);
        next.version = Epoch(self.version.0 + 1);
        for _ in 0..plan.splits {
            next.double();
        }
        for step in &plan.moves {
            let illegal = Error::IllegalMove { group: step.group, index: step.index };
            let Some(group) = next.groups.get_mut(step.group.0 as usize) else { return Err(illegal) };
            let Some(slot) = group.slots.get_mut(usize::from(step.index)) else { return Err(illegal) };
            if *slot != step.before || !slot.may_become(step.after, unused) {
                return Err(illegal);
            }
            *slot = step.after;
            group.epoch = next.version;
        }
        for step in &plan.moves {
            check_distinct(step.group, &next.groups[step.group.0 as usize])?;
        }
        *self = next;
        Ok(())
    }

    /// Doubles the number of groups: group `g + count` starts as a copy of group `g`, so no shard moves.
    pub(crate) fn double(&mut self) {
        for group in &mut self.groups {
            group.epoch = self.version;
        }
        self.groups.extend_from_within(..);
        self.splits.push(self.version);
    }

    /// How many times the groups must double for `disks` disks to have enough slots each.
    pub(crate) fn splits_wanted(&self, disks: usize) -> u8 {
        let mut slots = (self.groups.len() * self.profile.shards()) as u64;
        let mut group_count = self.groups.len() as u64;
        let mut splits = 0;
        while slots < SLOTS_PER_DISK_MIN * disks as u64 && group_count < GROUPS_MAX {
            slots *= 2;
            group_count *= 2;
            splits += 1;
        }
        splits
    }
}

/// Refuses a group that names a disk twice: two shards of a stripe would be lost together.
pub(crate) fn check_distinct(group: GroupId, row: &Group) -> Result<()> {
    let mut disks: Vec<DiskId> = row.slots.iter().flat_map(|slot| slot.read_sources()).collect();
    disks.sort_unstable();
    match disks.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::DuplicateDisk { group, disk: pair[0] }),
        None => Ok(()),
    }
}

/// The power of two nearest to `32 * disks / (k + m)`, within bounds.
fn group_count(disks: usize, profile: Profile) -> usize {
    let wanted = SLOTS_PER_DISK * disks as u64 / profile.shards() as u64;
    let above = wanted.clamp(GROUPS_MIN, GROUPS_MAX).next_power_of_two();
    let nearer_below = wanted < above / 2 + above / 4;
    let nearest = if nearer_below { above / 2 } else { above };
    usize::try_from(nearest.clamp(GROUPS_MIN, GROUPS_MAX)).expect("at most 65536 groups")
}

#[cfg(test)]
mod tests;
