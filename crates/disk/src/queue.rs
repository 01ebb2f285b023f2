//! What stands between callers that wait in async code and threads that block.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Result};

/// First in, first out. Bounded by its users: they take permits of a semaphore before they push.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    is_closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { items: VecDeque::new(), is_closed: false }), changed: Condvar::new() }
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
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// Waits for items and moves all of them behind those of `target`; `false` once closed and empty.
    pub(crate) fn take_all(&self, target: &mut VecDeque<T>) -> bool {
        let mut state = self.state.lock();
        while state.items.is_empty() && !state.is_closed {
            self.changed.wait(&mut state);
        }
        target.append(&mut state.items);
        !target.is_empty()
    }

    /// Refuses new items and drops what is queued.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.items);
        drop(state);
        self.changed.notify_all();
        // Their owners' replies run outside the lock.
        drop(dropped);
    }
}

/// Ends a queue with the thread that takes from it, even by panic: nobody waits for a thread that is gone.
pub(crate) struct EndWithThread<T>(pub(crate) Arc<Queue<T>>);

impl<T> Drop for EndWithThread<T> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Bounds what may wait for a thread, in number and in bytes.
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

    #[test]
    fn items_come_out_in_the_order_they_went_in() {
        let queue = Queue::new();
        for item in 1..=4 {
            queue.push(item).unwrap();
        }
        assert_eq!(queue.take(), Some(1));
        let mut rest = VecDeque::from([0]);
        assert!(queue.take_all(&mut rest));
        assert_eq!(rest, [0, 2, 3, 4]);
    }

    #[test]
    fn an_abandoned_queue_drops_what_it_has_and_takes_nothing() {
        let queue = Arc::new(Queue::new());
        queue.push(1).unwrap();
        drop(EndWithThread(queue.clone()));
        assert_eq!(queue.take(), None);
        assert_eq!(queue.push(2), Err(2));
        assert!(!queue.take_all(&mut VecDeque::new()));
    }
}
