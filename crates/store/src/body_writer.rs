//! Streams a body into shards: fills one stripe while those before it are hashed, encoded and written.
//!
//! Memory is bounded twice: by [`STRIPES_WRITING_MAX`] for one body, and by the store's budget for all. While neither
//! has room, the body is not polled, so that the client waits.

use std::collections::BTreeMap;
use std::pin::pin;

use bytes::Bytes;
use encryption::Ending;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use meta::record::{Segment, StripeException, StripeSlot, WriteId};

use crate::active::ActiveWrite;
use crate::body::{Body, BodyError, BodyReader};
use crate::checksum::ChecksumAlgorithm;
use crate::digests::{BodyDigests, Digests};
use crate::error::{Error, Result};
use crate::etag::Etag;
use crate::layout;
use crate::put::ExpectedBody;
use crate::retarget::WrittenRows;
use crate::sealing::{Seal, Sealer};
use crate::shards::WriteTicket;
use crate::store::Store;
use crate::stripe_writer::{WrittenStripe, write_stripe};

/// Stripes of one body that may be on their way to the disks at once.
const STRIPES_WRITING_MAX: usize = 3;

/// A body that has been stored and is what the client declared. Nothing names it yet.
pub(crate) struct StoredBody {
    /// Before it was encrypted.
    pub(crate) size: u64,
    pub(crate) digests: Digests,
    pub(crate) content: Content,
}

/// Where the bytes of a stored body are.
pub(crate) enum Content {
    /// Here; they will travel in the metadata.
    Inline(Bytes),
    /// On the disks, written by these rows of the placement table.
    Striped(Segment, WrittenRows),
}

/// What to store of which body.
pub(crate) struct BodyPlan<'a> {
    pub(crate) expected: &'a ExpectedBody,
    /// Checksums to compute.
    pub(crate) algorithms: &'a [ChecksumAlgorithm],
    /// Bodies up to this size are not striped.
    pub(crate) inline_size_max: usize,
    /// Larger bodies are refused.
    pub(crate) size_max: u64,
    /// Encrypts the body; `None` stores it as it is.
    pub(crate) sealer: Option<Sealer>,
}

impl StoredBody {
    /// Its entity tag.
    pub(crate) fn etag(&self, seal: Option<&Seal>) -> Etag {
        let md5 = self.digests.md5;
        seal.map_or(Etag::Md5(md5), |seal| seal.etag(md5))
    }
}

/// Stores `body` for `write`. On an error, also when dropped, the shards written so far are deleted in the background.
///
/// # Errors
///
/// `Body`, `EntityTooLarge`, `BadDigest`, `ChecksumMismatch`, `SlowDown`, `DiskFull`, `Unavailable`.
pub(crate) async fn store_body(
    store: &Store,
    write: &ActiveWrite,
    plan: &BodyPlan<'_>,
    body: Box<dyn Body>,
) -> Result<StoredBody> {
    if let Some(size) = plan.expected.size.filter(|size| plan.size_max < *size) {
        return Err(Error::EntityTooLarge { size, limit: plan.size_max });
    }
    let mut reader = BodyReader::new(body, plan.size_max);
    let mut writer = BodyWriter::new(store, write, plan);
    let inline = writer.write(&mut reader).await?;
    let trailer = reader.finish().await?;
    let digests = writer.digests.take().expect("all stripes are hashed").finish().await;
    digests.check(plan.expected, trailer)?;
    let content = match inline {
        Some(bytes) => Content::Inline(bytes),
        None => {
            let (segment, rows) = writer.keep(reader.size());
            Content::Striped(segment, rows)
        }
    };
    Ok(StoredBody { size: reader.size(), digests, content })
}

/// What a background step of a body came to.
enum Step {
    Hashed(BodyDigests),
    Written(u32, WrittenStripe),
}

struct BodyWriter<'a> {
    store: &'a Store,
    plan: &'a BodyPlan<'a>,
    ticket: WriteTicket,
    /// Bytes of the body in a data shard of a full stripe.
    plain_unit: usize,
    /// Bytes that these take there.
    unit: usize,
    /// `None` while a stripe is being hashed.
    digests: Option<BodyDigests>,
    steps: FuturesUnordered<BoxFuture<'a, Result<Step>>>,
    writing: usize,
    written: BTreeMap<u32, WrittenStripe>,
    rows: WrittenRows,
    /// Deletes the shards unless the body is kept.
    discard: Option<DiscardOnDrop<'a>>,
}

