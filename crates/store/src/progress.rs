//! How much restoring is done and left, how fast it goes, and when it will be done: measured, never guessed.

use std::collections::VecDeque;
use std::time::Duration;

use cluster::Halts;
use serde::{Deserialize, Serialize};

/// A rate is measured over at most this span.
const WINDOW: Duration = Duration::from_secs(30);

/// Below this span a rate says nothing.
const SPAN_MIN: Duration = Duration::from_secs(1);

/// Shards, and the bytes of their payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Shards.
    pub shards: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Tally {
    /// One shard more.
    pub(crate) fn count(&mut self, shard_size: usize) {
        self.shards += 1;
        self.bytes += shard_size as u64;
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.shards += other.shards;
        self.bytes += other.bytes;
    }

    pub(crate) fn without(self, other: Self) -> Self {
        let (shards, bytes) = (self.shards.saturating_sub(other.shards), self.bytes.saturating_sub(other.bytes));
        Self { shards, bytes }
    }
}

/// How far restoring has come, on one node or on several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoring {
    /// What was restored since the process began.
    pub done: Tally,
    /// Bytes a second of late; `None` when nothing was restored of late.
    pub rate: Option<u64>,
    /// What is left; `None` before it was counted.
    pub left: Option<Tally>,
}

impl Restoring {
    /// Adds what another node does at the same time.
    pub(crate) fn join(&mut self, other: Self) {
        self.done.add(other.done);
        self.rate = self.rate.map_or(other.rate, |rate| Some(rate + other.rate.unwrap_or(0)));
        self.left = self.left.zip(other.left).map(|(mut left, more)| {
            left.add(more);
            left
        });
    }
}

/// Why shards are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// The repair index names them, a read missed them, or they lay elsewhere.
    Repair,
    /// Their slot is being rebuilt.
    Rebuild,
    /// Their slot moves.
    Move,
}

impl Reason {
    /// Whether operators have halted it.
    pub(crate) fn is_halted(self, halts: Halts) -> bool {
        match self {
            Self::Repair | Self::Rebuild => halts.repair,
            Self::Move => halts.rebalance,
        }
    }
}

/// What was restored for one reason, and how fast.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    done: Tally,
    /// When how many bytes had been restored, oldest first; the first is from before what the window measures.
    samples: VecDeque<(Duration, u64)>,
}

impl Meter {
    pub(crate) fn done(&self) -> Tally {
        self.done
    }

    /// Counts what was restored just now.
    pub(crate) fn add(&mut self, now: Duration, restored: Tally) {
        if self.is_idle(now) {
            // A pause is no work: the rate begins anew.
            self.samples.clear();
            self.samples.push_back((now, self.done.bytes));
        }
        self.done.add(restored);
        let is_first = self.samples.len() == 1;
        match self.samples.back_mut() {
            // Once a second is often enough.
            Some((time, bytes)) if !is_first && now < *time + SPAN_MIN => *bytes = self.done.bytes,
            _ => self.samples.push_back((now, self.done.bytes)),
        }
        while self.samples.get(1).is_some_and(|(time, _)| *time + WINDOW < now) {
            self.samples.pop_front();
        }
    }

    /// Bytes a second of late; `None` when nothing was restored of late, or not for long enough to tell.
    pub(crate) fn rate(&self, now: Duration) -> Option<u64> {
        let (since, before) = *self.samples.front().filter(|_| !self.is_idle(now))?;
        let span = now.saturating_sub(since);
        let rate = u128::from(self.done.bytes - before) * 1000 / span.as_millis().max(1);
        (SPAN_MIN <= span).then(|| u64::try_from(rate).unwrap_or(u64::MAX)).filter(|rate| 0 < *rate)
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.samples.back().is_none_or(|(time, _)| *time + WINDOW < now)
    }
}

/// Seconds until `left` bytes are done at `rate`; `None` when there is something to do and nobody can say how long.
pub(crate) fn seconds_left(left: Option<Tally>, rate: Option<u64>) -> Option<u64> {
    match (left?.bytes, rate) {
        (0, _) => Some(0),
        (bytes, rate) => Some(bytes.div_ceil(rate?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    #[test]
    fn rates_are_measured_and_pauses_are_none() {
        let mut meter = Meter::default();
        assert_eq!(meter.rate(at(0)), None, "nothing was done");
        for second in 0..=10 {
            meter.add(at(second), Tally { shards: 1, bytes: 1000 });
        }
        assert_eq!(meter.rate(at(10)), Some(1100), "eleven in ten seconds");
        assert_eq!(meter.rate(at(20)), Some(550), "slower since");
        assert_eq!(meter.rate(at(41)), None, "it has ended, or stands still");
        meter.add(at(100), Tally { shards: 1, bytes: 5000 });
        assert_eq!(meter.rate(at(100)), None, "too early to tell");
        assert_eq!(meter.rate(at(102)), Some(2500), "the pause does not count");
        for second in 103..200 {
            meter.add(at(second), Tally { shards: 1, bytes: 100 });
        }
        assert_eq!(meter.rate(at(199)).map(|rate| rate / 10), Some(10), "what was long ago does not count");
        assert_eq!(meter.done().shards, 109);
    }

    #[test]
    fn the_end_is_only_told_when_it_is_known() {
        let left = |bytes| Some(Tally { shards: 1, bytes });
        assert_eq!(seconds_left(left(1001), Some(100)), Some(11));
        assert_eq!(seconds_left(left(0), None), Some(0));
        assert_eq!(seconds_left(left(1), None), None);
        assert_eq!(seconds_left(None, Some(100)), None);
    }
}
