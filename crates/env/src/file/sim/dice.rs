//! Random choices that follow from a seed.

use crate::{Entropy, SeededEntropy};

pub(super) struct Dice {
    entropy: SeededEntropy,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { entropy: SeededEntropy::new(seed) }
    }

    /// A number in `0..bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}
