//! Reproducible choices.

use std::time::Duration;

use env::{Entropy, SeededEntropy};

/// Random choices that follow from one seed.
pub(crate) struct Dice(SeededEntropy);

impl Dice {
    /// The choices that belong to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below `bound`, which is positive.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    /// A span of at least `from` and less than `to` milliseconds.
    pub(crate) fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    /// One of `choices`, which are not empty.
    pub(crate) fn pick<T: Copy>(&self, choices: &[T]) -> T {
        let position = usize::try_from(self.below(choices.len() as u64)).expect("below a length");
        choices[position]
    }
}
