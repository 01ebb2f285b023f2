//! Whether the disk takes part, and what it has counted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::report::DiskState;
use crate::{Error, Result};

/// Failed batches in a row after which the disk is given up.
const STRIKES_IN_ROW_MAX: u32 = 3;
/// Failed batches in all after which the disk is given up, whatever worked in between.
const STRIKES_MAX: u32 = 16;

/// The disk's state, changed by whoever meets trouble.
pub(crate) struct Health {
    path: PathBuf,
    state: Mutex<Condition>,
}

struct Condition {
    state: DiskState,
    strikes_in_row: u32,
    strikes: u32,
}

impl Health {
    pub(crate) fn new(path: PathBuf) -> Self {
        let condition = Condition { state: DiskState::InService, strikes_in_row: 0, strikes: 0 };
        Self { path, state: Mutex::new(condition) }
    }

    pub(crate) fn state(&self) -> DiskState {
        self.state.lock().state.clone()
    }

    /// Refuses work for a disk that is out of service.
    pub(crate) fn require_service(&self) -> Result<()> {
        match &self.state.lock().state {
            DiskState::InService | DiskState::Suspect { .. } => Ok(()),
            DiskState::Failed { reason } => Err(Error::Failed { path: self.path.clone(), reason: reason.clone() }),
            DiskState::Closed => Err(Error::Closed),
        }
    }

    /// A batch could not be made durable.
    pub(crate) fn strike(&self, reason: &str) {
        let mut condition = self.state.lock();
        condition.strikes_in_row += 1;
        condition.strikes += 1;
        let is_hopeless = STRIKES_IN_ROW_MAX <= condition.strikes_in_row || STRIKES_MAX <= condition.strikes;
        if is_hopeless {
            condition.fail(&self.path, reason);
        } else if condition.state == DiskState::InService {
            tracing::warn!(disk = %self.path.display(), reason, "disk is suspect");
            condition.state = DiskState::Suspect { reason: reason.to_owned() };
        }
    }

    /// A batch became durable.
    pub(crate) fn clear(&self) {
        let mut condition = self.state.lock();
        condition.strikes_in_row = 0;
        if matches!(condition.state, DiskState::Suspect { .. }) {
            tracing::info!(disk = %self.path.display(), "disk is in service again");
            condition.state = DiskState::InService;
        }
    }

    /// Takes the disk out of service for good and gives the error for whoever noticed.
    pub(crate) fn fail(&self, reason: &str) -> Error {
        self.state.lock().fail(&self.path, reason);
        Error::Failed { path: self.path.clone(), reason: reason.to_owned() }
    }

    pub(crate) fn close(&self) {
        let mut condition = self.state.lock();
        if !matches!(condition.state, DiskState::Failed { .. }) {
            condition.state = DiskState::Closed;
        }
    }
}

impl Condition {
    fn fail(&mut self, path: &Path, reason: &str) {
        if matches!(self.state, DiskState::InService | DiskState::Suspect { .. }) {
            tracing::error!(disk = %path.display(), reason, "disk is out of service");
            self.state = DiskState::Failed { reason: reason.to_owned() };
        }
    }
}

/// Counters; see `Stats` for their meaning.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) appends: Counter,
    pub(crate) appended_bytes: Counter,
    /// Records written, whatever they say.
    pub(crate) records: Counter,
    pub(crate) deletes: Counter,
    pub(crate) syncs: Counter,
    pub(crate) reads: Counter,
    pub(crate) read_bytes: Counter,
    pub(crate) corrupt_blocks: Counter,
    pub(crate) io_errors: Counter,
    pub(crate) compacted_extents: Counter,
    pub(crate) scrubbed_bytes: Counter,
}

/// A number that only rises.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
