//! The table and the plan as bytes; `docs/formats/placement-table.md` is the specification.
//!
//! Canonical: equal tables have equal bytes, and bytes that no table encodes to are refused.

use crate::error::{Error, Result};
use crate::identity::{DiskId, Epoch, GroupId};
use crate::profile::Profile;
use crate::table::{Group, Move, Plan, Slot, Table, check_distinct};

/// Format version that this program writes and reads.
const FORMAT_VERSION: u8 = 1;

/// Bounds on counts read from bytes, so that damage cannot make us reserve memory without limit.
const GROUPS_MAX: u32 = 65536;
const SPLITS_MAX: u8 = 16;

const VACANT: u8 = 0;
const STABLE: u8 = 1;
const MOVING: u8 = 2;
const REBUILDING: u8 = 3;

impl Table {
    /// The table's canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let disks = self.disks();
        let mut bytes = vec![FORMAT_VERSION, self.profile.data(), self.profile.parity()];
        put_u32(&mut bytes, self.version.0);
        bytes.push(u8::try_from(self.splits.len()).expect("the number of groups doubles at most 16 times"));
        self.splits.iter().for_each(|split| put_u32(&mut bytes, split.0));
        put_disks(&mut bytes, &disks);
        put_u32(&mut bytes, u32::try_from(self.groups.len()).expect("at most 65536 groups"));
        for group in &self.groups {
            put_u32(&mut bytes, group.epoch.0);
            group.slots.iter().for_each(|slot| put_slot(&mut bytes, &disks, *slot));
        }
        bytes
    }

    /// Reads the bytes of [`Table::encode`] back.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownFormat`] for another format version, [`Error::Damaged`] for bytes that no table encodes to.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes };
        reader.version()?;
        let profile = Profile::new(reader.u8()?, reader.u8()?).ok_or(damaged("no such profile"))?;
        let version = Epoch(reader.u32()?);
        let split_count = reader.u8()?;
        let splits = (0..split_count).map(|_| reader.u32().map(Epoch)).collect::<Result<Vec<_>>>()?;
        let disks = reader.disks()?;
        let group_count = reader.u32()?;
        let plausible = split_count <= SPLITS_MAX
            && group_count.is_power_of_two()
            && (1 << split_count) <= group_count
            && group_count <= GROUPS_MAX;
        if !plausible {
            return Err(damaged("impossible number of groups"));
        }
        let groups = (0..group_count).map(|_| reader.group(&disks, profile)).collect::<Result<Vec<_>>>()?;
        reader.finish()?;
        let table = Self { version, profile, splits, groups };
        table.check()?;
        if table.disks() != disks {
            return Err(damaged("lists a disk that no group uses"));
        }
        Ok(table)
    }

    /// Every disk that some slot names, ascending.
    pub fn disks(&self) -> Vec<DiskId> {
        let slots = self.groups.iter().flat_map(|group| &group.slots);
        sorted(slots.flat_map(|slot| slot.read_sources()).collect())
    }

    fn check(&self) -> Result<()> {
        let ascending = self.splits.windows(2).all(|pair| pair[0] <= pair[1]);
        let epochs = self.splits.iter().copied().chain(self.groups.iter().map(|group| group.epoch));
        if !ascending || epochs.max() > Some(self.version) {
            return Err(damaged("an epoch is out of order"));
        }
        let mut rows = self.groups();
        rows.try_for_each(|(id, group)| check_distinct(id, group))
    }
}

impl Plan {
    /// The plan's canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let slots = self.moves.iter().flat_map(|step| [step.before, step.after]);
        let disks = sorted(slots.flat_map(Slot::read_sources).collect());
        let mut bytes = vec![FORMAT_VERSION];
        put_u32(&mut bytes, self.based_on.0);
        bytes.push(self.splits);
        put_disks(&mut bytes, &disks);
        put_u32(&mut bytes, u32::try_from(self.moves.len()).expect("fewer moves than slots"));
        for step in &self.moves {
            put_u32(&mut bytes, step.group.0);
            bytes.push(step.index);
            put_slot(&mut bytes, &disks, step.before);
            put_slot(&mut bytes, &disks, step.after);
        }
        bytes
    }

    /// Reads the bytes of [`Plan::encode`] back. [`Table::apply`] judges the contents.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownFormat`] for another format version, [`Error::Damaged`] for bytes that end early or late, or
    /// name disks in another order.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader { bytes };
        reader.version()?;
        let based_on = Epoch(reader.u32()?);
        let splits = reader.u8()?;
        if SPLITS_MAX < splits {
            return Err(damaged("impossible number of splits"));
        }
        let disks = reader.disks()?;
        let move_count = reader.u32()?;
        let moves = (0..move_count).map(|_| reader.step(&disks)).collect::<Result<Vec<_>>>()?;
        reader.finish()?;
        Ok(Self { based_on, splits, moves })
    }
}

