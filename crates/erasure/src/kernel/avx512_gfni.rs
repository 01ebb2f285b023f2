//! AVX-512 with GFNI: a bit-matrix product of 64 bytes an instruction.

use std::arch::x86_64::*;
use std::ops::Range;

use super::tables::AFFINE;
use super::vector::{self, Vector};
use crate::matrix::Matrix;

/// Says whether this CPU can run [`multiply`].
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("gfni")
}

/// See [`super::Multiply`].
///
/// # Safety
///
/// As there; `is_available` said yes.
#[target_feature(enable = "avx512f,gfni")]
pub(super) unsafe fn multiply(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>) {
    // SAFETY: the caller's contract.
    unsafe { vector::multiply::<__m512i, 4>(matrix, inputs, outputs, range) }
}

impl Vector for __m512i {
    type Factor = u64;
    type Broadcast = __m512i;
    type Operand = __m512i;

    #[inline(always)]
    fn factor(constant: u8) -> u64 {
        AFFINE[usize::from(constant)]
    }

    #[inline(always)]
    unsafe fn broadcast(factor: &u64) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_set1_epi64(factor.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's contract.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the trait's contract.
        unsafe { _mm512_loadu_si512(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the trait's contract.
        unsafe { _mm512_storeu_si512(target.cast(), self) }
    }

    #[inline(always)]
    unsafe fn operand(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: __m512i, operand: __m512i) -> Self {
        // SAFETY: the trait's contract.
        unsafe { _mm512_xor_si512(self, _mm512_gf2p8affine_epi64_epi8::<0>(operand, factor)) }
    }
}
