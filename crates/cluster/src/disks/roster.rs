//! The roster: which disks this node has, as a document in the metadata (`docs/formats/node-document.md`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meta::{Consensus, View};
use placement::{DiskId, NodeId};

use crate::documents::{self, Document};
use crate::error::{Error, Result};

/// Format version that this program writes and reads.
const FORMAT_VERSION: u8 = 1;

/// Flags of an entry.
const FLAG_MOUNT_POINT: u8 = 1;
const FLAG_OUT: u8 = 2;
const FLAG_DRAINING: u8 = 4;
const FLAG_OFFLINE: u8 = 8;
const FLAG_ABSENT: u8 = 16;
const FLAG_FULL: u8 = 32;
const FLAG_REMOVED: u8 = 64;
const FLAG_ADDED: u8 = 128;

/// One disk of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it was seen last.
    pub(crate) path: PathBuf,
    /// It was the root of a file system: an empty directory in its place is not a new disk.
    pub(crate) is_mount_point: bool,
    /// Others have taken over what it held. It joins anew when it comes back.
    pub(crate) is_out: bool,
    /// Its share of the data relative to other disks: gibibytes when it joined.
    pub(crate) weight: u64,
    /// It is to be emptied: what it holds moves elsewhere.
    pub(crate) is_draining: bool,
    /// The operator has taken it out of service for a while.
    pub(crate) is_offline: bool,
    /// Its node says that it does not work.
    pub(crate) is_absent: bool,
    /// Its node says that it takes no new shards.
    pub(crate) is_full: bool,
    /// The operator has removed it, which is out too: only adding it again brings it back.
    pub(crate) is_removed: bool,
    /// The operator has added it to the running node: its directory counts as named.
    pub(crate) is_added: bool,
}

impl Entry {
    fn of(path: PathBuf, flags: u8, weight: u64) -> Self {
        Self {
            path,
            is_mount_point: flags & FLAG_MOUNT_POINT != 0,
            is_out: flags & FLAG_OUT != 0,
            weight,
            is_draining: flags & FLAG_DRAINING != 0,
            is_offline: flags & FLAG_OFFLINE != 0,
            is_absent: flags & FLAG_ABSENT != 0,
            is_full: flags & FLAG_FULL != 0,
            is_removed: flags & FLAG_REMOVED != 0,
            is_added: flags & FLAG_ADDED != 0,
        }
    }

    fn flags(&self) -> u8 {
        let flags = [
            (self.is_mount_point, FLAG_MOUNT_POINT),
            (self.is_out, FLAG_OUT),
            (self.is_draining, FLAG_DRAINING),
            (self.is_offline, FLAG_OFFLINE),
            (self.is_absent, FLAG_ABSENT),
            (self.is_full, FLAG_FULL),
            (self.is_removed, FLAG_REMOVED),
            (self.is_added, FLAG_ADDED),
        ];
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum()
    }
}

/// The disks of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    pub(crate) disks: BTreeMap<DiskId, Entry>,
}

impl Roster {
    /// The disk that was seen last at `path`. Of several the one that is not out.
    pub(crate) fn at(&self, path: &Path) -> Option<(DiskId, &Entry)> {
        let here = self.disks.iter().filter(|(_, entry)| entry.path == path);
        here.min_by_key(|(_, entry)| entry.is_out).map(|(id, entry)| (*id, entry))
    }

    /// The directories of disks that were added to the running node.
    pub(crate) fn added(&self) -> Vec<PathBuf> {
        let added = self.disks.values().filter(|entry| entry.is_added && !entry.is_removed);
        added.map(|entry| entry.path.clone()).collect()
    }
}

impl Document for Roster {
    const WHAT: &'static str = "list of disks";

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT_VERSION];
        bytes.extend_from_slice(&u32::try_from(self.disks.len()).expect("a node has few disks").to_le_bytes());
        for (id, entry) in &self.disks {
            let path = entry.path.as_os_str().as_bytes();
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.push(entry.flags());
            bytes.extend_from_slice(&entry.weight.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(path.len()).expect("paths are short").to_le_bytes());
            bytes.extend_from_slice(path);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let (&found, mut rest) = bytes.split_first().ok_or(damaged("is empty"))?;
        if found != FORMAT_VERSION {
            return Err(Error::UnknownFormat { what: Self::WHAT, found, known: FORMAT_VERSION });
        }
        let mut disks = BTreeMap::new();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let id = DiskId(u128::from_le_bytes(take(&mut rest)?));
            let [flags] = take(&mut rest)?;
            let weight = u64::from_le_bytes(take(&mut rest)?);
            let length = u32::from_le_bytes(take(&mut rest)?) as usize;
            let (path, behind) = rest.split_at_checked(length).ok_or(damaged("ends early"))?;
            rest = behind;
            disks.insert(id, Entry::of(PathBuf::from(OsStr::from_bytes(path)), flags, weight));
        }
        if rest.is_empty() { Ok(Self { disks }) } else { Err(damaged("has bytes after its end")) }
    }
}

