//! Finds the newest state of the log that the mirrors have together, and brings every mirror up to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use env::OpenMode;

use super::index::{Place, Slot};
use super::record::{Control, HardState, SEGMENT_HEADER_SIZE, SegmentHeader, Sequence};
use super::scan::{Located, Scanned, SegmentName, scan_mirror, scan_segment};
use crate::error::{Error, Result};
use crate::mirror::Mirror;

/// The log as found.
pub(super) struct Recovered {
    pub(super) hard_state: HardState,
    pub(super) slots: VecDeque<Slot>,
    /// Segments that every mirror in service holds whole now, in order.
    pub(super) segments: Vec<SegmentName>,
    /// Sequence number of the next record.
    pub(super) next: Sequence,
    /// Highest generation that any mirror knows of; 0 when there is none.
    pub(super) generation: u32,
}

/// One mirror and what it has.
struct Copy {
    mirror: Arc<Mirror>,
    segments: BTreeMap<SegmentName, Scanned>,
}

/// A segment as the mirrors hold it together, cut to the sequence numbers that are taken from it.
struct Merged {
    name: SegmentName,
    records: BTreeMap<Sequence, Located>,
    /// First sequence number of the next segment.
    end: Option<Sequence>,
}

/// Reads all `mirrors`, decides where the log ends, and heals them. A mirror that fails is retired.
///
/// # Errors
///
/// [`Error::LogHole`], [`Error::Diverged`], [`Error::Unsupported`], [`Error::ForeignMirror`]; [`Error::Unavailable`]
/// when every mirror fails.
pub(super) fn recover(mirrors: &[Arc<Mirror>], realm: u128) -> Result<Recovered> {
    let copies = scan_all(mirrors, realm)?;
    let nonces = refuse_diverged(&copies)?;
    let generation = copies.iter().flat_map(|copy| copy.segments.keys()).map(|name| name.generation).max();
    let (chain, next) = whole_chain(live_segments(&copies))?;
    let replayed = replay(&chain)?;
    for copy in &copies {
        let healed = heal(
            copy,
            &chain,
            |name| SegmentHeader {
                generation: name.generation,
                realm,
                nonce: nonces.get(&name.generation).map_or(0, |(nonce, _)| *nonce),
                first: name.first,
            },
            &copies,
        );
        match healed {
            Err(error @ Error::Io { .. }) => copy.mirror.retire(&error),
            result => result?,
        }
    }
    if !mirrors.iter().any(|mirror| mirror.in_service()) {
        return Err(Error::Unavailable);
    }
    let (hard_state, slots) = replayed;
    let segments = chain.iter().map(|segment| segment.name).collect();
    Ok(Recovered { hard_state, slots, segments, next, generation: generation.unwrap_or(0) })
}

fn scan_all(mirrors: &[Arc<Mirror>], realm: u128) -> Result<Vec<Copy>> {
    let mut copies = Vec::new();
    for mirror in mirrors.iter().filter(|mirror| mirror.in_service()) {
        match scan_mirror(mirror, realm) {
            Ok(scanned) => {
                let segments = scanned.into_iter().map(|segment| (segment.name, segment)).collect();
                copies.push(Copy { mirror: mirror.clone(), segments });
            }
            Err(error @ Error::Io { .. }) => mirror.retire(&error),
            Err(error) => return Err(error),
        }
    }
    if copies.is_empty() { Err(Error::Unavailable) } else { Ok(copies) }
}

/// Each start draws a nonce for its generation: two nonces are two starts that did not know of each other.
fn refuse_diverged(copies: &[Copy]) -> Result<BTreeMap<u32, (u64, PathBuf)>> {
    let mut nonces: BTreeMap<u32, (u64, PathBuf)> = BTreeMap::new();
    for copy in copies {
        for segment in copy.segments.values().filter(|segment| !segment.records.is_empty()) {
            let Some(nonce) = segment.nonce else { continue };
            let directory = copy.mirror.directory();
            let (known, first) =
                nonces.entry(segment.name.generation).or_insert_with(|| (nonce, directory.to_path_buf()));
            if *known != nonce {
                return Err(Error::Diverged { first: first.clone(), second: directory.to_path_buf() });
            }
        }
    }
    Ok(nonces)
}

/// The segments that count, in order, without what later generations replaced.
fn live_segments(copies: &[Copy]) -> Vec<Merged> {
    let mut merged: BTreeMap<SegmentName, BTreeMap<Sequence, Located>> = BTreeMap::new();
    for segment in copies.iter().flat_map(|copy| copy.segments.values()) {
        let records = merged.entry(segment.name).or_default();
        for record in &segment.records {
            records.entry(record.header.stamp.sequence).or_insert_with(|| record.clone());
        }
    }
    let mut live: Vec<Merged> = Vec::new();
    for (name, records) in merged {
        // Without any record its creation was cut short: nothing was ever written behind it.
        let replaced = live.last().is_some_and(|last| name.generation < last.name.generation);
        if records.is_empty() || replaced {
            continue;
        }
        if live.last().is_some_and(|last| last.name.first == name.first) {
            live.pop();
        }
        if let Some(last) = live.last_mut() {
            last.records.split_off(&name.first);
            last.end = Some(name.first);
        }
        live.push(Merged { name, records, end: None });
    }
    live
}

