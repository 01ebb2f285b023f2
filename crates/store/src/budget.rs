//! The memory that bodies in flight may use.

use std::sync::Arc;
use std::time::Duration;

use env::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// The semaphore counts in KiB, since its permits are counted in 32 bits.
const GRAIN: usize = 1024;

/// A bound on the bytes that all uploads and downloads buffer together.
#[derive(Clone)]
pub(crate) struct MemoryBudget {
    free: Arc<Semaphore>,
    grains: usize,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

/// A share of the budget, given back on drop.
pub(crate) struct Reservation {
    _permit: OwnedSemaphorePermit,
}

impl MemoryBudget {
    /// Allows `bytes` in all. A request that waits for its share longer than `patience` is refused.
    pub(crate) fn new(bytes: usize, patience: Duration, clock: Arc<dyn Clock>) -> Self {
        let grains = (bytes / GRAIN).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(grains)), grains, patience, clock }
    }

    /// Waits for `bytes`; a request larger than the whole budget gets all of it. First come, first served.
    ///
    /// # Errors
    ///
    /// `SlowDown` when the wait takes too long.
    pub(crate) async fn reserve(&self, bytes: usize) -> Result<Reservation> {
        tokio::select! {
            biased;
            reservation = self.reserve_more(bytes) => reservation,
            () = self.clock.sleep(self.patience) => Err(Error::SlowDown),
        }
    }

    /// Waits for `bytes` as long as it takes: for a request that has begun and is better slowed down than broken off.
    ///
    /// # Errors
    ///
    /// None at present; the semaphore is never closed.
    pub(crate) async fn reserve_more(&self, bytes: usize) -> Result<Reservation> {
        let permit = self.free.clone().acquire_many_owned(self.grains_of(bytes)).await.map_err(|_| Error::SlowDown)?;
        Ok(Reservation { _permit: permit })
    }

    fn grains_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(GRAIN).min(self.grains)).unwrap_or(u32::MAX)
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        (self.grains - self.free.available_permits()) * GRAIN
    }
}
