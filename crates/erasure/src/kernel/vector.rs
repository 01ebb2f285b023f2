//! The loop that all vector kernels share, over what an instruction set gives them.
//!
//! All of it is `inline(always)`: it is compiled once in each kernel's function that enables the instructions.

use std::ops::Range;

use super::scalar;
use crate::matrix::Matrix;

/// Outputs that are computed at once, so that the sums stay in registers and each input is loaded once for all of them.
pub(super) const ROWS_MAX: usize = 4;

/// A vector register of bytes, as elements of the field.
///
/// # Safety
///
/// Every function needs a CPU with the implementation's instructions.
pub(super) trait Vector: Copy {
    /// Bytes in a register.
    const SIZE: usize = size_of::<Self>();

    /// A constant of the field as it lies in memory.
    type Factor: Copy;

    /// A constant of the field in registers.
    type Broadcast: Copy;

    /// A vector made ready to be multiplied several times.
    type Operand: Copy;

    /// Finds the table entry of a constant.
    fn factor(constant: u8) -> Self::Factor;

    unsafe fn broadcast(factor: &Self::Factor) -> Self::Broadcast;

    unsafe fn zero() -> Self;

    /// Loads `SIZE` readable bytes from `source`, of any alignment.
    unsafe fn load(source: *const u8) -> Self;

    /// Stores `SIZE` bytes to `target`, writable and of any alignment.
    unsafe fn store(self, target: *mut u8);

    unsafe fn operand(self) -> Self::Operand;

    /// Adds `factor` times `operand`.
    unsafe fn multiply_add(self, factor: Self::Broadcast, operand: Self::Operand) -> Self;
}

/// Implements [`super::Multiply`] with vectors `V`, `UNROLL` of them at a time.
///
/// # Safety
///
/// As [`super::Multiply`], and the CPU has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector, const UNROLL: usize>(
    matrix: &Matrix,
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
    range: Range<usize>,
) {
    if range.len() < V::SIZE {
        return scalar::multiply(matrix, inputs, outputs, range);
    }
    for (group, outputs) in outputs.chunks_mut(ROWS_MAX).enumerate() {
        let first_row = group * ROWS_MAX;
        // SAFETY: the caller's contract; each arm takes as many rows as there are outputs.
        unsafe {
            match outputs.len() {
                1 => multiply_rows::<V, UNROLL, 1>(matrix, first_row, inputs, outputs, range.clone()),
                2 => multiply_rows::<V, UNROLL, 2>(matrix, first_row, inputs, outputs, range.clone()),
                3 => multiply_rows::<V, UNROLL, 3>(matrix, first_row, inputs, outputs, range.clone()),
                _ => multiply_rows::<V, UNROLL, ROWS_MAX>(matrix, first_row, inputs, outputs, range.clone()),
            }
        }
    }
}

/// Computes `ROWS` outputs.
///
/// # Safety
///
/// As [`multiply`]; `range` is at least `V::SIZE` long, and there are exactly `ROWS` outputs.
#[inline(always)]
unsafe fn multiply_rows<V: Vector, const UNROLL: usize, const ROWS: usize>(
    matrix: &Matrix,
    first_row: usize,
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
    range: Range<usize>,
) {
    let mut factors = Vec::with_capacity(inputs.len());
    for column in 0..inputs.len() {
        let mut of_column = [V::factor(0); ROWS];
        for (row, factor) in of_column.iter_mut().enumerate() {
            *factor = V::factor(matrix.row(first_row + row)[column]);
        }
        factors.push(of_column);
    }
    let mut position = range.start;
    // SAFETY: every step stays within `range`; the last one overlaps its predecessor and computes the same bytes again.
    unsafe {
        while position + UNROLL * V::SIZE <= range.end {
            step::<V, UNROLL, ROWS>(&factors, inputs, outputs, position);
            position += UNROLL * V::SIZE;
        }
        while position + V::SIZE <= range.end {
            step::<V, 1, ROWS>(&factors, inputs, outputs, position);
            position += V::SIZE;
        }
        if position < range.end {
            step::<V, 1, ROWS>(&factors, inputs, outputs, range.end - V::SIZE);
        }
    }
}

/// Computes `UNROLL` vectors of each output from `position` on.
///
/// # Safety
///
/// The CPU has the instructions, there are `ROWS` outputs, and all byte strings reach `UNROLL` vectors past `position`.
#[inline(always)]
unsafe fn step<V: Vector, const UNROLL: usize, const ROWS: usize>(
    factors: &[[V::Factor; ROWS]],
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
    position: usize,
) {
    // SAFETY: the caller's contract covers every address; `UNROLL` vectors follow `position` in each byte string.
    unsafe {
        let mut sums = [[V::zero(); ROWS]; UNROLL];
        for (factors, input) in factors.iter().zip(inputs) {
            let source = input.as_ptr().add(position);
            let mut operands = [V::zero().operand(); UNROLL];
            for (lane, operand) in operands.iter_mut().enumerate() {
                *operand = V::load(source.add(lane * V::SIZE)).operand();
            }
            for (row, factor) in factors.iter().enumerate() {
                let factor = V::broadcast(factor);
                for (sums, &operand) in sums.iter_mut().zip(&operands) {
                    sums[row] = sums[row].multiply_add(factor, operand);
                }
            }
        }
        for (row, output) in outputs.iter_mut().enumerate().take(ROWS) {
            let target = output.as_mut_ptr().add(position);
            for (lane, sums) in sums.iter().enumerate() {
                sums[row].store(target.add(lane * V::SIZE));
            }
        }
    }
}
