//! Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1, that of `reed-solomon-erasure`.
//!
//! Addition is exclusive or. Everything here is built by the compiler; the kernels read their tables from here.

/// The field's polynomial without x^8.
const POLYNOMIAL: u8 = 0x1d;

/// `PRODUCTS[a][b]` is a · b: 64 KiB.
pub(crate) static PRODUCTS: [[u8; 256]; 256] = products();

/// Multiplies by shifting and adding.
pub(crate) const fn multiply(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut shifted = a;
    let mut bit = 0;
    while bit < 8 {
        if b >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = shifted << 1 ^ if shifted & 0x80 == 0 { 0 } else { POLYNOMIAL };
        bit += 1;
    }
    product
}

/// The element that gives 1 when multiplied by `a`: a^254.
///
/// # Panics
///
/// Panics if `a` is 0, which has none.
pub(crate) fn invert(a: u8) -> u8 {
    assert!(a != 0, "zero has no inverse");
    power(a, 254)
}

/// Multiplies `exponent` factors `base`; `power(0, 0)` is 1.
pub(crate) fn power(base: u8, exponent: usize) -> u8 {
    (0..exponent).fold(1, |product, _| multiply(product, base))
}

#[expect(clippy::cast_possible_truncation, reason = "both indices are below 256")]
const fn products() -> [[u8; 256]; 256] {
    let mut table = [[0; 256]; 256];
    let mut a = 0;
    while a < 256 {
        // Each bit of b adds its own multiple of a, so a row doubles itself eight times.
        let mut bit = 0;
        while bit < 8 {
            let size = 1 << bit;
            let multiple = multiply(a as u8, size as u8);
            let mut b = 0;
            while b < size {
                table[a][size + b] = table[a][b] ^ multiple;
                b += 1;
            }
            bit += 1;
        }
        a += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use reed_solomon_erasure::galois_8;

    use super::*;

    #[test]
    fn arithmetic_is_that_of_the_oracle() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), galois_8::mul(a, b));
                assert_eq!(PRODUCTS[usize::from(a)][usize::from(b)], galois_8::mul(a, b));
            }
            for exponent in 0..300 {
                assert_eq!(power(a, exponent), galois_8::exp(a, exponent));
            }
            if a != 0 {
                assert_eq!(invert(a), galois_8::div(1, a));
            }
        }
    }
}
