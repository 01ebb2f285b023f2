//! [`Reader`]: payloads of entries that are no longer in memory.

use std::sync::Arc;

use bytes::Bytes;
use env::{File, OpenMode};

use super::index::Place;
use super::record::{RECORD_HEADER_SIZE, Records};
use super::scan::SegmentName;
use crate::error::{Error, Result};
use crate::mirror::Mirror;

/// Reads entries' payloads from whichever mirror has them whole.
pub(super) struct Reader {
    mirrors: Vec<Arc<Mirror>>,
    format: Records,
    /// The segment read last, in the first mirror.
    open: Option<(SegmentName, Arc<dyn File>)>,
}

impl Reader {
    pub(super) fn new(mirrors: Vec<Arc<Mirror>>, format: Records) -> Self {
        Self { mirrors, format, open: None }
    }

    pub(super) fn read(&mut self, place: &Place) -> Result<Bytes> {
        let mut failure = Error::Unavailable;
        for number in 0..self.mirrors.len() {
            match self.read_from(number, place) {
                Ok(payload) => return Ok(payload),
                Err(error) => {
                    tracing::warn!(%error, source = ?error, "bad copy of a log entry: trying the next mirror");
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    fn read_from(&mut self, number: usize, place: &Place) -> Result<Bytes> {
        let mirror = &self.mirrors[number];
        let path = place.segment.path(&mirror.log_directory());
        let file = match &self.open {
            Some((segment, file)) if number == 0 && *segment == place.segment => file.clone(),
            _ => mirror.open(&path, OpenMode::Read)?,
        };
        let mut bytes = vec![0; RECORD_HEADER_SIZE + place.payload_length];
        mirror.attempt("read", &path, |_| file.read_exact_at(&mut bytes, place.offset))?;
        let found = self.format.decode(&bytes).map(|(header, _)| header);
        if number == 0 {
            self.open = Some((place.segment, file));
        }
        match found {
            Some(header) if header.stamp.sequence == place.sequence => {
                Ok(Bytes::from(bytes).slice(RECORD_HEADER_SIZE..))
            }
            _ => Err(Error::Corrupt { what: "log entry", path, offset: place.offset }),
        }
    }
}
