//! Consecutive records of one level, from old pages and from edits, ready to be cut into new pages.

use std::ops::Range;

use super::output::{Child, Output};
use crate::boundary;
use crate::error::Result;
use crate::hash::Hash;
use crate::page::{INLINE_LENGTH_MAX, Link, Natural, Page, PageBuilder, Place, RawRecord, encode_child};
use crate::params::Schema;
use crate::path::OldPage;
use crate::summary::Summary;

/// Records in key order. Keys and new payloads lie in two arenas; old payloads stay in their pages.
pub(super) struct Records {
    level: u8,
    keys: Vec<u8>,
    payloads: Vec<u8>,
    pages: Vec<OldPage>,
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    key: Range<usize>,
    hash: u64,
    source: Source,
}

#[derive(Clone)]
enum Source {
    /// Unchanged: a record of `pages[page]`.
    Old { page: usize, index: usize },
    /// Bytes of `payloads`.
    New { payload: Range<usize>, spilled: bool, place: Option<Place> },
}

/// A page that the cut asks for.
pub(super) enum Cut {
    /// An old page, by position in [`Records::pages`], that stands as it is.
    Kept { page: usize, child: Child },
    /// A new page, now written.
    Fresh(Child),
}

impl Records {
    pub(super) fn new(level: u8) -> Self {
        Records { level, keys: Vec::new(), payloads: Vec::new(), pages: Vec::new(), entries: Vec::new() }
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.payloads.clear();
        self.pages.clear();
        self.entries.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn hash(&self, position: usize) -> u64 {
        self.entries[position].hash
    }

    pub(super) fn key(&self, position: usize) -> &[u8] {
        &self.keys[self.entries[position].key.clone()]
    }

    /// The old pages whose records came in, in order.
    pub(super) fn pages(&self) -> &[OldPage] {
        &self.pages
    }

    /// Takes the old pages away; the records that lie in them are lost.
    pub(super) fn take_pages(&mut self) -> Vec<OldPage> {
        self.entries.clear();
        std::mem::take(&mut self.pages)
    }

    /// Announces an old page; its records are then pushed one by one.
    pub(super) fn push_page(&mut self, page: OldPage) {
        self.pages.push(page);
    }

    /// Adds record `index` of the page pushed last, as it is.
    pub(super) fn push_old(&mut self, schema: &Schema, index: usize) {
        let page = self.pages.len() - 1;
        let start = self.keys.len();
        self.pages[page].page.push_key(index, &mut self.keys);
        self.push_entry(schema, start, Source::Old { page, index });
    }

    /// Adds a record that was not there, or with another payload.
    pub(super) fn push_new(&mut self, schema: &Schema, key: &[u8], payload: &[u8], spill: Option<Place>) {
        assert!(self.level == 0, "children are pushed by push_child");
        let source = self.new_source(payload, spill.is_some(), spill);
        self.push_key(schema, key, source);
    }

    /// Adds a page of the level below.
    pub(super) fn push_child(&mut self, schema: &Schema, child: &Child) {
        assert!(0 < self.level, "a leaf has no children");
        let mut payload = Vec::with_capacity(Hash::SIZE + Summary::SIZE_MAX);
        encode_child(&child.link.hash, &child.summary, &mut payload);
        let source = self.new_source(&payload, false, Some(child.place()));
        self.push_key(schema, &child.last_key, source);
    }

    fn new_source(&mut self, payload: &[u8], spilled: bool, place: Option<Place>) -> Source {
        let start = self.payloads.len();
        self.payloads.extend_from_slice(payload);
        Source::New { payload: start..self.payloads.len(), spilled, place }
    }

    fn push_key(&mut self, schema: &Schema, key: &[u8], source: Source) {
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.push_entry(schema, start, source);
    }

    fn push_entry(&mut self, schema: &Schema, key_start: usize, source: Source) {
        let key = key_start..self.keys.len();
        let hash = schema.boundary_hash(self.level, &self.keys[key.clone()]);
        self.entries.push(Entry { key, hash, source });
    }

    /// Puts whole old pages, given in order, before everything else.
    pub(super) fn prepend(&mut self, schema: &Schema, pages: Vec<OldPage>) {
        let mut front = Records::new(self.level);
        for page in pages {
            let count = page.page.count();
            front.push_page(page);
            (0..count).for_each(|index| front.push_old(schema, index));
        }
        front.append(self);
        *self = front;
    }

    /// Moves the records of `other` behind these.
    fn append(&mut self, other: &Records) {
        let (key_shift, payload_shift, page_shift) = (self.keys.len(), self.payloads.len(), self.pages.len());
        self.keys.extend_from_slice(&other.keys);
        self.payloads.extend_from_slice(&other.payloads);
        self.pages.extend_from_slice(&other.pages);
        self.entries.extend(other.entries.iter().map(|entry| Entry {
            key: entry.key.start + key_shift..entry.key.end + key_shift,
            hash: entry.hash,
            source: match &entry.source {
                Source::Old { page, index } => Source::Old { page: page + page_shift, index: *index },
                Source::New { payload, spilled, place } => {
                    let payload = payload.start + payload_shift..payload.end + payload_shift;
                    Source::New { payload, spilled: *spilled, place: *place }
                }
            },
        }));
    }

    /// Forgets the first `count` records and `page_count` pages; what remains must not need them.
    pub(super) fn drop_front(&mut self, count: usize, page_count: usize) {
        let mut rest = Records::new(self.level);
        rest.pages.extend_from_slice(&self.pages[page_count..]);
        for entry in &self.entries[count..] {
            let start = rest.keys.len();
            rest.keys.extend_from_slice(&self.keys[entry.key.clone()]);
            let source = match &entry.source {
                Source::Old { page, index } => Source::Old { page: page - page_count, index: *index },
                Source::New { payload, spilled, place } => {
                    rest.new_source(&self.payloads[payload.clone()], *spilled, *place)
                }
            };
            rest.entries.push(Entry { key: start..rest.keys.len(), hash: entry.hash, source });
        }
        *self = rest;
    }

    fn raw(&self, position: usize) -> RawRecord<'_> {
        match &self.entries[position].source {
            Source::Old { page, index } => self.pages[*page].page.raw(*index),
            Source::New { payload, spilled, place } => {
                RawRecord { payload: &self.payloads[payload.clone()], spilled: *spilled, place: *place }
            }
        }
    }

