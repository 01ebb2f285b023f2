//! A page: its canonical bytes, checked once and then searched in place. Format: `docs/formats/prolly-page.md`.

mod builder;
mod decode;

pub(crate) use builder::PageBuilder;

use std::cmp;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::Result;
use crate::hash::Hash;
use crate::location::Location;
use crate::summary::Summary;

/// Bytes before the prefix.
const HEADER_SIZE: usize = 12;
/// Bytes of a suffix that are kept in `heads`.
const HEAD_SIZE: usize = 4;
/// Bytes of an entry of `ends`.
const END_SIZE: usize = 4;
/// Bit of a suffix length that says that the value is spilled.
const SPILLED: u16 = 1 << 15;
/// Longest value that is kept in a leaf.
pub(crate) const INLINE_LENGTH_MAX: usize = 1024;
/// Most key and payload bytes of a page with more than one record; keeps record ends in 16 bits.
pub(crate) const WEIGHT_MAX: usize = u16::MAX as usize;

/// The page begins at a natural boundary or at the start of its level.
const NATURAL_START: u8 = 2;
/// The page ends at a natural boundary or at the end of its level.
const NATURAL_END: u8 = 1;

/// A decoded page. Its fields are views into its bytes.
///
/// What a search needs comes first and is small: behind the counts of an `Arc` it shares their cache line.
#[repr(C)]
pub struct Page {
    /// The page, then its trailer.
    bytes: Bytes,
    ends_at: u32,
    records_at: u32,
    count: u16,
    level: u8,
    flags: u8,
    /// Whether the page was found in memory since the cache last asked.
    touched: AtomicBool,
    hash: Hash,
    page_length: u32,
    /// Children that were read through this page, as long as a cache or a reader keeps them: finding one again costs one
    /// load from memory, where a look into a cache costs three.
    children: OnceLock<Box<[Mutex<Weak<Page>>]>>,
}

/// Which ends of a page are natural boundaries (or ends of the level), and which were made by a fail-safe cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Natural {
    pub(crate) start: bool,
    pub(crate) end: bool,
}

/// Where a page or blob is, as a page names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) hash: Hash,
    pub(crate) location: Location,
    /// Whether a leaf at or below the page has spilled values; `false` for a blob.
    pub(crate) spills: bool,
}

/// What a leaf holds for a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stored<'a> {
    Inline(&'a [u8]),
    Spilled { link: Link, length: usize, summary: Summary },
}

/// A record as it lies in a page: payload in canonical form, with its trailer entry if it has one.
#[derive(Clone, Copy)]
pub(crate) struct RawRecord<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) spilled: bool,
    pub(crate) place: Option<Place>,
}

/// An entry of a page's trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) location: Location,
    pub(crate) spills: bool,
}

