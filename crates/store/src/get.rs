//! GetObject.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use encryption::{CustomerKey, DataKey};
use env::Moment;
use futures_util::{Stream, StreamExt, stream};
use meta::record::{Body, ObjectRecord, Segment};

use crate::active::ActiveRead;
use crate::bucket::Bucket;
use crate::budget::Reservation;
use crate::condition::ReadConditions;
use crate::error::{Error, Result};
use crate::layout::{Layout, StripeRange};
use crate::object::{Found, Object, PartSummary};
use crate::opening::{Opener, SegmentRead, open_small, segment_reads};
use crate::shards::Stripe;
use crate::store::Store;
use crate::stripe_reader::read_stripe;
use crate::version::VersionName;

/// One range of a `Range` header, positions inclusive as there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `first-last`.
    Between(u64, u64),
    /// `first-`.
    From(u64),
    /// `-count`.
    Last(u64),
}

/// What of an object to read, and when.
#[derive(Clone, Debug, Default)]
pub struct GetRequest {
    /// The version to read; `None` reads the current one.
    pub version: Option<VersionName>,
    /// One range; `None` reads everything.
    pub range: Option<ByteRange>,
    /// One part of a multipart object by its position from 1; with it, `range` must be `None`. An object that was put
    /// whole has the part 1.
    pub part_number: Option<u16>,
    /// When to read at all.
    pub conditions: ReadConditions,
    /// The key of an object that is encrypted with its customer's.
    pub customer_key: Option<CustomerKey>,
}

/// What a request reads of which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// What is known about the object.
    pub object: Object,
    /// Its bytes that are read; answer 206 with `Content-Range` when the request had a range or a part number.
    pub range: Range<u64>,
    /// The part that was asked for, if the object has parts.
    pub part: Option<PartSummary>,
}

/// An object being read.
pub struct ObjectReader {
    /// What is known about it.
    pub object: Object,
    /// The bytes that `body` yields.
    pub range: Range<u64>,
    /// The part that was asked for, if the object has parts.
    pub part: Option<PartSummary>,
    /// The bytes. An error after the first chunk means: abort the connection.
    pub body: ObjectBody,
}

/// The bytes of an object, verified chunk by chunk.
pub type ObjectBody = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// Reads of one stripe that a download keeps going ahead of the client.
const STRIPES_AHEAD: usize = 2;

/// How often a GET starts again because the object was replaced before its first byte was read.
pub(crate) const RESTARTS_MAX: usize = 5;

impl Store {
    /// Opens an object for reading. The first stripe has been read and verified on return.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `KeyDeleted`, `NoSuchVersion`, `IsDeleteMarker`, `InvalidRange`, `NoSuchPart`, the conditions' `PreconditionFailed` and
    /// `NotModified`, `SlowDown`, `Unavailable`.
    pub async fn get_object(&self, bucket: &Bucket, key: &str, request: GetRequest) -> Result<ObjectReader> {
        let mut restarts = 0;
        loop {
            // Registered before the record is read, so that its shards are not freed under the reader.
            let reading = self.begin_read();
            let found = self.object_with_body(bucket, key, request.version).await?;
            let Selection { object, range, part } = select(&found, &request)?;
            let keys = self.open_keys(object.encryption.as_ref(), request.customer_key.as_ref()).await?;
            match self.open_body(&found.record, keys.as_deref(), range.clone(), reading).await {
                Ok(body) => return Ok(ObjectReader { object, range, part, body }),
                // The object may have been replaced and its shards freed; if so, read what is current now (§2.4).
                Err(error) => {
                    // What other nodes have answered meanwhile may not have come here by itself.
                    self.read_metadata().await?;
                    let current = self.object_with_body(bucket, key, request.version).await?;
                    if current.record.body == found.record.body || RESTARTS_MAX <= restarts {
                        return Err(error);
                    }
                    Moment::ReadRestarted.note();
                    restarts += 1;
                }
            }
        }
    }

