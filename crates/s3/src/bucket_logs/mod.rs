//! Logs of buckets: lines about the requests that this node has answered, kept in bounded memory until they are delivered as
//! objects of the buckets that `PutBucketLogging` names.
//!
//! A request adds its lines when it is over ([`BucketLogs::add`]) and waits for nothing. `delivery` takes them when they have
//! become old or many. What does not fit pushes the oldest lines out of the fullest log, which a counter tells. A crash loses
//! the lines that were not delivered yet.

mod delivery;
mod permission;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use env::{Clock, UnixMillis};
use parking_lot::Mutex;
use store::bucket::BucketId;
use tokio::sync::Notify;

use crate::access_log::LoggedBucket;

pub(crate) use permission::check_target;

/// How large the lines of one log become before they are delivered, in bytes.
const OBJECT_SIZE: usize = 4 * 1024 * 1024;

/// Lines that wait to be delivered.
pub(crate) struct BucketLogs {
    clock: Arc<dyn Clock>,
    host_id: String,
    size_max: usize,
    waiting: Mutex<Waiting>,
    /// Rung when a log has become large.
    large: Notify,
}

/// From which bucket to which bucket and prefix.
type Route = (BucketId, String, String);

#[derive(Default)]
struct Waiting {
    logs: BTreeMap<Route, Log>,
    /// Of all lines, those included that are being delivered.
    size: usize,
}

/// The lines of one bucket for one target.
struct Log {
    bucket: LoggedBucket,
    lines: VecDeque<Line>,
    size: usize,
    /// When the oldest line was added, or delivering it has failed.
    since: Duration,
    /// Whether it has failed, so that its size is no reason to try it again at once.
    has_failed: bool,
}

/// One line.
#[derive(Clone, Debug)]
struct Line {
    at: UnixMillis,
    text: String,
}

impl Line {
    /// With its end.
    fn size(&self) -> usize {
        self.text.len() + 1
    }
}

/// Lines that are being delivered.
struct Batch {
    bucket: LoggedBucket,
    lines: Vec<Line>,
}

impl Batch {
    fn size(&self) -> usize {
        self.lines.iter().map(Line::size).sum()
    }
}

/// Which logs are to be delivered.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// Those that are this old, or large.
    Aged(Duration),
    /// All.
    Now,
}

impl BucketLogs {
    /// Keeps up to `size_max` bytes; `host_id` names this server in them.
    pub(crate) fn new(clock: Arc<dyn Clock>, host_id: &str, size_max: usize) -> Self {
        let (waiting, large) = (Mutex::default(), Notify::new());
        Self { clock, host_id: host_id.to_owned(), size_max, waiting, large }
    }

    /// Names this server.
    pub(crate) fn host_id(&self) -> &str {
        &self.host_id
    }

    /// Adds a line about a request for `bucket` that came at `at`.
    pub(crate) fn add(&self, bucket: &LoggedBucket, at: UnixMillis, text: String) {
        let line = Line { at, text };
        let mut waiting = self.waiting.lock();
        let is_large = waiting.add(bucket, line, self.clock.monotonic());
        let dropped = waiting.make_room(self.size_max);
        drop(waiting);
        count("dropped", dropped);
        if is_large {
            self.large.notify_one();
        }
    }

    /// Takes the lines of a log that is due; they count as long as nobody settles for them.
    fn take(&self, due: Due) -> Option<Batch> {
        self.waiting.lock().take(due, self.clock.monotonic())
    }

    /// Forgets `size` bytes of lines that were taken.
    fn settle(&self, size: usize) {
        let mut waiting = self.waiting.lock();
        waiting.size = waiting.size.checked_sub(size).expect("what is settled was taken");
    }

    /// Puts lines back whose delivery has failed, for a later try.
    fn put_back(&self, batch: Batch) {
        let mut waiting = self.waiting.lock();
        waiting.put_back(batch, self.clock.monotonic());
        let dropped = waiting.make_room(self.size_max);
        drop(waiting);
        count("dropped", dropped);
    }
}

fn count(outcome: &'static str, lines: usize) {
    if lines != 0 {
        metrics::counter!("stonecrop_bucket_log_lines_total", "outcome" => outcome).increment(lines as u64);
    }
}

impl Waiting {
    fn log(&mut self, bucket: &LoggedBucket, now: Duration) -> &mut Log {
        let route = (bucket.id, bucket.logging.target.clone(), bucket.logging.prefix.clone());
        let new = || Log { bucket: bucket.clone(), lines: VecDeque::new(), size: 0, since: now, has_failed: false };
        self.logs.entry(route).or_insert_with(new)
    }

    /// Whether its log has just become large.
    fn add(&mut self, bucket: &LoggedBucket, line: Line, now: Duration) -> bool {
        let size = line.size();
        self.size += size;
        let log = self.log(bucket, now);
        // The newest settings count for all lines: grants, and what keys look like.
        log.bucket = bucket.clone();
        log.lines.push_back(line);
        let was_large = OBJECT_SIZE <= log.size;
        log.size += size;
        !was_large && OBJECT_SIZE <= log.size
    }

