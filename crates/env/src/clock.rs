//! Wall clock, monotonic clock and timers.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::task::executor;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

/// Tells the time and waits.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. May jump in either direction; never use it to measure a span.
    fn now(&self) -> UnixMillis;

    /// Time since an arbitrary start. Never goes backwards.
    fn monotonic(&self) -> Duration;

    /// Resolves once `span` has passed on the monotonic clock. Cancel safe.
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clocks; tokio's timer in tasks, the thread's own in workers.
pub struct RealClock {
    started: Instant,
}

#[expect(clippy::disallowed_methods, reason = "the one place that may read the real clocks")]
impl RealClock {
    /// Starts the monotonic clock at zero.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that may read the real clocks")]
impl Clock for RealClock {
    fn now(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match executor::sleep(span) {
            Some(sleep) => Box::pin(sleep),
            None => Box::pin(tokio::time::sleep(span)),
        }
    }
}

/// A clock that a test moves by hand. Its timers resolve at once after moving the clock by their span.
pub struct ManualClock {
    start_millis: u64,
    elapsed_millis: AtomicU64,
}

impl ManualClock {
    /// Starts the wall clock at `now` and the monotonic clock at zero.
    pub fn new(now: UnixMillis) -> Self {
        Self { start_millis: now.0, elapsed_millis: AtomicU64::new(0) }
    }

    /// Moves both clocks forward by `span`, rounded down to milliseconds.
    pub fn advance(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.elapsed_millis.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.start_millis + self.elapsed_millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_millis.load(Ordering::SeqCst))
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.advance(span);
        Box::pin(std::future::ready(()))
    }
}
