//! LEB128 in its shortest form, the only varint in our formats.

/// Appends `value`.
pub(crate) fn encode(mut value: u64, out: &mut Vec<u8>) {
    while 0x80 <= value {
        out.push(lowest_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(lowest_byte(value));
}

fn lowest_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// Takes one varint off the front of `bytes`; `None` when it is cut short, too large or longer than need be.
pub(crate) fn decode(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let payload = u64::from(byte & 0x7f);
        let overflows = shift == 63 && 1 < payload;
        let padded = byte == 0 && 0 < shift;
        if overflows || padded {
            return None;
        }
        value |= payload << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn round_trips_and_refuses_long_forms() {
        for value in [0, 1, 127, 128, 300, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            let mut rest = &bytes[..];
            assert_eq!(decode(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
        for bad in
            [&[][..], &[0x80], &[0x80, 0], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(decode(&mut &bad[..]), None, "{bad:?}");
        }
    }
}
