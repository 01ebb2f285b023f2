//! Checks bytes that claim to be a page. After this, accessors index without fear.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::{
    END_SIZE, HEAD_SIZE, HEADER_SIZE, INLINE_LENGTH_MAX, NATURAL_END, NATURAL_START, Page, WEIGHT_MAX, end_of,
    suffix_of,
};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::Location;
use crate::params::{FORMAT, LEVEL_COUNT_MAX};
use crate::summary::Summary;
use crate::tree::Tree;

pub(super) fn decode(hash: Hash, bytes: Bytes) -> Result<Page> {
    let page = frame(hash, bytes)?;
    check_records(&page).map_err(malformed)?;
    check_keys(&page).map_err(malformed)?;
    check_trailer(&page).map_err(malformed)?;
    Ok(page)
}

fn malformed(reason: &'static str) -> Error {
    Error::Malformed { what: "page", reason }
}

/// Checks the header and finds the areas.
fn frame(hash: Hash, bytes: Bytes) -> Result<Page> {
    let header: &[u8; HEADER_SIZE] = bytes.first_chunk().ok_or(malformed("shorter than its header"))?;
    let [format, level, flags, reserved, c0, c1, p0, p1, l0, l1, l2, l3] = *header;
    if format != FORMAT {
        return Err(Error::Unsupported { what: "page", found: u16::from(format), supported: u16::from(FORMAT) });
    }
    let count = u16::from_le_bytes([c0, c1]);
    let page_length = u32::from_le_bytes([l0, l1, l2, l3]);
    let area = |at: usize| u32::try_from(at).map_err(|_| malformed("lengths do not add up"));
    let prefix_end = HEADER_SIZE + usize::from(u16::from_le_bytes([p0, p1]));
    let ends_at = area(prefix_end + HEAD_SIZE * usize::from(count))?;
    let records_at = area(prefix_end + (HEAD_SIZE + END_SIZE) * usize::from(count))?;
    if reserved != 0 || flags & !(NATURAL_START | NATURAL_END) != 0 {
        return Err(malformed("reserved bits are set"));
    }
    if LEVEL_COUNT_MAX <= level || count == 0 {
        return Err(malformed("impossible level or no records"));
    }
    if bytes.len() < page_length as usize || page_length < records_at {
        return Err(malformed("lengths do not add up"));
    }
    let (touched, children) = (AtomicBool::new(false), OnceLock::new());
    Ok(Page { hash, bytes, page_length, level, flags, count, ends_at, records_at, touched, children })
}

/// Checks that records tile their area, and every payload.
fn check_records(page: &Page) -> std::result::Result<(), &'static str> {
    let records_length = (page.page_length - page.records_at) as usize;
    let mut start = 0;
    for (index, (end, head)) in page.ends().iter().zip(page.heads()).enumerate() {
        let (suffix_length, spilled) = suffix_of(end);
        let end = usize::from(end_of(end));
        let behind_head = suffix_length.saturating_sub(HEAD_SIZE);
        if end < start + behind_head || records_length < end {
            return Err("a record does not fit");
        }
        if Tree::KEY_LENGTH_MAX < page.prefix().len() + suffix_length {
            return Err("a key is too long");
        }
        if head.iter().skip(suffix_length).any(|&padding| padding != 0) {
            return Err("a head is not padded with zeroes");
        }
        check_payload(page.level, spilled, page.payload(index))?;
        start = end;
    }
    if start == records_length { Ok(()) } else { Err("bytes behind the last record") }
}

fn check_payload(level: u8, spilled: bool, payload: &[u8]) -> std::result::Result<(), &'static str> {
    let summary = match (level, spilled) {
        (0, false) if INLINE_LENGTH_MAX < payload.len() => return Err("a long value is not spilled"),
        (0, false) => return Ok(()),
        (0, true) => {
            let length =
                payload.get(Hash::SIZE..).and_then(|rest| rest.first_chunk()).ok_or("a spilled value is cut")?;
            let length = u32::from_le_bytes(*length) as usize;
            if length <= INLINE_LENGTH_MAX || Tree::VALUE_LENGTH_MAX < length {
                return Err("a spilled value has an impossible length");
            }
            payload.get(Hash::SIZE + 4..)
        }
        (_, false) => payload.get(Hash::SIZE..),
        (_, true) => return Err("an inner record is spilled"),
    };
    let mut summary = summary.ok_or("a payload is cut")?;
    match Summary::decode(&mut summary) {
        Some(_) if summary.is_empty() => Ok(()),
        _ => Err("a summary is not canonical"),
    }
}

/// Checks that keys ascend, that the prefix is as long as it can be, and the page's weight.
fn check_keys(page: &Page) -> std::result::Result<(), &'static str> {
    let (mut previous, mut key) = (page.key(0), Vec::new());
    let first_suffix = previous[page.prefix().len()..].to_vec();
    let mut weight = previous.len() + page.payload(0).len();
    for index in 1..page.count() {
        key.clear();
        page.push_key(index, &mut key);
        if key <= previous {
            return Err("keys do not ascend");
        }
        weight += key.len() + page.payload(index).len();
        std::mem::swap(&mut previous, &mut key);
    }
    let last_suffix = &previous[page.prefix().len()..];
    let prefix_is_longest =
        if page.count == 1 { first_suffix.is_empty() } else { first_suffix.first() != last_suffix.first() };
    if !prefix_is_longest {
        return Err("the prefix could be longer");
    }
    if 1 < page.count && WEIGHT_MAX < weight { Err("the page is too heavy") } else { Ok(()) }
}

fn check_trailer(page: &Page) -> std::result::Result<(), &'static str> {
    let (entries, flags_max) = match page.level {
        0 => (page.ends().iter().filter(|end| suffix_of(end).1).count(), 0),
        _ => (page.count(), 1),
    };
    if page.bytes.len() - page.canonical().len() != entries * Location::SIZE {
        return Err("the trailer does not fit the records");
    }
    let flags_fit = page.places().iter().all(|place| Location::decode(place).1 <= flags_max);
    if flags_fit { Ok(()) } else { Err("impossible flags in the trailer") }
}