fn damaged(reason: &'static str) -> Error {
    Error::Damaged { reason }
}

fn sorted(mut disks: Vec<DiskId>) -> Vec<DiskId> {
    disks.sort_unstable();
    disks.dedup();
    disks
}

fn put_u32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_disks(bytes: &mut Vec<u8>, disks: &[DiskId]) {
    put_u32(bytes, u32::try_from(disks.len()).expect("fewer disks than slots"));
    disks.iter().for_each(|disk| bytes.extend_from_slice(&disk.0.to_le_bytes()));
}

fn put_slot(bytes: &mut Vec<u8>, disks: &[DiskId], slot: Slot) {
    let kind = match slot {
        Slot::Vacant => VACANT,
        Slot::Stable(_) => STABLE,
        Slot::Moving { .. } => MOVING,
        Slot::Rebuilding(_) => REBUILDING,
    };
    bytes.push(kind);
    for disk in slot.read_sources() {
        let position = disks.binary_search(&disk).expect("the list was made of these slots");
        put_u32(bytes, u32::try_from(position).expect("fewer disks than slots"));
    }
}

/// Takes values off the front of bytes that nobody has checked yet.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const SIZE: usize>(&mut self) -> Result<[u8; SIZE]> {
        let (first, rest) = self.bytes.split_first_chunk::<SIZE>().ok_or(damaged("ends early"))?;
        self.bytes = rest;
        Ok(*first)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(self.take::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn version(&mut self) -> Result<()> {
        let found = self.u8()?;
        if found == FORMAT_VERSION { Ok(()) } else { Err(Error::UnknownFormat { found, known: FORMAT_VERSION }) }
    }

    fn disks(&mut self) -> Result<Vec<DiskId>> {
        let count = self.u32()?;
        let disks = (0..count).map(|_| Ok(DiskId(u128::from_le_bytes(self.take()?)))).collect::<Result<Vec<_>>>()?;
        let ascending = disks.windows(2).all(|pair| pair[0] < pair[1]);
        if ascending { Ok(disks) } else { Err(damaged("disks are not in ascending order")) }
    }

    fn disk(&mut self, disks: &[DiskId]) -> Result<DiskId> {
        let position = self.u32()?;
        disks.get(position as usize).copied().ok_or(damaged("names a disk beyond its list"))
    }

    fn slot(&mut self, disks: &[DiskId]) -> Result<Slot> {
        match self.u8()? {
            VACANT => Ok(Slot::Vacant),
            STABLE => Ok(Slot::Stable(self.disk(disks)?)),
            MOVING => {
                let to = self.disk(disks)?;
                Ok(Slot::Moving { from: self.disk(disks)?, to })
            }
            REBUILDING => Ok(Slot::Rebuilding(self.disk(disks)?)),
            _ => Err(damaged("unknown kind of slot")),
        }
    }

    fn group(&mut self, disks: &[DiskId], profile: Profile) -> Result<Group> {
        let epoch = Epoch(self.u32()?);
        let slots = (0..profile.shards()).map(|_| self.slot(disks)).collect::<Result<Vec<_>>>()?;
        Ok(Group { epoch, slots })
    }

    fn step(&mut self, disks: &[DiskId]) -> Result<Move> {
        let group = GroupId(self.u32()?);
        let index = self.u8()?;
        Ok(Move { group, index, before: self.slot(disks)?, after: self.slot(disks)? })
    }

    fn finish(self) -> Result<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(damaged("has bytes after its end")) }
    }
}
