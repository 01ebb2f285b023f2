//! Where a page or blob lies: pack, offset, length.

use std::fmt;

/// Number of a pack. Numbers ascend and are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PackId(pub u32);

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A frame in a pack. Not part of any hash: the same page may lie in several places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Location {
    /// The pack.
    pub pack: PackId,
    /// Byte at which the frame begins.
    pub offset: u32,
    /// Length of the frame in bytes, less than 2^24.
    pub length: u32,
}

impl Location {
    /// Size of an encoded location with its flag byte.
    pub(crate) const SIZE: usize = 12;

    /// Appends the location and a flag byte: one entry of a page's trailer.
    pub(crate) fn encode(&self, flags: u8, out: &mut Vec<u8>) {
        assert!(self.length < 1 << 24, "a frame's length has 24 bits");
        out.extend_from_slice(&self.pack.0.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.length.to_le_bytes()[..3]);
        out.push(flags);
    }

    /// The inverse of [`Location::encode`]: the location and its flag byte.
    pub(crate) fn decode(bytes: &[u8; Location::SIZE]) -> (Self, u8) {
        let [p0, p1, p2, p3, o0, o1, o2, o3, l0, l1, l2, flags] = *bytes;
        let location = Location {
            pack: PackId(u32::from_le_bytes([p0, p1, p2, p3])),
            offset: u32::from_le_bytes([o0, o1, o2, o3]),
            length: u32::from_le_bytes([l0, l1, l2, 0]),
        };
        (location, flags)
    }
}
