//! What configurations have in common.

use crate::error::Result;

/// A configuration as clients send and receive it, and as it is stored.
pub(crate) trait Document: Sized {
    /// Its number in the metadata (`docs/formats/metadata-keys.md`).
    const KIND: u8;

    /// Longest body that a client may send, in bytes.
    const SIZE_MAX: usize;

    /// Reads a document for the bucket called `bucket`.
    ///
    /// # Errors
    ///
    /// What AWS answers for what is wrong with it.
    fn parse(body: &[u8], bucket: &str) -> Result<Self>;

    /// The document as a GET answers it. `parse` reads it back.
    fn write(&self) -> String;
}

/// Checks that a document means the same after it was written and read back.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn check_round_trip<D: Document + std::fmt::Debug + PartialEq>(document: &D) {
    let written = document.write();
    let read = D::parse(written.as_bytes(), "bucket").expect("what was written can be read");
    assert_eq!(&read, document, "{written}");
    assert_eq!(read.write(), written);
}