/// The longest run of records without a hole that ends the log, and the sequence number behind it.
fn whole_chain(live: Vec<Merged>) -> Result<(Vec<Merged>, Sequence)> {
    let acknowledged =
        live.iter().flat_map(|segment| segment.records.values().map(|record| record.header.stamp.acknowledged));
    let begun = live.iter().map(|segment| segment.name.first - 1);
    let proven = acknowledged.chain(begun).max().unwrap_or(0);
    let mut chain: Vec<Merged> = Vec::new();
    let mut next = live.first().map_or(1, |segment| segment.name.first);
    let mut hole = None;
    for mut segment in live {
        assert_eq!(next, segment.name.first, "each segment ends where the next begins");
        while segment.records.contains_key(&next) {
            next += 1;
        }
        let whole = segment.end == Some(next);
        if !whole && next <= proven {
            // What lies in front of a hole is of use only if nothing behind it needs it.
            hole = Some(next);
            chain.clear();
            next = segment.end.ok_or(Error::LogHole { sequence: next })?;
            continue;
        }
        // Beyond `next` there is at most the rest of a torn write, in the last segment.
        segment.records.split_off(&next);
        if !segment.records.is_empty() {
            chain.push(segment);
        }
    }
    let floor = chain.iter().flat_map(|segment| segment.records.values()).filter_map(floor_of).max().unwrap_or(0);
    let start = chain.first().map_or(floor, |segment| segment.name.first);
    match hole {
        Some(sequence) if floor < start => Err(Error::LogHole { sequence }),
        None if floor < start => Err(Error::LogHole { sequence: start - 1 }),
        _ => Ok((chain, next)),
    }
}

fn floor_of(record: &Located) -> Option<Sequence> {
    match record.control.as_ref()? {
        Control::State(state) => Some(state.floor),
        Control::Purge { floor, .. } => Some(*floor),
        Control::Truncate(_) | Control::Vote(_) | Control::Committed(_) => None,
    }
}

/// What the records of the chain amount to.
fn replay(chain: &[Merged]) -> Result<(HardState, VecDeque<Slot>)> {
    let mut state = HardState::default();
    let mut slots: VecDeque<Slot> = VecDeque::new();
    for (segment, record) in
        chain.iter().flat_map(|segment| segment.records.values().map(move |record| (segment, record)))
    {
        match &record.control {
            Some(Control::State(found)) => state = found.clone(),
            Some(Control::Truncate(index)) => {
                while slots.back().is_some_and(|slot| *index <= slot.id.index) {
                    slots.pop_back();
                }
            }
            Some(Control::Purge { last, floor }) => {
                state.floor = *floor;
                state.purged = state.purged.max(Some(*last));
            }
            Some(Control::Vote(vote)) => state.vote = Some(vote.clone()),
            Some(Control::Committed(committed)) => state.committed = *committed,
            None => {
                let place = Place {
                    segment: segment.name,
                    offset: record.offset,
                    sequence: record.header.stamp.sequence,
                    payload_length: record.header.payload_length,
                };
                slots.push_back(Slot { id: record.header.id, kind: record.header.kind, place, payload: None });
            }
        }
        while slots.front().is_some_and(|slot| state.purged.is_some_and(|purged| slot.id.index <= purged.index)) {
            slots.pop_front();
        }
    }
    let indexes = state.purged.iter().map(|purged| purged.index).chain(slots.iter().map(|slot| slot.id.index));
    let pairs = indexes.clone().zip(indexes.skip(1));
    for (position, (before, after)) in pairs.enumerate() {
        if before + 1 != after {
            let slot = &slots[position.min(slots.len() - 1)];
            return Err(Error::LogHole { sequence: slot.place.sequence });
        }
    }
    Ok((state, slots))
}

/// Gives `copy` every segment of the chain, whole and nothing but it.
fn heal(
    copy: &Copy,
    chain: &[Merged],
    header_of: impl Fn(SegmentName) -> SegmentHeader,
    copies: &[Copy],
) -> Result<()> {
    let directory = copy.mirror.log_directory();
    for segment in chain {
        let path = segment.name.path(&directory);
        match copy.segments.get(&segment.name) {
            Some(own) if holds(own, segment) => {
                if size_of(segment) < own.file_size {
                    copy.mirror.attempt("cut", &path, |files| {
                        let file = files.open(&path, OpenMode::ReadWrite)?;
                        file.set_size(size_of(segment))?;
                        file.sync_data()
                    })?;
                }
            }
            _ => rewrite(&copy.mirror, segment, header_of(segment.name), copies)?,
        }
    }
    let kept: BTreeSet<SegmentName> = chain.iter().map(|segment| segment.name).collect();
    let mut removed = false;
    for name in copy.segments.keys().filter(|name| !kept.contains(name)) {
        copy.mirror.remove(&name.path(&directory))?;
        removed = true;
    }
    if removed { copy.mirror.sync_directory(&directory) } else { Ok(()) }
}

