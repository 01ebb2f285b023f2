//! A page: its canonical bytes, decoded once and searched in place.

use bytes::Bytes;

/// A decoded page. Its fields are views into its bytes.
pub struct Page {
    bytes: Bytes,
}
