//! Every kernel against the scalar one, and the scalar one against the field's definition.

use proptest::prelude::*;

use super::*;
use crate::galois;

/// Bytes that look random and differ from seed to seed (SplitMix64).
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    });
    words.flat_map(u64::to_le_bytes).take(size).collect()
}

fn matrix(row_count: usize, column_count: usize) -> Matrix {
    let cells = noise(1, row_count * column_count);
    Matrix::from_fn(row_count, column_count, |row, column| cells[row * column_count + column])
}

/// Runs `kernel` on byte strings that start `offset` bytes into their allocations, each at a distance of its own.
///
/// Returns the outputs with their surroundings, to show that nothing outside them is written.
fn product(kernel: Kernel, matrix: &Matrix, offset: usize, size: usize) -> Vec<Vec<u8>> {
    let place = |shard: usize| offset + shard % 3..offset + shard % 3 + size;
    let inputs: Vec<Vec<u8>> = (0..matrix.column_count()).map(|c| noise(2 + c as u64, size + 64)).collect();
    let mut outputs: Vec<Vec<u8>> = (0..matrix.row_count()).map(|r| noise(1000 + r as u64, size + 64)).collect();
    let input_slices: Vec<&[u8]> = inputs.iter().enumerate().map(|(c, input)| &input[place(c)]).collect();
    let mut output_slices: Vec<&mut [u8]> =
        outputs.iter_mut().enumerate().map(|(r, output)| &mut output[place(r)]).collect();
    kernel.multiply(matrix, &input_slices, &mut output_slices);
    outputs
}

fn check(matrix: &Matrix, offset: usize, size: usize) {
    let kernels = Kernel::available();
    let expected = product(kernels[0], matrix, offset, size);
    for &kernel in &kernels[1..] {
        let found = product(kernel, matrix, offset, size);
        let (rows, columns) = (matrix.row_count(), matrix.column_count());
        assert!(found == expected, "{kernel:?} differs: {rows}x{columns}, {size} bytes at {offset}");
    }
}

#[test]
fn the_scalar_kernel_is_the_definition() {
    let kernel = Kernel::available()[0];
    let matrix = Matrix::from_fn(256, 1, |row, _| u8::try_from(row).unwrap());
    let input: Vec<u8> = (0..=255).collect();
    let mut outputs = vec![[0; 256]; 256];
    let mut output_slices: Vec<&mut [u8]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
    kernel.multiply(&matrix, &[&input], &mut output_slices);
    for (a, output) in (0..=255).zip(&outputs) {
        for (b, &product) in (0..=255).zip(output) {
            assert_eq!(product, galois::multiply(a, b));
        }
    }
}

#[test]
fn kernels_multiply_every_pair_of_elements_alike() {
    let matrix = Matrix::from_fn(256, 1, |row, _| u8::try_from(row).unwrap());
    let input: Vec<u8> = (0..=255).collect();
    let products = |kernel: Kernel| {
        let mut outputs = vec![[0; 256]; 256];
        let mut output_slices: Vec<&mut [u8]> = outputs.iter_mut().map(|output| &mut output[..]).collect();
        kernel.multiply(&matrix, &[&input], &mut output_slices);
        outputs
    };
    let kernels = Kernel::available();
    for &kernel in &kernels[1..] {
        assert!(products(kernel) == products(kernels[0]), "{kernel:?}");
    }
}

#[test]
fn kernels_agree_at_every_length_and_offset() {
    let matrix = matrix(3, 5);
    for size in 0..=256 {
        for offset in 0..32 {
            check(&matrix, offset, size);
        }
    }
}

#[test]
fn kernels_agree_for_every_number_of_outputs_and_inputs() {
    for row_count in 0..=9 {
        for column_count in [1, 2, 3, 4, 8, 12, 13, 255] {
            check(&matrix(row_count, column_count), 1, 517);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn kernels_agree_across_tiles(rows in 1..7_usize, columns in 1..20_usize, offset in 0..32_usize, size in 0..100_000_usize) {
        check(&matrix(rows, columns), offset, size);
    }
}
