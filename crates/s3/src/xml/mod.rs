//! XML bodies: a reader for the few that clients send, a writer for all that we send.

mod element;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod writer;

pub(crate) use element::Element;
pub(crate) use writer::{Writer, is_writable};

/// The namespace of every S3 document.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
