//! Hybrid logical time: what the state machine stamps records with.

use std::fmt;

use env::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::codec::{Input, Value};
use crate::error::CodecError;

/// Bits that count events within one millisecond.
const COUNTER_BITS: u32 = 16;

/// A time that orders events: 48 bits of milliseconds since 1970 above a 16-bit counter.
///
/// `Hlc::ZERO` stands in commands where apply assigns the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc(u64);

impl Hlc {
    /// Before every event.
    pub const ZERO: Self = Self(0);

    /// The first time of a millisecond. Milliseconds beyond 48 bits (year 10889) saturate.
    pub fn from_millis(time: UnixMillis) -> Self {
        let millis = time.0.min(u64::MAX >> COUNTER_BITS);
        Self(millis << COUNTER_BITS)
    }

    /// The time with these 64 bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// All 64 bits; they sort as the times do.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The wall clock's part.
    pub const fn millis(self) -> UnixMillis {
        UnixMillis(self.0 >> COUNTER_BITS)
    }

    /// The time just after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The time just before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The first time of the millisecond after this one's.
    #[must_use]
    pub fn next_millisecond(self) -> Self {
        Self::from_millis(UnixMillis(self.millis().0 + 1))
    }
}

/// Writes the name of something that exists once a time and site.
pub(super) fn format_stamp(time: Hlc, site: u16, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(formatter, "{:016x}{site:04x}", time.bits())
}

/// Reads what [`format_stamp`] writes; `None` for anything else.
pub(super) fn parse_stamp(text: &str) -> Option<(Hlc, u16)> {
    let canonical = text.len() == 20 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !canonical {
        return None;
    }
    let time = Hlc::from_bits(u64::from_str_radix(&text[..16], 16).ok()?);
    Some((time, u16::from_str_radix(&text[16..], 16).ok()?))
}

impl Value for Hlc {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        input.array().map(|bits| Self(u64::from_be_bytes(bits)))
    }
}
