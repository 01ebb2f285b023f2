//! How the background work stands.

use std::collections::BTreeMap;

use env::UnixMillis;
use parking_lot::Mutex;

use crate::census::Census;
use crate::repair::RepairProgress;
use crate::scrub::ScrubProgress;
use crate::store::Store;

/// How a store stands. Counters start with the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes that bodies in flight use.
    pub memory_used: usize,
    /// Writes in progress.
    pub writes: usize,
    /// Shards restored.
    pub repaired_shards: u64,
    /// Stripes that the last pass over the repair index could not repair.
    pub waiting_stripes: u64,
    /// Shards that this node's disks know to be damaged and have no new record of yet.
    pub damaged_shards: u64,
    /// Disks of the cluster that take part.
    pub disks_in_service: usize,
    /// Disks that were there and do not answer.
    pub disks_out_of_service: usize,
    /// Slots of the placement table that still wait for shards.
    pub open_slots: usize,
    /// The last complete census of what belongs on this node's disks, and when it ended.
    pub census: Option<(UnixMillis, Census)>,
    /// The last complete scrub of each of this node's disks by its identity, and when it ended.
    pub scrubs: BTreeMap<u128, (UnixMillis, ScrubProgress)>,
}

/// What the background work notes of itself.
#[derive(Default)]
pub(crate) struct Journal {
    state: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    repaired_shards: u64,
    waiting_stripes: u64,
    census: Option<(UnixMillis, Census)>,
    damage_at_census: Option<u64>,
    scrubs: BTreeMap<u128, (UnixMillis, ScrubProgress)>,
}

impl Journal {
    pub(crate) fn add_repaired(&self, shards: u64) {
        self.state.lock().repaired_shards += shards;
        metrics::counter!("stonecrop_shards_repaired_total").increment(shards);
    }

    pub(crate) fn end_repair(&self, progress: &RepairProgress) {
        self.state.lock().waiting_stripes = progress.waiting_stripes;
        metrics::gauge!("stonecrop_stripes_waiting_for_repair").set(progress.waiting_stripes as f64);
    }

    /// Notes what a census counted, and how often the disks had noticed damage when it began.
    pub(crate) fn end_census(&self, now: UnixMillis, census: Census, damage_noticed: u64) {
        let mut entries = self.state.lock();
        entries.census = Some((now, census));
        entries.damage_at_census = Some(damage_noticed);
        drop(entries);
        metrics::gauge!("stonecrop_shards_lost").set(census.lost as f64);
        metrics::gauge!("stonecrop_shards_unknown").set(census.unknown as f64);
        metrics::gauge!("stonecrop_census_completed_seconds").set((now.0 / 1000) as f64);
    }

    /// Whether the last census found shards lost and the last pass of repair left none of them waiting.
    pub(crate) fn has_repaired_all(&self) -> bool {
        let entries = self.state.lock();
        let has_lost = entries.census.is_some_and(|(_, census)| 0 < census.lost);
        has_lost && entries.waiting_stripes == 0
    }

    /// How often the disks had noticed damage when the last census began; `None` before the first.
    pub(crate) fn damage_at_census(&self) -> Option<u64> {
        self.state.lock().damage_at_census
    }

    pub(crate) fn end_scrub(&self, disk: u128, now: UnixMillis, progress: ScrubProgress) {
        self.state.lock().scrubs.insert(disk, (now, progress));
        let label = format!("{disk:032x}");
        metrics::gauge!("stonecrop_scrub_completed_seconds", "disk" => label).set((now.0 / 1000) as f64);
    }
}

impl Store {
    /// Whether requests can be served: metadata is decided, and enough disks answer for stripes to be read.
    pub fn is_ready(&self) -> bool {
        let health = self.cluster().health();
        usize::from(health.profile.data()) <= self.disks_in_service() && health.deciding
    }

    /// Disks of the cluster that answer, as far as anyone knows.
    fn disks_in_service(&self) -> usize {
        self.cluster().topology().members().values().filter(|member| member.answers()).count()
    }

    /// How the store stands. Does no I/O.
    pub fn status(&self) -> Status {
        let topology = self.cluster().topology();
        let slots = topology.table().groups().flat_map(|(_, group)| &group.slots);
        let open_slots = slots.filter(|slot| slot.settled().is_some()).count();
        let disks_in_service = self.disks_in_service();
        let entries = self.journal().state.lock();
        Status {
            disks_in_service,
            disks_out_of_service: topology.members().len() - disks_in_service,
            memory_used: self.budget().used(),
            writes: self.writes().count(),
            repaired_shards: entries.repaired_shards,
            waiting_stripes: entries.waiting_stripes,
            damaged_shards: self.disks().iter().map(|disk| disk.damaged()).sum(),
            open_slots,
            census: entries.census,
            scrubs: entries.scrubs.clone(),
        }
    }
}
