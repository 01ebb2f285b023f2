//! The file of a form as a body.

use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use multer::Field;
use parking_lot::Mutex;
use store::BodyError;

use crate::error::{Error, ErrorCode};

/// What ended a [`File`] before its time.
pub(super) type Fault = Arc<Mutex<Option<Error>>>;

/// The bytes of a form's file. Ends in an error, after which nothing may be stored, when its size is not among those
/// that the policy allows.
pub(super) struct File {
    field: Field<'static>,
    sizes: RangeInclusive<u64>,
    size: u64,
    fault: Fault,
}

impl File {
    /// The file of `field`, whose size must be one of `sizes`. What ends it early is in the second value.
    pub(super) fn new(field: Field<'static>, sizes: RangeInclusive<u64>) -> (Self, Fault) {
        let fault = Fault::default();
        (Self { field, sizes, size: 0, fault: fault.clone() }, fault)
    }

    fn end(&self, fault: Error) -> BodyError {
        *self.fault.lock() = Some(fault);
        BodyError::Incomplete
    }

    fn refuse(&self, code: ErrorCode, limit: &'static str, value: u64) -> BodyError {
        self.end(Error::new(code).detail("ProposedSize", self.size.to_string()).detail(limit, value.to_string()))
    }

    fn examine(&mut self, chunk: multer::Result<Bytes>) -> Result<Bytes, BodyError> {
        let chunk = chunk.map_err(|error| {
            let cause = match error {
                multer::Error::StreamReadFailed(cause) => cause.downcast::<BodyError>().ok(),
                _ => None,
            };
            self.end(cause.map_or(BodyError::Incomplete, |cause| *cause).into())
        })?;
        self.size += chunk.len() as u64;
        match *self.sizes.end() {
            max if max < self.size => Err(self.refuse(ErrorCode::EntityTooLarge, "MaxSizeAllowed", max)),
            _ => Ok(chunk),
        }
    }
}

impl Stream for File {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(Pin::new(&mut self.field).poll_next(context));
        let min = *self.sizes.start();
        Poll::Ready(match chunk {
            Some(chunk) => Some(self.examine(chunk)),
            None if self.size < min => Some(Err(self.refuse(ErrorCode::EntityTooSmall, "MinSizeAllowed", min))),
            None => None,
        })
    }
}
