//! What a node that falls behind is offered: the newest durable state, by the hashes of its trees, and their pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Clock;
use parking_lot::Mutex;
use prolly::RootRef;
use serde::{Deserialize, Serialize};

use super::MetaEngine;
use super::base::{Base, roots_of};
use super::effects::EffectsHash;
use super::layers::Marks;
use crate::error::{Error, Result};
use crate::log::LogId;
use crate::roots::RootRecord;
use crate::view::TreeId;

/// States that may be fetched at a time. Each keeps its packs on the disks.
const LEASES_MAX: usize = 4;
/// A state is kept for those who fetch it until nobody has asked for this long.
const LEASE_TIME: Duration = Duration::from_secs(120);
/// An answer takes no further page once it has this size, in bytes. One value may make it 8 MiB larger.
const ANSWER_BYTES_MAX: usize = 2 << 20;

/// A durable state that another node may fetch from the one that offers it. It holds nothing: whoever comes too late for
/// its pages asks for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Number of the root record, at the node that offers.
    number: u64,
    applied: LogId,
    membership: Option<Vec<u8>>,
    effects: [u8; 32],
    state: [u8; 32],
    /// Ids and encoded roots.
    trees: Vec<([u8; TreeId::ENCODED_SIZE], Vec<u8>)>,
}

/// Asks for pages of an offered state; what exactly, [`prolly::sync`] says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// Which offer it is about.
    pub(super) number: u64,
    pub(super) wants: Vec<u8>,
}

impl Offer {
    /// Of the newest state. Reads the forest.
    fn new(record: &RootRecord, base: &Base) -> Result<Option<Self>> {
        let Some(applied) = record.applied else { return Ok(None) };
        let encoded = |(id, root): (TreeId, RootRef)| {
            let mut encoded = Vec::new();
            root.encode(&mut encoded);
            (id.encode(), encoded)
        };
        Ok(Some(Self {
            number: record.number,
            applied,
            membership: record.membership.clone(),
            effects: record.effects_hash,
            state: record.state_hash,
            trees: roots_of(base.forest())?.into_iter().map(encoded).collect(),
        }))
    }

    /// The entry applied last.
    pub fn applied(&self) -> LogId {
        self.applied
    }

    /// The membership as of that entry, as given to [`MetaEngine::apply_membership`].
    pub fn membership(&self) -> Option<&[u8]> {
        self.membership.as_deref()
    }

    /// A hash of all records: equal states have equal hashes on all nodes.
    pub fn state_hash(&self) -> [u8; 32] {
        self.state
    }

    /// The same offer, but for a lie.
    #[cfg(test)]
    pub(super) fn with_state_hash(self, state: [u8; 32]) -> Self {
        Self { state, ..self }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn marks(&self) -> Marks {
        Marks {
            applied: Some(self.applied),
            membership: self.membership.clone().map(Bytes::from),
            effects: EffectsHash(self.effects),
        }
    }

    /// The trees, by the roots that they have where they are offered.
    pub(super) fn roots(&self) -> Result<Vec<(TreeId, RootRef)>> {
        let decode = |(id, root): &([u8; TreeId::ENCODED_SIZE], Vec<u8>)| {
            let id = TreeId::decode(*id).ok_or(Error::Inconsistent("an offered state has a tree of no known kind"))?;
            Ok((id, RootRef::decode(&mut root.as_slice())?))
        };
        self.trees.iter().map(decode).collect()
    }
}

impl MetaEngine {
    /// The newest durable state, for a node that has fallen behind what the log still holds; `None` before the first
    /// flush.
    ///
    /// # Errors
    ///
    /// [`Error::Trees`] when it cannot be read.
    pub async fn offer(&self) -> Result<Option<Offer>> {
        let core = self.core.clone();
        self.env.blocking(move || core.offers.offer()).await
    }

    /// Answers a [`PageSource`](super::PageSource) of the node that fetches an offered state. The first request keeps the state for those who
    /// fetch it, until nobody has asked for two minutes.
    ///
    /// # Errors
    ///
    /// [`Error::OfferGone`] when the state is not kept any more, [`Error::Overloaded`] when too many are being fetched,
    /// [`Error::Trees`] when the request is malformed.
    pub async fn serve(&self, request: PageRequest) -> Result<Bytes> {
        let core = self.core.clone();
        self.env.blocking(move || core.offers.serve(&request)).await
    }

    /// Identity of the cluster's metadata: [`MetaConfig::realm`](super::MetaConfig::realm) of a node that joins.
    pub fn realm(&self) -> u128 {
        self.core.mirrors.realm()
    }
}

/// The newest durable state, and those that are being fetched by other nodes.
pub(super) struct Offers {
    clock: Arc<dyn Clock>,
    state: Mutex<OffersState>,
}

struct OffersState {
    newest: Option<(Arc<RootRecord>, Arc<Base>)>,
    leases: BTreeMap<u64, Lease>,
}

struct Lease {
    base: Arc<Base>,
    used_at: Duration,
}

impl Offers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::new(OffersState { newest: None, leases: BTreeMap::new() }) }
    }

    /// Notes which state is durable now.
    pub(super) fn set_newest(&self, record: RootRecord, base: Arc<Base>) {
        self.state.lock().newest = Some((Arc::new(record), base));
    }

    /// Offers the newest state; `None` while there is none. Blocks.
    pub(super) fn offer(&self) -> Result<Option<Offer>> {
        let Some((record, base)) = self.state.lock().newest.clone() else { return Ok(None) };
        Offer::new(&record, &base)
    }

    /// Answers a request for pages. Blocks.
    ///
    /// # Errors
    ///
    /// [`Error::OfferGone`], [`Error::Overloaded`], [`Error::Trees`] when the request is none.
    pub(super) fn serve(&self, request: &PageRequest) -> Result<Bytes> {
        let base = self.lease(request.number)?;
        Ok(prolly::sync::answer(base.ground().packs.as_ref(), &request.wants, ANSWER_BYTES_MAX)?.into())
    }

    /// The state with this number, kept from now on.
    fn lease(&self, number: u64) -> Result<Arc<Base>> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let OffersState { newest, leases } = &mut *state;
        leases.retain(|_, lease| now < lease.used_at + LEASE_TIME);
        if let Some(lease) = leases.get_mut(&number) {
            lease.used_at = now;
            return Ok(lease.base.clone());
        }
        let base = match newest {
            Some((record, base)) if record.number == number => base.clone(),
            _ => return Err(Error::OfferGone),
        };
        if LEASES_MAX <= leases.len() {
            return Err(Error::Overloaded);
        }
        leases.insert(number, Lease { base: base.clone(), used_at: now });
        Ok(base)
    }

    /// Lets go of states that nobody fetches any more.
    pub(super) fn expire(&self) {
        let now = self.clock.monotonic();
        self.state.lock().leases.retain(|_, lease| now < lease.used_at + LEASE_TIME);
    }
}
