//! Simulated disks for the tests of this crate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::{Buffers, Env, RealClock, RealSpawn, SeededEntropy, SimFiles};

/// An environment on `files` whose randomness follows from `seed`.
pub(crate) fn env_of(files: &SimFiles, seed: u64) -> Env {
    Env {
        clock: Arc::new(RealClock::new()),
        entropy: Arc::new(SeededEntropy::new(seed)),
        files: Arc::new(files.clone()),
        net: Arc::new(env::RealNet),
        spawn: Arc::new(RealSpawn),
        buffers: Buffers::default(),
    }
}

/// `count` mounted disks.
pub(crate) fn new_files(count: usize, seed: u64) -> SimFiles {
    let files = SimFiles::new(seed);
    for number in 0..count {
        files.mount(Path::new(&format!("/disk{number}")));
    }
    files
}

/// The metadata's directory on each disk.
pub(crate) fn directories(count: usize) -> Vec<PathBuf> {
    (0..count).map(|number| PathBuf::from(format!("/disk{number}/meta"))).collect()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// How many times the usual number of cases to run: `STONECROP_TEST_CASES`.
pub(crate) fn case_factor() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
    let factor = std::env::var("STONECROP_TEST_CASES").ok().and_then(|text| text.parse().ok());
    factor.unwrap_or(1)
}
