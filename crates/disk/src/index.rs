//! Where each shard is: an ordered map in memory, and what of each extent is live.
//!
//! The index is a cache of the records. Only the writer (and recovery) changes places, always upwards, so that
//! replaying a record twice changes nothing. A deleted shard keeps an entry as long as records of it exist: its
//! tombstone must outlive them, or reading the log again would bring the shard back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

use erasure::ShardIdentity;
use parking_lot::RwLock;

use crate::record::{Layout, from_units, to_units};
use crate::report::{InventoryEntry, ShardEntry};

/// A place in the log. Later records have higher places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) extent: u32,
    /// In bytes.
    pub(crate) offset: u64,
}

/// What an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Live,
    /// Found damaged; a new record of the shard heals it.
    Damaged,
    /// The entry is the tombstone.
    Deleted,
}

/// One shard's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) size: u32,
    pub(crate) group: u32,
    pub(crate) intent_epoch: u64,
    pub(crate) state: State,
    /// Records of the shard in existence, dead ones included. [`COPIES_MANY`] never goes down again.
    pub(crate) copies: u8,
}

/// As many copies as can be counted. A tombstone of such a shard is kept for good, which is safe.
pub(crate) const COPIES_MANY: u8 = 7;
/// Size of a packed entry, in bytes.
pub(crate) const PACKED_SIZE: usize = 24;

/// The order of encoded identities is that of identities.
type Key = [u8; ShardIdentity::ENCODED_SIZE];

/// An entry in 24 bytes: a large disk has tens of millions. As in the checkpoint, `docs/formats/disk.md`.
#[derive(Clone, Copy)]
pub(crate) struct Packed([u8; PACKED_SIZE]);

impl Entry {
    /// Bytes its record takes.
    pub(crate) fn record_size(&self) -> u64 {
        let layout = match self.state {
            State::Live | State::Damaged => Layout::shard(self.size as usize),
            State::Deleted => Layout::tombstone(),
        };
        layout.size as u64
    }

    /// Place after its record.
    pub(crate) fn record_end(&self) -> u64 {
        self.position.offset + self.record_size()
    }

    pub(crate) fn pack(&self) -> Packed {
        let state = match self.state {
            State::Live => 0,
            State::Damaged => 1,
            State::Deleted => 2,
        };
        let flags = self.size | state << 27 | u32::from(self.copies) << 29;
        let mut bytes = [0; PACKED_SIZE];
        bytes[..4].copy_from_slice(&self.position.extent.to_le_bytes());
        bytes[4..8].copy_from_slice(&to_units(self.position.offset).to_le_bytes());
        bytes[8..12].copy_from_slice(&flags.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.group.to_le_bytes());
        bytes[16..].copy_from_slice(&self.intent_epoch.to_le_bytes());
        Packed(bytes)
    }
}

impl Packed {
    pub(crate) fn bytes(&self) -> &[u8; PACKED_SIZE] {
        &self.0
    }

    /// Takes bytes from a checkpoint; `None` if they are no entry.
    pub(crate) fn from_bytes(bytes: [u8; PACKED_SIZE]) -> Option<Self> {
        (bytes[11] >> 3 & 3 != 3).then_some(Self(bytes))
    }

    pub(crate) fn unpack(&self) -> Entry {
        let word = |start: usize| u32::from_le_bytes(*self.0[start..].first_chunk().expect("inside 24 bytes"));
        let flags = word(8);
        Entry {
            position: Position { extent: word(0), offset: from_units(word(4)) },
            size: flags & ((1 << 27) - 1),
            group: word(12),
            intent_epoch: u64::from(word(16)) | u64::from(word(20)) << 32,
            state: match flags >> 27 & 3 {
                0 => State::Live,
                1 => State::Damaged,
                _ => State::Deleted,
            },
            copies: self.0[11] >> 5,
        }
    }
}

/// What of an extent the index points to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Bytes of records.
    pub(crate) bytes: u64,
    /// Records, damaged ones included.
    pub(crate) records: u64,
    /// Damaged records.
    pub(crate) damaged: u64,
}

/// A change that a durable record makes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Put { identity: ShardIdentity, position: Position, size: u32, group: u32, intent_epoch: u64 },
    Delete { identity: ShardIdentity, position: Position },
}