fn take<const SIZE: usize>(bytes: &mut &[u8]) -> Result<[u8; SIZE]> {
    let (first, rest) = bytes.split_first_chunk::<SIZE>().ok_or(damaged("ends early"))?;
    *bytes = rest;
    Ok(*first)
}

fn damaged(reason: &'static str) -> Error {
    Error::Damaged { what: Roster::WHAT, reason }
}

/// Name of the document with the roster of `node`.
pub(crate) fn roster_name(node: NodeId) -> String {
    format!("node/{}/disks", node.0)
}

/// Keeps the roster of this node. Others change it too: they give up disks, or have them drained.
pub(crate) struct RosterKeeper {
    consensus: Arc<dyn Consensus>,
    name: String,
    roster: Roster,
}

impl RosterKeeper {
    /// Reads the roster of `node`; an empty one when there is none yet.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::UnknownFormat`], [`Error::Damaged`].
    pub(crate) async fn load(consensus: Arc<dyn Consensus>, node: NodeId) -> Result<Self> {
        let name = roster_name(node);
        let roster = documents::read(consensus.read().await?.view.as_ref(), &name)?;
        Ok(Self { consensus, name, roster })
    }

    /// Takes over what others have changed, as far as `view` knows.
    ///
    /// # Errors
    ///
    /// As [`RosterKeeper::load`].
    pub(crate) fn refresh(&mut self, view: &dyn View) -> Result<()> {
        self.roster = documents::read(view, &self.name)?;
        Ok(())
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Makes `change` and keeps it; nothing is proposed when it changes nothing. Durable on return.
    ///
    /// # Errors
    ///
    /// As [`documents::change`].
    pub(crate) async fn change(&mut self, change: impl Fn(&mut Roster) + Send + Sync) -> Result<()> {
        let mut expected = self.roster.clone();
        change(&mut expected);
        if expected == self.roster {
            return Ok(());
        }
        let changed = |roster: &mut Roster| {
            change(roster);
            Ok(roster.clone())
        };
        self.roster = documents::change(&self.consensus, &self.name, changed).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster() -> Roster {
        let entry = |path: &str, is_mount_point, is_out, weight| Entry {
            path: path.into(),
            is_mount_point,
            is_out,
            weight,
            ..Entry::default()
        };
        let disks = [
            (DiskId(1), entry("/srv/a", false, false, 1)),
            (DiskId(u128::MAX), entry("/srv/ü b", true, true, u64::MAX)),
            (DiskId(7), entry("/srv/a", false, true, 9)),
            (
                DiskId(8),
                Entry { is_draining: true, is_offline: true, is_absent: true, is_full: true, ..Entry::default() },
            ),
            (DiskId(9), Entry { is_removed: true, is_added: true, ..Entry::default() }),
        ];
        Roster { disks: disks.into() }
    }

    #[test]
    fn roster_round_trips() {
        assert_eq!(Roster::decode(&roster().encode()).unwrap(), roster());
        assert_eq!(Roster::decode(&Roster::default().encode()).unwrap(), Roster::default());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = roster().encode();
        for length in 0..bytes.len() {
            assert!(
                matches!(Roster::decode(&bytes[..length]), Err(Error::Damaged { .. })),
                "{length} bytes were taken"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(Roster::decode(&longer), Err(Error::Damaged { .. })));
        let newer = [&[2], &bytes[1..]].concat();
        assert!(matches!(Roster::decode(&newer), Err(Error::UnknownFormat { found: 2, .. })));
    }

    #[test]
    fn disk_in_use_wins_over_one_that_is_out() {
        assert_eq!(roster().at(Path::new("/srv/a")).unwrap().0, DiskId(1));
        assert!(roster().at(Path::new("/srv/c")).is_none());
    }
}
