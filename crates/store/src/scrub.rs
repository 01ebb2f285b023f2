//! Rereads everything that the disks hold, slowly, and has what is damaged repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use disk::{Disk, Finding, ScrubCursor};
use meta::record::WriteId;

use crate::error::Result;
use crate::shards::FaultyStripe;
use crate::store::Store;
use crate::throttle::Throttle;

/// Bytes reread in one step.
const STEP_SIZE: u64 = 4 << 20;

/// A disk is never scrubbed more slowly than this, in bytes a second.
const RATE_MIN: u64 = 1 << 20;

/// What a pass of scrubbing found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubProgress {
    /// Bytes reread.
    pub bytes: u64,
    /// Damaged places.
    pub findings: u64,
}

impl Store {
    /// Rereads all disks as fast as they can, and reports what is damaged for repair.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be changed. Disks that fail are skipped.
    pub async fn scrub(&self) -> Result<ScrubProgress> {
        let mut total = ScrubProgress::default();
        for disk in self.disks() {
            let unlimited = Throttle::new(self.env().clock.clone(), u64::MAX);
            let progress = self.scrub_disk(&disk, &unlimited).await?;
            total.bytes += progress.bytes;
            total.findings += progress.findings;
        }
        Ok(total)
    }

    /// Rereads one disk so that a pass takes the configured period.
    pub(crate) async fn scrub_slowly(&self, disk: &Arc<Disk>) -> Result<ScrubProgress> {
        let size = disk.usage().await.map_or(0, |usage| usage.extents);
        let rate = (size / self.config().scrub_period.as_secs().max(1)).max(RATE_MIN);
        let throttle = Throttle::new(self.env().clock.clone(), rate);
        self.scrub_disk(disk, &throttle).await
    }

    async fn scrub_disk(&self, disk: &Arc<Disk>, throttle: &Throttle) -> Result<ScrubProgress> {
        let mut progress = ScrubProgress::default();
        let mut cursor = Some(ScrubCursor::default());
        while let Some(from) = cursor {
            let step = match disk.scrub_next(from, STEP_SIZE).await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(%error, "scrubbing stops before the end of the disk");
                    return Ok(progress);
                }
            };
            progress.bytes += step.bytes;
            progress.findings += step.findings.len() as u64;
            for finding in step.findings {
                self.report_finding(disk, finding).await?;
            }
            throttle.pass(step.bytes).await;
            cursor = step.next;
        }
        self.journal().end_scrub(disk.identity().disk_id, self.env().clock.now(), progress);
        Ok(progress)
    }

    async fn report_finding(&self, disk: &Arc<Disk>, finding: Finding) -> Result<()> {
        tracing::warn!(disk = ?disk.path(), ?finding, "scrubbing found damage");
        metrics::counter!("stonecrop_scrub_findings_total").increment(1);
        // Damage that no shard claims needs no repair; a census finds the shards that it swallowed.
        let Some(shard) = finding.identity else { return Ok(()) };
        let indices = BTreeSet::from([shard.index]);
        self.report_faulty(&FaultyStripe { write_id: WriteId(shard.write_id), number: shard.stripe, indices }).await
    }
}
