//! Rereads everything that the disks hold, slowly, and has what is damaged repaired.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, Finding, ScrubCursor};
use env::UnixMillis;
use meta::command::{DocumentState, SetDocument};
use meta::record::WriteId;
use meta::{Command, query};
use serde::{Deserialize, Serialize};

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

/// Format version of bookmarks.
const BOOKMARK_VERSION: u8 = 2;

/// What a pass of scrubbing found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubProgress {
    /// Bytes reread.
    pub bytes: u64,
    /// Damaged places.
    pub findings: u64,
}

/// How far the scrub of a disk has come: kept in the metadata (`docs/formats/scrub-bookmark.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bookmark {
    /// Where the pass under way goes on; `None` when it is complete, or there never was one.
    pub(crate) cursor: Option<ScrubCursor>,
    /// When the last pass began; zero when there never was one.
    pub(crate) begun: UnixMillis,
    /// What the pass under way has found.
    pub(crate) progress: ScrubProgress,
    /// When the last complete pass ended, and what it found.
    pub(crate) last: Option<(UnixMillis, ScrubProgress)>,
}

/// How fast a disk is reread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// From where the last process left off, so that a pass takes the configured period.
    Slow,
    /// From the beginning, as fast as the disk can.
    Fast,
}

impl Bookmark {
    /// When the next pass is to begin, for passes every `period`.
    pub(crate) fn due(&self, period: Duration) -> UnixMillis {
        let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        UnixMillis(if self.begun == UnixMillis(0) { 0 } else { self.begun.0.saturating_add(period) })
    }

