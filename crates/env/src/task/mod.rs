//! Tasks, workers and blocking work.

pub(crate) mod executor;
mod simulated;
mod worker;

pub use simulated::{Pace, SimSpawn};
pub use worker::{Work, Worker};

use std::future::Future;
use std::pin::Pin;

/// Starts concurrent work.
pub trait Spawn: Send + Sync + 'static {
    /// Starts `future` on the runtime. The owner of the returned [`Task`] awaits or aborts it.
    fn task(&self, name: &'static str, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task;

    /// Starts a worker, which runs `work` on a thread of its own.
    fn worker(&self, name: String, work: Work) -> Worker;

    /// Runs short blocking or CPU-bound `work` on a shared pool, off the reactor.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>);
}

/// A running task; detaches when dropped.
pub struct Task {
    name: &'static str,
    handle: tokio::task::JoinHandle<()>,
}

/// A task that panicked or was aborted.
#[derive(Debug)]
pub struct TaskFailed {
    /// Name given at the start of the task.
    pub name: &'static str,
    /// What the runtime says of it.
    pub reason: String,
}

impl std::fmt::Display for TaskFailed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "task {} failed: {}", self.name, self.reason)
    }
}

impl std::error::Error for TaskFailed {}

impl Task {
    /// Waits for the task's end.
    ///
    /// # Errors
    ///
    /// [`TaskFailed`] if it panicked or was aborted.
    pub async fn join(self) -> Result<(), TaskFailed> {
        let Self { name, handle } = self;
        handle.await.map_err(|error| TaskFailed { name, reason: error.to_string() })
    }

    /// Asks the runtime to drop the task at its next await.
    pub fn abort(&self) {
        self.handle.abort();
    }
}

/// Tokio's runtime and the machine's threads.
pub struct RealSpawn;

#[expect(clippy::disallowed_methods, reason = "the one place that may spawn")]
impl Spawn for RealSpawn {
    fn task(&self, name: &'static str, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task {
        Task { name, handle: tokio::spawn(future) }
    }

    fn worker(&self, name: String, work: Work) -> Worker {
        Worker::start(name, work)
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }
}
