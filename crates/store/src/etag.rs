//! Entity tags: the MD5 of a body, or of the MD5s of its parts.

use std::fmt;

/// An entity tag as S3 forms it. `Display` gives it without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag {
    /// MD5 of the body, or of the concatenated MD5s of the parts.
    pub md5: [u8; 16],
    /// Number of parts of a multipart object; `None` for an object that was put whole.
    pub part_count: Option<u16>,
}

impl fmt::Display for ETag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.md5 {
            write!(formatter, "{byte:02x}")?;
        }
        match self.part_count {
            Some(count) => write!(formatter, "-{count}"),
            None => Ok(()),
        }
    }
}
