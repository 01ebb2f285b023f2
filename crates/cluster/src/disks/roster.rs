//! The roster: which disks this node has, as a document in the metadata (`docs/formats/node-document.md`).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meta::command::{DocumentState, SetDocument};
use meta::{Command, Consensus, Refusal, Reply, query};
use placement::{DiskId, NodeId};

use crate::error::{Error, Result};

/// Format version that this program writes and reads.
const FORMAT_VERSION: u8 = 1;

/// A proposal that was given up can be in the way once, not often.
const ATTEMPTS_MAX: usize = 4;

/// Flags of an entry.
const FLAG_MOUNT_POINT: u8 = 1;
const FLAG_OUT: u8 = 2;

/// One disk of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it was seen last.
    pub(crate) path: PathBuf,
    /// It was the root of a file system: an empty directory in its place is not a new disk.
    pub(crate) is_mount_point: bool,
    /// Others have taken over what it held. It joins anew when it comes back.
    pub(crate) is_out: bool,
    /// Its share of the data relative to other disks: gibibytes when it joined.
    pub(crate) weight: u64,
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

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT_VERSION];
        bytes.extend_from_slice(&u32::try_from(self.disks.len()).expect("a node has few disks").to_le_bytes());
        for (id, entry) in &self.disks {
            let path = entry.path.as_os_str().as_bytes();
            let flags =
                if entry.is_mount_point { FLAG_MOUNT_POINT } else { 0 } | if entry.is_out { FLAG_OUT } else { 0 };
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.push(flags);
            bytes.extend_from_slice(&entry.weight.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(path.len()).expect("paths are short").to_le_bytes());
            bytes.extend_from_slice(path);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let (&found, mut rest) = bytes.split_first().ok_or(damaged("is empty"))?;
        if found != FORMAT_VERSION {
            return Err(Error::UnknownFormat { what: "list of disks", found, known: FORMAT_VERSION });
        }
        let mut disks = BTreeMap::new();
        for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
            let id = DiskId(u128::from_le_bytes(take(&mut rest)?));
            let [flags] = take(&mut rest)?;
            let weight = u64::from_le_bytes(take(&mut rest)?);
            let length = u32::from_le_bytes(take(&mut rest)?) as usize;
            let (path, behind) = rest.split_at_checked(length).ok_or(damaged("ends early"))?;
            rest = behind;
            let entry = Entry {
                path: PathBuf::from(OsStr::from_bytes(path)),
                is_mount_point: flags & FLAG_MOUNT_POINT != 0,
                is_out: flags & FLAG_OUT != 0,
                weight,
            };
            disks.insert(id, entry);
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
    Error::Damaged { what: "list of disks", reason }
}

/// Keeps the roster in the metadata. Only this node writes it, one change at a time.
pub(crate) struct RosterKeeper {
    consensus: Arc<dyn Consensus>,
    name: String,
    version: u64,
    roster: Roster,
}

impl RosterKeeper {
    /// Reads the roster of `node`; an empty one when there is none yet.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::UnknownFormat`], [`Error::Damaged`].
    pub(crate) async fn load(consensus: Arc<dyn Consensus>, node: NodeId) -> Result<Self> {
        let name = format!("node/{}/disks", node.0);
        let mut keeper = Self { consensus, name, version: 0, roster: Roster::default() };
        keeper.reload().await?;
        Ok(keeper)
    }

    async fn reload(&mut self) -> Result<()> {
        let reading = self.consensus.read().await?;
        (self.version, self.roster) = match query::document(reading.view.as_ref(), &self.name)? {
            Some(document) => (document.version, Roster::decode(&document.value)?),
            None => (0, Roster::default()),
        };
        Ok(())
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Makes `change` and keeps it; nothing is proposed when it changes nothing. Durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`]; [`Error::Refused`] when another process writes this node's roster, again and again.
    pub(crate) async fn change(&mut self, change: impl Fn(&mut Roster)) -> Result<()> {
        for _ in 0..ATTEMPTS_MAX {
            let mut next = self.roster.clone();
            change(&mut next);
            if next == self.roster {
                return Ok(());
            }
            match self.propose(&next).await? {
                Ok(version) => {
                    (self.version, self.roster) = (version, next);
                    return Ok(());
                }
                // A proposal of ours that was given up may have taken effect after all.
                Err(Refusal::VersionChanged { .. }) => self.reload().await?,
                Err(refusal) => return Err(Error::Refused { what: "list of disks", refusal }),
            }
        }
        Err(Error::Refused { what: "list of disks", refusal: Refusal::VersionChanged { version: self.version } })
    }

    async fn propose(&self, next: &Roster) -> Result<std::result::Result<u64, Refusal>> {
        let expected = if self.version == 0 { DocumentState::Absent } else { DocumentState::Version(self.version) };
        let command = SetDocument { name: self.name.clone(), expected, value: Some(next.encode()) };
        match self.consensus.propose(Command::SetDocument(command)).await? {
            Ok(Reply::Version(version)) => Ok(Ok(version)),
            Ok(_) => Err(Error::Meta(meta::Error::Inconsistent("a document was set and has no version"))),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster() -> Roster {
        let entry =
            |path: &str, is_mount_point, is_out, weight| Entry { path: path.into(), is_mount_point, is_out, weight };
        let disks = [
            (DiskId(1), entry("/srv/a", false, false, 1)),
            (DiskId(u128::MAX), entry("/srv/ü b", true, true, u64::MAX)),
            (DiskId(7), entry("/srv/a", false, true, 9)),
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
