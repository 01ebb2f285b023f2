//! The canonical codec: how a record is laid out, whatever it holds.
//!
//! `docs/formats/metadata-records.md` is the specification.

use bytes::Bytes;

use crate::error::CodecError;

/// Fields of a record that this version does not know, by ascending number. They are written back unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownFields(pub(crate) Vec<(u8, Bytes)>);

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
