//! When access keys were last used: noted in memory with each request, written down seldom.

use std::collections::BTreeMap;
use std::time::Duration;

use env::UnixMillis;
use meta::Command;
use meta::command::{DocumentState, SetDocument};
use parking_lot::Mutex;

use crate::directory::Directory;
use crate::error::Result;
use crate::record::{KeyOwner, UseRecord, encode};

/// How long a use stays in this node's memory alone.
const FLUSH_PERIOD: Duration = Duration::from_secs(10 * 60);

/// Most keys whose uses wait to be written down; of others nothing is noted until then.
const WAITING_MAX: usize = 8192;

/// When and for what a key was last used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: UnixMillis,
    /// The service, `s3`, `iam` or `sts`.
    pub service: String,
    /// The region that the client signed for.
    pub region: String,
}

/// Uses that are not written down yet.
#[derive(Default)]
pub(crate) struct Uses(Mutex<BTreeMap<String, LastUse>>);

impl Uses {
    fn note(&self, access_key: &str, at: UnixMillis, service: &str, region: &str) {
        let mut waiting = self.0.lock();
        if let Some(known) = waiting.get_mut(access_key) {
            known.at = at;
            if known.service != service {
                service.clone_into(&mut known.service);
            }
            if known.region != region {
                region.clone_into(&mut known.region);
            }
        } else if waiting.len() < WAITING_MAX {
            let (service, region) = (service.to_owned(), region.to_owned());
            waiting.insert(access_key.to_owned(), LastUse { at, service, region });
        }
    }
}

impl Directory {
    /// Notes that a signature of `access_key` was right. Approximate: a crash forgets the last minutes.
    pub fn note_use(&self, access_key: &str, service: &str, region: &str) {
        self.uses.note(access_key, self.env.clock.now(), service, region);
    }

    /// Writes down now and then which keys were used. Runs until it is dropped.
    pub async fn keep_uses(&self) {
        loop {
            self.env.clock.sleep(FLUSH_PERIOD).await;
            self.flush_uses().await;
        }
    }

    /// Writes down which keys were used. What cannot be written waits for the next time.
    pub async fn flush_uses(&self) {
        let waiting = std::mem::take(&mut *self.uses.0.lock());
        for (access_key, last) in waiting {
            if let Err(error) = self.flush(&access_key, &last).await {
                tracing::warn!(%error, "the last use of an access key was not written down");
                self.uses.0.lock().entry(access_key).or_insert(last);
            }
        }
    }

    async fn flush(&self, access_key: &str, last: &LastUse) -> Result<()> {
        let owner = KeyOwner::document_name(access_key);
        if self.view(move |transaction| transaction.read::<KeyOwner>(&owner)).await?.is_none() {
            return Ok(());
        }
        let LastUse { at, service, region } = last.clone();
        let value = encode(&UseRecord { at: at.0, service, region });
        let name = UseRecord::document_name(access_key);
        let set = SetDocument { name, expected: DocumentState::Any, value: Some(value) };
        // Nothing about a document that may be anything can be refused.
        drop(self.consensus.propose(Command::SetDocument(set)).await?);
        Ok(())
    }

    /// When and for what `access_key` was last used, as far as is known on this node.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`](crate::Error::Meta), [`Error::Damaged`](crate::Error::Damaged).
    pub async fn last_use(&self, access_key: &str) -> Result<Option<LastUse>> {
        let waiting = self.uses.0.lock().get(access_key).cloned();
        if waiting.is_some() {
            return Ok(waiting);
        }
        let name = UseRecord::document_name(access_key);
        let found = self.view(move |transaction| transaction.read(&name)).await?;
        Ok(found.map(|UseRecord { at, service, region }| LastUse { at: UnixMillis(at), service, region }))
    }
}
