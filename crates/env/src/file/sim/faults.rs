//! What goes wrong, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The device reports an error (`EIO`).
    Io,
    /// The device is full (`ENOSPC`); calls that need no room pass.
    NoSpace,
    /// The machine stops at this call: it and every later one fails without effect, until the power cut.
    Crash,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Io | Failure::Crash => Errno::IO.into(),
            Failure::NoSpace => Errno::NOSPC.into(),
        }
    }
}

#[derive(Default)]
pub(super) struct Faults {
    calls: u64,
    planned: BTreeMap<u64, Failure>,
    failing: BTreeMap<PathBuf, Failure>,
    hanging: BTreeSet<PathBuf>,
    capacities: BTreeMap<PathBuf, u64>,
    crashed: bool,
}

impl Faults {
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts a call on `path`; how it must fail, if it must.
    pub(super) fn count_call(&mut self, path: &Path) -> Option<Failure> {
        let planned = self.planned.remove(&self.calls);
        self.calls += 1;
        self.crashed |= planned == Some(Failure::Crash);
        if self.crashed {
            return Some(Failure::Crash);
        }
        planned
            .or_else(|| self.failing.iter().find(|(prefix, _)| path.starts_with(prefix)).map(|(_, failure)| *failure))
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.crashed
    }

    pub(super) fn plan(&mut self, call: u64, failure: Failure) {
        self.planned.insert(call, failure);
    }

    pub(super) fn cancel(&mut self) {
        self.planned.clear();
    }

    pub(super) fn fail_path(&mut self, prefix: &Path, failure: Failure) {
        self.failing.insert(prefix.to_path_buf(), failure);
    }

    pub(super) fn heal_path(&mut self, prefix: &Path) {
        self.failing.remove(prefix);
    }

    pub(super) fn hang(&mut self, prefix: &Path) {
        self.hanging.insert(prefix.to_path_buf());
    }

    pub(super) fn release(&mut self, prefix: &Path) {
        self.hanging.remove(prefix);
    }

    pub(super) fn hangs(&self, path: &Path) -> bool {
        self.hanging.iter().any(|prefix| path.starts_with(prefix))
    }

    pub(super) fn set_capacity(&mut self, prefix: &Path, bytes: u64) {
        self.capacities.insert(prefix.to_path_buf(), bytes);
    }

    /// The limited device that holds `path`: its root and its size.
    pub(super) fn capacity(&self, path: &Path) -> Option<(&Path, u64)> {
        let holders = self.capacities.iter().filter(|(prefix, _)| path.starts_with(prefix));
        let nearest = holders.max_by_key(|(prefix, _)| prefix.components().count());
        nearest.map(|(prefix, bytes)| (prefix.as_path(), *bytes))
    }

    /// Forgets what ends with the run. Dead paths and capacities belong to the devices and stay.
    pub(super) fn restart(&mut self) {
        self.cancel();
        self.hanging.clear();
        self.crashed = false;
    }
}