impl Page {
    /// Decodes a page followed by its trailer. `hash` is believed: see [`Page::verify`].
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::Error::Unsupported) for another format, [`Malformed`](crate::Error::Malformed) for
    /// anything that is not canonical.
    pub fn decode(hash: Hash, bytes: Bytes) -> Result<Self> {
        decode::decode(hash, bytes)
    }

    /// Whether the bytes have the hash under which the page was asked for.
    pub fn verify(&self) -> bool {
        Hash::of_page(self.canonical()) == self.hash
    }

    /// The page's identity.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The bytes under the hash.
    pub fn canonical(&self) -> &[u8] {
        &self.bytes[..self.page_length as usize]
    }

    /// The bytes to keep: the canonical ones and the trailer.
    pub(crate) fn with_trailer(&self) -> &[u8] {
        &self.bytes
    }

    /// 0 for a leaf.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Number of records, at least 1.
    pub(crate) fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// The byte that says which ends are natural.
    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }

    pub(crate) fn natural(&self) -> Natural {
        Natural { start: self.flags & NATURAL_START != 0, end: self.flags & NATURAL_END != 0 }
    }

    /// What the flags of a page say; `None` for unknown ones.
    pub(crate) fn natural_of(flags: u8) -> Option<Natural> {
        let natural = Natural { start: flags & NATURAL_START != 0, end: flags & NATURAL_END != 0 };
        (flags & !(NATURAL_START | NATURAL_END) == 0).then_some(natural)
    }

    fn prefix(&self) -> &[u8] {
        &self.bytes[HEADER_SIZE..self.heads_at()]
    }

    fn heads_at(&self) -> usize {
        self.ends_at as usize - HEAD_SIZE * usize::from(self.count)
    }

    fn heads(&self) -> &[[u8; HEAD_SIZE]] {
        self.bytes[self.heads_at()..self.ends_at as usize].as_chunks().0
    }

    fn ends(&self) -> &[[u8; END_SIZE]] {
        self.bytes[self.ends_at as usize..self.records_at as usize].as_chunks().0
    }

    /// Suffix length, spilled bit, and the record's bytes.
    fn record(&self, index: usize) -> (usize, bool, &[u8]) {
        let ends = self.ends();
        let start = if index == 0 { 0 } else { usize::from(end_of(&ends[index - 1])) };
        let (suffix_length, spilled) = suffix_of(&ends[index]);
        let records_at = self.records_at as usize;
        let record = records_at + start..records_at + usize::from(end_of(&ends[index]));
        (suffix_length, spilled, &self.bytes[record])
    }

    /// The part of the key that lies in `record`, given the suffix length.
    fn split_record(suffix_length: usize, record: &[u8]) -> (&[u8], &[u8]) {
        record.split_at(suffix_length.saturating_sub(HEAD_SIZE))
    }

    /// Appends the whole key of record `index`.
    pub(crate) fn push_key(&self, index: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.prefix());
        self.push_suffix(index, out);
    }

    /// Appends the key of record `index` without the prefix; returns the record's payload and whether it is spilled.
    fn push_suffix(&self, index: usize, out: &mut Vec<u8>) -> (&[u8], bool) {
        let (suffix_length, spilled, record) = self.record(index);
        let (behind_head, payload) = Self::split_record(suffix_length, record);
        let head = &self.heads()[index];
        // Pushing the whole head is a move of constant size.
        out.extend_from_slice(head);
        match behind_head.is_empty() {
            true => out.truncate(out.len() - HEAD_SIZE + suffix_length),
            false => out.extend_from_slice(behind_head),
        }
        (payload, spilled)
    }

    /// Makes `key` the prefix, for [`Page::replace_key`].
    pub(crate) fn start_key(&self, key: &mut Vec<u8>) {
        key.clear();
        key.extend_from_slice(self.prefix());
    }

    /// Makes `key` the key of record `index`, when it is that of another record of this page; the prefix stays.
    pub(crate) fn replace_key(&self, index: usize, key: &mut Vec<u8>) -> (&[u8], bool) {
        key.truncate(self.prefix().len());
        self.push_suffix(index, key)
    }

    /// The whole key of record `index`.
    pub(crate) fn key(&self, index: usize) -> Vec<u8> {
        let mut key = Vec::new();
        self.push_key(index, &mut key);
        key
    }

    /// The whole key of the last record.
    pub(crate) fn last_key(&self) -> Vec<u8> {
        self.key(self.count() - 1)
    }

    pub(crate) fn payload(&self, index: usize) -> &[u8] {
        let (suffix_length, _, record) = self.record(index);
        Self::split_record(suffix_length, record).1
    }

    pub(crate) fn is_spilled(&self, index: usize) -> bool {
        suffix_of(&self.ends()[index]).1
    }

    /// Whether any value of this leaf is spilled, or any leaf below this inner page has spilled values.
    pub(crate) fn spills(&self) -> bool {
        match self.level {
            0 => self.canonical().len() < self.bytes.len(),
            _ => self.places().iter().any(|entry| Location::decode(entry).1 != 0),
        }
    }

    fn places(&self) -> &[[u8; Location::SIZE]] {
        self.bytes[self.page_length as usize..].as_chunks().0
    }

    /// Where the child or blob of record `index` lies.
    pub(crate) fn place(&self, index: usize) -> Option<Place> {
        let entry = match self.level {
            0 if !self.is_spilled(index) => return None,
            0 => self.ends()[..index].iter().filter(|end| suffix_of(end).1).count(),
            _ => index,
        };
        let (location, flags) = Location::decode(&self.places()[entry]);
        Some(Place { location, spills: flags != 0 })
    }

    pub(crate) fn raw(&self, index: usize) -> RawRecord<'_> {
        let (suffix_length, spilled, record) = self.record(index);
        let payload = Self::split_record(suffix_length, record).1;
        RawRecord { payload, spilled, place: self.place(index) }
    }

    /// The hash of the child or blob that record `index` names.
    pub(crate) fn named_hash(&self, index: usize) -> Hash {
        assert!(0 < self.level || self.is_spilled(index), "a value in the leaf has no hash");
        leading_hash(self.payload(index))
    }

    /// The same page with another trailer; `None` if that is the one it has.
    pub(crate) fn relocated(&self, places: &[Place]) -> Option<Page> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        bytes.extend_from_slice(self.canonical());
        places.iter().for_each(|place| place.location.encode(u8::from(place.spills), &mut bytes));
        assert!(bytes.len() == self.bytes.len(), "as many places as before");
        (bytes != self.bytes).then(|| self.with_bytes(Bytes::from(bytes)))
    }

    /// The same page in memory of its own.
    pub(crate) fn copy(&self) -> Page {
        self.with_bytes(Bytes::copy_from_slice(&self.bytes))
    }

    /// The same page, whose bytes differ in the trailer at most.
    fn with_bytes(&self, bytes: Bytes) -> Page {
        let Page { ends_at, records_at, count, level, flags, hash, page_length, .. } = *self;
        let (touched, children) = (AtomicBool::new(false), OnceLock::new());
        Page { bytes, ends_at, records_at, count, level, flags, touched, hash, page_length, children }
    }

    /// The child of record `index`, if it was read through this page and is still in memory.
    pub(crate) fn resident_child(&self, index: usize) -> Option<Arc<Page>> {
        let child = self.children.get()?[index].lock().upgrade()?;
        child.touch();
        Some(child)
    }

    /// Notes that the child of record `index` is in memory, if it was used before: what remains of a child that was
    /// noted and dropped, some 130 bytes, is not worth keeping for children that are read once.
    pub(crate) fn note_child(&self, index: usize, child: &Arc<Page>) {
        if !child.touched.load(Ordering::Relaxed) {
            return;
        }
        let children = self.children.get_or_init(|| (0..self.count).map(|_| Mutex::default()).collect());
        *children[index].lock() = Arc::downgrade(child);
    }

    /// Notes that the page was found in memory.
    pub(crate) fn touch(&self) {
        if !self.touched.load(Ordering::Relaxed) {
            self.touched.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the page was found in memory since this was last asked.
    pub(crate) fn take_touch(&self) -> bool {
        self.touched.swap(false, Ordering::Relaxed)
    }

    /// Gives the memory back for another page.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.bytes.try_into_mut().map(Vec::from).unwrap_or_default()
    }

    /// A handle on a part of the page's bytes.
    pub(crate) fn slice(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }

    /// The child of record `index`.
    pub(crate) fn child(&self, index: usize) -> Link {
        assert!(0 < self.level, "a leaf has no children");
        let (location, flags) = Location::decode(&self.places()[index]);
        Link { hash: leading_hash(self.payload(index)), location, spills: flags != 0 }
    }

    /// Summary of everything below the child of record `index`.
    pub(crate) fn child_summary(&self, index: usize) -> Summary {
        assert!(0 < self.level, "a leaf has no children");
        decode_summary(&self.payload(index)[Hash::SIZE..])
    }

    /// What this leaf holds in record `index`.
    pub(crate) fn stored(&self, index: usize) -> Stored<'_> {
        assert!(self.level == 0, "an inner page has no values");
        let payload = self.payload(index);
        match self.place(index) {
            None => Stored::Inline(payload),
            Some(place) => decode_spilled(payload, place),
        }
    }

    /// The first record whose key is at least `key`, and whether it equals `key`.
    pub(crate) fn search(&self, key: &[u8]) -> (usize, bool) {
        let prefix = self.prefix();
        let shared = prefix.len().min(key.len());
        match key[..shared].cmp(&prefix[..shared]) {
            cmp::Ordering::Less => return (0, false),
            cmp::Ordering::Greater => return (self.count(), false),
            cmp::Ordering::Equal if key.len() < prefix.len() => return (0, false),
            cmp::Ordering::Equal => {}
        }
        let suffix = &key[prefix.len()..];
        let head = head_of(suffix);
        let heads = self.heads();
        let mut low = heads.partition_point(|other| *other < head);
        let mut high = low + heads[low..].iter().take_while(|other| **other == head).count();
        while low < high {
            let middle = low + (high - low) / 2;
            match self.compare_behind_head(middle, suffix) {
                cmp::Ordering::Less => low = middle + 1,
                cmp::Ordering::Greater => high = middle,
                cmp::Ordering::Equal => return (middle, true),
            }
        }
        (low, false)
    }

    /// Compares the key of record `index` with one that has the same prefix and the same padded head. Where a suffix
    /// ends within the head, the padding equals the other's zeroes, so the shorter one is a prefix of the other.
    fn compare_behind_head(&self, index: usize, suffix: &[u8]) -> cmp::Ordering {
        let (suffix_length, _, record) = self.record(index);
        let behind_head = Self::split_record(suffix_length, record).0;
        let other = suffix.get(HEAD_SIZE..).unwrap_or_default();
        behind_head.cmp(other).then(suffix_length.cmp(&suffix.len()))
    }

    /// Memory the page takes, about, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let children = if self.level == 0 { 0 } else { size_of::<Mutex<Weak<Page>>>() * self.count() };
        size_of::<Page>() + self.bytes.len() + children
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({}, level {}, {} records)", self.hash, self.level, self.count)
    }
}