    /// Describes what [`Store::get_object`] would read, without its bytes. HEAD with a range or a part number.
    ///
    /// # Errors
    ///
    /// As [`Store::get_object`].
    pub async fn head_range(&self, bucket: &Bucket, key: &str, request: GetRequest) -> Result<Selection> {
        let found = self.object_without_body(bucket, key, request.version).await?;
        let selection = select(&found, &request)?;
        self.check_customer_key(&selection.object, request.customer_key.as_ref()).await?;
        Ok(selection)
    }

    /// Starts to read `range` of an object, encrypted under `keys` if there are any; its first stripe has been read on
    /// return.
    pub(crate) async fn open_body(
        &self,
        record: &ObjectRecord,
        keys: Option<&[DataKey]>,
        range: Range<u64>,
        reading: ActiveRead,
    ) -> Result<ObjectBody> {
        let segments = match &record.body {
            Body::Inline(bytes) => {
                let bytes = match keys {
                    Some(keys) => inline_range(&open_small(keys, bytes)?, &range)?,
                    None => inline_range(bytes, &range)?,
                };
                return Ok(Box::pin(stream::iter((!bytes.is_empty()).then_some(Ok(bytes)))));
            }
            Body::Striped(segments) => Arc::new(segments.clone()),
            Body::Apart => return Err(Error::Unavailable { reason: "the metadata gave no body".to_owned() }),
        };
        let reads = segment_reads(record, keys, &range)?;
        let mut stripes = Box::pin(self.clone().read_stripes(segments, reads, reading));
        let Some(first) = stripes.next().await else { return Ok(Box::pin(stream::empty())) };
        let first = stream::iter([Ok(first?)]);
        Ok(Box::pin(first.chain(stripes).map(pieces).flatten()))
    }

    /// Reads stripes in order, a few ahead of whoever polls.
    fn read_stripes(
        self,
        segments: Arc<Vec<Segment>>,
        reads: Vec<SegmentRead>,
        reading: ActiveRead,
    ) -> impl Stream<Item = Result<StripeBytes>> + Send {
        let reading = Arc::new(reading);
        let first_reservation = AtomicBool::new(true);
        stream::iter(stripe_ranges(segments, reads))
            .then({
                let budget = self.budget().clone();
                move |(stripe, range, opener)| {
                    let budget = budget.clone();
                    let first = first_reservation.swap(false, Ordering::Relaxed);
                    async move {
                        let size = range.bytes.len() * if opener.is_some() { 2 } else { 1 };
                        let reserved = if first { budget.reserve(size).await } else { budget.reserve_more(size).await };
                        reserved.map(|reservation| (stripe, range, opener, reservation))
                    }
                }
            })
            .map(move |reserved| {
                let (store, reading) = (self.clone(), reading.clone());
                async move {
                    let (stripe, range, opener, reservation) = reserved?;
                    let mut pieces = read_stripe(store.shards(), &stripe, &range).await?;
                    if let Some(opener) = opener {
                        let buffers = store.env().buffers.clone();
                        let open = move || opener.open(&buffers, &range, &pieces);
                        pieces = vec![store.env().blocking(open).await.inspect_err(|error| {
                            let write_id = format_args!("{:032x}", stripe.write_id.0);
                            tracing::error!(%error, %write_id, stripe = stripe.number, "a stripe cannot be decrypted");
                        })?];
                    }
                    Ok(StripeBytes { pieces, _reservation: reservation, _reading: reading })
                }
            })
            .buffered(STRIPES_AHEAD)
    }
}

/// The bytes of one stripe. While they are held, they count against the budget, and the shards stay.
struct StripeBytes {
    pieces: Vec<Bytes>,
    _reservation: Reservation,
    _reading: Arc<ActiveRead>,
}

