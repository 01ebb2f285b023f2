//! NEON: two table look-ups give the products of 16 bytes, nibble by nibble.

use std::arch::aarch64::*;
use std::ops::Range;

use super::tables::NIBBLES;
use super::vector::{self, Vector};
use crate::matrix::Matrix;

/// Says whether this CPU can run [`multiply`].
pub(super) fn is_available() -> bool {
    std::arch::is_aarch64_feature_detected!("neon")
}

/// See [`super::Multiply`].
///
/// # Safety
///
/// As there; `is_available` said yes.
#[target_feature(enable = "neon")]
pub(super) unsafe fn multiply(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>) {
    // SAFETY: the caller's contract.
    unsafe { vector::multiply::<uint8x16_t, 4>(matrix, inputs, outputs, range) }
}

impl Vector for uint8x16_t {
    type Factor = [[u8; 16]; 2];
    type Broadcast = [uint8x16_t; 2];
    type Operand = [uint8x16_t; 2];

    #[inline(always)]
    fn factor(constant: u8) -> [[u8; 16]; 2] {
        NIBBLES[usize::from(constant)]
    }

    #[inline(always)]
    unsafe fn broadcast([low, high]: &[[u8; 16]; 2]) -> [uint8x16_t; 2] {
        // SAFETY: the trait's contract; each table has the 16 bytes that are loaded.
        unsafe { [vld1q_u8(low.as_ptr()), vld1q_u8(high.as_ptr())] }
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's contract.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the trait's contract.
        unsafe { vld1q_u8(source) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the trait's contract.
        unsafe { vst1q_u8(target, self) }
    }

    #[inline(always)]
    unsafe fn operand(self) -> [uint8x16_t; 2] {
        // SAFETY: the trait's contract.
        unsafe { [vandq_u8(self, vdupq_n_u8(0x0f)), vshrq_n_u8::<4>(self)] }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, factor: [uint8x16_t; 2], operand: [uint8x16_t; 2]) -> Self {
        // SAFETY: the trait's contract.
        unsafe { veorq_u8(self, veorq_u8(vqtbl1q_u8(factor[0], operand[0]), vqtbl1q_u8(factor[1], operand[1]))) }
    }
}
