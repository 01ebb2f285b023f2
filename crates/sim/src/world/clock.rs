//! Virtual time.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use env::{Clock, UnixMillis};

/// When every simulation begins: 2026-01-01T00:00:00Z, in milliseconds since 1970.
pub(super) const EPOCH_MILLIS: u64 = 1_767_225_600_000;

/// One machine's clocks. The monotonic one follows the simulation, the wall clock is as wrong as the machine has it.
#[derive(Default)]
pub(super) struct SimClock {
    skew_millis: AtomicI64,
    /// The last time asked for, in nanoseconds; answers what is dropped with a crashed machine.
    last: AtomicU64,
}

impl SimClock {
    /// When in the simulation the wall clock showed `time`, as it goes now; `None` before the simulation.
    pub(super) fn moment_of(&self, time: UnixMillis) -> Option<Duration> {
        let shown = time.0.saturating_add_signed(-self.skew_millis.load(Ordering::Relaxed));
        shown.checked_sub(EPOCH_MILLIS).map(Duration::from_millis)
    }

    /// Sets how far the wall clock is ahead.
    pub(super) fn set_skew(&self, millis: i64) {
        self.skew_millis.store(millis, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixMillis {
        let elapsed = u64::try_from(self.monotonic().as_millis()).expect("simulations are short");
        UnixMillis((EPOCH_MILLIS + elapsed).saturating_add_signed(self.skew_millis.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Duration {
        if let Some(elapsed) = turmoil::sim_elapsed() {
            let nanos = u64::try_from(elapsed.as_nanos()).expect("simulations are short");
            self.last.store(nanos, Ordering::Relaxed);
        }
        Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }

    #[expect(clippy::disallowed_methods, reason = "tokio's time is the simulation's")]
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}
