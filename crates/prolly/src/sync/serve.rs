//! The side that has the pages.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::wire::{Fingerprint, Kind, Message, Part, Piece, Wanted, fingerprint};
use crate::error::Result;
use crate::page::Page;
use crate::store::PageStore;

/// Answers the request of a [`Walk`](super::Walk) from `pages`; no further part is added once the answer has `bytes_max`
/// bytes. What cannot be read is answered as gone.
///
/// # Errors
///
/// [`Malformed`](crate::Error::Malformed) when the request is none.
pub fn answer(pages: &dyn PageStore, request: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut request = Message::new(Bytes::copy_from_slice(request));
    let mut out = Vec::new();
    while !request.is_empty() && out.len() < bytes_max {
        let wanted = request.wanted()?;
        let part = match wanted.kind {
            Kind::Page => pages.page(&wanted.hash, wanted.location).map(|page| part_of(&page, &wanted)),
            Kind::Blob => pages.blob(&wanted.hash, wanted.location).map(Part::Blob),
        };
        part.unwrap_or(Part::Gone).encode(&mut out);
    }
    Ok(out)
}

/// The page as the asker needs it: without the records that it has, if that is shorter.
fn part_of(page: &Page, wanted: &Wanted) -> Part {
    let whole = Part::Page(page.slice(page.with_trailer()));
    if wanted.have.is_empty() {
        return whole;
    }
    let records = Part::Records { level: page.level(), flags: page.flags(), pieces: pieces_of(page, &wanted.have) };
    let size = |part: &Part| {
        let mut encoded = Vec::new();
        part.encode(&mut encoded);
        encoded.len()
    };
    if size(&records) < size(&whole) { records } else { whole }
}

fn pieces_of(page: &Page, have: &[Fingerprint]) -> Vec<Piece> {
    let positions: BTreeMap<Fingerprint, usize> =
        have.iter().enumerate().map(|(position, fingerprint)| (*fingerprint, position)).collect();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut previous = Vec::new();
    for index in 0..page.count() {
        let key = page.key(index);
        let record = page.raw(index);
        match positions.get(&fingerprint(&key, record.payload, record.spilled)) {
            Some(&position) => match pieces.last_mut() {
                Some(Piece::Known { first, count }) if *first + *count == position => *count += 1,
                _ => pieces.push(Piece::Known { first: position, count: 1 }),
            },
            None => {
                let shared = key.iter().zip(&previous).take_while(|(a, b)| a == b).count();
                pieces.push(Piece::New {
                    shared,
                    suffix: Bytes::copy_from_slice(&key[shared..]),
                    payload: page.slice(record.payload),
                    is_spilled: record.spilled,
                    location: record.place.map(|place| place.location),
                });
            }
        }
        previous = key;
    }
    pieces
}
