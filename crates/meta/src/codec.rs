//! The canonical codec: how a record is laid out, whatever it holds.
//!
//! `docs/formats/metadata-records.md` is the specification. A record is its kind, its version, a bitmap of the fields
//! that are present, and the fields in order, each behind its length. So a reader skips, and a writer copies, what it
//! does not know. Every value has one encoding, and readers refuse any other; and whatever can be encoded can be decoded,
//! so that no command can reach the log that replicas cannot read. Whether a value makes sense is decided in `apply`.

use bytes::Bytes;

use crate::error::CodecError;

/// Version of every record so far. A new version is a new layout; new fields need none.
const VERSION: u8 = 1;

/// Fields a bitmap can hold.
const FIELD_COUNT_MAX: u8 = 64;

/// Fields of a record that this version does not know, by ascending number. They are written back unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownFields(Vec<(u8, Bytes)>);

/// A value of a tree.
pub trait Record: Sized {
    /// First byte of the encoding.
    const KIND: u8;

    /// The canonical bytes.
    fn encode(&self) -> Bytes;

    /// Reads what [`Record::encode`] writes, and nothing else.
    ///
    /// # Errors
    ///
    /// [`CodecError`] for anything that `encode` does not produce. Never panics.
    fn decode(encoded: &Bytes) -> Result<Self, CodecError>;
}

/// What a field or a part of one holds. Self-delimiting.
pub(crate) trait Value: Sized {
    /// Appends the canonical encoding.
    fn write(&self, out: &mut Vec<u8>);

    /// Takes one value off the front of `input`.
    fn read(input: &mut Input<'_>) -> Result<Self, CodecError>;
}

/// Builds one record, field by field in ascending order.
pub(crate) struct FieldWriter {
    present: u64,
    fields: Vec<u8>,
    scratch: Vec<u8>,
}

impl FieldWriter {
    /// A record without fields.
    pub(crate) fn new() -> Self {
        Self { present: 0, fields: Vec::with_capacity(128), scratch: Vec::with_capacity(32) }
    }

    /// Adds a field that holds one value.
    pub(crate) fn value<V: Value>(&mut self, number: u8, value: &V) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        value.write(&mut scratch);
        self.bytes(number, &scratch);
        self.scratch = scratch;
    }

    /// Adds a field unless it is absent.
    pub(crate) fn option<V: Value>(&mut self, number: u8, value: Option<&V>) {
        if let Some(value) = value {
            self.value(number, value);
        }
    }

    /// Adds a field that holds a collection unless that is empty.
    pub(crate) fn collection<V: Value + Collection>(&mut self, number: u8, value: &V) {
        if !value.is_empty() {
            self.value(number, value);
        }
    }

    /// Adds a field that consists of `bytes`.
    pub(crate) fn bytes(&mut self, number: u8, bytes: &[u8]) {
        let bit = 1_u64 << number;
        assert!(self.present < bit, "fields are written in ascending order");
        self.present |= bit;
        write_varint(bytes.len() as u64, &mut self.fields);
        self.fields.extend_from_slice(bytes);
    }

    /// The record.
    pub(crate) fn finish(self, kind: u8, unknown: &UnknownFields) -> Bytes {
        let Self { present, fields, .. } = if unknown.0.is_empty() { self } else { self.merged(unknown) };
        let mut record = Vec::with_capacity(12 + fields.len());
        record.extend_from_slice(&[kind, VERSION]);
        write_varint(present, &mut record);
        record.extend_from_slice(&fields);
        record.into()
    }

    /// With the fields that newer software wrote, which may stand between those of this version.
    fn merged(self, unknown: &UnknownFields) -> Self {
        let mut rest = Input(&self.fields);
        let known = (0..FIELD_COUNT_MAX).filter(|number| self.present & 1 << number != 0);
        let known = known.map(|number| (number, rest.prefixed().expect("this writer wrote it")));
        let mut fields: Vec<_> = known.chain(unknown.0.iter().map(|(number, bytes)| (*number, &bytes[..]))).collect();
        fields.sort_by_key(|(number, _)| *number);
        let mut merged = Self::new();
        fields.into_iter().for_each(|(number, bytes)| merged.bytes(number, bytes));
        merged
    }
}

/// Reads one record, field by field in ascending order.
pub(crate) struct FieldReader<'a> {
    /// Fields not taken yet.
    present: u64,
    rest: Input<'a>,
    /// Fields between those that were asked for.
    unknown: Vec<(u8, &'a [u8])>,
    /// The first field that may be asked for.
    next: u8,
}

impl<'a> FieldReader<'a> {
    /// Reads the head of a record of `kind`.
    pub(crate) fn open(kind: u8, encoded: &'a [u8]) -> Result<Self, CodecError> {
        let mut rest = Input(encoded);
        let found = rest.u8()?;
        if found != kind {
            return Err(CodecError::Kind { expected: kind, found });
        }
        let version = rest.u8()?;
        if version != VERSION {
            return Err(CodecError::Version { kind, version });
        }
        let present = rest.varint()?;
        Ok(Self { present, rest, unknown: Vec::new(), next: 0 })
    }

