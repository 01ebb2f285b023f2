//! What a node says of its background work, to whichever node an operator asks (`docs/formats/node-calls.md`).

use serde::{Deserialize, Serialize};

use crate::progress::{Reason, Restoring};
use crate::scrub::ScrubProgress;
use crate::store::Store;

/// What a node is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// How its work stands. Answered with a [`WorkReport`].
    Report,
    /// To look for what is missing now. Answered with nothing.
    Heal,
    /// To reread its disks now. Answered with nothing.
    Scrub,
}

/// How the background work of one node stands. Counters begin with its process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkReport {
    /// Shards that the repair index named. What is left of those is in the index.
    pub repair: Restoring,
    /// Shards of slots that are being rebuilt.
    pub rebuild: Restoring,
    /// Shards of slots that move.
    pub moves: Restoring,
    /// Stripes that the last pass over the repair index could not repair.
    pub waiting_stripes: u64,
    /// The last complete census of the shards that the node cares for.
    pub census: Option<CensusReport>,
    /// Its disks.
    pub scrubs: Vec<ScrubReport>,
}

/// A census. Times are in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusReport {
    /// When it ended.
    pub ended: u64,
    /// Shards that there should be.
    pub shards: u64,
    /// Shards that disks lack which answer.
    pub lost: u64,
    /// Shards on disks that did not answer.
    pub unknown: u64,
}

/// The scrub of one disk. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubReport {
    /// The disk, in hexadecimal.
    pub disk: String,
    /// Its directory.
    pub path: String,
    /// Bytes that a pass rereads, as the disk is now.
    pub size: u64,
    /// The pass under way: when it began, and what it has reread and found.
    pub under_way: Option<(u64, ScrubProgress)>,
    /// The last complete pass: when it ended, and what it reread and found.
    pub last: Option<(u64, ScrubProgress)>,
    /// When the next pass begins; nothing while one is under way.
    pub due: Option<u64>,
    /// Shards that are known to be damaged and have not been replaced yet.
    pub damaged: u64,
}

impl Store {
    /// How the background work of this node stands.
    pub(crate) async fn work_report(&self) -> WorkReport {
        let now = self.env().clock.monotonic();
        let [repair, rebuild, moves] = [Reason::Repair, Reason::Rebuild, Reason::Move]
            .map(|reason| self.journal().restoring(reason, &self.open_for(reason), now));
        let census = self.journal().census().map(|(ended, census)| CensusReport {
            ended: ended.0,
            shards: census.shards,
            lost: census.lost,
            unknown: census.unknown,
        });
        let mut scrubs = Vec::new();
        for disk in self.disks() {
            let bookmark = self.journal().scrub(disk.identity().disk_id).unwrap_or_default();
            let is_under_way = bookmark.cursor.is_some();
            scrubs.push(ScrubReport {
                disk: format!("{:032x}", disk.identity().disk_id),
                path: disk.path().display().to_string(),
                size: disk.usage().await.map_or(0, |usage| usage.extents),
                under_way: is_under_way.then_some((bookmark.begun.0, bookmark.progress)),
                last: bookmark.last.map(|(ended, progress)| (ended.0, progress)),
                due: (!is_under_way).then_some(bookmark.due(self.config().scrub_period).0),
                damaged: disk.damaged(),
            });
        }
        WorkReport { repair, rebuild, moves, waiting_stripes: self.journal().waiting_stripes(), census, scrubs }
    }
}
