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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reed_solomon_erasure::galois_8::ReedSolomon;

    use super::*;

    fn geometry(data: u8, parity: u8) -> Geometry {
        Geometry::new(data, parity).unwrap()
    }

    /// Data shards that look random.
    fn data_shards(count: usize, size: usize) -> Vec<Vec<u8>> {
        let byte = |shard: usize, position: usize| {
            blake3::hash(&[shard, position / 32].map(|n| n as u64).map(u64::to_le_bytes).concat()).as_bytes()
                [position % 32]
        };
        (0..count).map(|shard| (0..size).map(|position| byte(shard, position)).collect()).collect()
    }

    /// A stripe encoded by the oracle.
    fn oracle_stripe(geometry: Geometry, size: usize) -> Vec<Vec<u8>> {
        let mut shards = data_shards(geometry.data_count(), size);
        shards.resize(geometry.shard_count(), vec![0; size]);
        if 0 < geometry.parity_count() {
            let oracle = ReedSolomon::new(geometry.data_count(), geometry.parity_count()).unwrap();
            oracle.encode(&mut shards).unwrap();
        }
        shards
    }

    fn encode(codec: &Codec, data: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut parity = vec![vec![0xaa; data[0].len()]; codec.geometry().parity_count()];
        let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
        let mut targets: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        codec.encode(&data, &mut targets).unwrap();
        parity
    }

    /// Reconstructs the shards for which `wanted` from those for which `present`, and compares them with `stripe`.
    fn check_reconstruction(codec: &Codec, stripe: &[Vec<u8>], present: &[bool], wanted: &[bool]) {
        let sources: Vec<(u8, &[u8])> = (0..=255)
            .zip(stripe)
            .zip(present)
            .filter(|(_, present)| **present)
            .map(|((index, shard), _)| (index, &shard[..]))
            .collect();
        let mut buffers = vec![vec![0xaa; stripe[0].len()]; stripe.len()];
        let mut targets: Vec<(u8, &mut [u8])> = (0..=255)
            .zip(&mut buffers)
            .zip(wanted)
            .filter(|(_, wanted)| **wanted)
            .map(|((index, shard), _)| (index, &mut shard[..]))
            .collect();
        codec.reconstruct(&sources, &mut targets).unwrap();
        for (index, (found, expected)) in buffers.iter().zip(stripe).enumerate().filter(|(index, _)| wanted[*index]) {
            assert!(found == expected, "{} {:?}: shard {index} from {present:?}", codec.geometry(), codec.kernel);
        }
    }

    /// Reconstructs every pattern of up to `parity_count` missing shards with every kernel: all of them, and
    /// each alone.
    fn check_every_erasure_pattern(geometry: Geometry) {
        let stripe = oracle_stripe(geometry, 135);
        let shard_count = geometry.shard_count();
        for codec in Kernel::available().into_iter().map(|kernel| Codec::with_kernel(geometry, kernel)) {
            assert!(encode(&codec, &stripe[..geometry.data_count()]) == stripe[geometry.data_count()..]);
            for pattern in 0..1_u32 << shard_count {
                if pattern.count_ones() as usize <= geometry.parity_count() {
                    let missing: Vec<bool> = (0..shard_count).map(|index| pattern >> index & 1 == 1).collect();
                    let present: Vec<bool> = missing.iter().map(|missing| !missing).collect();
                    check_reconstruction(&codec, &stripe, &present, &missing);
                    for alone in (0..shard_count).filter(|&index| missing[index]) {
                        let wanted: Vec<bool> = (0..shard_count).map(|index| index == alone).collect();
                        check_reconstruction(&codec, &stripe, &present, &wanted);
                    }
                }
            }
        }
    }

    #[test]
    fn every_erasure_pattern_of_4_2_is_reconstructed() {
        check_every_erasure_pattern(geometry(4, 2));
    }

    #[test]
    fn every_erasure_pattern_of_8_4_is_reconstructed() {
        check_every_erasure_pattern(geometry(8, 4));
    }

    #[test]
    fn parity_is_that_of_the_oracle_for_every_shape_of_geometry() {
        for (data, parity) in [(1, 0), (1, 1), (1, 4), (1, 255), (2, 2), (5, 7), (12, 4), (17, 3), (200, 56), (255, 1)]
        {
            let geometry = geometry(data, parity);
            let stripe = oracle_stripe(geometry, 100);
            let parity = encode(&Codec::new(geometry), &stripe[..geometry.data_count()]);
            assert!(parity == stripe[geometry.data_count()..], "{geometry}");
        }
    }

    #[test]
    fn one_data_shard_means_replication() {
        let data = data_shards(1, 77);
        assert_eq!(encode(&Codec::new(geometry(1, 3)), &data), vec![data[0].clone(); 3]);
    }

    #[test]
    fn shards_may_be_empty() {
        let codec = Codec::new(geometry(4, 2));
        assert_eq!(encode(&codec, &data_shards(4, 0)), vec![Vec::<u8>::new(); 2]);
        let stripe = vec![Vec::new(); 6];
        check_reconstruction(
            &codec,
            &stripe,
            &[false, true, true, true, true, false],
            &[true, false, false, false, false, true],
        );
        let empty: &[u8] = &[];
        assert_eq!(codec.verify(&[empty; 4], &[empty; 2]), Ok(true));
    }

    #[test]
    fn verify_finds_a_flipped_bit_in_any_shard() {
        let codec = Codec::new(geometry(4, 2));
        for size in [1, 500, VERIFY_SIZE, 2 * VERIFY_SIZE + 10] {
            let stripe = oracle_stripe(codec.geometry(), size);
            let verify = |stripe: &[Vec<u8>]| {
                let shards: Vec<&[u8]> = stripe.iter().map(Vec::as_slice).collect();
                codec.verify(&shards[..4], &shards[4..]).unwrap()
            };
            assert!(verify(&stripe));
            for (shard, position) in (0..6).flat_map(|shard| [0, size / 2, size - 1].map(|position| (shard, position)))
            {
                let mut damaged = stripe.clone();
                damaged[shard][position] ^= 0x10;
                assert!(!verify(&damaged), "byte {position} of {size} in shard {shard}");
            }
        }
    }

    #[test]
    fn wrong_calls_are_refused() {
        let codec = Codec::new(geometry(2, 1));
        let (a, b, c): (&[u8], &[u8], &[u8]) = (&[1, 2], &[3, 4], &[5]);
        let mut target = [0; 2];
        let count = |kind, expected, found| Err(Error::ShardCount { kind, expected, found });
        assert_eq!(codec.encode(&[a], &mut [&mut target]), count("data", 2, 1));
        assert_eq!(codec.encode(&[a, b], &mut []), count("parity", 1, 0));
        assert_eq!(codec.encode(&[a, c], &mut [&mut target]), Err(Error::ShardSize { expected: 2, found: 1 }));
        assert_eq!(codec.verify(&[a, b], &[c]), Err(Error::ShardSize { expected: 2, found: 1 }));
        let mut reconstruct = |present: &[(u8, &[u8])], index| codec.reconstruct(present, &mut [(index, &mut target)]);
        assert_eq!(reconstruct(&[(1, b)], 0), Err(Error::TooFewShards { needed: 2, found: 1 }));
        assert_eq!(reconstruct(&[(1, b), (1, a)], 0), Err(Error::ShardIndex { index: 1 }));
        assert_eq!(reconstruct(&[(1, b), (2, a)], 1), Err(Error::ShardIndex { index: 1 }));
        assert_eq!(reconstruct(&[(1, b), (2, a)], 3), Err(Error::ShardIndex { index: 3 }));
        assert_eq!(reconstruct(&[(1, b), (2, c)], 0), Err(Error::ShardSize { expected: 2, found: 1 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_data_count_shards_give_all_others(
            (data, parity, order) in (1..40_u8, 0..20_u8)
                .prop_flat_map(|(data, parity)| {
                    let indices: Vec<usize> = (0..usize::from(data) + usize::from(parity)).collect();
                    (Just(data), Just(parity), Just(indices).prop_shuffle())
                }),
            size in 1..300_usize,
        ) {
            let codec = Codec::new(geometry(data, parity));
            let stripe = oracle_stripe(codec.geometry(), size);
            let mut present = vec![false; stripe.len()];
            order[..usize::from(data)].iter().for_each(|&index| present[index] = true);
            let wanted: Vec<bool> = present.iter().map(|present| !present).collect();
            check_reconstruction(&codec, &stripe, &present, &wanted);
        }
    }
}