/// The pieces of a stripe as a stream that holds the stripe's share of the budget until its last piece is taken.
fn pieces(stripe: Result<StripeBytes>) -> impl Stream<Item = Result<Bytes>> + Send {
    let (pieces, held) = match stripe {
        Ok(mut stripe) => (std::mem::take(&mut stripe.pieces).into_iter().map(Ok).collect(), Some(stripe)),
        Err(error) => (vec![Err(error)], None),
    };
    stream::iter(pieces).map(move |piece| {
        let _held_until_the_last_piece = &held;
        piece
    })
}

/// The stripes that `reads` touch of the object that consists of `segments`, what to read of each, and what decrypts it.
fn stripe_ranges(
    segments: Arc<Vec<Segment>>,
    reads: Vec<SegmentRead>,
) -> impl Iterator<Item = (Stripe, StripeRange, Option<Arc<Opener>>)> + Send {
    reads.into_iter().flat_map(move |SegmentRead { position, stored, opener }| {
        let segments = segments.clone();
        let layout = Layout::of(&segments[position]);
        let stripe_of = move |number| Stripe::of(&segments[position], number);
        layout.stripes(stored).map(move |stripe| (stripe_of(stripe.number), stripe, opener.clone()))
    })
}

/// Decides the conditions and which bytes are asked for.
fn select(found: &Found, request: &GetRequest) -> Result<Selection> {
    let (object, record) = (Object::of(found)?, &found.record);
    request.conditions.check(&object)?;
    let (range, part) = match (request.range, request.part_number) {
        (Some(range), _) => (range.resolve(record.size)?, None),
        (None, Some(number)) => find_part(record, number)?,
        (None, None) => (0..record.size, None),
    };
    Ok(Selection { object, range, part })
}

fn inline_range(bytes: &Bytes, range: &Range<u64>) -> Result<Bytes> {
    let position = |byte: u64| usize::try_from(byte).ok().filter(|byte| *byte <= bytes.len());
    match (position(range.start), position(range.end)) {
        (Some(start), Some(end)) => Ok(bytes.slice(start..end)),
        _ => Err(Error::Unavailable { reason: "an inline body is shorter than its record says".to_owned() }),
    }
}

/// Part `number`, counted from 1, and its bytes. An object without parts is its own first part.
fn find_part(record: &ObjectRecord, number: u16) -> Result<(Range<u64>, Option<PartSummary>)> {
    if record.parts.is_empty() && number == 1 {
        return Ok((0..record.size, None));
    }
    let count = u16::try_from(record.parts.len()).unwrap_or(u16::MAX).max(1);
    let position = usize::from(number).checked_sub(1).filter(|position| *position < record.parts.len());
    let position = position.ok_or(Error::NoSuchPart { count })?;
    let start = record.parts[..position].iter().map(|part| part.size).sum::<u64>();
    let part = PartSummary::of(&record.parts[position]);
    Ok((start..start + part.size, Some(part)))
}

impl ByteRange {
    /// The bytes meant, of an object of `size` bytes.
    pub(crate) fn resolve(self, size: u64) -> Result<Range<u64>> {
        let range = match self {
            Self::Between(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() { Err(Error::InvalidRange { size }) } else { Ok(range) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_as_the_rfc_says() {
        let cases = [
            (ByteRange::Between(0, 0), 10, Some(0..1)),
            (ByteRange::Between(2, 5), 10, Some(2..6)),
            (ByteRange::Between(2, 500), 10, Some(2..10)),
            (ByteRange::Between(2, u64::MAX), 10, Some(2..10)),
            (ByteRange::Between(10, 12), 10, None),
            (ByteRange::From(9), 10, Some(9..10)),
            (ByteRange::From(10), 10, None),
            (ByteRange::Last(3), 10, Some(7..10)),
            (ByteRange::Last(30), 10, Some(0..10)),
            (ByteRange::Last(0), 10, None),
            (ByteRange::From(0), 0, None),
            (ByteRange::Last(1), 0, None),
        ];
        for (range, size, expected) in cases {
            assert_eq!(range.resolve(size).ok(), expected, "{range:?} of {size}");
        }
    }
}
