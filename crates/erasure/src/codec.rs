//! Encoding and decoding of stripes.

use std::sync::Arc;

use crate::inverse_cache::InverseCache;
use crate::matrix::Matrix;
use crate::{Error, Geometry, Kernel, Result};

/// Bytes of each parity shard that `verify` computes at a time.
const VERIFY_SIZE: usize = 32 * 1024;

/// Encodes, checks and reconstructs stripes of one geometry. Clones share the matrices and cost little.
#[derive(Debug, Clone)]
pub struct Codec {
    geometry: Geometry,
    kernel: Kernel,
    generator: Arc<Matrix>,
    parity_rows: Arc<Matrix>,
    inverses: Arc<InverseCache>,
}

impl Codec {
    /// A codec with the fastest kernel that this CPU can run.
    pub fn new(geometry: Geometry) -> Self {
        Self::with_kernel(geometry, Kernel::fastest())
    }

    /// A codec with a kernel of choice, for tests and benchmarks.
    pub fn with_kernel(geometry: Geometry, kernel: Kernel) -> Self {
        let generator = Matrix::generator(geometry.shard_count(), geometry.data_count());
        let parity_rows = generator.select_rows(geometry.data_count()..geometry.shard_count());
        Self {
            geometry,
            kernel,
            generator: Arc::new(generator),
            parity_rows: Arc::new(parity_rows),
            inverses: Arc::new(InverseCache::new(geometry.data_count())),
        }
    }

    /// Shape of the stripes.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Computes the parity shards of a stripe; what `parity` held before does not matter.
    ///
    /// # Errors
    ///
    /// [`Error::ShardCount`] and [`Error::ShardSize`] if the shards are not as many as the geometry says or not of
    /// equal length.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<()> {
        self.check_counts(data.len(), parity.len())?;
        check_sizes(data.iter().map(|shard| shard.len()).chain(parity.iter().map(|shard| shard.len())))?;
        self.kernel.multiply(&self.parity_rows, data, parity);
        Ok(())
    }

    /// Says whether the parity shards are those of the data shards.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn verify(&self, data: &[&[u8]], parity: &[&[u8]]) -> Result<bool> {
        self.check_counts(data.len(), parity.len())?;
        let size = check_sizes(data.iter().chain(parity).map(|shard| shard.len()))?;
        let mut scratch = vec![0; VERIFY_SIZE.min(size) * parity.len()];
        for start in (0..size).step_by(VERIFY_SIZE) {
            let end = size.min(start + VERIFY_SIZE);
            let data: Vec<&[u8]> = data.iter().map(|shard| &shard[start..end]).collect();
            let mut computed: Vec<&mut [u8]> = scratch.chunks_mut(VERIFY_SIZE.min(size)).collect();
            computed.iter_mut().for_each(|shard| *shard = &mut std::mem::take(shard)[..end - start]);
            self.kernel.multiply(&self.parity_rows, &data, &mut computed);
            let equal = computed.iter().zip(parity).all(|(computed, shard)| **computed == shard[start..end]);
            if !equal {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fills the `wanted` shards from `present` ones, both given with their indices, in any order.
    ///
    /// Any `data_count` present shards will do; where there are more, data shards are preferred, then low
    /// indices. Only the wanted shards are computed, so that a read pays for the data shards it needs alone.
    ///
    /// # Errors
    ///
    /// [`Error::TooFewShards`] if fewer than `data_count` shards are present, [`Error::ShardIndex`] if an index is
    /// outside the geometry or given twice, [`Error::ShardSize`] if lengths differ.
    pub fn reconstruct(&self, present: &[(u8, &[u8])], wanted: &mut [(u8, &mut [u8])]) -> Result<()> {
        self.check_indices(present.iter().map(|(index, _)| *index).chain(wanted.iter().map(|(index, _)| *index)))?;
        check_sizes(present.iter().map(|(_, shard)| shard.len()).chain(wanted.iter().map(|(_, shard)| shard.len())))?;
        let needed = self.geometry.data_count();
        if present.len() < needed {
            return Err(Error::TooFewShards { needed, found: present.len() });
        }
        let mut sources = present.to_vec();
        sources.sort_unstable_by_key(|(index, _)| *index);
        sources.truncate(needed);
        let (source_indices, inputs): (Vec<u8>, Vec<&[u8]>) = sources.into_iter().unzip();
        let (wanted_rows, mut outputs): (Vec<usize>, Vec<&mut [u8]>) =
            wanted.iter_mut().map(|(index, shard)| (usize::from(*index), &mut **shard)).unzip();
        let matrix = self.generator.select_rows(wanted_rows).multiply(&self.inverse(&source_indices));
        self.kernel.multiply(&matrix, &inputs, &mut outputs);
        Ok(())
    }

    /// The matrix that gives the data shards from the shards `sources`.
    fn inverse(&self, sources: &[u8]) -> Arc<Matrix> {
        self.inverses.get_or_insert(sources, || {
            let rows = self.generator.select_rows(sources.iter().map(|&index| usize::from(index)));
            rows.invert().expect("any data_count rows of the generator are independent")
        })
    }

    fn check_counts(&self, data_count: usize, parity_count: usize) -> Result<()> {
        for (kind, expected, found) in
            [("data", self.geometry.data_count(), data_count), ("parity", self.geometry.parity_count(), parity_count)]
        {
            if expected != found {
                return Err(Error::ShardCount { kind, expected, found });
            }
        }
        Ok(())
    }

    fn check_indices(&self, indices: impl Iterator<Item = u8>) -> Result<()> {
        let mut seen = [false; 256];
        for index in indices {
            let place = usize::from(index);
            if self.geometry.shard_count() <= place || seen[place] {
                return Err(Error::ShardIndex { index });
            }
            seen[place] = true;
        }
        Ok(())
    }
}

/// Checks that all sizes are equal, and returns that size, 0 if there is none.
fn check_sizes(mut sizes: impl Iterator<Item = usize>) -> Result<usize> {
    let expected = sizes.next().unwrap_or(0);
    match sizes.find(|&size| size != expected) {
        Some(found) => Err(Error::ShardSize { expected, found }),
        None => Ok(expected),
    }
}