    fn encode(&self) -> Vec<u8> {
        let cursor = self.cursor.unwrap_or_default();
        let (ended, last) = self.last.unwrap_or_default();
        let mut bytes = vec![BOOKMARK_VERSION, u8::from(self.cursor.is_some())];
        bytes.extend_from_slice(&cursor.extent.to_be_bytes());
        let rest = [cursor.offset, self.begun.0, self.progress.bytes, self.progress.findings];
        for number in rest.into_iter().chain([ended.0, last.bytes, last.findings]) {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// A bookmark of unknown form is none: the pass begins anew.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[version, under_way], rest) = bytes.split_first_chunk()?;
        let (extent, rest) = rest.split_first_chunk()?;
        let (numbers, []) = rest.as_chunks::<8>() else { return None };
        let &[offset, begun, bytes, findings, ended, last_bytes, last_findings] =
            numbers.iter().map(|number| u64::from_be_bytes(*number)).collect::<Vec<_>>().as_slice()
        else {
            return None;
        };
        let cursor = ScrubCursor { extent: u32::from_be_bytes(*extent), offset };
        let last = (UnixMillis(ended), ScrubProgress { bytes: last_bytes, findings: last_findings });
        (version == BOOKMARK_VERSION).then_some(Self {
            cursor: (under_way == 1).then_some(cursor),
            begun: UnixMillis(begun),
            progress: ScrubProgress { bytes, findings },
            last: (ended != 0).then_some(last),
        })
    }
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
            let progress = self.scrub_disk(&disk, Pace::Fast).await?;
            total.bytes += progress.bytes;
            total.findings += progress.findings;
        }
        Ok(total)
    }

    /// Has the background work reread all disks of this node from their beginning, as fast as they can.
    pub fn begin_scrub(&self) {
        self.orders().scrubs.send_modify(|count| *count += 1);
    }

    /// Whether a pass over a disk is under way, was interrupted, or should have begun.
    pub(crate) async fn is_scrub_due(&self, disk: &Arc<Disk>) -> Result<bool> {
        let bookmark = self.bookmark(disk).await?;
        let due = bookmark.due(self.config().scrub_period);
        Ok(bookmark.cursor.is_some() || due <= self.env().clock.now())
    }

    /// Rereads one disk. What a pass that broke off has found counts as found.
    pub(crate) async fn scrub_disk(&self, disk: &Arc<Disk>, pace: Pace) -> Result<ScrubProgress> {
        let id = disk.identity().disk_id;
        let mut bookmark = self.bookmark(disk).await?;
        if pace == Pace::Fast || bookmark.cursor.is_none() {
            let begun = self.env().clock.now();
            bookmark = Bookmark { cursor: Some(ScrubCursor::default()), begun, last: bookmark.last, ..bookmark };
            bookmark.progress = ScrubProgress::default();
        }
        let throttle = Throttle::new(self.env().clock.clone(), self.scrub_rate(disk, pace).await);
        let mut unmarked = 0;
        while let Some(from) = bookmark.cursor {
            self.journal().note_scrub(id, bookmark);
            let step = match disk.scrub_next(from, STEP_SIZE).await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(%error, "scrubbing stops before the end of the disk");
                    return Ok(bookmark.progress);
                }
            };
            bookmark.progress.bytes += step.bytes;
            bookmark.progress.findings += step.findings.len() as u64;
            for finding in step.findings {
                self.report_finding(disk, finding).await?;
            }
            bookmark.cursor = step.next;
            unmarked += step.bytes;
            if BOOKMARK_DISTANCE <= unmarked && bookmark.cursor.is_some() {
                self.keep_bookmark(id, bookmark).await?;
                unmarked = 0;
            }
            throttle.pass(step.bytes).await;
        }
        let found = bookmark.progress;
        bookmark = Bookmark { progress: ScrubProgress::default(), ..bookmark };
        bookmark.last = Some((self.env().clock.now(), found));
        self.journal().note_scrub(id, bookmark);
        // The pass over an empty disk is not worth a write: the next process makes it again.
        if 0 < found.bytes {
            self.keep_bookmark(id, bookmark).await?;
        }
        Ok(found)
    }

    async fn scrub_rate(&self, disk: &Disk, pace: Pace) -> u64 {
        match pace {
            Pace::Fast => u64::MAX,
            Pace::Slow => {
                let size = disk.usage().await.map_or(0, |usage| usage.extents);
                (size / self.config().scrub_period.as_secs().max(1)).max(RATE_MIN)
            }
        }
    }

    /// How far the scrub of a disk has come, as this process knows, or else as the metadata says.
    async fn bookmark(&self, disk: &Disk) -> Result<Bookmark> {
        let id = disk.identity().disk_id;
        if let Some(known) = self.journal().scrub(id) {
            return Ok(known);
        }
        let document = self.query(move |view| query::document(view, &bookmark_name(id))).await?;
        let bookmark = document.and_then(|document| Bookmark::decode(&document.value)).unwrap_or_default();
        self.journal().note_scrub(id, bookmark);
        Ok(bookmark)
    }

    async fn keep_bookmark(&self, disk: u128, bookmark: Bookmark) -> Result<()> {
        let value = Some(bookmark.encode());
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

/// The document that holds the bookmark of a disk's scrub.
fn bookmark_name(disk: u128) -> String {
    format!("scrub/{disk:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookmarks_are_read_back_and_others_are_not() {
        let progress = |bytes, findings| ScrubProgress { bytes, findings };
        let cursor = Some(ScrubCursor { extent: 7, offset: 1 << 33 });
        let last = Some((UnixMillis(99), progress(5, 6)));
        let bookmarks = [
            Bookmark::default(),
            Bookmark { cursor, begun: UnixMillis(100), progress: progress(3, 4), last },
            Bookmark { cursor: None, begun: UnixMillis(50), progress: progress(0, 0), last },
            Bookmark { cursor: Some(ScrubCursor::default()), begun: UnixMillis(1), ..Bookmark::default() },
        ];
        for bookmark in bookmarks {
            assert_eq!(Bookmark::decode(&bookmark.encode()), Some(bookmark));
            assert_eq!(bookmark.encode().len(), 62);
        }
        let bytes = bookmarks[1].encode();
        for other in [&b""[..], &[0; 12], &bytes[1..], &bytes[..61], &[&bytes[..], &[0]].concat()] {
            assert_eq!(Bookmark::decode(other), None, "{other:?}");
        }
    }

    #[test]
    fn passes_begin_at_once_and_then_once_a_period() {
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(Bookmark::default().due(day), UnixMillis(0));
        assert_eq!(Bookmark { begun: UnixMillis(5), ..Bookmark::default() }.due(day), UnixMillis(86_400_005));
    }
}
