//! What operators have done with one disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use meta::Consensus;
use placement::{DiskId, NodeId};

use super::refusal::Taken;
use crate::cluster::Cluster;
use crate::disks::{Entry, Roster, roster_name};
use crate::documents;
use crate::error::{Error, Result};
use crate::steward::Fleet;
use crate::substitutes::substitutes_on;

/// What to do with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskCommand {
    /// Move what it holds elsewhere.
    Drain,
    /// Give it its share again.
    Undrain,
    /// Use it no more for now; others take over what it held after a while.
    Offline,
    /// Use it again.
    Online,
    /// Use it no more for good. Only for one that is empty, or whose shards others have taken over.
    Remove,
}

impl DiskCommand {
    fn change(self, entry: &mut Entry) {
        match self {
            Self::Drain => entry.is_draining = true,
            Self::Undrain => entry.is_draining = false,
            Self::Offline => entry.is_offline = true,
            Self::Online => entry.is_offline = false,
            Self::Remove => {
                let (path, weight) = (entry.path.clone(), entry.weight);
                let is_mount_point = entry.is_mount_point;
                *entry = Entry { path, weight, is_mount_point, is_out: true, is_removed: true, ..Entry::default() };
            }
        }
    }
}

impl Cluster {
    /// Has `command` done with the disk whose identity begins with `disk`, in hexadecimal. Durable on return; what follows
    /// from it takes its time. Returns the whole identity.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDisk`]; [`Error::TooFewLeft`], [`Error::NoRoom`], [`Error::Shortfall`], [`Error::DiskInUse`],
    /// [`Error::SubstitutesLeft`], [`Error::LastDisk`] for what would lose data; [`Error::Meta`].
    pub async fn command_disk(&self, disk: &str, command: DiskCommand) -> Result<String> {
        let view = self.consensus.read().await?.view;
        let fleet = Fleet::read(view.as_ref())?;
        let (node, id) = find(&fleet, disk)?;
        let taken = Taken::Disk(id);
        match command {
            DiskCommand::Drain => {
                self.refuse_too_few(&fleet, taken)?;
                self.refuse_no_room(&fleet, taken).await?;
            }
            DiskCommand::Offline => {
                refuse_last(&fleet, node, id)?;
                self.refuse_too_few(&fleet, taken)?;
                self.refuse_shortfall(&fleet, taken)?;
            }
            DiskCommand::Remove => self.refuse_removal(&fleet, node, id).await?,
            DiskCommand::Undrain | DiskCommand::Online => {}
        }
        let consensus: Arc<dyn Consensus> = self.consensus.clone();
        documents::change(&consensus, &roster_name(node), |roster: &mut Roster| {
            if let Some(entry) = roster.disks.get_mut(&id) {
                command.change(entry);
            }
            Ok(())
        })
        .await?;
        Ok(id.to_string())
    }

    /// Refuses to remove a disk that something still depends on.
    async fn refuse_removal(&self, fleet: &Fleet, node: NodeId, disk: DiskId) -> Result<()> {
        let slots = self.tables.slots_of(&BTreeSet::from([disk])).await?;
        if 0 < slots {
            return Err(Error::DiskInUse { disk, slots });
        }
        refuse_last(fleet, node, disk)?;
        if self.topology().disk(disk).is_none() {
            // What lies on a disk that does not answer is lost, and is rebuilt from the other shards.
            return Ok(());
        }
        let view = self.consensus.read().await?.view;
        let shards = self.env.blocking(move || substitutes_on(view.as_ref(), &BTreeSet::from([disk]))).await?;
        if 0 < shards { Err(Error::SubstitutesLeft { disk, shards }) } else { Ok(()) }
    }
}

/// Refuses to take away the last working disk of a node: its metadata would be nowhere.
fn refuse_last(fleet: &Fleet, node: NodeId, disk: DiskId) -> Result<()> {
    let works = |entry: &Entry| !entry.is_absent && !entry.is_offline;
    let mut others = fleet.disks().filter(|(of, id, entry)| *of == node && *id != disk && works(entry));
    if others.next().is_none() { Err(Error::LastDisk { node }) } else { Ok(()) }
}

/// The one disk whose identity begins so. Removed ones are none any more.
fn find(fleet: &Fleet, disk: &str) -> Result<(NodeId, DiskId)> {
    let known = fleet.all_disks().filter(|(_, _, entry)| !entry.is_removed);
    let mut found = known.filter(|(_, id, _)| !disk.is_empty() && id.to_string().starts_with(disk));
    match (found.next(), found.next()) {
        (Some((node, id, _)), None) => Ok((node, id)),
        _ => Err(Error::NoSuchDisk { disk: disk.to_owned() }),
    }
}
