//! Matrices over GF(2^8).

use crate::galois;

/// A matrix, row by row. In `outputs = matrix · inputs` a row belongs to an output and a column to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Matrix {
    column_count: usize,
    cells: Vec<u8>,
}

impl Matrix {
    /// Builds the matrix with `cell(row, column)` in each place.
    pub(crate) fn from_fn(row_count: usize, column_count: usize, cell: impl Fn(usize, usize) -> u8) -> Self {
        assert!(0 < column_count, "a matrix has a column");
        let cells =
            (0..row_count * column_count).map(|place| cell(place / column_count, place % column_count)).collect();
        Self { column_count, cells }
    }

    /// The generator matrix of `reed-solomon-erasure`: the Vandermonde matrix of the elements 0, 1, 2, ... times the
    /// inverse of its top square. Its top `data_count` rows are thus the identity, and any `data_count` rows are
    /// independent, since any such rows of a Vandermonde matrix are.
    pub(crate) fn generator(shard_count: usize, data_count: usize) -> Self {
        assert!(shard_count <= 256, "rows of a Vandermonde matrix belong to distinct elements");
        let element = |row| u8::try_from(row).expect("checked above");
        let vandermonde = Self::from_fn(shard_count, data_count, |row, column| galois::power(element(row), column));
        let top = vandermonde.select_rows(0..data_count);
        vandermonde.multiply(&top.invert().expect("a Vandermonde matrix is regular"))
    }

    pub(crate) fn row_count(&self) -> usize {
        self.cells.len() / self.column_count
    }

    pub(crate) fn column_count(&self) -> usize {
        self.column_count
    }

    pub(crate) fn row(&self, row: usize) -> &[u8] {
        &self.cells[row * self.column_count..][..self.column_count]
    }

    /// The matrix of the given rows, in the given order.
    pub(crate) fn select_rows(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let cells = rows.into_iter().flat_map(|row| self.row(row)).copied().collect();
        Self { column_count: self.column_count, cells }
    }

    pub(crate) fn multiply(&self, right: &Self) -> Self {
        assert_eq!(self.column_count, right.row_count(), "inner dimensions agree");
        let mut cells = vec![0; self.row_count() * right.column_count];
        for (row, sums) in cells.chunks_exact_mut(right.column_count).enumerate() {
            for (inner, &factor) in self.row(row).iter().enumerate() {
                add_multiple(sums, factor, right.row(inner));
            }
        }
        Self { column_count: right.column_count, cells }
    }

    /// The inverse by Gauss–Jordan elimination, or `None` if the matrix is singular.
    pub(crate) fn invert(&self) -> Option<Self> {
        let size = self.column_count;
        assert_eq!(size, self.row_count(), "only a square matrix has an inverse");
        // Each row is followed by that row of the identity; reducing the left half turns the right one into the inverse.
        let mut rows: Vec<Vec<u8>> = (0..size)
            .map(|row| [self.row(row), &(0..size).map(|c| u8::from(c == row)).collect::<Vec<_>>()].concat())
            .collect();
        for pivot in 0..size {
            let found = (pivot..size).find(|&row| rows[row][pivot] != 0)?;
            rows.swap(pivot, found);
            let products = &galois::PRODUCTS[usize::from(galois::invert(rows[pivot][pivot]))];
            rows[pivot].iter_mut().for_each(|cell| *cell = products[usize::from(*cell)]);
            let pivot_row = rows[pivot].clone();
            for (_, row) in rows.iter_mut().enumerate().filter(|&(row, _)| row != pivot) {
                let factor = row[pivot];
                add_multiple(row, factor, &pivot_row);
            }
        }
        Some(Self { column_count: size, cells: rows.iter().flat_map(|row| &row[size..]).copied().collect() })
    }
}

/// Adds `factor` times `addend` to `sums`.
fn add_multiple(sums: &mut [u8], factor: u8, addend: &[u8]) {
    let products = &galois::PRODUCTS[usize::from(factor)];
    for (sum, &cell) in sums.iter_mut().zip(addend) {
        *sum ^= products[usize::from(cell)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identity(size: usize) -> Matrix {
        Matrix::from_fn(size, size, |row, column| u8::from(row == column))
    }

    proptest! {
        #[test]
        fn a_matrix_times_its_inverse_is_the_identity(
            (size, cells) in (1..12_usize).prop_flat_map(|size| (Just(size), prop::collection::vec(any::<u8>(), size * size))),
        ) {
            let matrix = Matrix::from_fn(size, size, |row, column| cells[row * size + column]);
            if let Some(inverse) = matrix.invert() {
                prop_assert_eq!(matrix.multiply(&inverse), identity(size));
                prop_assert_eq!(inverse.multiply(&matrix), identity(size));
            }
        }
    }

    #[test]
    fn a_singular_matrix_has_no_inverse() {
        let rows = [[0, 0, 0], [0, 1, 2], [0, 2, 4]];
        assert_eq!(Matrix::from_fn(3, 3, |row, column| rows[row][column]).invert(), None);
        assert_eq!(Matrix::from_fn(2, 2, |_, _| 7).invert(), None);
    }

    #[test]
    fn a_generator_starts_with_the_identity() {
        for (shards, data) in [(1, 1), (6, 4), (12, 8), (256, 1), (256, 255), (256, 128)] {
            let generator = Matrix::generator(shards, data);
            assert_eq!(generator.select_rows(0..data), identity(data), "{data} of {shards}");
        }
    }
}
