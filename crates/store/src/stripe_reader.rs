//! Reads a range of one stripe, around whatever is missing, corrupt or slow.
//!
//! The wanted data shards are read first, only the touched blocks of each. As soon as one fails, or is slower than the
//! hedge delay, further shards are read over the same bytes until `k` of them decode what is missing; those may be slow,
//! too, and are hedged in turn. The slow ones may still win. Every byte used was verified against its shard's identity by
//! the disk that read it (I15).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;
use env::{Buffer, Buffers, Bug, Moment};
use erasure::{BLOCK_SIZE, Codec};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::error::{Error, Result};
use crate::layout::{ShardRange, StripeRange};
use crate::shards::{ShardFault, Shards, Stripe};

/// Decoding less than this is done on the reactor; it takes less than 20 µs.
const INLINE_DECODE_SIZE_MAX: usize = 64 * 1024;

/// Reads the bytes `range` of `stripe`, in pieces that follow each other.
///
/// Shards that turn out missing or corrupt are reported for repair.
///
/// # Errors
///
/// `Unavailable` when fewer than `k` shards can be read in time.
pub(crate) async fn read_stripe(shards: &Shards, stripe: &Stripe, range: &StripeRange) -> Result<Vec<Bytes>> {
    let mut read = StripeRead::new(shards, stripe, range);
    let outcome = read.run().await;
    shards.report_faults(stripe, &read.faults);
    outcome
}

type Arrival = (u8, Range<usize>, std::result::Result<Bytes, ShardFault>);

struct StripeRead<'a> {
    shards: &'a Shards,
    stripe: &'a Stripe,
    wanted: Vec<ShardRange>,
    /// The bytes of a shard that decoding needs, whichever shard is missing.
    span: Range<usize>,
    arrived: BTreeMap<u8, (Range<usize>, Bytes)>,
    pending: FuturesUnordered<BoxFuture<'a, Arrival>>,
    running: BTreeMap<u8, Range<usize>>,
    faults: Vec<(u8, ShardFault)>,
    /// Shards that were still running when a hedge delay passed: nobody counts on them any more.
    slow: BTreeSet<u8>,
}

impl<'a> StripeRead<'a> {
    fn new(shards: &'a Shards, stripe: &'a Stripe, range: &StripeRange) -> Self {
        let blocks = |bytes: &Range<usize>| {
            let start = bytes.start / BLOCK_SIZE * BLOCK_SIZE;
            start..(bytes.end.div_ceil(BLOCK_SIZE) * BLOCK_SIZE).min(range.shard_size)
        };
        let wanted: Vec<ShardRange> = range.shards().collect();
        let starts = wanted.iter().map(|shard| blocks(&shard.bytes).start);
        let ends = wanted.iter().map(|shard| blocks(&shard.bytes).end);
        let span = starts.min().unwrap_or(0)..ends.max().unwrap_or(0);
        let mut read = Self {
            shards,
            stripe,
            wanted,
            span,
            arrived: BTreeMap::new(),
            pending: FuturesUnordered::new(),
            running: BTreeMap::new(),
            faults: Vec::new(),
            slow: BTreeSet::new(),
        };
        shards.read_hedges().earn(read.wanted.len());
        for shard in read.wanted.clone() {
            read.start(shard.index, blocks(&shard.bytes));
        }
        read
    }

    async fn run(&mut self) -> Result<Vec<Bytes>> {
        let mut hedge = self.shards.hedge_delay();
        let mut deadline = self.shards.stripe_deadline();
        let mut hedged = false;
        loop {
            if self.wanted.iter().all(|shard| self.arrived.contains_key(&shard.index)) {
                return Ok(self.pieces());
            }
            let decoding = hedged || !self.faults.is_empty();
            if decoding {
                if self.geometry_data() <= self.covering() {
                    return self.decode().await;
                }
                self.start_spares();
            }
            tokio::select! {
                biased;
                arrival = self.pending.next() => match arrival {
                    Some(arrival) => self.arrive(arrival),
                    None => return Err(self.unavailable()),
                },
                () = &mut hedge, if !self.spare_indices().is_empty() => {
                    hedged |= self.hedge();
                    hedge = self.shards.hedge_delay();
                }
                () = &mut deadline => return Err(self.unavailable()),
            }
        }
    }

    /// Gives up counting on what runs, if further reads can be paid for; says whether they can.
    fn hedge(&mut self) -> bool {
        let slow_before = std::mem::replace(&mut self.slow, self.running.keys().copied().collect());
        let paid = self.shards.read_hedges().spend(self.lacking());
        if paid {
            Moment::ReadHedged.note();
            metrics::counter!("stonecrop_hedged_reads_total").increment(1);
        } else {
            metrics::counter!("stonecrop_hedges_denied_total").increment(1);
            self.slow = slow_before;
        }
        paid
    }

    fn start(&mut self, index: u8, bytes: Range<usize>) {
        let (shards, stripe) = (self.shards, self.stripe);
        self.running.insert(index, bytes.clone());
        self.pending.push(Box::pin(async move {
            let result = shards.read(stripe, index, bytes.clone()).await;
            (index, bytes, result)
        }));
    }

