//! [`Journal`]: what the background work of this node notes of itself. Begins empty with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use env::UnixMillis;
use parking_lot::Mutex;
use placement::{GroupId, Slot};

use crate::census::{Census, LastCensus};
use crate::progress::{Meter, Reason, Restoring, Tally};
use crate::repair::RepairProgress;
use crate::scrub::{Bookmark, ScrubProgress};

/// What the background work notes of itself.
#[derive(Default)]
pub(crate) struct Journal {
    state: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    waiting_stripes: u64,
    restored: BTreeMap<Reason, Meter>,
    /// What open slots lack, as counted last.
    left: Left,
    census: Option<(UnixMillis, LastCensus)>,
    /// By disk.
    scrubs: BTreeMap<u128, Bookmark>,
}

/// What some open slots lack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    pub(crate) slots: BTreeSet<OpenSlot>,
    pub(crate) shards: BTreeMap<Reason, Tally>,
}

/// A slot that waits for shards: its group, its index, and what it is.
pub(crate) type OpenSlot = (GroupId, u8, Slot);

impl Journal {
    pub(crate) fn add_restored(&self, reason: Reason, now: Duration, restored: Tally) {
        let mut entries = self.state.lock();
        entries.restored.entry(reason).or_default().add(now, restored);
        if let Some(left) = entries.left.shards.get_mut(&reason) {
            *left = left.without(restored);
        }
        drop(entries);
        metrics::counter!("stonecrop_shards_repaired_total").increment(restored.shards);
    }

    /// Notes what open slots still lack.
    pub(crate) fn set_left(&self, left: Left) {
        self.state.lock().left = left;
    }

    /// Whether what these slots lack has been counted.
    pub(crate) fn has_counted(&self, slots: &BTreeSet<OpenSlot>) -> bool {
        slots.is_subset(&self.state.lock().left.slots)
    }

    /// How the restoring for one reason stands, of which these slots are open now.
    pub(crate) fn restoring(&self, reason: Reason, open: &BTreeSet<OpenSlot>, now: Duration) -> Restoring {
        let entries = self.state.lock();
        let left = match reason {
            Reason::Repair => None,
            _ if open.is_empty() => Some(Tally::default()),
            _ if !open.is_subset(&entries.left.slots) => None,
            _ => Some(entries.left.shards.get(&reason).copied().unwrap_or_default()),
        };
        let meter = entries.restored.get(&reason);
        let done = meter.map(Meter::done).unwrap_or_default();
        Restoring { done, rate: meter.and_then(|meter| meter.rate(now)), left }
    }

    /// Shards restored for whatever reason.
    pub(crate) fn restored_shards(&self) -> u64 {
        self.state.lock().restored.values().map(|meter| meter.done().shards).sum()
    }

    pub(crate) fn end_repair(&self, progress: &RepairProgress) {
        self.state.lock().waiting_stripes = progress.waiting_stripes;
        metrics::gauge!("stonecrop_stripes_waiting_for_repair").set(progress.waiting_stripes as f64);
    }

    pub(crate) fn waiting_stripes(&self) -> u64 {
        self.state.lock().waiting_stripes
    }

    pub(crate) fn end_census(&self, now: UnixMillis, last: LastCensus) {
        self.state.lock().census = Some((now, last));
        metrics::gauge!("stonecrop_shards_lost").set(last.census.lost as f64);
        metrics::gauge!("stonecrop_shards_unknown").set(last.census.unknown as f64);
        metrics::gauge!("stonecrop_census_completed_seconds").set((now.0 / 1000) as f64);
    }

    pub(crate) fn last_census(&self) -> Option<LastCensus> {
        self.state.lock().census.map(|(_, last)| last)
    }

    /// The last census, and when it ended.
    pub(crate) fn census(&self) -> Option<(UnixMillis, Census)> {
        self.state.lock().census.map(|(ended, last)| (ended, last.census))
    }

    /// Notes how far the scrub of a disk has come.
    pub(crate) fn note_scrub(&self, disk: u128, bookmark: Bookmark) {
        self.state.lock().scrubs.insert(disk, bookmark);
        if let (None, Some((ended, _))) = (bookmark.cursor, bookmark.last) {
            let label = format!("{disk:032x}");
            metrics::gauge!("stonecrop_scrub_completed_seconds", "disk" => label).set((ended.0 / 1000) as f64);
        }
    }

    /// How far the scrub of a disk has come; `None` before anybody looked.
    pub(crate) fn scrub(&self, disk: u128) -> Option<Bookmark> {
        self.state.lock().scrubs.get(&disk).copied()
    }

    /// The last complete scrub of each disk, and when it ended.
    pub(crate) fn completed_scrubs(&self) -> BTreeMap<u128, (UnixMillis, ScrubProgress)> {
        let entries = self.state.lock();
        entries.scrubs.iter().filter_map(|(disk, bookmark)| Some((*disk, bookmark.last?))).collect()
    }
}
