//! How the node is, as operators ask.

use std::path::PathBuf;

use env::UnixMillis;
use meta::MirrorHealth;
use placement::{DiskId, DiskSpec, DiskState, NodeId, Profile, RackId, Survivability};

use crate::raft::RaftConsensus;
use crate::topology::{MemberState, Topology};

/// The condition of one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskHealth {
    /// The disk.
    pub id: DiskId,
    /// Its node.
    pub node: NodeId,
    /// Its storage directory.
    pub path: PathBuf,
    /// Whether it takes part.
    pub state: MemberState,
    /// New shards do not fit.
    pub full: bool,
}

/// The condition of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The disks, absent ones included.
    pub disks: Vec<DiskHealth>,
    /// What data is kept as.
    pub profile: Profile,
    /// What may be lost next, if what is absent never comes back.
    pub survives: Survivability,
    /// Slots that nobody holds, and slots that are being moved or rebuilt.
    pub vacant_slots: usize,
    /// See `vacant_slots`.
    pub slots_in_flight: usize,
    /// New stripes find enough disks.
    pub writable: bool,
    /// Where the metadata is kept.
    pub mirrors: Vec<MirrorHealth>,
    /// When rereading the log of the metadata began that left every copy whole; `None` before the first time.
    pub log_reread_at: Option<UnixMillis>,
    /// On how many mirrors it should be.
    pub mirrors_wanted: usize,
    /// Metadata can be changed.
    pub deciding: bool,
}

impl Health {
    /// How `node` is, which mirrors its metadata on `mirror_count` of its disks if it has so many.
    pub(crate) fn of(node: NodeId, topology: &Topology, consensus: &RaftConsensus, mirror_count: usize) -> Self {
        let own_disks = topology.members().values().filter(|member| member.node == node).count();
        let mirrors_wanted = mirror_count.min(own_disks);
        let table = topology.table();
        let disk = |(&id, member): (&DiskId, &crate::topology::Member)| DiskHealth {
            id,
            node: member.node,
            path: member.path.clone(),
            state: member.state.clone(),
            full: member.full,
        };
        let disks: Vec<DiskHealth> = topology.members().iter().map(disk).collect();
        let spec = |disk: &DiskHealth| {
            let absent = matches!(disk.state, MemberState::Absent { .. });
            let state = if absent { DiskState::Out } else { DiskState::In };
            DiskSpec { id: disk.id, node: disk.node, rack: RackId(0), weight: 1, state }
        };
        let specs: Vec<DiskSpec> = disks.iter().map(spec).collect();
        let slots = || table.groups().flat_map(|(_, row)| &row.slots);
        Self {
            disks,
            profile: table.profile(),
            survives: Survivability::of(table, &specs),
            vacant_slots: slots().filter(|slot| slot.write_target().is_none()).count(),
            slots_in_flight: slots().filter(|slot| slot.settled().is_some()).count(),
            writable: topology.has_writable_groups(),
            mirrors: consensus.engine().mirrors(),
            mirrors_wanted,
            log_reread_at: consensus.engine().log_reread_at(),
            deciding: consensus.is_running(),
        }
    }

    /// Whether the metadata has all its mirrors, each with everything.
    pub fn is_mirrored(&self) -> bool {
        self.mirrors_wanted <= self.mirrors.iter().filter(|mirror| mirror.in_service && mirror.complete).count()
    }

    /// Whether every disk takes part, every slot has its holder and the metadata has all its mirrors: nothing to do for
    /// anybody.
    pub fn is_whole(&self) -> bool {
        self.disks.iter().all(|disk| disk.state == MemberState::InService && !disk.full)
            && self.vacant_slots + self.slots_in_flight == 0
            && self.is_mirrored()
            && self.deciding
    }
}
