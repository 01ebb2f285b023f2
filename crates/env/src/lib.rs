//! Everything the outside world decides: time, randomness, tasks, files and sockets, as traits.
//!
//! The rest of the workspace reaches the wall clock, OS randomness, threads and the file system only
//! through an [`Env`]; clippy's disallowed lists enforce it. The same code therefore runs on the real
//! machine ([`Env::real`]) and on a simulated disk that loses unsynced writes.
//!
//! Invariant: this crate knows nothing of objects, shards or trees.

mod buffer;
mod clock;
mod entropy;
mod file;
mod net;
mod probe;
mod task;

pub use buffer::{Buffer, Buffers, DIRECT_ALIGNMENT};
pub use clock::{Clock, ManualClock, RealClock, UnixMillis};
pub use entropy::{Entropy, RealEntropy, SeededEntropy};
pub use file::{
    CountedFiles, DirectoryId, Failure, File, FileCounts, FileLock, Files, Flip, OpenMode, RealFiles, SimFiles, Space,
};
pub use net::{Listener, Net, NetFuture, RealNet, Stream};
pub use probe::{Bug, Moment};
pub use task::{Pace, RealSpawn, SimSpawn, Spawn, Task, TaskFailed, Work, Worker};

use std::sync::Arc;

/// The outside world, as one value that `server` builds and every crate receives.
#[derive(Clone)]
pub struct Env {
    /// Wall clock, monotonic clock and timers.
    pub clock: Arc<dyn Clock>,
    /// Source of unpredictable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The file system.
    pub files: Arc<dyn Files>,
    /// Sockets to other nodes.
    pub net: Arc<dyn Net>,
    /// Tasks and workers.
    pub spawn: Arc<dyn Spawn>,
    /// Memory for bodies and transfers.
    pub buffers: Buffers,
}

impl Env {
    /// The real machine. Tasks need a running tokio runtime at the time of the call that spawns them.
    pub fn real() -> Self {
        let buffers = Buffers::default();
        Self {
            clock: Arc::new(RealClock::new()),
            entropy: Arc::new(RealEntropy),
            files: Arc::new(RealFiles::new(buffers.clone())),
            net: Arc::new(RealNet),
            spawn: Arc::new(RealSpawn),
            buffers,
        }
    }

    /// A fresh 128-bit random number, for identities that must never collide.
    pub fn random_u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }

    /// Runs `work` where blocking is allowed (off the reactor) and waits for its result.
    ///
    /// Not cancel safe in one sense: dropped before it resolves, `work` still runs to its end.
    ///
    /// # Panics
    ///
    /// Panics if `work` panicked, so that the panic surfaces at the caller.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.spawn.blocking(Box::new(move || {
            // A caller that went away needs no result.
            let _ = sender.send(work());
        }));
        receiver.await.expect("blocking work panicked")
    }
}