    /// The bytes of field `number`; `None` when it is absent. Every known field is asked for, in ascending order.
    pub(crate) fn bytes(&mut self, number: u8) -> Result<Option<&'a [u8]>, CodecError> {
        assert!(self.next <= number, "fields are read in ascending order");
        self.next = number + 1;
        self.skip_below(number)?;
        let bit = 1_u64 << number;
        if self.present & bit == 0 {
            return Ok(None);
        }
        self.present &= !bit;
        self.rest.prefixed().map(Some)
    }

    /// Takes the fields before `number`, which this version does not know.
    fn skip_below(&mut self, number: u8) -> Result<(), CodecError> {
        while let skipped @ 0..FIELD_COUNT_MAX = lowest(self.present)
            && skipped < number
        {
            self.present &= !(1 << skipped);
            self.unknown.push((skipped, self.rest.prefixed()?));
        }
        Ok(())
    }

    /// The value of an optional field.
    pub(crate) fn option<V: Value>(&mut self, number: u8) -> Result<Option<V>, CodecError> {
        self.bytes(number)?.map(read_whole).transpose()
    }

    /// The value of a field that every record of the kind has.
    pub(crate) fn value<V: Value>(&mut self, number: u8) -> Result<V, CodecError> {
        self.option(number)?.ok_or(CodecError::Missing(number))
    }

    /// A collection; absent when empty.
    pub(crate) fn collection<V: Value + Collection + Default>(&mut self, number: u8) -> Result<V, CodecError> {
        match self.option::<V>(number)? {
            None => Ok(V::default()),
            Some(empty) if empty.is_empty() => Err(CodecError::NotCanonical("empty collection")),
            Some(value) => Ok(value),
        }
    }

    /// Takes the remaining fields, all unknown, and checks that nothing follows. `encoded` is the whole record.
    pub(crate) fn finish(mut self, encoded: &Bytes) -> Result<UnknownFields, CodecError> {
        self.skip_below(FIELD_COUNT_MAX)?;
        self.rest.end()?;
        let unknown = self.unknown.into_iter().map(|(number, bytes)| (number, encoded.slice_ref(bytes)));
        Ok(UnknownFields(unknown.collect()))
    }
}

/// The number of the lowest field in a bitmap; [`FIELD_COUNT_MAX`] when it is empty.
fn lowest(present: u64) -> u8 {
    u8::try_from(present.trailing_zeros()).expect("there are 64 bits")
}

/// Something that can be empty, and is then absent from a record.
pub(crate) trait Collection {
    /// Whether it is.
    fn is_empty(&self) -> bool;
}

/// Bytes being read, from the front.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn take(&mut self, size: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], CodecError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CodecError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, CodecError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// LEB128 of at most 64 bits, in its shortest form.
    pub(crate) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(CodecError::NotCanonical("integer"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(CodecError::NotCanonical("integer")) };
            }
        }
        Err(CodecError::NotCanonical("integer"))
    }

    /// A varint that fits the target type.
    pub(crate) fn narrow<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, CodecError> {
        T::try_from(self.varint()?).map_err(|_| CodecError::Invalid(what))
    }

    /// The number of items that follow, of which each takes at least `item_size_min` bytes: so a damaged count cannot
    /// make the reader allocate.
    pub(crate) fn count(&mut self, item_size_min: usize) -> Result<usize, CodecError> {
        let count: usize = self.narrow("count")?;
        if self.0.len() / item_size_min < count {
            return Err(CodecError::Truncated);
        }
        Ok(count)
    }

    /// Bytes behind their length.
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], CodecError> {
        let size = self.narrow("length")?;
        self.take(size)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.0.len())) }
    }
}

/// Reads one value that takes all of `bytes`.
pub(crate) fn read_whole<V: Value>(bytes: &[u8]) -> Result<V, CodecError> {
    let mut input = Input(bytes);
    let value = V::read(&mut input)?;
    input.end()?;
    Ok(value)
}

/// Appends LEB128 in its shortest form.
pub(crate) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while 0x80 <= value {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

fn low_bits(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit a byte")
}

/// Appends bytes behind their length.
pub(crate) fn write_prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

impl Value for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(*self, out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        input.varint()
    }
}

impl Value for u128 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_be_bytes());
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        input.array().map(Self::from_be_bytes)
    }
}

impl Value for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(self.as_bytes(), out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let text = std::str::from_utf8(input.prefixed()?).map_err(|_| CodecError::Invalid("UTF-8"))?;
        Ok(text.to_owned())
    }
}

impl Value for Bytes {
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(self, out);
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        input.prefixed().map(Self::copy_from_slice)
    }
}
