//! Tasks in place of threads, for simulations.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Spawn, Task, Work, Worker};
use crate::Clock;

/// How long a simulated machine takes before a worker gets on.
pub trait Pace: Send + Sync + 'static {
    /// The pause before worker `name` does what it was woken for; it stands for the time of the I/O that follows. `None`
    /// for no pause at all.
    fn pause(&self, name: &str) -> Option<Duration>;
}

/// Everything as tasks of the current runtime: on a runtime of one thread and with a simulated clock, a run repeats
/// exactly.
///
/// Whatever a worker or blocking work does between two awaits takes no time; instead, a worker pauses before it.
pub struct SimSpawn {
    clock: Arc<dyn Clock>,
    pace: Arc<dyn Pace>,
}

impl SimSpawn {
    /// Pauses workers by `clock`, as long as `pace` says.
    pub fn new(clock: Arc<dyn Clock>, pace: Arc<dyn Pace>) -> Self {
        Self { clock, pace }
    }
}

#[expect(clippy::disallowed_methods, reason = "one of the places that may spawn")]
impl Spawn for SimSpawn {
    fn task(&self, name: &'static str, future: Pin<Box<dyn Future<Output = ()> + Send>>) -> Task {
        Task { name, handle: tokio::spawn(future) }
    }

    fn worker(&self, name: String, work: Work) -> Worker {
        let paced = Paced { name, work, pause: None, clock: self.clock.clone(), pace: self.pace.clone() };
        Worker::of_task(tokio::spawn(paced))
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::spawn(async move { work() }));
    }
}

/// A worker that pauses between being woken and getting on.
struct Paced {
    name: String,
    work: Work,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    clock: Arc<dyn Clock>,
    pace: Arc<dyn Pace>,
}

impl Future for Paced {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.pause.is_none() {
            this.pause = this.pace.pause(&this.name).map(|span| this.clock.sleep(span));
        }
        if let Some(pause) = &mut this.pause {
            // Woken again meanwhile, it still gets on but once: it finds everything it was woken for.
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        this.work.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::{ManualClock, UnixMillis};

    struct Slow;

    impl Pace for Slow {
        fn pause(&self, name: &str) -> Option<Duration> {
            (name == "slow").then_some(Duration::from_millis(10))
        }
    }

    #[tokio::test]
    async fn workers_pause_each_time_they_are_woken() {
        for (name, expected) in [("slow", 40), ("quick", 0)] {
            let clock = Arc::new(ManualClock::new(UnixMillis(0)));
            let spawn = SimSpawn::new(clock.clone(), Arc::new(Slow));
            let (sender, mut receiver) = mpsc::channel(1);
            let (answer, mut answers) = mpsc::channel(1);
            let echo = async move {
                while let Some(number) = receiver.recv().await {
                    answer.send(number).await.unwrap();
                }
            };
            let worker = spawn.worker(name.to_owned(), Box::pin(echo));
            for number in 0..3 {
                sender.send(number).await.unwrap();
                assert_eq!(answers.recv().await, Some(number));
            }
            drop(sender);
            worker.join().await;
            assert_eq!(clock.monotonic(), Duration::from_millis(expected), "{name}");
        }
    }

    #[tokio::test]
    #[should_panic(expected = "it went wrong")]
    async fn a_workers_panic_surfaces_where_it_is_joined() {
        let spawn = SimSpawn::new(Arc::new(ManualClock::new(UnixMillis(0))), Arc::new(Slow));
        spawn.worker("panics".to_owned(), Box::pin(async { panic!("it went wrong") })).join().await;
    }
}