/// First bytes of a suffix, padded; compares as the suffix does, ties apart.
fn head_of(suffix: &[u8]) -> [u8; HEAD_SIZE] {
    match suffix.first_chunk() {
        Some(head) => *head,
        None => std::array::from_fn(|i| suffix.get(i).copied().unwrap_or(0)),
    }
}

fn suffix_of(end: &[u8; END_SIZE]) -> (usize, bool) {
    let field = u16::from_le_bytes([end[0], end[1]]);
    (usize::from(field & !SPILLED), field & SPILLED != 0)
}

fn end_of(end: &[u8; END_SIZE]) -> u16 {
    u16::from_le_bytes([end[2], end[3]])
}

/// The hash at the start of a payload that the decoder accepted.
fn leading_hash(payload: &[u8]) -> Hash {
    Hash::from_bytes(*payload.first_chunk().expect("decoded payloads hold a hash"))
}

/// The summary that a payload, which the decoder accepted, ends with.
fn decode_summary(mut bytes: &[u8]) -> Summary {
    Summary::decode(&mut bytes).expect("decoded payloads hold a summary")
}

/// Length of the value that a spilled record's payload stands for.
pub(crate) fn spilled_length(payload: &[u8]) -> usize {
    let length = payload[Hash::SIZE..].first_chunk().expect("decoded payloads hold a length");
    u32::from_le_bytes(*length) as usize
}

fn decode_spilled(payload: &[u8], place: Place) -> Stored<'static> {
    let link = Link { hash: leading_hash(payload), location: place.location, spills: false };
    let summary = decode_summary(&payload[Hash::SIZE + 4..]);
    Stored::Spilled { link, length: spilled_length(payload), summary }
}

/// Payload of an inner record.
pub(crate) fn encode_child(hash: &Hash, summary: &Summary, out: &mut Vec<u8>) {
    out.extend_from_slice(hash.as_bytes());
    summary.encode(out);
}

/// Payload of a leaf record whose value is spilled.
pub(crate) fn encode_spilled(hash: &Hash, length: u32, summary: &Summary, out: &mut Vec<u8>) {
    out.extend_from_slice(hash.as_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    summary.encode(out);
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the tests' numbers are small")]
mod tests;
