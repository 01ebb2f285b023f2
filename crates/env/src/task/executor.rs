//! Runs one future on one thread, and its timers.
//!
//! The thread parks while the future waits; a park costs what waiting for a condition variable does. Timers are the
//! thread's own, so a worker needs no runtime and outlives any.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::Work;

thread_local! {
    /// `None` on a thread that is not a worker's.
    static TIMERS: RefCell<Option<Timers>> = const { RefCell::new(None) };
}

/// Whom to wake, in order of time.
#[derive(Default)]
struct Timers {
    pending: BTreeMap<(Instant, u64), Waker>,
    started_count: u64,
}

struct Unparker(Thread);

impl Wake for Unparker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `work` to its end on this thread.
pub(super) fn run(mut work: Work) {
    TIMERS.set(Some(Timers::default()));
    let waker = Waker::from(Arc::new(Unparker(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    while work.as_mut().poll(&mut context).is_pending() {
        match first_deadline() {
            None => std::thread::park(),
            Some(deadline) => std::thread::park_timeout(deadline.saturating_duration_since(now())),
        }
        wake_expired();
    }
}

/// A timer of this thread, if it is a worker's.
pub(crate) fn sleep(span: Duration) -> Option<Sleep> {
    TIMERS.with_borrow_mut(|timers| {
        let timers = timers.as_mut()?;
        timers.started_count += 1;
        Some(Sleep { key: (now() + span, timers.started_count) })
    })
}

/// Resolves at a moment. Stays on the worker that made it.
pub(crate) struct Sleep {
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.key.0 <= now() {
            return Poll::Ready(());
        }
        with_timers(|timers| timers.pending.insert(self.key, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        // Not at the end of the thread, when its timers are gone.
        let _ = TIMERS.try_with(|timers| timers.borrow_mut().as_mut().map(|timers| timers.pending.remove(&self.key)));
    }
}

fn with_timers<T>(change: impl FnOnce(&mut Timers) -> T) -> T {
    TIMERS.with_borrow_mut(|timers| change(timers.as_mut().expect("a worker's timer stays on its thread")))
}

fn first_deadline() -> Option<Instant> {
    with_timers(|timers| timers.pending.first_key_value().map(|((deadline, _), _)| *deadline))
}

fn wake_expired() {
    while let Some(deadline) = first_deadline() {
        if now() < deadline {
            return;
        }
        let expired = with_timers(|timers| timers.pending.pop_first());
        if let Some((_, waker)) = expired {
            waker.wake();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines of the machine's own threads")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::sync::{Notify, mpsc};

    use super::super::{RealSpawn, Spawn};
    use super::*;
    use crate::{Clock, RealClock};

    fn run_here<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        run(Box::pin(async move { sender.send(future.await).unwrap() }));
        receiver.recv().unwrap()
    }

    #[test]
    fn a_worker_waits_for_messages_of_other_threads_without_a_runtime() {
        let (sender, mut receiver) = mpsc::channel(1);
        let sends = Box::pin(async move {
            for number in 0..1000_u64 {
                sender.send(number).await.unwrap();
            }
        });
        let worker = RealSpawn.worker("sender".to_owned(), sends);
        let sum = run_here(async move {
            let mut sum = 0;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            worker.join().await;
            sum
        });
        assert_eq!(sum, 499_500);
    }

    #[test]
    fn a_workers_timers_resolve_in_order_and_dropped_ones_are_forgotten() {
        let order = run_here(async {
            let clock = RealClock::new();
            let never = clock.sleep(Duration::from_secs(3600));
            let (late, soon) = (clock.sleep(Duration::from_millis(4)), clock.sleep(Duration::from_millis(1)));
            let turn = AtomicU64::new(0);
            let note = async |sleep: Pin<Box<dyn Future<Output = ()> + Send>>| {
                sleep.await;
                turn.fetch_add(1, Ordering::Relaxed)
            };
            let order = tokio::join!(note(late), note(soon));
            tokio::select! {
                biased;
                () = never => unreachable!("an hour has not passed"),
                () = clock.sleep(Duration::ZERO) => {}
            }
            with_timers(|timers| assert!(timers.pending.is_empty()));
            order
        });
        assert_eq!(order, (1, 0));
    }

    #[test]
    #[should_panic(expected = "it went wrong")]
    fn a_workers_panic_surfaces_where_it_is_joined() {
        let worker = RealSpawn.worker("panics".to_owned(), Box::pin(async { panic!("it went wrong") }));
        run_here(worker.join());
    }

    #[test]
    fn a_wake_between_poll_and_park_is_not_lost() {
        let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (echo_there, echo_back) = (there.clone(), back.clone());
        let echoes = Box::pin(async move {
            for _ in 0..2000 {
                echo_there.notified().await;
                echo_back.notify_one();
            }
        });
        let echo = RealSpawn.worker("echo".to_owned(), echoes);
        run_here(async move {
            for _ in 0..2000 {
                there.notify_one();
                back.notified().await;
            }
            echo.join().await;
        });
    }
}
