//! Writes a page from its records.

use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;

use super::{END_SIZE, HEAD_SIZE, HEADER_SIZE, NATURAL_END, NATURAL_START, Natural, Page, RawRecord, SPILLED, head_of};
use crate::hash::Hash;
use crate::location::Location;
use crate::params::FORMAT;

/// Takes the records of one page in key order. Their number and the outer keys are known beforehand, so every field has
/// its place from the start.
pub(crate) struct PageBuilder {
    out: Vec<u8>,
    trailer: Vec<u8>,
    prefix_length: usize,
    count: u16,
    pushed: usize,
    heads_at: usize,
    ends_at: usize,
    records_at: usize,
}

impl PageBuilder {
    /// A page of `count` records from the first of the `outer` keys to the last. `out` lends its memory.
    pub(crate) fn new(level: u8, natural: Natural, count: usize, outer: (&[u8], &[u8]), mut out: Vec<u8>) -> Self {
        let (first, last) = outer;
        let prefix_length = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let heads_at = HEADER_SIZE + prefix_length;
        let ends_at = heads_at + HEAD_SIZE * count;
        let records_at = ends_at + END_SIZE * count;
        let count_field = u16::try_from(count).expect("the rule bounds a page's records");
        let prefix_field = u16::try_from(prefix_length).expect("keys have at most 4096 bytes");
        out.clear();
        let flags = if natural.start { NATURAL_START } else { 0 } | if natural.end { NATURAL_END } else { 0 };
        out.extend_from_slice(&[FORMAT, level, flags, 0]);
        out.extend_from_slice(&count_field.to_le_bytes());
        out.extend_from_slice(&prefix_field.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&first[..prefix_length]);
        out.resize(records_at, 0);
        let trailer = Vec::with_capacity(if level == 0 { 0 } else { count * Location::SIZE });
        PageBuilder { out, trailer, prefix_length, count: count_field, pushed: 0, heads_at, ends_at, records_at }
    }

    /// Adds the next record.
    pub(crate) fn push(&mut self, key: &[u8], record: RawRecord<'_>) {
        let suffix = &key[self.prefix_length..];
        let suffix_length = u16::try_from(suffix.len()).expect("keys have at most 4096 bytes");
        self.out.extend_from_slice(suffix.get(HEAD_SIZE..).unwrap_or_default());
        self.out.extend_from_slice(record.payload);
        let end = u16::try_from(self.out.len() - self.records_at).expect("the rule bounds a page's bytes");
        let head_at = self.heads_at + HEAD_SIZE * self.pushed;
        let end_at = self.ends_at + END_SIZE * self.pushed;
        let suffix_field = suffix_length | if record.spilled { SPILLED } else { 0 };
        self.out[head_at..head_at + HEAD_SIZE].copy_from_slice(&head_of(suffix));
        self.out[end_at..end_at + 2].copy_from_slice(&suffix_field.to_le_bytes());
        self.out[end_at + 2..end_at + END_SIZE].copy_from_slice(&end.to_le_bytes());
        if let Some(place) = record.place {
            place.location.encode(u8::from(place.spills), &mut self.trailer);
        }
        self.pushed += 1;
    }

    /// The page, hashed.
    pub(crate) fn finish(mut self) -> Page {
        assert!(self.pushed == usize::from(self.count) && 0 < self.count, "as many records as announced");
        let length_field = u32::try_from(self.out.len()).expect("the rule bounds a page's bytes");
        self.out[8..HEADER_SIZE].copy_from_slice(&length_field.to_le_bytes());
        let hash = Hash::of_page(&self.out);
        self.out.extend_from_slice(&self.trailer);
        let area = |at: usize| u32::try_from(at).expect("the rule bounds a page's bytes");
        Page {
            hash,
            level: self.out[1],
            flags: self.out[2],
            bytes: Bytes::from(self.out),
            page_length: length_field,
            count: self.count,
            ends_at: area(self.ends_at),
            records_at: area(self.records_at),
            touched: AtomicBool::new(false),
            children: OnceLock::new(),
        }
    }
}
