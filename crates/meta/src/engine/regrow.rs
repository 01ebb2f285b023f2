//! Taking over another node's state when something of this node's own is damaged in every copy.

use std::sync::Arc;

use super::MetaEngine;
use super::fetch::PageSource;
use super::offer::Offer;
use super::open::refuse_gap;
use crate::error::{Error, Result};

impl MetaEngine {
    /// Whether something of the state has been found damaged in every copy, before or after the last start.
    pub fn is_damaged(&self) -> bool {
        self.core.storage.is_damaged()
    }

    /// Index of the entry that a state must include to stand in for this one: what the log begins behind, too.
    pub fn index_to_regrow(&self) -> u64 {
        let purged = self.core.log.state().purged;
        self.applied().max(purged).map_or(0, |id| id.index)
    }

    /// Whether the log goes on where the state ends. Otherwise nothing can be applied before the state is
    /// [regrown](MetaEngine::regrow).
    ///
    /// # Errors
    ///
    /// [`Error::NoRoot`].
    pub fn check_gap(&self) -> Result<()> {
        refuse_gap(self.applied(), &self.core.log)
    }

    /// Puts another node's state in place of this one's, of which nothing is trusted but the log: where that goes another
    /// way than the state it was never decided, and is cut off. Durable on return; a crash leaves the one state or the
    /// other. For a start, before anything is applied.
    ///
    /// # Errors
    ///
    /// [`Error::OfferGone`] when the offered state is older than this one, and those of [`MetaEngine::fetch`] and
    /// [`MetaEngine::install`].
    pub async fn regrow(&self, offer: &Offer, source: &dyn PageSource) -> Result<()> {
        let offered = offer.applied();
        if offered.index < self.index_to_regrow() {
            return Err(Error::OfferGone);
        }
        let bare = Arc::new(self.core.current().base.bare());
        let fetched = self.fetch_beside(bare, offer, source).await?;
        let log = self.core.log.clone();
        let logged = self.env.blocking(move || log.read(offered.index..offered.index + 1)).await?;
        if logged.first().is_some_and(|entry| entry.id != offered) {
            self.core.log.truncate(offered.index).await?;
        }
        self.install(fetched).await?;
        let core = self.core.clone();
        self.env.blocking(move || core.storage.forget_damage()).await
    }

    /// The newest durable state, made durable first where it would be older than entry `index`.
    ///
    /// # Errors
    ///
    /// As [`MetaEngine::offer`] and [`MetaEngine::flush`].
    pub async fn offer_since(&self, index: u64) -> Result<Option<Offer>> {
        let is_newer = |offer: &Option<Offer>| offer.as_ref().is_some_and(|offer| index <= offer.applied().index);
        let offer = self.offer().await?;
        if is_newer(&offer) {
            return Ok(offer);
        }
        self.flush().await?;
        Ok(self.offer().await?.filter(|offer| index <= offer.applied().index))
    }
}
