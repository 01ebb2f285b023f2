//! Kernels: the one loop that touches every byte, once for each instruction set.
//!
//! A kernel multiplies a matrix by a column of byte strings, `outputs = matrix · inputs`, position by position. Encoding
//! and reconstruction are both that. All kernels give the same bytes as `scalar`.

#![expect(unsafe_code, reason = "vector instructions exist only if the CPU has them, which is checked at run time")]

mod scalar;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tables;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

#[cfg(target_arch = "x86_64")]
mod ssse3;

#[cfg(target_arch = "x86_64")]
mod avx2;

#[cfg(target_arch = "x86_64")]
mod avx2_gfni;

#[cfg(target_arch = "x86_64")]
mod avx512_gfni;

#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use crate::matrix::Matrix;

/// Bytes of each shard that are worked on at a time, so that 16 shards' worth stays in the second-level cache.
const TILE_SIZE: usize = 32 * 1024;

/// Computes the bytes `range` of every output from the same bytes of the inputs.
///
/// # Safety
///
/// The CPU has the kernel's instructions, the matrix has a row for each output and a column for each input, and every
/// output and input reaches to the end of `range`.
type Multiply = unsafe fn(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]], range: Range<usize>);

/// An implementation of the inner loop that this CPU can run.
#[derive(Clone, Copy)]
pub struct Kernel {
    name: &'static str,
    multiply: Multiply,
}

impl Kernel {
    /// The kernels that this CPU can run, slowest first. The first is the portable one.
    ///
    /// Each earns its place. GiB/s of data at 8+4 with shards of 64 KiB (in cache) and of 1 MiB (bound by memory), on one
    /// core of an Intel Xeon of the Sapphire Rapids family: scalar 0.5 and 0.6, SSSE3 5.8 and 6.0, AVX2 11.2 and 10.1,
    /// AVX2+GFNI 21.6 and 15.2, AVX-512+GFNI 33.7 and 15.5. `reed-solomon-erasure` with SIMD reached 4.7 and 3.7 in the
    /// same run (`docs/performance.md`). NEON is tested under emulation and not measured yet.
    pub fn available() -> Vec<Self> {
        let portable = [(true, "scalar", scalar::multiply as Multiply)];
        let all = portable.into_iter().chain(vector_kernels());
        all.filter(|(is_available, ..)| *is_available).map(|(_, name, multiply)| Self { name, multiply }).collect()
    }

    /// The fastest kernel that this CPU can run.
    pub fn fastest() -> Self {
        *Self::available().last().expect("the portable kernel is always there")
    }

    /// Name of its instruction set.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Computes `outputs = matrix · inputs`.
    ///
    /// # Panics
    ///
    /// Panics if lengths differ or the matrix does not fit.
    pub(crate) fn multiply(self, matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        assert_eq!(matrix.column_count(), inputs.len(), "a column for each input");
        assert_eq!(matrix.row_count(), outputs.len(), "a row for each output");
        let size = inputs.first().map_or(0, |input| input.len());
        assert!(inputs.iter().all(|input| input.len() == size), "inputs of equal length");
        assert!(outputs.iter().all(|output| output.len() == size), "outputs as long as the inputs");
        for start in (0..size).step_by(TILE_SIZE) {
            let tile = start..size.min(start + TILE_SIZE);
            // SAFETY: only `available` makes a kernel, and only one that the CPU can run; the assertions above and
            // `tile` within `size` are the rest of the contract.
            unsafe { (self.multiply)(matrix, inputs, outputs, tile) }
        }
    }
}

/// Availability, name and function of each vector kernel, slowest first.
#[cfg(target_arch = "x86_64")]
fn vector_kernels() -> [(bool, &'static str, Multiply); 4] {
    [
        (ssse3::is_available(), "ssse3", ssse3::multiply),
        (avx2::is_available(), "avx2", avx2::multiply),
        (avx2_gfni::is_available(), "avx2+gfni", avx2_gfni::multiply),
        (avx512_gfni::is_available(), "avx512+gfni", avx512_gfni::multiply),
    ]
}

/// Availability, name and function of each vector kernel, slowest first.
#[cfg(target_arch = "aarch64")]
fn vector_kernels() -> [(bool, &'static str, Multiply); 1] {
    [(neon::is_available(), "neon", neon::multiply)]
}

/// There is no vector kernel for other CPUs.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn vector_kernels() -> [(bool, &'static str, Multiply); 0] {
    []
}

impl fmt::Debug for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Kernel").field(&self.name).finish()
    }
}
