//! How much the disks hold and how much more they take: asked before disks are emptied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use futures_util::future::join_all;
use placement::{DiskId, NodeId};
use serde::{Deserialize, Serialize};

use crate::cluster::Cluster;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method};
use crate::topology::Publisher;

/// How long a node may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// One disk. The answer to [`Method::DiskRooms`] is a map of these by disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Room {
    /// Bytes of shards that exist.
    pub(crate) live: u64,
    /// Bytes of shards that still fit.
    pub(crate) free: u64,
    /// The file system: storage directories on the same one share its room. Means something on its node only.
    pub(crate) file_system: u64,
}

/// What is known of the disks of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rooms(BTreeMap<DiskId, (NodeId, Room)>);

impl Rooms {
    /// Bytes that `leaving` disks hold and other disks have to take, and bytes that the `staying` ones take. A disk that
    /// does not answer holds nothing that could be copied, and takes nothing.
    pub(crate) fn needed_and_free(&self, leaving: &BTreeSet<DiskId>, staying: &BTreeSet<DiskId>) -> (u64, u64) {
        let held = self.0.iter().filter(|(disk, _)| leaving.contains(disk)).map(|(_, (_, room))| room.live).sum();
        let staying = self.0.iter().filter(|(disk, _)| staying.contains(disk));
        let file_systems: BTreeMap<(NodeId, u64), u64> =
            staying.map(|(_, (node, room))| ((*node, room.file_system), room.free)).collect();
        (held, file_systems.values().sum())
    }
}

/// Tells of this node's disks.
pub(crate) struct RoomsHandler {
    pub(crate) env: Env,
    pub(crate) publisher: Arc<Publisher>,
}

impl Handler for RoomsHandler {
    fn handle(&self, _: NodeId, _: Call) -> HandlerFuture<'_> {
        Box::pin(async { Some(Answer::new(&own_rooms(&self.env, &self.publisher).await)) })
    }
}

impl Cluster {
    /// How much the disks of all nodes hold and take, as far as those answer.
    pub(crate) async fn rooms(&self) -> Rooms {
        let others = self.links.peers.nodes().into_iter().filter(|node| *node != self.node());
        let asked = others.map(|node| async move {
            let answer = self.links.peers.call(node, Call::new(Method::DiskRooms, &(), DEADLINE)).await;
            (node, answer.and_then(|answer| answer.parse::<BTreeMap<DiskId, Room>>(node)))
        });
        let mut rooms = Rooms::default();
        let own = own_rooms(&self.env, &self.publisher).await;
        rooms.0.extend(own.into_iter().map(|(disk, room)| (disk, (self.node(), room))));
        for (node, answer) in join_all(asked).await {
            match answer {
                Ok(answer) => rooms.0.extend(answer.into_iter().map(|(disk, room)| (disk, (node, room)))),
                Err(error) => tracing::debug!(%error, "a node does not say how much its disks hold"),
            }
        }
        rooms
    }
}

async fn own_rooms(env: &Env, publisher: &Publisher) -> BTreeMap<DiskId, Room> {
    let mut rooms = BTreeMap::new();
    for disk in publisher.current().local_disks() {
        // One that cannot say counts as one that does not answer.
        let Ok(usage) = disk.usage().await else { continue };
        let (files, path) = (env.files.clone(), disk.path().to_path_buf());
        let file_system = env.blocking(move || files.directory_id(&path).map_or(0, |id| id.device)).await;
        let free = if usage.full { 0 } else { usage.available.saturating_sub(usage.reserve) };
        rooms.insert(DiskId(disk.identity().disk_id), Room { live: usage.live, free, file_system });
    }
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_on_one_file_system_share_its_room() {
        let disk = |id, node, live, free, file_system| (DiskId(id), (NodeId(node), Room { live, free, file_system }));
        let rooms = [disk(1, 1, 10, 100, 7), disk(2, 1, 20, 100, 7), disk(3, 2, 30, 50, 7), disk(4, 2, 40, 60, 8)];
        let rooms = Rooms(rooms.into());
        let ids = |ids: &[u128]| ids.iter().copied().map(DiskId).collect::<BTreeSet<_>>();
        assert_eq!(rooms.needed_and_free(&ids(&[1]), &ids(&[2, 3, 4])), (10, 210));
        assert_eq!(rooms.needed_and_free(&ids(&[3, 4]), &ids(&[1, 2])), (70, 100));
        assert_eq!(rooms.needed_and_free(&ids(&[3, 9]), &ids(&[8])), (30, 0), "who does not answer counts for nothing");
    }
}
