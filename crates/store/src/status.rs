//! How the background work stands.

use std::collections::BTreeMap;

use env::UnixMillis;

use crate::census::Census;
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
        Status {
            disks_in_service,
            disks_out_of_service: topology.members().len() - disks_in_service,
            memory_used: self.budget().used(),
            writes: self.writes().count(),
            repaired_shards: self.journal().restored_shards(),
            waiting_stripes: self.journal().waiting_stripes(),
            damaged_shards: self.disks().iter().map(|disk| disk.damaged()).sum(),
            open_slots,
            census: self.journal().census(),
            scrubs: self.journal().completed_scrubs(),
        }
    }
}