    /// Drops the oldest lines of the fullest logs until there is some room again, and tells how many.
    fn make_room(&mut self, size_max: usize) -> usize {
        if self.size <= size_max {
            return 0;
        }
        let mut dropped = 0;
        // Somewhat more than is needed, so that not every request has to.
        let goal = size_max - size_max / 16;
        while goal < self.size
            && let Some(log) = self.logs.values_mut().max_by_key(|log| log.size)
            && let Some(line) = log.lines.pop_front()
        {
            log.size -= line.size();
            self.size -= line.size();
            dropped += 1;
        }
        dropped
    }

    fn take(&mut self, due: Due, now: Duration) -> Option<Batch> {
        let is_due = |log: &Log| match due {
            Due::Now => true,
            Due::Aged(age) => log.since + age <= now || OBJECT_SIZE <= log.size && !log.has_failed,
        };
        let route = self.logs.iter().find(|(_, log)| is_due(log)).map(|(route, _)| route.clone())?;
        let Log { bucket, lines, .. } = self.logs.remove(&route)?;
        Some(Batch { bucket, lines: lines.into() })
    }

    fn put_back(&mut self, batch: Batch, now: Duration) {
        let size = batch.size();
        let log = self.log(&batch.bucket, now);
        for line in batch.lines.into_iter().rev() {
            log.lines.push_front(line);
        }
        log.size += size;
        (log.since, log.has_failed) = (now, true);
    }
}

#[cfg(test)]
mod tests {
    use env::ManualClock;

    use super::*;
    use crate::settings::{KeyFormat, Logging};

    fn bucket(id: u64) -> LoggedBucket {
        let (prefix, grants, key_format) = ("log/".to_owned(), Vec::new(), KeyFormat::Simple);
        let logging = Arc::new(Logging { target: "logs".to_owned(), prefix, grants, key_format });
        LoggedBucket { id: BucketId(id), name: format!("bucket{id}"), owner: "owner".to_owned(), logging }
    }

    fn logs(size_max: usize) -> (Arc<ManualClock>, BucketLogs) {
        let clock = Arc::new(ManualClock::new(UnixMillis(0)));
        (clock.clone(), BucketLogs::new(clock, "host", size_max))
    }

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_wait_until_they_are_old_or_many() {
        let (clock, logs) = logs(4 * OBJECT_SIZE);
        let age = Duration::from_secs(10);
        logs.add(&bucket(1), UnixMillis(1), "a".to_owned());
        assert!(logs.take(Due::Aged(age)).is_none());
        clock.advance(age);
        logs.add(&bucket(1), UnixMillis(2), "b".to_owned());
        logs.add(&bucket(2), UnixMillis(2), "c".to_owned());
        let batch = logs.take(Due::Aged(age)).unwrap();
        assert_eq!((batch.bucket.id, texts(&batch)), (BucketId(1), vec!["a", "b"]));
        assert!(logs.take(Due::Aged(age)).is_none(), "the other log is young");
        logs.add(&bucket(2), UnixMillis(2), "d".repeat(OBJECT_SIZE));
        assert_eq!(logs.take(Due::Aged(age)).unwrap().lines.len(), 2, "but large now");
        logs.add(&bucket(3), UnixMillis(3), "e".to_owned());
        assert!(logs.take(Due::Now).is_some());
        assert!(logs.take(Due::Now).is_none());
    }

    #[test]
    fn what_could_not_be_delivered_comes_first_the_next_time() {
        let (clock, logs) = logs(1000);
        let age = Duration::from_secs(10);
        for text in ["a", "b"] {
            logs.add(&bucket(1), UnixMillis(1), text.to_owned());
        }
        let batch = logs.take(Due::Now).unwrap();
        logs.add(&bucket(1), UnixMillis(2), "c".to_owned());
        clock.advance(age);
        logs.put_back(batch);
        assert!(logs.take(Due::Aged(age)).is_none(), "not at once");
        clock.advance(age);
        let batch = logs.take(Due::Aged(age)).unwrap();
        assert_eq!(texts(&batch), ["a", "b", "c"]);
        logs.settle(batch.size());
        assert_eq!(logs.waiting.lock().size, 0);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_lines_of_the_fullest_log_go_first() {
        let (_, logs) = logs(160);
        logs.add(&bucket(2), UnixMillis(0), "quiet".to_owned());
        for number in 0..100 {
            logs.add(&bucket(1), UnixMillis(0), format!("line {number:04}"));
            assert!(logs.waiting.lock().size <= 160);
        }
        let loud = logs.take(Due::Now).unwrap();
        assert_eq!(loud.bucket.id, BucketId(1));
        assert_eq!(texts(&loud).last(), Some(&"line 0099"));
        assert_eq!(texts(&logs.take(Due::Now).unwrap()), ["quiet"]);
        // What is being delivered counts as well.
        logs.add(&bucket(1), UnixMillis(0), "x".repeat(60));
        assert!(logs.take(Due::Now).is_none_or(|batch| batch.lines.is_empty()));
    }
}
