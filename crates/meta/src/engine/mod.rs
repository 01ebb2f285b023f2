//! The state machine's durable home.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use env::{Env, UnixMillis};
use tokio::sync::watch;

use crate::command::Command;
use crate::error::Result;
use crate::log::{LogId, MetaLog};
use crate::outcome::Outcome;
use crate::view::View;

/// Settings of the engine and its log.
#[derive(Clone, Copy, Debug)]
pub struct MetaConfig {
    /// How many of the candidate directories hold copies.
    pub mirror_count: usize,
}

impl Default for MetaConfig {
    fn default() -> Self {
        Self { mirror_count: 3 }
    }
}

/// What [`MetaEngine::open`] gives: the state as of the newest durable root, and the log to replay from there.
pub struct Opened {
    /// The state.
    pub engine: Arc<MetaEngine>,
    /// The log on the same mirrors.
    pub log: Arc<MetaLog>,
}

/// How far the state is durable in itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// Newest entry whose effect is in the newest durable root.
    pub newest: Option<LogId>,
    /// Newest entry that may be purged from the log: its effect is in the durable root before the newest, too.
    pub purgeable: Option<LogId>,
}

/// Condition of one mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorHealth {
    /// Its directory.
    pub directory: PathBuf,
    /// Whether it takes part. One that does not is retried at the next start, or after
    /// [`MetaEngine::replace_mirror`].
    pub in_service: bool,
}

/// The state machine over durable trees.
pub struct MetaEngine {}

impl MetaEngine {
    /// Opens the metadata in up to `config.mirror_count` of the `candidates` (directories such as `<DISK>/meta`, in
    /// order of preference; those that are mirrors already come first). Begins anew when none is a mirror and all could
    /// be read. Blocks.
    ///
    /// # Errors
    ///
    /// Whatever makes the metadata unusable; see [`Error`](crate::Error).
    pub fn open(_env: &Env, _candidates: &[PathBuf], _config: MetaConfig) -> Result<Opened> {
        unimplemented!()
    }

    /// The state as of the last applied entry: consistent, immutable, cheap to take. Hold it no longer than a request.
    pub fn view(&self) -> Arc<dyn View> {
        unimplemented!()
    }

    /// The entry applied last.
    pub fn applied(&self) -> Option<LogId> {
        unimplemented!()
    }

    /// The membership applied last, as given to [`MetaEngine::apply_membership`].
    pub fn membership(&self) -> Option<Bytes> {
        unimplemented!()
    }

    /// Applies the commands of entry `id` in order; each sees the effects of those before. Readers see all or none.
    /// Blocks on reads of pages that are not cached, and while a flush lags behind: call it off the reactor.
    ///
    /// # Errors
    ///
    /// When the state cannot be read. Nothing is applied then; the node must stop.
    pub fn apply(&self, _id: LogId, _time: UnixMillis, _commands: &[Command]) -> Result<Vec<Outcome>> {
        unimplemented!()
    }

    /// Notes entry `id`, which changes Raft's membership.
    pub fn apply_membership(&self, _id: LogId, _membership: Bytes) {
        unimplemented!()
    }

    /// Notes entry `id`, which changes nothing.
    pub fn apply_blank(&self, _id: LogId) {
        unimplemented!()
    }

    /// Makes all that is applied durable in the trees, so that a restart has nothing to replay.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) when no mirror works.
    pub async fn flush(&self) -> Result<()> {
        unimplemented!()
    }

    /// How far the state is durable in itself; changes after every flush.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        unimplemented!()
    }

    /// Hash of all effects since the metadata began: equal on replicas that have applied the same entries.
    pub fn effects_hash(&self) -> (Option<LogId>, [u8; 32]) {
        unimplemented!()
    }

    /// Condition of the mirrors. Fewer than two in service is degraded (on a node with several disks).
    pub fn mirrors(&self) -> Vec<MirrorHealth> {
        unimplemented!()
    }

    /// Takes the mirror in `directory`, if it is one, out of service: its disk has failed or was pulled out, which writes
    /// to files that are open do not always notice.
    pub fn retire_mirror(&self, _directory: &Path) {
        unimplemented!()
    }

    /// Makes the vacant `directory` a mirror in place of one that is out of service. Blocks until it has everything.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) when it cannot be written.
    pub fn replace_mirror(&self, _directory: &Path) -> Result<()> {
        unimplemented!()
    }

    /// Ends the background work and the log's. Blocks. Call [`MetaEngine::flush`] before for a quick restart.
    pub fn close(&self) {
        unimplemented!()
    }
}
