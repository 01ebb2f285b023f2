//! Every constant of the field in the forms that vector instructions multiply by.

use crate::galois::multiply;

/// `NIBBLES[c]` are the products of `c` with the low nibbles 0 to 15, then with the high nibbles 0 to 240: shuffles look
/// up 16 bytes at once (Plank, Greenan, Miller: "Screaming fast Galois field arithmetic", FAST 2013). 8 KiB.
pub(super) static NIBBLES: [[[u8; 16]; 2]; 256] = nibbles();

/// `AFFINE[c]` is multiplication by `c` as the bit matrix that GF2P8AFFINEQB takes. 2 KiB.
///
/// The instruction GF2P8MULB cannot serve: its polynomial is 0x11b, the field's is 0x11d.
#[cfg(target_arch = "x86_64")]
pub(super) static AFFINE: [u64; 256] = affine();

#[expect(clippy::cast_possible_truncation, reason = "all indices are below 256")]
const fn nibbles() -> [[[u8; 16]; 2]; 256] {
    let mut tables = [[[0; 16]; 2]; 256];
    let mut constant = 0;
    while constant < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            tables[constant][0][nibble] = multiply(constant as u8, nibble as u8);
            tables[constant][1][nibble] = multiply(constant as u8, (nibble << 4) as u8);
            nibble += 1;
        }
        constant += 1;
    }
    tables
}

/// Row i of a bit matrix says which input bits make up output bit i, and is byte 7 - i of the word.
#[expect(clippy::cast_possible_truncation, reason = "all indices are below 256")]
#[cfg(target_arch = "x86_64")]
const fn affine() -> [u64; 256] {
    let mut matrices = [0; 256];
    let mut constant = 0;
    while constant < 256 {
        let mut cell = 0;
        while cell < 64 {
            let (output_bit, input_bit) = (cell / 8, cell % 8);
            let product = multiply(constant as u8, 1 << input_bit);
            matrices[constant] |= ((product >> output_bit & 1) as u64) << ((7 - output_bit) * 8 + input_bit);
            cell += 1;
        }
        constant += 1;
    }
    matrices
}