impl<'a> BodyWriter<'a> {
    fn new(store: &'a Store, write: &ActiveWrite, plan: &'a BodyPlan<'a>) -> Self {
        let unit = store.config().shard_unit;
        let (plain_unit, unit) = match &plan.sealer {
            Some(sealer) => (Sealer::plain_unit(unit), sealer.sealed_size(Sealer::plain_unit(unit))),
            None => (unit, unit),
        };
        Self {
            store,
            plan,
            ticket: store.shards().ticket(write),
            plain_unit,
            unit,
            digests: Some(BodyDigests::new(store.etags().stream(), plan.algorithms)),
            steps: FuturesUnordered::new(),
            writing: 0,
            written: BTreeMap::new(),
            rows: WrittenRows::new(),
            discard: None,
        }
    }

    /// Reads the body to its end and stores it in stripes; returns the bytes instead if they are few.
    async fn write(&mut self, reader: &mut BodyReader) -> Result<Option<Bytes>> {
        let data_count = self.ticket.geometry.data_count();
        let stripe_size = data_count * self.plain_unit;
        for number in 0.. {
            let wanted = self.plan.expected.size.map_or(stripe_size as u64, |size| size - reader.handed_out());
            let wanted = usize::try_from(wanted.min(stripe_size as u64)).expect("at most a stripe");
            if wanted == 0 {
                break;
            }
            let padded = layout::shard_size(wanted, data_count) * data_count;
            let footprint = self.footprint(wanted);
            let budget = self.store.budget();
            let reservation = match number {
                0 => budget.reserve(footprint).await?,
                _ => self.meanwhile(budget.reserve_more(footprint)).await??,
            };
            let mut buffer = self.store.env().buffers.take(padded);
            let mut size = 0;
            self.meanwhile(reader.fill(&mut buffer.as_mut()[..wanted], &mut size)).await??;
            let ended = size < wanted;
            if ended && self.plan.expected.size.is_some() {
                return Err(BodyError::Incomplete.into());
            }
            if size == 0 {
                break;
            }
            let whole = ended || self.plan.expected.size == Some(size as u64);
            if number == 0 && whole && size <= self.plan.inline_size_max {
                // It may stay for long, and the buffer is larger.
                let bytes = Bytes::copy_from_slice(&buffer.as_ref()[..size]);
                self.hash(bytes.clone());
                self.finish_steps().await?;
                return Ok(Some(self.plan.sealer.as_ref().map_or(bytes.clone(), |it| it.seal_small(&bytes))));
            }
            while self.digests.is_none() || STRIPES_WRITING_MAX <= self.writing {
                self.step().await?;
            }
            match &self.plan.sealer {
                None => {
                    let padded = layout::shard_size(size, data_count) * data_count;
                    buffer.as_mut()[size..padded].fill(0);
                    let stripe = buffer.into_bytes(0..padded);
                    self.hash(stripe.slice(..size));
                    self.write_stripe(number, move || stripe, reservation);
                }
                Some(sealer) => {
                    let is_last = ended || self.meanwhile(reader.is_at_end(self.plan.expected.size)).await??;
                    let ending = if is_last { Ending::Final } else { Ending::More };
                    let stripe = buffer.into_bytes(0..size);
                    self.hash(stripe.clone());
                    let start = u64::from(number) * stripe_size as u64;
                    let (sealer, buffers) = (sealer.clone(), self.store.env().buffers.clone());
                    let seal = move || sealer.seal_stripe(&buffers, start, (&stripe, ending), data_count);
                    self.write_stripe(number, seal, reservation);
                }
            }
            if ended {
                break;
            }
        }
        self.finish_steps().await?;
        // An empty body that must not be inline is a segment without stripes.
        let empty_inline = reader.size() == 0 && 0 < self.plan.inline_size_max;
        Ok(empty_inline.then(Bytes::new))
    }

