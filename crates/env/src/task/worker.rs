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
pub struct Worker {
    thread: JoinHandle<()>,
    /// Closed when the thread ends, even by panic.
    ended: oneshot::Receiver<()>,
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
        Self { thread, ended }
    }

    /// Waits for the worker's end.
    ///
    /// # Panics
    ///
    /// Panics if the worker panicked, so that its panic surfaces.
    pub async fn join(self) {
        // Nothing is ever sent.
        let _ = self.ended.await;
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}
