//! SSSE3: two shuffles look up the products of 16 bytes, nibble by nibble.

use std::arch::x86_64::*;
use std::ops::Range;

use super::tables::NIBBLES;
use super::vector::{self, Vector};
use crate::matrix::Matrix;

/// Says whether this CPU can run [`multiply`].
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("ssse3")
}

/// See [`super::Multiply`].
///
/// # Safety
///
/// As there; `is_available` said yes.
#[target_feature(enable = "ssse3")]
pub(super) unsafe fn multiply(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>) {
    // SAFETY: the caller's contract.
    unsafe { vector::multiply::<__m128i, 2>(matrix, inputs, outputs, range) }
}

impl Vector for __m128i {
    type Factor = [[u8; 16]; 2];
    type Broadcast = [__m128i; 2];
    type Operand = [__m128i; 2];

    #[inline(always)]
    fn factor(constant: u8) -> [[u8; 16]; 2] {
        NIBBLES[usize::from(constant)]
    }

    #[inline(always)]
    unsafe fn broadcast([low, high]: &[[u8; 16]; 2]) -> [__m128i; 2] {
        // SAFETY: the trait's contract; each table has the 16 bytes that are loaded.
        unsafe { [_mm_loadu_si128(low.as_ptr().cast()), _mm_loadu_si128(high.as_ptr().cast())] }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's contract.
        unsafe { _mm_setzero_si128() }
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the trait's contract.
        unsafe { _mm_loadu_si128(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the trait's contract.
        unsafe { _mm_storeu_si128(target.cast(), self) }
    }

    #[inline(always)]
    unsafe fn operand(self) -> [__m128i; 2] {
        // SAFETY: the trait's contract.
        unsafe {
            let mask = _mm_set1_epi8(0x0f);
            [_mm_and_si128(self, mask), _mm_and_si128(_mm_srli_epi64::<4>(self), mask)]
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: [__m128i; 2], operand: [__m128i; 2]) -> Self {
        // SAFETY: the trait's contract.
        unsafe {
            let low = _mm_shuffle_epi8(factor[0], operand[0]);
            let high = _mm_shuffle_epi8(factor[1], operand[1]);
            _mm_xor_si128(self, _mm_xor_si128(low, high))
        }
    }
}
