//! What is usual: a running estimate of one quantile of a latency.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The share by which one sample may move the estimate.
const STEP_SHARE: f64 = 0.1;

/// Estimates one quantile of recent samples in constant space: each sample moves the estimate up or down by steps whose
/// sizes balance at the quantile (Ma, Muthukrishnan and Sandler, "Frugal streaming", 2014).
pub(crate) struct Latency {
    quantile: f64,
    estimate_nanos: AtomicU64,
}

impl Latency {
    /// Estimates `quantile`, from `initial` on.
    pub(crate) fn new(quantile: f64, initial: Duration) -> Self {
        let initial = u64::try_from(initial.as_nanos()).unwrap_or(u64::MAX);
        Self { quantile, estimate_nanos: AtomicU64::new(initial) }
    }

    /// Adds a sample.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, clamped above zero")]
    pub(crate) fn record(&self, sample: Duration) {
        let before = self.estimate_nanos.load(Ordering::Relaxed) as f64;
        let step = before * STEP_SHARE;
        let above = before < sample.as_nanos() as f64;
        let after = if above { before + step * self.quantile } else { before - step * (1.0 - self.quantile) };
        // A concurrent sample may be lost; the estimate does not mind.
        self.estimate_nanos.store((after as u64).max(1_000), Ordering::Relaxed);
    }

    /// The estimate.
    pub(crate) fn quantile(&self) -> Duration {
        Duration::from_nanos(self.estimate_nanos.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_settles_near_the_quantile() {
        let latency = Latency::new(0.95, Duration::from_secs(1));
        // 0 to 100 ms evenly, in an order without pattern.
        for turn in 0..20_000u64 {
            latency.record(Duration::from_millis(turn * 37 % 101));
        }
        let estimate = latency.quantile();
        assert!(Duration::from_millis(85) < estimate && estimate < Duration::from_millis(110), "{estimate:?}");
    }
}
