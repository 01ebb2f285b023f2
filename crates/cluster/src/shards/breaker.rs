//! Whether to call a node at all: calls to one that is known not to answer fail at once.
//!
//! A node is taken for dead after a few failures in a row, or when calls are under way and none was answered for a while:
//! a machine that vanished refuses nothing. After a pause one call may try it; the pauses grow until one succeeds.

use std::time::Duration;

/// So many failures in a row open the breaker.
const FAILURES_MAX: u32 = 3;

/// A node that answers nothing for so long, while it is asked, is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// First and longest pause between two attempts.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The state of one node's breaker. Times are of the monotonic clock.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    /// Failures since the last answer.
    failures: u32,
    /// Calls under way.
    pending: u32,
    /// Since when calls have been under way without any answer.
    silent_since: Option<Duration>,
    /// How long calls waited in vain before that, given up by their callers. Not the time between calls.
    silence: Duration,
}

#[derive(Debug, Default)]
enum State {
    /// Calls pass.
    #[default]
    Closed,
    /// Calls fail until then; the one that comes next is the probe.
    Open { until: Duration, pause: Duration },
    /// One call is under way; its end decides.
    Probing { pause: Duration },
}

impl Breaker {
    /// Whether a call may begin. If so, [`Breaker::end`] tells of its end.
    pub(crate) fn begin(&mut self, now: Duration) -> bool {
        let silence = self.silent_since.map_or(self.silence, |since| now.saturating_sub(since));
        match self.state {
            State::Closed if SILENCE_MAX <= silence => {
                self.open(now, PAUSE_MIN);
                return false;
            }
            State::Open { until, pause } if until <= now => self.state = State::Probing { pause },
            State::Open { .. } | State::Probing { .. } => return false,
            State::Closed => {}
        }
        self.pending += 1;
        self.silent_since.get_or_insert(now.saturating_sub(self.silence));
        true
    }

    /// Notes the end of a call that had begun: whether the node answered, or `None` when the caller lost interest.
    pub(crate) fn end(&mut self, now: Duration, answered: Option<bool>) {
        self.pending = self.pending.checked_sub(1).expect("the call had begun");
        match answered {
            Some(true) => {
                self.state = State::Closed;
                self.failures = 0;
                self.silence = Duration::ZERO;
                self.silent_since = Some(now);
            }
            Some(false) => {
                self.failures += 1;
                match self.state {
                    State::Closed if FAILURES_MAX <= self.failures => self.open(now, PAUSE_MIN),
                    State::Probing { pause } => self.open(now, (pause * 2).min(PAUSE_MAX)),
                    State::Closed | State::Open { .. } => {}
                }
            }
            // Nobody knows what a probe would have found: the next call finds out.
            None => {
                if let State::Probing { pause } = self.state {
                    self.open(now, pause);
                }
            }
        }
        if self.pending == 0 {
            self.silence = self.silent_since.take().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        }
    }

    fn open(&mut self, now: Duration, pause: Duration) {
        self.state = State::Open { until: now + pause, pause };
        metrics::counter!("stonecrop_node_breaker_opened_total").increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn fail(breaker: &mut Breaker, now: Duration) {
        assert!(breaker.begin(now));
        breaker.end(now, Some(false));
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_success_closes_it() {
        let mut breaker = Breaker::default();
        fail(&mut breaker, at(0));
        fail(&mut breaker, at(1));
        assert!(breaker.begin(at(2)));
        breaker.end(at(2), Some(true));
        for now in 3..6 {
            fail(&mut breaker, at(now));
        }
        assert!(!breaker.begin(at(100)));
        assert!(breaker.begin(at(105)), "one call tries the node");
        assert!(!breaker.begin(at(106)), "and no other beside it");
        breaker.end(at(107), Some(true));
        assert!(breaker.begin(at(107)));
    }

    #[test]
    fn pauses_grow_while_attempts_fail() {
        let mut breaker = Breaker::default();
        let mut now = Duration::ZERO;
        for _ in 0..3 {
            fail(&mut breaker, now);
        }
        for pause in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert!(!breaker.begin(now + at(pause - 1)));
            now += at(pause);
            fail(&mut breaker, now);
        }
    }

    #[test]
    fn a_node_that_answers_nothing_is_dead_before_any_deadline_passes() {
        let mut breaker = Breaker::default();
        assert!(breaker.begin(at(0)));
        assert!(breaker.begin(at(900)));
        assert!(!breaker.begin(at(1000)));
        assert!(breaker.begin(at(1100)), "the probe");
        breaker.end(at(1200), Some(true));
        assert!(breaker.begin(at(2000)), "two older calls are still under way, but the node is alive");
    }

    #[test]
    fn a_slow_call_beside_answered_ones_harms_nobody() {
        let mut breaker = Breaker::default();
        assert!(breaker.begin(at(0)));
        for now in (500..60_000).step_by(500) {
            assert!(breaker.begin(at(now)));
            breaker.end(at(now + 1), Some(true));
        }
    }

    #[test]
    fn a_node_whose_calls_are_all_given_up_is_dead_too() {
        let mut breaker = Breaker::default();
        for number in 0..50 {
            assert!(breaker.begin(at(1000 * number)), "call {number}");
            breaker.end(at(1000 * number + 20), None);
        }
        assert!(!breaker.begin(at(50_000)), "a second was waited for nothing, all in all");
    }

    #[test]
    fn an_abandoned_probe_leaves_the_next_call_to_find_out() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            fail(&mut breaker, at(0));
        }
        assert!(breaker.begin(at(100)));
        breaker.end(at(101), None);
        assert!(!breaker.begin(at(200)));
        assert!(breaker.begin(at(201)));
    }
}
