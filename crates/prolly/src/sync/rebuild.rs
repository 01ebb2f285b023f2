//! Puts a page together from what came and what was there.

use std::sync::Arc;

use bytes::Bytes;

use super::wire::{Fingerprint, Part, Piece, fingerprint, malformed};
use crate::error::Result;
use crate::hash::Hash;
use crate::location::Location;
use crate::page::{Page, PageBuilder, Place, RawRecord, WEIGHT_MAX};
use crate::tree::Tree;

/// A record of a local page.
#[derive(Clone)]
pub(super) struct LocalRecord {
    pub(super) page: Arc<Page>,
    pub(super) index: usize,
}

/// A page that has the hash it was asked for by. Where `known` has no place, the trailer says where the sender has it.
pub(super) struct Rebuilt {
    pub(super) page: Page,
    /// One for each entry of the trailer: the local place of what it names.
    pub(super) known: Vec<Option<Place>>,
}

/// A record of the page that is put together.
struct Record {
    key: Vec<u8>,
    payload: Bytes,
    is_spilled: bool,
    /// Where what it names lies, and whether that is a local place.
    place: Option<(Place, bool)>,
}

impl LocalRecord {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let record = self.page.raw(self.index);
        fingerprint(&self.page.key(self.index), record.payload, record.spilled)
    }

    fn record(&self) -> Record {
        let RawRecord { payload, spilled, place } = self.page.raw(self.index);
        let key = self.page.key(self.index);
        let place = place.map(|place| (place, true));
        Record { key, payload: self.page.slice(payload), is_spilled: spilled, place }
    }
}

/// The page with `hash` of `part`; `None` when it has another hash.
///
/// # Errors
///
/// [`Malformed`](crate::Error::Malformed) when it is no page at all.
pub(super) fn rebuild(hash: Hash, part: Part, local: &[LocalRecord]) -> Result<Option<Rebuilt>> {
    match part {
        Part::Page(bytes) => {
            let page = Page::decode(hash, bytes)?;
            let known = matches_of(&page, local);
            Ok(page.verify().then_some(Rebuilt { page, known }))
        }
        Part::Records { level, flags, pieces } => {
            let records = records_of(pieces, local)?;
            let Some(page) = build(level, flags, &records)? else { return Ok(None) };
            if *page.hash() != hash {
                return Ok(None);
            }
            // Its bytes are right; whether they are a page is another question.
            let page = Page::decode(hash, page.slice(page.with_trailer()))?;
            let places = records.iter().filter_map(|record| record.place);
            let known = places.map(|(place, is_local)| is_local.then_some(place)).collect();
            Ok(Some(Rebuilt { page, known }))
        }
        Part::Blob(_) | Part::Gone => Err(malformed("no page was sent for a page")),
    }
}

/// The local places of what the page's records name.
fn matches_of(page: &Page, local: &[LocalRecord]) -> Vec<Option<Place>> {
    let mut rest = local.iter().peekable();
    let mut known = Vec::new();
    for index in 0..page.count() {
        if page.place(index).is_none() {
            continue;
        }
        let key = page.key(index);
        while rest.next_if(|record| record.page.key(record.index) < key).is_some() {}
        let is_same = |record: &&&LocalRecord| {
            record.page.key(record.index) == key && record.page.payload(record.index) == page.payload(index)
        };
        known.push(rest.peek().filter(is_same).and_then(|record| record.page.place(record.index)));
    }
    known
}

fn records_of(pieces: Vec<Piece>, local: &[LocalRecord]) -> Result<Vec<Record>> {
    let mut records: Vec<Record> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Known { first, count } => {
                let range = first.checked_add(count).and_then(|end| local.get(first..end));
                let range = range.ok_or(malformed("records that nobody has"))?;
                records.extend(range.iter().map(LocalRecord::record));
            }
            Piece::New { shared, suffix, payload, is_spilled, location } => {
                let previous = records.last().map_or(&[][..], |record| &record.key);
                let mut key = previous.get(..shared).ok_or(malformed("a key shares more than there is"))?.to_vec();
                key.extend_from_slice(&suffix);
                let place = location.map(|location: Location| (Place { location, spills: false }, false));
                records.push(Record { key, payload, is_spilled, place });
            }
        }
    }
    Ok(records)
}

/// The page of these records; `None` when they are in no order, which another local record of the same fingerprint may
/// cause.
fn build(level: u8, flags: u8, records: &[Record]) -> Result<Option<Page>> {
    let weight: usize = records.iter().map(|record| record.key.len() + record.payload.len()).sum();
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return Err(malformed("a page without records"));
    };
    let is_long = |record: &Record| Tree::KEY_LENGTH_MAX < record.key.len();
    if WEIGHT_MAX < weight || records.iter().any(is_long) {
        return Err(malformed("a page that is too heavy"));
    }
    if records.iter().any(|record| record.place.is_some() != (0 < level || record.is_spilled)) {
        return Err(malformed("a record without the place of what it names"));
    }
    if !records.is_sorted_by(|a, b| a.key < b.key) {
        return Ok(None);
    }
    let natural = Page::natural_of(flags).ok_or(malformed("unknown flags of a page"))?;
    let mut builder = PageBuilder::new(level, natural, records.len(), (&first.key, &last.key), Vec::new());
    for Record { key, payload, is_spilled, place } in records {
        let place = place.map(|(place, _)| place);
        builder.push(key, RawRecord { payload, spilled: *is_spilled, place });
    }
    Ok(Some(builder.finish()))
}
