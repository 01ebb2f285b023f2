//! Delivery of logs, as objects that are put like any other.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use env::UnixMillis;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use iam::Account;
use iam::acl::Acl;
use store::PutRequest;
use tokio_util::sync::CancellationToken;

use super::{Batch, Due, Line, check_target, count};
use crate::access::BucketAccess;
use crate::access_log::LoggedBucket;
use crate::error::{ErrorCode, Result};
use crate::frontend::Frontend;
use crate::settings::{Document, KeyFormat, Logging, protection};
use crate::timestamp;

/// How often at most, and at least, it is looked whether a log is due.
const STEP_MIN: Duration = Duration::from_millis(100);
const STEP_MAX: Duration = Duration::from_secs(10);

/// How long a shutdown waits for the last deliveries.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

const DAY_MILLIS: u64 = 24 * 3600 * 1000;

impl Frontend {
    /// Delivers the logs of buckets as they become old or large, until the server shuts down.
    pub async fn deliver_logs(&self, shutdown: &CancellationToken) {
        let age = self.config.bucket_log_delivery;
        let step = (age / 10).clamp(STEP_MIN, STEP_MAX);
        loop {
            tokio::select! {
                () = self.env.clock.sleep(step) => {}
                () = self.logs.large.notified() => {}
                () = shutdown.cancelled() => return,
            }
            self.deliver_due(Due::Aged(age)).await;
        }
    }

    /// Delivers what waits, at a shutdown.
    pub async fn flush_logs(&self) {
        tokio::select! {
            () = self.deliver_due(Due::Now) => {}
            () = self.env.clock.sleep(LAST_PATIENCE) => tracing::warn!("the last logs of buckets were not delivered in time"),
        }
    }

    async fn deliver_due(&self, due: Due) {
        let mut failed = Vec::new();
        while let Some(batch) = self.logs.take(due) {
            for part in parts(batch) {
                failed.extend(self.deliver_part(part).await);
            }
        }
        for batch in failed {
            self.logs.put_back(batch);
        }
    }

    /// Delivers lines as one object. Returns them if it is worth trying again.
    async fn deliver_part(&self, batch: Batch) -> Option<Batch> {
        let Batch { bucket, lines } = &batch;
        let outcome = self.deliver(bucket, lines).await;
        if let Err(error) = &outcome {
            let (name, target) = (bucket.name.as_str(), bucket.logging.target.as_str());
            tracing::warn!(bucket = name, target, lines = lines.len(), %error, "the log of a bucket cannot be delivered");
            metrics::counter!("stonecrop_bucket_log_failures_total").increment(1);
        }
        match outcome.map_err(|error| error.code()) {
            Ok(()) => count("delivered", lines.len()),
            Err(
                ErrorCode::ServiceUnavailable | ErrorCode::SlowDown | ErrorCode::StorageFull | ErrorCode::InternalError,
            ) => return Some(batch),
            Err(_) => count("refused", lines.len()),
        }
        self.logs.settle(batch.size());
        None
    }

    async fn deliver(&self, bucket: &LoggedBucket, lines: &[Line]) -> Result<()> {
        let logging = &bucket.logging;
        let target = self.bucket_access(&logging.target).await?;
        let now = self.env.clock.now();
        let key = self.log_key(bucket, lines, now);
        check_target((&bucket.name, &bucket.owner), &target, &key, now)?;
        let put = PutRequest {
            headers: BTreeMap::from([(CONTENT_TYPE.as_str().to_owned(), "text/plain".to_owned())]),
            acl: list(logging, &target)?,
            protection: protection(&HeaderMap::new(), &target.settings)?,
            ..PutRequest::default()
        };
        let text: String = lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
        self.store.put_object(&target.bucket, &key, put, Box::new(Bytes::from(text))).await?;
        Ok(())
    }

    /// Where lines go: behind the prefix whose they are and when they came, and something that no other key has.
    fn log_key(&self, bucket: &LoggedBucket, lines: &[Line], now: UnixMillis) -> String {
        let mut unique = [0; 8];
        self.env.entropy.fill(&mut unique);
        let unique = format!("{:016X}", u64::from_le_bytes(unique));
        let Logging { prefix, key_format, .. } = &*bucket.logging;
        let time = match key_format {
            KeyFormat::Simple => return format!("{prefix}{}-{unique}", timestamp::log_key(now)),
            KeyFormat::PartitionedByDelivery => now,
            // Of events only the day counts, which all of these have in common.
            KeyFormat::PartitionedByEvent => {
                UnixMillis(lines.first().map_or(now, |line| line.at).0 / DAY_MILLIS * DAY_MILLIS)
            }
        };
        let account = Account::account_id_of(&bucket.owner).unwrap_or_default();
        let (region, name) = (&self.config.region, &bucket.name);
        let (day, time) = (timestamp::log_key_day(time), timestamp::log_key(time));
        format!("{prefix}{account}/{region}/{name}/{day}/{time}-{unique}")
    }
}

/// What goes into one object each: the events of one day where keys tell that day.
fn parts(batch: Batch) -> Vec<Batch> {
    if batch.bucket.logging.key_format != KeyFormat::PartitionedByEvent {
        return if batch.lines.is_empty() { Vec::new() } else { vec![batch] };
    }
    let mut days: BTreeMap<u64, Vec<Line>> = BTreeMap::new();
    for line in batch.lines {
        days.entry(line.at.0 / DAY_MILLIS).or_default().push(line);
    }
    days.into_values().map(|lines| Batch { bucket: batch.bucket.clone(), lines }).collect()
}

/// The list of a log object: it belongs to the owner of its bucket, and others get what the configuration grants them.
fn list(logging: &Logging, target: &BucketAccess) -> Result<Option<String>> {
    let settings = &target.settings;
    if logging.grants.is_empty() || !settings.ownership().has_acls() {
        return Ok(None);
    }
    let mut acl = Acl::private(&target.bucket.owner);
    acl.grants.extend(logging.grants.iter().cloned());
    if acl.is_public() && settings.public_access.is_some_and(|block| block.block_public_acls) {
        return Err(ErrorCode::AccessDenied.into());
    }
    Ok(Some(acl.write()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use store::bucket::BucketId;

    #[test]
    fn events_are_parted_by_their_days_where_keys_tell_them() {
        let at = |days: u64, millis: u64| Line { at: UnixMillis(days * DAY_MILLIS + millis), text: String::new() };
        for (key_format, expected) in [
            (KeyFormat::Simple, vec![3]),
            (KeyFormat::PartitionedByDelivery, vec![3]),
            (KeyFormat::PartitionedByEvent, vec![2, 1]),
        ] {
            let (target, prefix) = ("logs".to_owned(), String::new());
            let logging = Arc::new(Logging { target, prefix, grants: Vec::new(), key_format });
            let (name, owner) = ("bucket".to_owned(), "owner".to_owned());
            let bucket = LoggedBucket { id: BucketId(1), name, owner, logging };
            let lines = vec![at(1, 5), at(2, 0), at(1, DAY_MILLIS - 1)];
            let parts = parts(Batch { bucket, lines });
            assert_eq!(parts.iter().map(|part| part.lines.len()).collect::<Vec<_>>(), expected);
        }
    }
}
