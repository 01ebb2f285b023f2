//! GetObject.

use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use crate::condition::ReadConditions;
use crate::error::Result;
use crate::object::Object;
use crate::store::Store;

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
    /// One range; `None` reads everything.
    pub range: Option<ByteRange>,
    /// One part of a multipart object by its position from 1; with it, `range` must be `None`. An object that was put
    /// whole has the part 1.
    pub part_number: Option<u16>,
    /// When to read at all.
    pub conditions: ReadConditions,
}

/// An object being read.
pub struct ObjectReader {
    /// What is known about it.
    pub object: Object,
    /// The bytes that `body` yields; answer 206 with `Content-Range` when the request had a range or a part number.
    pub range: Range<u64>,
    /// The bytes. An error after the first chunk means: abort the connection.
    pub body: ObjectBody,
}

/// The bytes of an object, verified chunk by chunk.
pub type ObjectBody = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

impl Store {
    /// Opens an object for reading. The first stripe has been read and verified on return.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`, `NoSuchKey`, `InvalidRange`, `NoSuchPart`, the conditions' `PreconditionFailed` and
    /// `NotModified`, `Unavailable`.
    pub async fn get_object(&self, bucket: &str, key: &str, request: GetRequest) -> Result<ObjectReader> {
        let _ = (bucket, key, request);
        unimplemented!()
    }

    /// Describes what [`Store::get_object`] would read: the object and the range, without its bytes. HEAD with a range
    /// or a part number.
    ///
    /// # Errors
    ///
    /// As [`Store::get_object`].
    pub async fn head_range(&self, bucket: &str, key: &str, request: GetRequest) -> Result<(Object, Range<u64>)> {
        let _ = (bucket, key, request);
        unimplemented!()
    }
}