/// The map, behind a short lock.
#[derive(Default)]
pub(crate) struct Index {
    map: RwLock<Map>,
}

#[derive(Default)]
struct Map {
    entries: BTreeMap<Key, Packed>,
    tallies: BTreeMap<u32, Tally>,
    /// Shards that exist.
    shards: u64,
    /// All records before this place are in the map.
    applied: Position,
}

impl Index {
    /// Starts from entries in ascending order of identity.
    pub(crate) fn from_sorted(entries: Vec<(Key, Packed)>, applied: Position) -> Self {
        let mut map = Map { applied, ..Map::default() };
        for (_, packed) in &entries {
            map.count(&packed.unpack());
        }
        map.entries = entries.into_iter().collect();
        Self { map: RwLock::new(map) }
    }

    pub(crate) fn get(&self, identity: &ShardIdentity) -> Option<Entry> {
        self.map.read().entries.get(&identity.encode()).map(Packed::unpack)
    }

    /// Applies the changes of a synced batch, in order of place, up to `applied`.
    pub(crate) fn apply(&self, changes: &[Change], applied: Position) {
        let mut map = self.map.write();
        for change in changes {
            map.apply(change);
        }
        map.applied = map.applied.max(applied);
    }

    /// Quarantines the record at `position`, if it is still the shard's; whether it was live until now.
    pub(crate) fn mark_damaged(&self, identity: &ShardIdentity, position: Position) -> bool {
        let mut map = self.map.write();
        let Some(entry) = map.entries.get(&identity.encode()).map(Packed::unpack) else { return false };
        let is_live = entry.state == State::Live && entry.position == position;
        if is_live {
            map.replace(*identity, Entry { state: State::Damaged, ..entry });
        }
        is_live
    }

    /// Counts down the records of `identities`, which are gone with their extent; drops tombstones without a cause.
    pub(crate) fn release(&self, identities: &[ShardIdentity]) {
        let mut map = self.map.write();
        for identity in identities {
            let Some(mut entry) = map.entries.get(&identity.encode()).map(Packed::unpack) else { continue };
            if entry.copies != COPIES_MANY {
                entry.copies = entry.copies.saturating_sub(1);
            }
            if entry.state == State::Deleted && entry.copies == 0 {
                map.remove(identity);
            } else {
                map.replace(*identity, entry);
            }
        }
    }

    pub(crate) fn tally(&self, extent: u32) -> Tally {
        self.map.read().tallies.get(&extent).copied().unwrap_or_default()
    }

    /// Entries whose records lie, in part, in bytes `range` of `extent`. Looks at every entry.
    pub(crate) fn in_range(&self, extent: u32, range: &Range<u64>) -> Vec<(ShardIdentity, Entry)> {
        self.select(|entry| {
            let touches = entry.position.offset < range.end && range.start < entry.record_end();
            entry.position.extent == extent && touches
        })
    }

    /// Extents that entries point to.
    pub(crate) fn extents(&self) -> Vec<u32> {
        self.map.read().tallies.keys().copied().collect()
    }

    /// Drops the entries that point to `extents` and gives them. Looks at every entry, if there are such extents.
    pub(crate) fn drop_extents(&self, extents: &BTreeSet<u32>) -> Vec<(ShardIdentity, Entry)> {
        if extents.is_empty() {
            return Vec::new();
        }
        let lost = self.select(|entry| extents.contains(&entry.position.extent));
        let mut map = self.map.write();
        for (identity, _) in &lost {
            map.remove(identity);
        }
        lost
    }

