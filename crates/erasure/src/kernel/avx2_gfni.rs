//! AVX2 with GFNI: a bit-matrix product of 32 bytes an instruction.

use std::arch::x86_64::*;
use std::ops::Range;

use super::tables::AFFINE;
use super::vector::{self, Vector};
use crate::matrix::Matrix;

/// Says whether this CPU can run [`multiply`].
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni")
}

/// See [`super::Multiply`].
///
/// # Safety
///
/// As there; `is_available` said yes.
#[target_feature(enable = "avx2,gfni")]
pub(super) unsafe fn multiply(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>) {
    // SAFETY: the caller's contract.
    unsafe { vector::multiply::<Bytes32, 2>(matrix, inputs, outputs, range) }
}

/// A register that is multiplied by bit matrices.
#[derive(Clone, Copy)]
struct Bytes32(__m256i);

impl Vector for Bytes32 {
    type Factor = u64;
    type Broadcast = __m256i;
    type Operand = __m256i;

    #[inline(always)]
    fn factor(constant: u8) -> u64 {
        AFFINE[usize::from(constant)]
    }

    #[inline(always)]
    unsafe fn broadcast(factor: &u64) -> __m256i {
        // SAFETY: the trait's contract.
        unsafe { _mm256_set1_epi64x(factor.cast_signed()) }
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
    unsafe fn operand(self) -> __m256i {
        self.0
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: __m256i, operand: __m256i) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm256_xor_si256(self.0, _mm256_gf2p8affine_epi64_epi8::<0>(operand, factor)) })
    }
}
