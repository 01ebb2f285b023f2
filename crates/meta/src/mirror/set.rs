//! Which directories are mirrors.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use env::Env;
use parking_lot::RwLock;

use super::{Mirror, identity};
use crate::error::{Error, Result};

/// The mirrors of one node's metadata.
pub(crate) struct Mirrors {
    realm: u128,
    members: RwLock<Vec<Arc<Mirror>>>,
}

/// What the candidates turned out to be.
#[derive(Default)]
struct Found {
    realm: Option<u128>,
    mirrors: Vec<Arc<Mirror>>,
    vacant: Vec<Arc<Mirror>>,
    unreadable: Option<Error>,
    damaged: Option<Error>,
}

impl Mirrors {
    /// Finds the mirrors among the `candidates`, and prepares vacant ones until there are `count`. When no candidate is
    /// a mirror, and all could be read, `realm` begins here, or a new one.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignMirror`], [`Error::StaleMirrors`], [`Error::Corrupt`], [`Error::Unsupported`], [`Error::Io`].
    pub(crate) fn open(env: &Env, candidates: &[PathBuf], count: usize, realm: Option<u128>) -> Result<Self> {
        assert!(0 < count, "metadata needs a mirror");
        let mut found = inspect(env, candidates)?;
        let realm = match (found.realm, found.damaged.take().or(found.unreadable.take())) {
            (Some(realm), _) => realm,
            // The only mirror may be among those that cannot be read: beginning anew would lose everything.
            (None, Some(error)) => return Err(error),
            (None, None) => realm.unwrap_or_else(|| env.random_u128()),
        };
        refuse_stale(&found.mirrors)?;
        let mut members = found.mirrors;
        for mirror in found.vacant {
            if members.len() < count {
                match mirror.prepare() {
                    Ok(()) => members.push(mirror),
                    Err(error) => mirror.retire(&error),
                }
            }
        }
        if members.is_empty() {
            return Err(Error::Unavailable);
        }
        Ok(Self { realm, members: RwLock::new(members) })
    }

    pub(crate) fn realm(&self) -> u128 {
        self.realm
    }

    /// The mirrors in service.
    pub(crate) fn in_service(&self) -> Vec<Arc<Mirror>> {
        self.members.read().iter().filter(|mirror| mirror.in_service()).cloned().collect()
    }

    pub(crate) fn any_in_service(&self) -> bool {
        self.members.read().iter().any(|mirror| mirror.in_service())
    }

    /// Whether every mirror in service has `size` bytes of room beside its reserve.
    pub(crate) fn have_room(&self, size: u64) -> bool {
        self.members.read().iter().filter(|mirror| mirror.in_service()).all(|mirror| size <= mirror.room())
    }

    /// All mirrors, retired ones included.
    pub(crate) fn all(&self) -> Vec<Arc<Mirror>> {
        self.members.read().clone()
    }

    /// Takes the mirror in `directory`, if there is one, out of service: something else is there now.
    pub(crate) fn retire_at(&self, directory: &Path) {
        for mirror in self.all().iter().filter(|mirror| mirror.directory() == directory) {
            mirror.retire(&Error::MirrorReplaced);
        }
    }

    /// Adds a mirror, in place of the one with the same directory or of one out of service.
    pub(crate) fn replace(&self, mirror: Arc<Mirror>) {
        let mut members = self.members.write();
        let same = members.iter().position(|member| member.directory() == mirror.directory());
        match same.or_else(|| members.iter().position(|member| !member.in_service())) {
            Some(position) => members[position] = mirror,
            None => members.push(mirror),
        }
    }

    /// Ends the service of mirrors beyond the first `count` in service. Those that remain have everything.
    pub(crate) fn release_beyond(&self, count: usize) {
        let mut members = self.members.write();
        let mut kept = 0;
        members.retain(|mirror| {
            kept += usize::from(mirror.in_service());
            let stays = !mirror.in_service() || kept <= count;
            if !stays {
                match mirror.release() {
                    Ok(()) => tracing::info!(directory = %mirror.directory().display(), "released a surplus mirror"),
                    Err(error) => tracing::warn!(%error, "cannot empty a surplus mirror"),
                }
            }
            stays
        });
    }
}

fn inspect(env: &Env, candidates: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for directory in candidates {
        let mirror = Arc::new(Mirror::new(env.files.clone(), directory.clone()));
        match identity::read(env.files.as_ref(), directory) {
            Ok(Some(realm)) => {
                refuse_foreign(&found, realm, directory)?;
                found.realm = Some(realm);
                found.mirrors.push(mirror);
            }
            Ok(None) => found.vacant.push(mirror),
            Err(error @ Error::Corrupt { .. }) => {
                tracing::warn!(%error, "a mirror's identity is damaged: filling it anew if another mirror is there");
                found.damaged = Some(error);
                found.vacant.push(mirror);
            }
            Err(error @ Error::Io { .. }) => {
                tracing::warn!(%error, source = ?error, "cannot look for a metadata mirror");
                found.unreadable = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn refuse_foreign(found: &Found, realm: u128, directory: &Path) -> Result<()> {
    match (found.realm, found.mirrors.first()) {
        (Some(other), Some(mirror)) if other != realm => {
            Err(Error::ForeignMirror { first: mirror.directory().to_path_buf(), second: directory.to_path_buf() })
        }
        _ => Ok(()),
    }
}

/// A mirror that was retired lacks what the others went on to write. Without them it would bring back an old state.
fn refuse_stale(mirrors: &[Arc<Mirror>]) -> Result<()> {
    let mut stale = None;
    for mirror in mirrors {
        if !mirror.is_marked_retired()? {
            return Ok(());
        }
        stale = Some(mirror.directory().to_path_buf());
    }
    stale.map_or(Ok(()), |directory| Err(Error::StaleMirrors { directory }))
}
