//! What stands between callers and the workers that block for the device.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{Error, Result};

/// First in, first out. Bounded by its users: they take permits of a semaphore before they push.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { items: VecDeque::new(), is_closed: false }), changed: Notify::new() }
    }

    /// Adds `item`; gives it back if the queue is closed.
    pub(crate) fn push(&self, item: T) -> std::result::Result<(), T> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(item);
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for an item; `None` once the queue is closed and empty.
    pub(crate) async fn take(&self) -> Option<T> {
        self.wait_for(|items| items.pop_front()).await
    }

    /// Waits for items and moves all of them behind those of `target`; `false` once closed and empty.
    pub(crate) async fn take_all(&self, target: &mut VecDeque<T>) -> bool {
        let moved = self.wait_for(|items| {
            target.append(items);
            (!target.is_empty()).then_some(())
        });
        moved.await.is_some()
    }

    /// Waits until `take` finds something; `None` once the queue is closed and it finds nothing.
    async fn wait_for<R>(&self, mut take: impl FnMut(&mut VecDeque<T>) -> Option<R>) -> Option<R> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the look, so that what comes in between is not missed, and wakes one taker each.
            changed.as_mut().enable();
            {
                let mut state = self.state.lock();
                let taken = take(&mut state.items);
                if taken.is_some() || state.is_closed {
                    return taken;
                }
            }
            changed.await;
        }
    }

    /// Refuses new items and drops what is queued.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.items);
        drop(state);
        self.changed.notify_waiters();
        // Their owners' replies run outside the lock.
        drop(dropped);
    }
}

/// Ends a queue with the worker that takes from it, even by panic: nobody waits for a worker that is gone.
pub(crate) struct EndWithWorker<T>(pub(crate) Arc<Queue<T>>);

impl<T> Drop for EndWithWorker<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Bounds what may wait for a worker, in number and in bytes.
pub(crate) struct Gate {
    jobs: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
}

impl Gate {
    pub(crate) fn new(jobs: usize, bytes: u32) -> Self {
        Self { jobs: Arc::new(Semaphore::new(jobs)), bytes: Arc::new(Semaphore::new(bytes as usize)), bytes_max: bytes }
    }

    /// Waits for room. Something larger than all the room gets all of it.
    pub(crate) async fn enter(&self, size: usize) -> Result<Vec<OwnedSemaphorePermit>> {
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.bytes_max);
        let job = self.jobs.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
        let bytes = self.bytes.clone().acquire_many_owned(size).await.map_err(|_| Error::Closed)?;
        Ok(vec![job, bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn items_come_out_in_the_order_they_went_in() {
        let queue = Queue::new();
        for item in 1..=4 {
            queue.push(item).unwrap();
        }
        assert_eq!(queue.take().await, Some(1));
        let mut rest = VecDeque::from([0]);
        assert!(queue.take_all(&mut rest).await);
        assert_eq!(rest, [0, 2, 3, 4]);
    }

    #[tokio::test]
    async fn an_abandoned_queue_drops_what_it_has_and_takes_nothing() {
        let queue = Arc::new(Queue::new());
        queue.push(1).unwrap();
        drop(EndWithWorker(queue.clone()));
        assert_eq!(queue.take().await, None);
        assert_eq!(queue.push(2), Err(2));
        assert!(!queue.take_all(&mut VecDeque::new()).await);
    }
}