    fn select(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<(ShardIdentity, Entry)> {
        let map = self.map.read();
        let entries = map.entries.iter().map(|(key, packed)| (ShardIdentity::decode(key), packed.unpack()));
        entries.filter(|(_, entry)| is_wanted(entry)).collect()
    }

    /// Up to `limit` packed entries after `after`, for a checkpoint.
    pub(crate) fn page(&self, after: Option<Key>, limit: usize) -> Vec<(Key, Packed)> {
        let map = self.map.read();
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        map.entries.range((lower, Bound::Unbounded)).take(limit).map(|(key, packed)| (*key, *packed)).collect()
    }

    /// Up to `limit` shards that exist after `after`, looking at no more than a few times as many entries at once.
    pub(crate) fn inventory(&self, after: Option<ShardIdentity>, limit: usize) -> Vec<InventoryEntry> {
        let map = self.map.read();
        let lower = after.map_or(Bound::Unbounded, |identity| Bound::Excluded(identity.encode()));
        let entries = map.entries.range((lower, Bound::Unbounded));
        let shards = entries.filter_map(|(key, packed)| {
            let entry = packed.unpack().summary()?;
            Some(InventoryEntry { identity: ShardIdentity::decode(key), entry })
        });
        shards.take(limit).collect()
    }

    /// Shards that exist, and entries in all.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let map = self.map.read();
        (map.shards, map.entries.len() as u64)
    }

    /// Bytes of records that the index points to.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.map.read().tallies.values().map(|tally| tally.bytes).sum()
    }

    /// Shards that are known to be damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.map.read().tallies.values().map(|tally| tally.damaged).sum()
    }

    /// Where the last record of `extent` ends that an entry points to. Looks at every entry.
    pub(crate) fn end_of(&self, extent: u32) -> Option<u64> {
        let map = self.map.read();
        let entries = map.entries.values().map(Packed::unpack).filter(|entry| entry.position.extent == extent);
        entries.map(|entry| entry.record_end()).max()
    }

    pub(crate) fn applied(&self) -> Position {
        self.map.read().applied
    }
}

impl Entry {
    /// What callers see; `None` for a tombstone.
    pub(crate) fn summary(&self) -> Option<ShardEntry> {
        let damaged = match self.state {
            State::Live => false,
            State::Damaged => true,
            State::Deleted => return None,
        };
        Some(ShardEntry { size: self.size, group: self.group, intent_epoch: self.intent_epoch, damaged })
    }
}

impl Map {
    fn apply(&mut self, change: &Change) {
        let (identity, position) = match *change {
            Change::Put { identity, position, .. } | Change::Delete { identity, position } => (identity, position),
        };
        let old = self.entries.get(&identity.encode()).map(Packed::unpack);
        let is_known = old.is_some_and(|old| position <= old.position);
        if is_known {
            return;
        }
        let copies = old.map_or(0, |old| old.copies);
        match (*change, old) {
            (Change::Put { size, group, intent_epoch, .. }, _) => {
                let copies = (copies + 1).min(COPIES_MANY);
                self.replace(identity, Entry { position, size, group, intent_epoch, state: State::Live, copies });
            }
            // Records that the tombstone could outlive come before it: there are none.
            (Change::Delete { .. }, None) => {}
            (Change::Delete { .. }, Some(_)) => {
                let (size, group, intent_epoch) = (0, 0, 0);
                self.replace(identity, Entry { position, size, group, intent_epoch, state: State::Deleted, copies });
            }
        }
    }

    fn replace(&mut self, identity: ShardIdentity, entry: Entry) {
        let old = self.entries.insert(identity.encode(), entry.pack());
        if let Some(old) = old {
            self.discount(&old.unpack());
        }
        self.count(&entry);
    }

    fn remove(&mut self, identity: &ShardIdentity) {
        if let Some(old) = self.entries.remove(&identity.encode()) {
            self.discount(&old.unpack());
        }
    }

    fn count(&mut self, entry: &Entry) {
        self.shards += u64::from(entry.state != State::Deleted);
        let tally = self.tallies.entry(entry.position.extent).or_default();
        tally.bytes += entry.record_size();
        tally.records += 1;
        tally.damaged += u64::from(entry.state == State::Damaged);
    }

