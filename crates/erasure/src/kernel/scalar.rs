//! The portable kernel: one table look-up a byte. It is the specification of all others.

use std::ops::Range;

use crate::galois::PRODUCTS;
use crate::matrix::Matrix;

/// See [`super::Multiply`].
pub(super) fn multiply(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>) {
    for (row, output) in outputs.iter_mut().enumerate() {
        let output = &mut output[range.clone()];
        output.fill(0);
        for (&factor, input) in matrix.row(row).iter().zip(inputs) {
            let products = &PRODUCTS[usize::from(factor)];
            for (sum, &byte) in output.iter_mut().zip(&input[range.clone()]) {
                *sum ^= products[usize::from(byte)];
            }
        }
    }
}
