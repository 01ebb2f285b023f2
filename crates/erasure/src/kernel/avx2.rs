//! AVX2: two shuffles look up the products of 32 bytes, nibble by nibble.

use std::arch::x86_64::*;
use std::ops::Range;

use super::tables::NIBBLES;
use super::vector::{self, Vector};
use crate::matrix::Matrix;

/// Says whether this CPU can run [`multiply`].
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// See [`super::Multiply`].
///
/// # Safety
///
/// As there; `is_available` said yes.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn multiply(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>) {
    // SAFETY: the caller's contract.
    unsafe { vector::multiply::<Bytes32, 2>(matrix, inputs, outputs, range) }
}

/// A register that is multiplied nibble by nibble.
#[derive(Clone, Copy)]
struct Bytes32(__m256i);

impl Vector for Bytes32 {
    type Factor = [[u8; 16]; 2];
    type Broadcast = [__m256i; 2];
    type Operand = [__m256i; 2];

    #[inline(always)]
    fn factor(constant: u8) -> [[u8; 16]; 2] {
        NIBBLES[usize::from(constant)]
    }

    #[inline(always)]
    unsafe fn broadcast([low, high]: &[[u8; 16]; 2]) -> [__m256i; 2] {
        // SAFETY: the trait's contract; each table has the 16 bytes that are loaded.
        unsafe {
            [
                _mm256_broadcastsi128_si256(_mm_loadu_si128(low.as_ptr().cast())),
                _mm256_broadcastsi128_si256(_mm_loadu_si128(high.as_ptr().cast())),
            ]
        }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm256_loadu_si256(source.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the trait's contract.
        unsafe { _mm256_storeu_si256(target.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn operand(self) -> [__m256i; 2] {
        // SAFETY: the trait's contract.
        unsafe {
            let mask = _mm256_set1_epi8(0x0f);
            [_mm256_and_si256(self.0, mask), _mm256_and_si256(_mm256_srli_epi64::<4>(self.0), mask)]
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: [__m256i; 2], operand: [__m256i; 2]) -> Self {
        // SAFETY: the trait's contract.
        unsafe {
            let low = _mm256_shuffle_epi8(factor[0], operand[0]);
            let high = _mm256_shuffle_epi8(factor[1], operand[1]);
            Self(_mm256_xor_si256(self.0, _mm256_xor_si256(low, high)))
        }
    }
}