    /// Memory that a stripe with so many bytes of the body takes on its way.
    fn footprint(&self, size: usize) -> usize {
        let geometry = self.ticket.geometry;
        match &self.plan.sealer {
            None => layout::shard_size(size, geometry.data_count()) * geometry.shard_count(),
            // The plain bytes stay until they are hashed.
            Some(it) => size + layout::shard_size(it.sealed_size(size), geometry.data_count()) * geometry.shard_count(),
        }
    }

    fn hash(&mut self, bytes: Bytes) {
        let digests = self.digests.take().expect("the caller waited for the stripe before");
        let env = self.store.env();
        self.steps.push(Box::pin(async move { Ok(Step::Hashed(digests.update(env, bytes).await)) }));
    }

    fn write_stripe(
        &mut self,
        number: u32,
        stripe: impl FnOnce() -> Bytes + Send + 'static,
        reservation: crate::budget::Reservation,
    ) {
        let (store, ticket) = (self.store, self.ticket.clone());
        self.discard.get_or_insert_with(|| DiscardOnDrop::new(store, ticket.write_id));
        self.writing += 1;
        self.steps.push(Box::pin(async move {
            let written = write_stripe(store.shards(), &ticket, number, stripe).await?;
            drop(reservation);
            Ok(Step::Written(number, written))
        }));
    }

    /// Waits for `future` while the steps go on.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Result<T> {
        let mut future = pin!(future);
        loop {
            tokio::select! {
                biased;
                Some(step) = self.steps.next() => self.finish_step(step?),
                output = &mut future => return Ok(output),
            }
        }
    }

    /// Waits for one step.
    async fn step(&mut self) -> Result<()> {
        if let Some(step) = self.steps.next().await {
            self.finish_step(step?);
        }
        Ok(())
    }

    async fn finish_steps(&mut self) -> Result<()> {
        while !self.steps.is_empty() {
            self.step().await?;
        }
        Ok(())
    }

    fn finish_step(&mut self, step: Step) {
        match step {
            Step::Hashed(digests) => self.digests = Some(digests),
            Step::Written(number, mut stripe) => {
                self.writing -= 1;
                let holders = std::mem::take(&mut stripe.holders);
                self.rows.insert((stripe.group, stripe.epoch), holders);
                self.written.insert(number, stripe);
            }
        }
    }

    /// The manifest of what was written, of a body of `size` bytes, and by which rows. From here on somebody else cares for the shards.
    fn keep(mut self, size: u64) -> (Segment, WrittenRows) {
        if let Some(discard) = self.discard.take() {
            discard.cancel();
        }
        let exceptions = self.written.iter().filter(|(_, stripe)| !stripe.is_regular()).map(|(number, stripe)| {
            let exception = StripeException {
                missing: stripe.missing.clone(),
                since: meta::record::Hlc::ZERO,
                overrides: stripe.overrides.clone(),
            };
            (*number, exception)
        });
        let geometry = self.ticket.geometry;
        let count = |count: usize| u8::try_from(count).expect("a geometry has at most 256 shards");
        let segment = Segment {
            write_id: self.ticket.write_id,
            size: self.plan.sealer.as_ref().map_or(size, |sealer| sealer.stored_size(size)),
            code_id: 0,
            data: count(geometry.data_count()),
            parity: count(geometry.parity_count()),
            shard_size: u32::try_from(self.unit).expect("a shard unit is some MiB at most"),
            exceptions: exceptions.collect(),
            slots: self
                .written
                .values()
                .map(|stripe| StripeSlot { group: stripe.group, epoch: stripe.epoch })
                .collect(),
        };
        (segment, self.rows)
    }
}

/// Hands the shards of an unfinished write to the garbage collection.
pub(crate) struct DiscardOnDrop<'a> {
    store: &'a Store,
    write_id: WriteId,
}

impl<'a> DiscardOnDrop<'a> {
    /// Discards the shards of `write_id` unless cancelled.
    pub(crate) fn new(store: &'a Store, write_id: WriteId) -> Self {
        Self { store, write_id }
    }

    /// Keeps the shards.
    pub(crate) fn cancel(self) {
        std::mem::forget(self);
    }
}

impl Drop for DiscardOnDrop<'_> {
    fn drop(&mut self) {
        self.store.discard(self.write_id);
    }
}
