//! Ending what the lifecycle rules of buckets say: the leader's work, in bounded batches and with rests between them.
//!
//! Nothing searches for what is due: the metadata keeps an index of it by time. Every entry is decided again when its
//! command is applied, so that a batch may be as old as it likes.

use std::time::Duration;

use futures_util::{StreamExt, stream};
pub use meta::command::Lifecycle;
use meta::command::{Expire, SetLifecycle, StepLifecycle};
pub use meta::lifecycle::{DAY_MILLIS, Expiration, Facts, Filter, LifecycleRule, LifecycleRules, Noncurrent};
use meta::query::{self, DueEntry, LifecycleState};
pub use meta::record::LIFECYCLE_DOCUMENT;
use meta::record::{Hlc, LifecycleIndex, UnknownFields};
use meta::{BucketId, Command, Refusal, Reply};

use crate::bucket::Bucket;
use crate::error::{Error, ProposeError, Result};
use crate::store::Store;

/// How often the indexes are looked at, at least; ten times a day where days are short.
const PERIOD_MAX: Duration = Duration::from_secs(60);

/// Entries that are ended at once. They share a batch of the log, and are few beside the requests in it.
const BATCH_SIZE: usize = 32;

/// Records that one step of building or removing an index looks at.
const STEP_SIZE: u32 = 128;

/// How much longer than it works this work rests: whatever the machine can do, a fifth of it is the most that is spent
/// here, and no more than one small batch is ever ahead of a request.
const REST_FACTOR: u32 = 4;

impl Store {
    /// Sets the lifecycle rules of a bucket, or removes them. The caller has checked them.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `EntityTooLarge` (2 MiB).
    pub async fn set_lifecycle(&self, bucket: &Bucket, lifecycle: Option<Lifecycle>) -> Result<()> {
        let command = SetLifecycle { bucket: bucket.id, lifecycle };
        self.propose(Command::SetLifecycle(Box::new(command))).await?;
        Ok(())
    }

    /// How long to wait before the indexes are looked at again.
    pub(crate) fn lifecycle_period(&self) -> Duration {
        (self.config().lifecycle_day / 10).min(PERIOD_MAX)
    }

    /// Does what there is to do about lifecycle rules now.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read or changed.
    pub async fn follow_lifecycles(&self) -> Result<()> {
        for LifecycleState { bucket, generation, index } in self.query(|view| query::lifecycles(view)).await? {
            match index {
                LifecycleIndex::Building(_) | LifecycleIndex::Draining => {
                    self.step_lifecycle(bucket, generation).await?
                }
                LifecycleIndex::Complete => {}
            }
            if index != LifecycleIndex::Draining {
                self.expire_due(bucket, generation).await?;
            }
        }
        Ok(())
    }

    /// Builds or removes an index.
    async fn step_lifecycle(&self, bucket: BucketId, generation: Hlc) -> Result<()> {
        let step = Command::StepLifecycle(StepLifecycle { bucket, generation, limit: STEP_SIZE });
        loop {
            let began = self.env().clock.monotonic();
            let reply = match self.propose(step.clone()).await {
                // The bucket was deleted, or its rules were replaced: that index is removed in the next round.
                Err(ProposeError::Refused(_)) => return Ok(()),
                reply => reply?,
            };
            if reply == (Reply::Drained { finished: true }) {
                return Ok(());
            }
            self.rest_after(began).await;
        }
    }

    /// Ends what is due by now.
    async fn expire_due(&self, bucket: BucketId, generation: Hlc) -> Result<()> {
        loop {
            let began = self.env().clock.monotonic();
            let now = self.env().clock.now();
            let mut due = self.query(move |view| query::due(view, bucket, generation, BATCH_SIZE)).await?;
            due.retain(|entry| entry.due <= now);
            if due.is_empty() {
                return Ok(());
            }
            let expirations = due.into_iter().map(|DueEntry { due, subject }| {
                let store = self.clone();
                let command = Expire { bucket, generation, due_millis: due.0, subject };
                async move { store.propose(Command::Expire(command)).await }
            });
            let outcomes: Vec<_> = stream::iter(expirations).buffer_unordered(BATCH_SIZE).collect().await;
            let mut expired = 0;
            for outcome in outcomes {
                match outcome {
                    // The log's time is behind this node's.
                    Err(ProposeError::Refused(Refusal::NotDue)) => return Ok(()),
                    outcome => drop(outcome.map_err(Error::from)?),
                }
                expired += 1;
            }
            metrics::counter!("stonecrop_lifecycle_expirations_total").increment(expired);
            self.rest_after(began).await;
        }
    }

    /// Leaves the metadata to the requests for a while.
    async fn rest_after(&self, began: Duration) {
        let worked = self.env().clock.monotonic().saturating_sub(began);
        self.env().clock.sleep(worked * REST_FACTOR).await;
    }
}

/// Rules as they are followed, with days of this length.
pub fn rules(day: Duration, rules: Vec<LifecycleRule>) -> LifecycleRules {
    let day_millis = u64::try_from(day.as_millis()).unwrap_or(DAY_MILLIS);
    LifecycleRules { day_millis, rules, unknown: UnknownFields::default() }
}