    fn arrive(&mut self, (index, bytes, result): Arrival) {
        self.running.remove(&index);
        self.slow.remove(&index);
        match result {
            Ok(payload) => {
                self.arrived.insert(index, (bytes, payload));
            }
            Err(fault) => self.faults.push((index, fault)),
        }
    }

    /// Starts as many further reads as decoding still lacks.
    fn start_spares(&mut self) {
        for index in self.spare_indices().into_iter().take(self.lacking()) {
            self.start(index, self.span.clone());
        }
    }

    /// Shards that decoding lacks beyond those that have arrived, or run in good time.
    fn lacking(&self) -> usize {
        let timely = self.running.iter().filter(|(index, bytes)| **bytes == self.span && !self.slow.contains(index));
        self.geometry_data().saturating_sub(self.covering() + timely.count())
    }

    /// Shards that may yet be read: those on this node's disks first, those that the manifest lacks last.
    fn spare_indices(&self) -> Vec<u8> {
        let failed = |index: &u8| self.faults.iter().any(|(faulty, _)| faulty == index);
        let covers = |index: &u8| self.arrived.get(index).is_some_and(|(bytes, _)| *bytes == self.span);
        let spare = |index: &u8| !failed(index) && !covers(index) && !self.running.contains_key(index);
        let mut indices: Vec<u8> = self.stripe.indices().filter(spare).collect();
        let topology = self.shards.cluster().topology();
        let is_near = |index| self.shards.is_near(&topology, self.stripe, index);
        indices.sort_by_key(|index| (self.stripe.is_missing(*index), !is_near(*index)));
        indices
    }

    /// Number of shards that arrived over the whole span.
    fn covering(&self) -> usize {
        self.arrived.values().filter(|(bytes, _)| *bytes == self.span).count()
    }

    fn geometry_data(&self) -> usize {
        self.stripe.geometry.data_count()
    }

    /// Cuts the wanted bytes out of what arrived.
    fn pieces(&self) -> Vec<Bytes> {
        self.wanted
            .iter()
            .map(|shard| {
                let (bytes, payload) = &self.arrived[&shard.index];
                payload.slice(shard.bytes.start - bytes.start..shard.bytes.end - bytes.start)
            })
            .collect()
    }

    /// Computes the wanted shards that did not arrive.
    async fn decode(&mut self) -> Result<Vec<Bytes>> {
        let present: Vec<(u8, Bytes)> = self
            .arrived
            .iter()
            .filter(|(_, (bytes, _))| *bytes == self.span)
            .map(|(index, (_, payload))| (*index, payload.clone()))
            .collect();
        let missing = self.wanted.iter().map(|shard| shard.index).filter(|index| !self.arrived.contains_key(index));
        let missing: Vec<u8> = missing.collect();
        let codec = self.shards.codec(self.stripe.geometry);
        let buffers = self.shards.env().buffers.clone();
        let size = self.span.len();
        let decoded = if size * missing.len() <= INLINE_DECODE_SIZE_MAX {
            reconstruct(&codec, &buffers, &present, &missing, size)
        } else {
            self.shards.env().blocking(move || reconstruct(&codec, &buffers, &present, &missing, size)).await
        };
        for (index, payload) in decoded? {
            self.arrived.insert(index, (self.span.clone(), payload));
        }
        metrics::counter!("stonecrop_degraded_reads_total").increment(1);
        Ok(self.pieces())
    }

    fn unavailable(&self) -> Error {
        let stripe = self.stripe;
        let reason = format!(
            "{} of {} shards of stripe {:032x}/{} can be read, {} are needed",
            self.covering(),
            stripe.geometry.shard_count(),
            stripe.write_id.0,
            stripe.number,
            stripe.geometry.data_count(),
        );
        Error::Unavailable { reason }
    }
}

/// Computes the shards `missing` from `present`, all of `size` bytes.
pub(crate) fn reconstruct(
    codec: &Codec,
    buffers: &Buffers,
    present: &[(u8, Bytes)],
    missing: &[u8],
    size: usize,
) -> Result<Vec<(u8, Bytes)>> {
    let mut computed: Vec<(u8, Buffer)> = missing.iter().map(|&index| (index, buffers.take(size))).collect();
    let present: Vec<(u8, &[u8])> = present.iter().map(|(index, bytes)| (*index, bytes.as_ref())).collect();
    let mut wanted: Vec<(u8, &mut [u8])> = computed.iter_mut().map(|(index, bytes)| (*index, bytes.as_mut())).collect();
    Moment::Reconstructed.note();
    if !Bug::ReconstructsNothing.is_planted() {
        codec.reconstruct(&present, &mut wanted).map_err(|error| Error::Unavailable { reason: error.to_string() })?;
    }
    Ok(computed.into_iter().map(|(index, bytes)| (index, bytes.into_bytes(0..size))).collect())
}
