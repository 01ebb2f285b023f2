//! Rereads everything that the disks hold, slowly, and has what is damaged repaired.

use std::collections::BTreeSet;
use std::sync::Arc;

use disk::{Disk, Finding, ScrubCursor};
use meta::command::{DocumentState, SetDocument};
use meta::record::WriteId;
use meta::{Command, query};

use crate::error::Result;
use crate::shards::FaultyStripe;
use crate::store::Store;
use crate::throttle::Throttle;

/// Bytes reread in one step.
const STEP_SIZE: u64 = 4 << 20;

/// Bytes reread between two notes of how far a scrub has come.
const BOOKMARK_DISTANCE: u64 = 1 << 30;

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
            let progress = self.scrub_disk(&disk, ScrubCursor::default(), &unlimited).await?;
            total.bytes += progress.bytes;
            total.findings += progress.findings;
        }
        Ok(total)
    }

    /// Rereads one disk so that a pass takes the configured period, from where the last process left off.
    pub(crate) async fn scrub_slowly(&self, disk: &Arc<Disk>) -> Result<ScrubProgress> {
        let size = disk.usage().await.map_or(0, |usage| usage.extents);
        let rate = (size / self.config().scrub_period.as_secs().max(1)).max(RATE_MIN);
        let throttle = Throttle::new(self.env().clock.clone(), rate);
        let name = bookmark_name(disk);
        let bookmark = self.query(move |view| query::document(view, &name)).await?;
        let from = bookmark.and_then(|document| decode_cursor(&document.value)).unwrap_or_default();
        let found = from != ScrubCursor::default();
        let progress = self.scrub_disk(disk, from, &throttle).await?;
        // Where none was set there is none to remove: an idle store writes nothing.
        if found || BOOKMARK_DISTANCE <= progress.bytes {
            self.set_bookmark(disk, None).await?;
        }
        Ok(progress)
    }

    async fn scrub_disk(&self, disk: &Arc<Disk>, from: ScrubCursor, throttle: &Throttle) -> Result<ScrubProgress> {
        let mut progress = ScrubProgress::default();
        let mut unmarked = 0;
        let mut cursor = Some(from);
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
            unmarked += step.bytes;
            if BOOKMARK_DISTANCE <= unmarked {
                self.set_bookmark(disk, step.next).await?;
                unmarked = 0;
            }
            throttle.pass(step.bytes).await;
            cursor = step.next;
        }
        self.journal().end_scrub(disk.identity().disk_id, self.env().clock.now(), progress);
        Ok(progress)
    }

    /// Notes in the metadata how far the scrub of a disk has come.
    async fn set_bookmark(&self, disk: &Arc<Disk>, cursor: Option<ScrubCursor>) -> Result<()> {
        let value = cursor.map(encode_cursor);
        let document = SetDocument { name: bookmark_name(disk), expected: DocumentState::Any, value };
        self.propose(Command::SetDocument(document)).await?;
        Ok(())
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

/// The document that holds the bookmark of a disk's scrub: extent and offset, big-endian.
fn bookmark_name(disk: &Disk) -> String {
    format!("scrub/{:032x}", disk.identity().disk_id)
}

fn encode_cursor(cursor: ScrubCursor) -> Vec<u8> {
    [&cursor.extent.to_be_bytes()[..], &cursor.offset.to_be_bytes()[..]].concat()
}

/// A bookmark of unknown form is no bookmark: the pass begins anew.
fn decode_cursor(bytes: &[u8]) -> Option<ScrubCursor> {
    let (extent, offset) = bytes.split_first_chunk()?;
    let offset = offset.try_into().ok()?;
    Some(ScrubCursor { extent: u32::from_be_bytes(*extent), offset: u64::from_be_bytes(offset) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookmarks_are_read_back_and_others_are_not() {
        let cursor = ScrubCursor { extent: 7, offset: 1 << 33 };
        assert_eq!(decode_cursor(&encode_cursor(cursor)), Some(cursor));
        assert_eq!(decode_cursor(b""), None);
        assert_eq!(decode_cursor(&[0; 13]), None);
    }
}