    fn discount(&mut self, entry: &Entry) {
        self.shards -= u64::from(entry.state != State::Deleted);
        let tally = self.tallies.get_mut(&entry.position.extent).expect("counted when the entry was added");
        tally.bytes -= entry.record_size();
        tally.records -= 1;
        tally.damaged -= u64::from(entry.state == State::Damaged);
        if tally.records == 0 {
            self.tallies.remove(&entry.position.extent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(number: u128) -> ShardIdentity {
        ShardIdentity { write_id: number, stripe: 0, index: 0 }
    }

    fn at(extent: u32, offset: u64) -> Position {
        Position { extent, offset }
    }

    fn put(number: u128, position: Position) -> Change {
        Change::Put { identity: identity(number), position, size: 100, group: 3, intent_epoch: 1 << 33 }
    }

    fn delete(number: u128, position: Position) -> Change {
        Change::Delete { identity: identity(number), position }
    }

    #[test]
    fn entries_survive_packing() {
        for state in [State::Live, State::Damaged, State::Deleted] {
            for copies in 0..=COPIES_MANY {
                let entry = Entry {
                    position: at(u32::MAX, 8 * u64::from(u32::MAX)),
                    size: 1 << 26,
                    group: 5,
                    intent_epoch: u64::MAX - 1,
                    state,
                    copies,
                };
                let packed = Packed::from_bytes(*entry.pack().bytes()).unwrap();
                assert_eq!(packed.unpack(), entry);
            }
        }
    }

    #[test]
    fn the_highest_place_holds_in_whatever_way_records_are_repeated() {
        let records = [
            put(1, at(1, 4096)),
            delete(1, at(1, 8192)),
            put(1, at(2, 4096)),
            put(2, at(2, 8192)),
            delete(2, at(3, 0)),
        ];
        let index = Index::default();
        index.apply(&records, at(3, 8));
        index.apply(&records, at(3, 8));
        index.apply(&records[1..3], at(3, 8));
        assert_eq!(index.get(&identity(1)).unwrap().position, at(2, 4096));
        assert_eq!(index.get(&identity(1)).unwrap().copies, 2);
        assert_eq!(index.get(&identity(2)).unwrap().state, State::Deleted);
        assert_eq!(index.counts(), (1, 2));
        assert_eq!((index.tally(1).records, index.tally(2).records, index.tally(3).records), (0, 1, 1));
        assert_eq!(index.applied(), at(3, 8));
    }

    #[test]
    fn a_tombstone_lives_as_long_as_records_of_its_shard() {
        let index = Index::default();
        index.apply(&[put(1, at(1, 8)), put(1, at(2, 8)), delete(1, at(3, 8))], at(3, 88));
        index.release(&[identity(1)]);
        assert_eq!(index.get(&identity(1)).unwrap().state, State::Deleted);
        index.release(&[identity(1)]);
        assert_eq!(index.get(&identity(1)), None);
        assert_eq!(index.tally(3), Tally::default());
    }

    #[test]
    fn uncountable_copies_keep_the_tombstone() {
        let index = Index::default();
        for extent in 1..=20 {
            index.apply(&[put(1, at(extent, 8))], at(extent, 16));
        }
        index.apply(&[delete(1, at(30, 8))], at(30, 16));
        for _ in 0..30 {
            index.release(&[identity(1)]);
        }
        assert_eq!(index.get(&identity(1)).unwrap().state, State::Deleted);
    }

    #[test]
    fn damage_counts_only_for_the_record_that_holds() {
        let index = Index::default();
        index.apply(&[put(1, at(1, 8))], at(1, 500));
        assert!(!index.mark_damaged(&identity(1), at(1, 16)));
        assert!(index.mark_damaged(&identity(1), at(1, 8)));
        assert!(!index.mark_damaged(&identity(1), at(1, 8)), "known already");
        assert_eq!(index.tally(1).damaged, 1);
        assert!(index.inventory(None, 9)[0].entry.damaged);
        index.apply(&[put(1, at(2, 8))], at(2, 500));
        assert!(!index.inventory(None, 9)[0].entry.damaged);
        assert_eq!((index.tally(1), index.tally(2).damaged), (Tally::default(), 0));
    }

    #[test]
    fn inventories_page_in_order() {
        let index = Index::default();
        let changes: Vec<Change> = (0..100u64).map(|number| put(number.into(), at(1, 8 * number + 8))).collect();
        index.apply(&changes, at(1, 1000));
        index.apply(&[delete(50, at(2, 8))], at(2, 16));
        let mut seen = Vec::new();
        loop {
            let page = index.inventory(seen.last().copied(), 7);
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|entry| entry.identity));
        }
        let expected: Vec<ShardIdentity> = (0..100).filter(|number| *number != 50).map(identity).collect();
        assert_eq!(seen, expected);
    }
}
