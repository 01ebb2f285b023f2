//! The placement table, for people who look for one group.

use placement::Slot;
use serde::Serialize;

use crate::cluster::Cluster;

/// The placement table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableOverview {
    /// Its version.
    pub version: u32,
    /// What data is kept as.
    pub profile: String,
    /// The groups in order of their numbers.
    pub groups: Vec<GroupOverview>,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupOverview {
    /// Its number.
    pub group: u32,
    /// Version of the table at its last change.
    pub epoch: u32,
    /// Its slots by shard index.
    pub slots: Vec<SlotOverview>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlotOverview {
    /// `stable`, `moving`, `rebuilding` or `vacant`.
    pub state: &'static str,
    /// The disk that takes new shards, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// While it moves, the disk that has the older shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

impl From<Slot> for SlotOverview {
    fn from(slot: Slot) -> Self {
        let (state, from) = match slot {
            Slot::Vacant => ("vacant", None),
            Slot::Stable(_) => ("stable", None),
            Slot::Rebuilding(_) => ("rebuilding", None),
            Slot::Moving { from, .. } => ("moving", Some(from.to_string())),
        };
        Self { state, disk: slot.write_target().map(|disk| disk.to_string()), from }
    }
}

impl Cluster {
    /// The placement table as this node knows it.
    pub fn table_overview(&self) -> TableOverview {
        let topology = self.topology();
        let table = topology.table();
        let groups = table.groups().map(|(group, row)| GroupOverview {
            group: group.0,
            epoch: row.epoch.0,
            slots: row.slots.iter().map(|slot| SlotOverview::from(*slot)).collect(),
        });
        TableOverview { version: table.version().0, profile: table.profile().to_string(), groups: groups.collect() }
    }
}
