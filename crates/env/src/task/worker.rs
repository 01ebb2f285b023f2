//! Workers: long-lived loops that may keep a thread busy.

use std::future::Future;
use std::pin::Pin;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::executor;

/// What a worker does, from its start to its end.
///
/// It may block its thread for as long as the machine takes: for I/O, for hashing. It must never block to wait for another
/// worker or for a task, only await them: a simulation runs all of them on one thread.
pub type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A running worker; detaches when dropped.
pub struct Worker(Running);

enum Running {
    Thread {
        thread: JoinHandle<()>,
        /// Closed when the thread ends, even by panic.
        ended: oneshot::Receiver<()>,
    },
    Task(tokio::task::JoinHandle<()>),
}

impl Worker {
    /// Starts a thread for `work`. Needs no runtime.
    #[expect(clippy::disallowed_methods, reason = "the one place that may spawn")]
    pub(super) fn start(name: String, work: Work) -> Self {
        let (alive, ended) = oneshot::channel();
        let run = move || {
            let _alive: oneshot::Sender<()> = alive;
            executor::run(work);
        };
        let thread = std::thread::Builder::new().name(name).spawn(run).expect("the machine can start a thread");
        Self(Running::Thread { thread, ended })
    }

    /// A worker that runs as a task.
    pub(super) fn of_task(handle: tokio::task::JoinHandle<()>) -> Self {
        Self(Running::Task(handle))
    }

    /// Waits for the worker's end.
    ///
    /// # Panics
    ///
    /// Panics if the worker panicked, so that its panic surfaces.
    pub async fn join(self) {
        let result = match self.0 {
            Running::Thread { thread, ended } => {
                // Nothing is ever sent.
                let _ = ended.await;
                thread.join()
            }
            Running::Task(handle) => handle.await.map_err(tokio::task::JoinError::into_panic),
        };
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }
}
