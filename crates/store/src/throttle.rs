//! A token bucket for background work.

use std::sync::Arc;
use std::time::Duration;

use env::Clock;
use parking_lot::Mutex;

/// Lets through so many bytes a second, in bursts of at most one second's worth.
pub(crate) struct Throttle {
    clock: Arc<dyn Clock>,
    rate: u64,
    state: Mutex<Bucket>,
}

struct Bucket {
    /// Bytes that may pass now; negative while a large request is being paid off.
    tokens: i128,
    refilled: Duration,
}

impl Throttle {
    /// Lets through `rate` bytes a second, at least 1.
    pub(crate) fn new(clock: Arc<dyn Clock>, rate: u64) -> Self {
        let rate = rate.max(1);
        let state = Mutex::new(Bucket { tokens: i128::from(rate), refilled: clock.monotonic() });
        Self { clock, rate, state }
    }

    /// Waits until `bytes` may pass. A request larger than a burst passes alone and is paid off afterwards.
    pub(crate) async fn pass(&self, bytes: u64) {
        let wait = self.take(bytes);
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    /// Takes the tokens, and returns how long to wait for them.
    fn take(&self, bytes: u64) -> Duration {
        let mut bucket = self.state.lock();
        let now = self.clock.monotonic();
        let elapsed = now.saturating_sub(bucket.refilled).as_micros();
        let refill = i128::try_from(elapsed * u128::from(self.rate) / 1_000_000).unwrap_or(i128::MAX / 2);
        bucket.tokens = (bucket.tokens + refill).min(i128::from(self.rate));
        bucket.refilled = now;
        bucket.tokens -= i128::from(bytes);
        let debt = u64::try_from((-bucket.tokens).max(0)).unwrap_or(u64::MAX);
        Duration::from_micros(debt.saturating_mul(1_000_000) / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use env::{ManualClock, UnixMillis};

    use super::*;

    #[tokio::test]
    async fn bytes_pass_at_the_rate() {
        let clock = Arc::new(ManualClock::new(UnixMillis(0)));
        let throttle = Throttle::new(clock.clone(), 1000);
        for _ in 0..100 {
            throttle.pass(500).await;
        }
        // 50 seconds' worth, of which the first is free.
        assert_eq!(clock.monotonic().as_secs(), 49);
    }
}
