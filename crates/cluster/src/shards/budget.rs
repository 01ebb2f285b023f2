//! How many calls may be repeated: one in ten, so that a node in trouble is not asked twice as much.

/// Tokens that a repetition costs; a success earns one.
const PRICE: u32 = 10;

/// Tokens that may be saved up: a burst of repetitions after a restart of the node.
const TOKENS_MAX: u32 = 32 * PRICE;

/// The repetitions that one node's calls have earned.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    tokens: u32,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: TOKENS_MAX }
    }
}

impl RetryBudget {
    /// Notes a success.
    pub(crate) fn earn(&mut self) {
        self.tokens = (self.tokens + 1).min(TOKENS_MAX);
    }

    /// Pays for a repetition; false when it cannot.
    pub(crate) fn spend(&mut self) -> bool {
        match self.tokens.checked_sub(PRICE) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_ten_may_be_repeated_after_the_savings() {
        let mut budget = RetryBudget::default();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 32);
        for _ in 0..100 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }
}
