//! Fetching the state of another node: [`prolly::sync`] over all trees, with the network left to the caller.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use env::Clock;
use parking_lot::Mutex;
use prolly::sync::{Goal, Walk};
use prolly::{PackWriter, RootRef};

use super::MetaEngine;
use super::base::Base;
use super::offer::{Offer, PageRequest};
use crate::error::{Error, Result};
use crate::view::TreeId;

/// What was fetched is kept this long for a fetch that goes on with it.
const IDLE_TIME: Duration = Duration::from_secs(600);

/// What [`PageSource::pages`] returns.
pub type PagesFuture<'a> = Pin<Box<dyn Future<Output = Result<Bytes>> + Send + 'a>>;

/// Carries requests to the node that offers a state: [`MetaEngine::serve`] answers them there.
pub trait PageSource: Send + Sync {
    /// The answer to `request`. Its errors end the fetch; what was fetched is kept for the next one.
    fn pages(&self, request: PageRequest) -> PagesFuture<'_>;
}

/// An offered state of which every page is here, in packs that nothing names yet. Dropped, these are removed again.
pub struct Fetched {
    pub(super) offer: Offer,
    pub(super) roots: Vec<(TreeId, RootRef)>,
    /// What was fetched.
    pub(super) writer: PackWriter,
    /// Where the pages are that were here already.
    pub(super) base: Arc<Base>,
}

impl Fetched {
    /// The state.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }
}

/// A fetch that is under way, or was broken off.
struct Progress {
    offer: Offer,
    trees: Vec<TreeId>,
    walk: Walk,
    writer: PackWriter,
    base: Arc<Base>,
    used_at: Duration,
}

impl Progress {
    fn new(offer: Offer, base: Arc<Base>, now: Duration) -> Result<Self> {
        let (trees, goals) = goals_of(&offer, &base)?;
        let ground = base.ground();
        let walk = Walk::new(ground.schema.clone(), ground.packs.clone(), goals)?;
        let writer = ground.packs.writer();
        Ok(Self { offer, trees, walk, writer, base, used_at: now })
    }

    /// Goes to another offer, with what was fetched.
    fn redirect(self, offer: Offer) -> Result<Self> {
        let (trees, goals) = goals_of(&offer, &self.base)?;
        Ok(Self { offer, trees, walk: self.walk.redirect(goals)?, ..self })
    }

    fn finish(self) -> Result<Fetched> {
        let Self { offer, trees, walk, writer, base, .. } = self;
        let roots = walk.roots().ok_or(Error::Inconsistent("a fetch ended before everything was there"))?;
        Ok(Fetched { offer, roots: trees.into_iter().zip(roots).collect(), writer, base })
    }
}

fn goals_of(offer: &Offer, base: &Base) -> Result<(Vec<TreeId>, Vec<Goal>)> {
    let goal = |(id, remote)| {
        // A local tree that cannot be opened is fetched like one that is not there.
        let local = base.tree(id).map_or_else(|_| *base.ground().empty_tree().root(), |tree| *tree.root());
        (id, Goal { local, remote })
    };
    Ok(offer.roots()?.into_iter().map(goal).unzip())
}

/// The one fetch of a node.
pub(super) struct Fetching {
    clock: Arc<dyn Clock>,
    /// Held by whoever carries messages.
    pub(super) turn: tokio::sync::Mutex<()>,
    progress: Mutex<Option<Progress>>,
}

impl Fetching {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, turn: tokio::sync::Mutex::new(()), progress: Mutex::new(None) }
    }

    /// Begins to fetch `offer`, or goes on with it. Blocks.
    pub(super) fn begin(&self, offer: &Offer, base: Arc<Base>) -> Result<()> {
        let mut progress = self.progress.lock();
        let begun = match progress.take() {
            Some(progress) if progress.offer == *offer => progress,
            Some(progress) => progress.redirect(offer.clone())?,
            None => Progress::new(offer.clone(), base, self.clock.monotonic())?,
        };
        *progress = Some(begun);
        Ok(())
    }

    /// The next request, or everything. Blocks.
    pub(super) fn step(&self) -> Result<Step> {
        let mut slot = self.progress.lock();
        let mut progress = slot.take().ok_or(Error::OfferGone)?;
        progress.used_at = self.clock.monotonic();
        match progress.walk.request() {
            Some(wants) => {
                let number = progress.offer.number();
                *slot = Some(progress);
                Ok(Step::Ask(PageRequest { number, wants }))
            }
            None => Ok(Step::Done(Box::new(progress.finish()?))),
        }
    }

    /// Takes an answer. Blocks.
    pub(super) fn take(&self, answer: Bytes) -> Result<()> {
        let mut slot = self.progress.lock();
        let mut progress = slot.take().ok_or(Error::OfferGone)?;
        let taken = progress.walk.take(answer, &mut progress.writer);
        // A pack that failed is of no use any more; a bad answer has changed nothing.
        if matches!(taken, Ok(()) | Err(prolly::Error::Malformed { .. } | prolly::Error::Gone)) {
            *slot = Some(progress);
        }
        Ok(taken?)
    }

    /// Lets go of what nobody goes on with.
    pub(super) fn expire(&self) {
        // Whoever holds the lock is fetching.
        let Some(mut progress) = self.progress.try_lock() else { return };
        let now = self.clock.monotonic();
        if progress.as_ref().is_some_and(|progress| progress.used_at + IDLE_TIME <= now) {
            *progress = None;
        }
    }
}

impl MetaEngine {
    /// Fetches what this node lacks of an offered state. Applying goes on meanwhile. One fetch runs at a time, others
    /// wait for it. Dropped or failed, it has cost nothing but the last answer: the next one, of the same state or a newer
    /// one, does not fetch again what came.
    ///
    /// # Errors
    ///
    /// What `source` reports; [`Error::Trees`] when it does not send what was asked for, or nothing can be written.
    pub async fn fetch(&self, offer: &Offer, source: &dyn PageSource) -> Result<Fetched> {
        self.fetch_beside(self.core.current().base.clone(), offer, source).await
    }

    /// Fetches what `base` lacks of an offered state.
    pub(super) async fn fetch_beside(
        &self,
        base: Arc<Base>,
        offer: &Offer,
        source: &dyn PageSource,
    ) -> Result<Fetched> {
        let _turn = self.core.fetching.turn.lock().await;
        let (core, offer) = (self.core.clone(), offer.clone());
        self.env.blocking(move || core.fetching.begin(&offer, base)).await?;
        loop {
            let core = self.core.clone();
            let request = match self.env.blocking(move || core.fetching.step()).await? {
                Step::Ask(request) => request,
                Step::Done(fetched) => return Ok(*fetched),
            };
            let answer = source.pages(request).await?;
            let core = self.core.clone();
            self.env.blocking(move || core.fetching.take(answer)).await?;
        }
    }
}

/// What a fetch needs next.
pub(super) enum Step {
    Ask(PageRequest),
    Done(Box<Fetched>),
}
