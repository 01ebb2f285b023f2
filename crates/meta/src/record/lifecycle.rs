//! Lifecycle: rules as `apply` follows them, and how far their index is.

use std::collections::BTreeMap;

use bytes::Bytes;
use env::UnixMillis;

use super::{Record, UnknownFields};
use crate::codec::{FieldReader, FieldWriter, Input, Value, write_varint};
use crate::error::CodecError;
use crate::lifecycle::{Expiration, Filter, LifecycleRule, LifecycleRules, Noncurrent};

impl Record for LifecycleRules {
    const KIND: u8 = 0x07;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        fields.value(0, &self.day_millis);
        fields.value(1, &self.rules);
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let day_millis = fields.value(0)?;
        let rules = fields.value(1)?;
        let unknown = fields.finish(encoded)?;
        Ok(Self { day_millis, rules, unknown })
    }
}

impl Value for Vec<LifecycleRule> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        self.iter().for_each(|rule| rule.write(out));
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let count = input.count(3)?;
        (0..count).map(|_| LifecycleRule::read(input)).collect()
    }
}

const SIZE_ABOVE: u64 = 1;
const SIZE_BELOW: u64 = 1 << 1;
const DAYS: u64 = 1 << 2;
const DATE: u64 = 1 << 3;
const MARKERS: u64 = 1 << 4;
const NONCURRENT: u64 = 1 << 5;
const ABORT: u64 = 1 << 6;

impl LifecycleRule {
    /// Which of its terms follow, and they in order.
    fn terms(&self) -> (u64, Vec<u64>) {
        let mut terms = Vec::with_capacity(6);
        let mut present = 0;
        let mut add = |bit: u64, values: &[u64]| {
            present |= bit;
            terms.extend_from_slice(values);
        };
        let Filter { size_above, size_below, .. } = self.filter;
        size_above.into_iter().for_each(|size| add(SIZE_ABOVE, &[size]));
        size_below.into_iter().for_each(|size| add(SIZE_BELOW, &[size]));
        match self.expiration {
            None => {}
            Some(Expiration::Days(days)) => add(DAYS, &[u64::from(days)]),
            Some(Expiration::Date(date)) => add(DATE, &[date.0]),
            Some(Expiration::Markers) => add(MARKERS, &[]),
        }
        if let Some(Noncurrent { days, keep }) = self.noncurrent {
            add(NONCURRENT, &[u64::from(days), u64::from(keep)]);
        }
        self.abort_days.into_iter().for_each(|days| add(ABORT, &[u64::from(days)]));
        (present, terms)
    }
}

impl Value for LifecycleRule {
    fn write(&self, out: &mut Vec<u8>) {
        self.filter.prefix.write(out);
        write_varint(self.filter.tags.len() as u64, out);
        for (name, value) in &self.filter.tags {
            name.write(out);
            value.write(out);
        }
        let (present, terms) = self.terms();
        write_varint(present, out);
        terms.into_iter().for_each(|term| write_varint(term, out));
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let prefix = String::read(input)?;
        let tags = read_tags(input)?;
        let present = input.varint()?;
        if 2 * ABORT <= present {
            return Err(CodecError::Invalid("lifecycle rule"));
        }
        let has = |bit| present & bit != 0;
        let size_above = if has(SIZE_ABOVE) { Some(input.varint()?) } else { None };
        let size_below = if has(SIZE_BELOW) { Some(input.varint()?) } else { None };
        let expiration = match present & (DAYS | DATE | MARKERS) {
            0 => None,
            DAYS => Some(Expiration::Days(input.narrow("days")?)),
            DATE => Some(Expiration::Date(UnixMillis(input.varint()?))),
            MARKERS => Some(Expiration::Markers),
            _ => return Err(CodecError::Invalid("lifecycle rule")),
        };
        let noncurrent = if has(NONCURRENT) {
            Some(Noncurrent { days: input.narrow("days")?, keep: input.narrow("versions")? })
        } else {
            None
        };
        let abort_days = if has(ABORT) { Some(input.narrow("days")?) } else { None };
        let filter = Filter { prefix, tags, size_above, size_below };
        Ok(Self { filter, expiration, noncurrent, abort_days })
    }
}

fn read_tags(input: &mut Input<'_>) -> Result<BTreeMap<String, String>, CodecError> {
    let count = input.count(2)?;
    let mut tags = BTreeMap::new();
    for _ in 0..count {
        let (name, value) = (String::read(input)?, String::read(input)?);
        if tags.last_key_value().is_some_and(|(last, _)| name <= *last) {
            return Err(CodecError::NotCanonical("tags"));
        }
        tags.insert(name, value);
    }
    Ok(tags)
}

/// How far the index of a bucket's rules is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifecycleIndex {
    /// What was there before the rules is being entered: all up to this tree key is done.
    Building(Bytes),
    /// It has everything.
    Complete,
    /// The rules are gone, and it is being removed.
    Draining,
}

/// The state of the index of one generation of a bucket's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifecycleIndexRecord {
    /// How far it is.
    pub(crate) index: LifecycleIndex,
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl LifecycleIndexRecord {
    pub(crate) fn new(index: LifecycleIndex) -> Self {
        Self { index, unknown: UnknownFields::default() }
    }
}

impl Record for LifecycleIndexRecord {
    const KIND: u8 = 0x4c;

    fn encode(&self) -> Bytes {
        let mut fields = FieldWriter::new();
        match &self.index {
            LifecycleIndex::Building(done) => fields.bytes(0, done),
            LifecycleIndex::Complete => {}
            LifecycleIndex::Draining => fields.bytes(1, &[]),
        }
        fields.finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let mut fields = FieldReader::open(Self::KIND, encoded)?;
        let index = match (fields.bytes(0)?, fields.bytes(1)?) {
            (Some(done), None) => LifecycleIndex::Building(encoded.slice_ref(done)),
            (None, None) => LifecycleIndex::Complete,
            (None, Some([])) => LifecycleIndex::Draining,
            _ => return Err(CodecError::Invalid("lifecycle index")),
        };
        let unknown = fields.finish(encoded)?;
        Ok(Self { index, unknown })
    }
}

/// An entry of the index: its key says it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DueRecord {
    /// Fields that newer software wrote.
    pub(crate) unknown: UnknownFields,
}

impl Record for DueRecord {
    const KIND: u8 = 0x4b;

    fn encode(&self) -> Bytes {
        FieldWriter::new().finish(Self::KIND, &self.unknown)
    }

    fn decode(encoded: &Bytes) -> Result<Self, CodecError> {
        let unknown = FieldReader::open(Self::KIND, encoded)?.finish(encoded)?;
        Ok(Self { unknown })
    }
}