    fn payload(&self, position: usize) -> &[u8] {
        match &self.entries[position].source {
            Source::Old { page, index } => self.pages[*page].page.payload(*index),
            Source::New { payload, .. } => &self.payloads[payload.clone()],
        }
    }

    /// Key and payload bytes of a record, which the fail-safe limits.
    fn weight(&self, position: usize) -> usize {
        self.entries[position].key.len() + self.payload(position).len()
    }

    /// Cuts the first `count` records, whole natural chunks that end at `ends` and at `count`, and writes what is new.
    pub(super) fn cut(&self, count: usize, ends: &[usize], output: &mut Output<'_>) -> Result<Vec<Cut>> {
        let width = output.schema.width(self.level);
        let mut cuts = Vec::new();
        let mut start = 0;
        for end in ends.iter().map(|end| end + 1).chain([count]).filter(|&end| end <= count) {
            if start == end {
                continue;
            }
            let chunk = start..end;
            if !boundary::is_too_big(&chunk, width, |i| self.weight(i)) {
                cuts.push(self.cut_page(chunk, Natural { start: true, end: true }, output)?);
                start = end;
                continue;
            }
            for part in boundary::fail_safe(chunk, width, |i| self.hash(i), |i| self.weight(i)) {
                let natural = Natural { start: part.start == start, end: part.end == end };
                cuts.push(self.cut_page(part, natural, output)?);
            }
            start = end;
        }
        Ok(cuts)
    }

    fn cut_page(&self, part: Range<usize>, natural: Natural, output: &mut Output<'_>) -> Result<Cut> {
        let last_key = self.key(part.end - 1).to_vec();
        if let Some(page) = self.same_page(part.clone(), natural) {
            let OldPage { link, summary, .. } = self.pages[page];
            return Ok(Cut::Kept { page, child: Child { last_key, link, summary } });
        }
        let summary = self.summarize(part.clone(), output.schema);
        let page = self.encode(part, natural, output.take_buffer());
        let link = output.put_page(page)?;
        Ok(Cut::Fresh(Child { last_key, link, summary }))
    }

    /// The old page that consists of just these records, if there is one.
    fn same_page(&self, part: Range<usize>, natural: Natural) -> Option<usize> {
        let Source::Old { page, index: 0 } = self.entries[part.start].source else { return None };
        let old = &self.pages[page].page;
        let same = old.count() == part.len()
            && old.natural() == natural
            && part.enumerate().all(|(expected, position)| {
                matches!(self.entries[position].source, Source::Old { page: p, index } if p == page && index == expected)
            });
        same.then_some(page)
    }

    fn encode(&self, part: Range<usize>, natural: Natural, buffer: Vec<u8>) -> Page {
        let outer = (self.key(part.start), self.key(part.end - 1));
        let mut builder = PageBuilder::new(self.level, natural, part.len(), outer, buffer);
        part.for_each(|position| builder.push(self.key(position), self.raw(position)));
        builder.finish()
    }

    fn summarize(&self, part: Range<usize>, schema: &Schema) -> Summary {
        part.map(|position| {
            let raw = self.raw(position);
            match (self.level, raw.spilled) {
                (0, false) => schema.summarize(self.key(position), raw.payload),
                (0, true) => summary_of(&raw.payload[Hash::SIZE + 4..]),
                _ => summary_of(&raw.payload[Hash::SIZE..]),
            }
        })
        .fold(Summary::EMPTY, |sum, summary| sum.plus(&summary))
    }

    /// The only record, of an inner level, as the child it names.
    pub(super) fn only_child(&self) -> Child {
        assert!(self.len() == 1 && 0 < self.level, "exactly one child");
        let raw = self.raw(0);
        let (hash, summary) = raw.payload.split_first_chunk().expect("payloads of inner records hold a hash");
        let place = raw.place.expect("children have a place");
        let link = Link { hash: Hash::from_bytes(*hash), location: place.location, spills: place.spills };
        Child { last_key: self.key(0).to_vec(), link, summary: summary_of(summary) }
    }
}

fn summary_of(mut payload: &[u8]) -> Summary {
    Summary::decode(&mut payload).expect("our own payloads are canonical")
}

/// Whether a value stays in the leaf.
pub(super) fn is_inline(value: &[u8]) -> bool {
    value.len() <= INLINE_LENGTH_MAX
}