/// Gives `mirror` the segment anew, each record from a copy that has it.
fn rewrite(mirror: &Mirror, segment: &Merged, header: SegmentHeader, copies: &[Copy]) -> Result<()> {
    let path = segment.name.path(&mirror.log_directory());
    tracing::warn!(segment = %path.display(), "healing a segment of the metadata log");
    let bytes = assemble(segment, header, copies)?;
    mirror.replace(&path, &[&bytes])
}

/// Rereads a segment that nobody writes any more, all of whose records lie before `end`, in all `mirrors`, and rewrites
/// the copies that are damaged. What cannot be read counts as damaged; a mirror that cannot be written is retired.
/// Returns how many copies were damaged.
///
/// # Errors
///
/// [`Error::LogHole`] when a record is damaged in every copy, [`Error::Unsupported`], [`Error::ForeignMirror`].
pub(super) fn reread(name: SegmentName, end: Sequence, mirrors: &[Arc<Mirror>], realm: u128) -> Result<usize> {
    let mut copies = Vec::new();
    for mirror in mirrors {
        let segments = match scan_segment(mirror, name, realm) {
            Ok(scanned) => BTreeMap::from([(name, scanned)]),
            Err(Error::Io { .. }) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        copies.push(Copy { mirror: mirror.clone(), segments });
    }
    let scanned = || copies.iter().filter_map(|copy| copy.segments.get(&name));
    let mut records: BTreeMap<Sequence, Located> = BTreeMap::new();
    for record in scanned().flat_map(|segment| &segment.records) {
        records.entry(record.header.stamp.sequence).or_insert_with(|| record.clone());
    }
    if let Some(sequence) = (name.first..end).find(|sequence| !records.contains_key(sequence)) {
        return Err(Error::LogHole { sequence });
    }
    let nonce = scanned().find_map(|segment| segment.nonce).unwrap_or(0);
    let merged = Merged { name, records, end: Some(end) };
    let is_damaged = |copy: &&Copy| !copy.segments.get(&name).is_some_and(|own| holds(own, &merged));
    let damaged: Vec<&Copy> = copies.iter().filter(is_damaged).collect();
    for copy in &damaged {
        let header = SegmentHeader { generation: name.generation, realm, nonce, first: name.first };
        if let Err(error) = rewrite(&copy.mirror, &merged, header, &copies) {
            copy.mirror.retire(&error);
        }
    }
    Ok(damaged.len())
}

/// Whether `own` has all records of `segment`, and where they belong.
fn holds(own: &Scanned, segment: &Merged) -> bool {
    let mut records = own.records.iter();
    own.nonce.is_some()
        && segment.records.iter().all(|(sequence, wanted)| {
            records
                .next()
                .is_some_and(|record| record.header.stamp.sequence == *sequence && record.offset == wanted.offset)
        })
}

/// Bytes that the segment's file has from start to end.
fn size_of(segment: &Merged) -> u64 {
    let last = segment.records.last_key_value();
    last.map_or(SEGMENT_HEADER_SIZE as u64, |(_, record)| record.offset + record.header.size() as u64)
}

/// The segment's bytes, each record from a mirror that has it.
fn assemble(segment: &Merged, header: SegmentHeader, copies: &[Copy]) -> Result<Vec<u8>> {
    let mut bytes = header.encode().to_vec();
    bytes.resize(usize::try_from(size_of(segment)).expect("a segment fits memory"), 0);
    let mut missing: BTreeMap<Sequence, &Located> = segment.records.iter().map(|(key, value)| (*key, value)).collect();
    for source in copies {
        let Some(scanned) = source.segments.get(&segment.name) else { continue };
        let path = segment.name.path(&source.mirror.log_directory());
        let content = match source.mirror.read_whole(&path) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => {
                source.mirror.retire(&error);
                continue;
            }
        };
        for record in &scanned.records {
            let start = usize::try_from(record.offset).expect("a segment fits memory");
            let range = start..start + super::record::RECORD_HEADER_SIZE + record.header.payload_length;
            if let (Some(found), true) =
                (content.get(range.clone()), missing.contains_key(&record.header.stamp.sequence))
            {
                bytes[range].copy_from_slice(found);
                missing.remove(&record.header.stamp.sequence);
            }
        }
    }
    match missing.pop_first() {
        Some((sequence, _)) => Err(Error::LogHole { sequence }),
        None => Ok(bytes),
    }
}
