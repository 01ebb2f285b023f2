//! How many shards may be read, or written elsewhere, in place of slow ones: one in ten, so that disks which are all slow
//! because they have much to do are not given more.

use std::sync::atomic::{AtomicU64, Ordering};

/// Tokens that a further read or write costs; every one that was asked for earns one.
const PRICE: u64 = 10;

/// Tokens that may be saved up: what a second of requests needs until a node that has died is known to be dead.
const TOKENS_MAX: u64 = 1024 * PRICE;

/// The further reads that reads have earned, or writes that writes have.
pub(crate) struct HedgeBudget {
    tokens: AtomicU64,
}

impl Default for HedgeBudget {
    fn default() -> Self {
        Self { tokens: AtomicU64::new(TOKENS_MAX) }
    }
}

impl HedgeBudget {
    /// Notes that so many shards are read or written because they were asked for.
    pub(crate) fn earn(&self, shards: usize) {
        let earned = |tokens: u64| Some((tokens + shards as u64).min(TOKENS_MAX));
        let _before = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
    }

    /// Pays for so many further shards; false when it cannot.
    pub(crate) fn spend(&self, shards: usize) -> bool {
        let spent = |tokens: u64| tokens.checked_sub(shards as u64 * PRICE);
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_in_ten_may_be_hedged_after_the_savings() {
        let budget = HedgeBudget::default();
        assert_eq!((0..2000).filter(|_| budget.spend(1)).count(), 1024);
        budget.earn(159);
        assert!(!budget.spend(16), "all of them or none");
        assert!(budget.spend(8));
        assert_eq!((0..100).filter(|_| budget.spend(1)).count(), 7);
        budget.earn(1_000_000);
        assert!(budget.spend(1024) && !budget.spend(1), "no more is saved up");
    }
}
