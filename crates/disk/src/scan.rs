//! Reads an extent from front to back: records, the zeros between batches, damage, and the end.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use env::File;

use crate::extent::Extent;
use crate::record::{BATCH_ALIGNMENT, FOOTER_SIZE, HEADER_SIZE, Header, Layout, RECORD_ALIGNMENT, footer_closes};

/// Bytes read at once while going from record to record.
const WINDOW_SIZE: usize = 64 * 1024;
/// Granularity in which unreadable places are skipped.
const PAGE_SIZE: usize = 4096;
/// What unreadable bytes read as: no record, no padding.
const UNREADABLE: u8 = 0xff;

/// What stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A record with an intact frame. Its blocks were not looked at.
    Record(Header),
    /// Bytes that must hold records and do not.
    Damage {
        range: Range<u64>,
        /// Header of the damaged record, if that is intact.
        header: Option<Header>,
    },
}

/// Goes through the records of one extent.
pub(crate) struct Scanner {
    window: Window,
    nonce: u64,
    next: u64,
    end: u64,
    tail: Tail,
}

/// What to make of the last bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// All bytes up to the end were synced: what is no record is damage.
    Sealed,
    /// The log may end before.
    Open,
}

impl Scanner {
    /// Scans records of `extent` from `start` to its end, which all were synced once.
    pub(crate) fn sealed(file: Arc<dyn File>, extent: &Extent, start: u64) -> Self {
        let window = Window::new(file, extent.end);
        // A checkpoint counts the padding behind the last batch; the end of a sealed extent does not.
        let next = start.min(extent.end);
        Self { window, nonce: extent.nonce, next, end: extent.end, tail: Tail::Sealed }
    }

    /// Scans an extent whose last records may be torn. `size` is that of the file.
    pub(crate) fn open(file: Arc<dyn File>, nonce: u64, start: u64, size: u64) -> Self {
        Self { window: Window::new(file, size), nonce, next: start.min(size), end: size, tail: Tail::Open }
    }

    /// Where the scan stands: the end of the last item.
    pub(crate) fn position(&self) -> u64 {
        self.next
    }

    /// Bytes that could not be read, so far.
    pub(crate) fn unreadable_bytes(&self) -> u64 {
        self.window.unreadable_bytes
    }

    /// The next record or damaged range; `None` at the end of the log.
    pub(crate) fn next(&mut self) -> io::Result<Option<Item>> {
        self.skip_padding()?;
        if self.end <= self.next {
            return Ok(None);
        }
        let start = self.next;
        let header = self.header_at(start)?;
        if let Some(header) = header
            && self.is_whole(&header)?
        {
            self.next = start + header.layout().size as u64;
            return Ok(Some(Item::Record(header)));
        }
        let resume = self.resume_after(start)?;
        let Some(resume) = resume else { return Ok(None) };
        self.next = resume;
        Ok(Some(Item::Damage { range: start..resume, header }))
    }

    /// Moves over zeros up to the next batch.
    fn skip_padding(&mut self) -> io::Result<()> {
        let boundary = self.next.next_multiple_of(BATCH_ALIGNMENT).min(self.end);
        let gap = usize::try_from(boundary - self.next).expect("below the alignment");
        if gap != 0 && self.window.bytes(self.next, gap)?.iter().all(|byte| *byte == 0) {
            self.next = boundary;
        }
        Ok(())
    }

    /// The header that belongs at `offset`, if one is there.
    fn header_at(&mut self, offset: u64) -> io::Result<Option<Header>> {
        if self.end < offset + HEADER_SIZE as u64 {
            return Ok(None);
        }
        let header = Header::decode(self.window.bytes(offset, HEADER_SIZE)?);
        let fits = |header: &Header| {
            let in_place = header.place.nonce == self.nonce && header.place.offset == offset;
            in_place && offset + header.layout().size as u64 <= self.end
        };
        Ok(header.filter(fits))
    }

    /// Whether checksum table and footer are intact.
    fn is_whole(&mut self, header: &Header) -> io::Result<bool> {
        let layout = header.layout();
        if layout == Layout::tombstone() {
            return Ok(true);
        }
        let offset = header.place.offset;
        let head = self.window.bytes(offset, layout.head_size)?.to_vec();
        let footer = self.window.bytes(offset + layout.footer_offset as u64, FOOTER_SIZE)?;
        Ok(footer_closes(&head, footer))
    }

    /// Where to go on after damage at `start`. `None`: nothing that was synced follows, the log ended at `start`.
    fn resume_after(&mut self, start: u64) -> io::Result<Option<u64>> {
        let mut next_record = None;
        let mut offset = start + u64::from(RECORD_ALIGNMENT);
        while offset < self.end {
            if let Some(header) = self.header_at(offset)? {
                let next_record = *next_record.get_or_insert(offset);
                // A later batch was written only after the sync of the one that `start` belongs to, with all in it.
                let was_synced = self.tail == Tail::Sealed || start < header.place.batch;
                if was_synced {
                    return Ok(Some(next_record));
                }
            }
            offset += u64::from(RECORD_ALIGNMENT);
        }
        Ok((self.tail == Tail::Sealed).then_some(self.end))
    }
}

/// A file seen through a buffer that moves forward.
struct Window {
    file: Arc<dyn File>,
    size: u64,
    start: u64,
    buffer: Vec<u8>,
    unreadable_bytes: u64,
}

impl Window {
    fn new(file: Arc<dyn File>, size: u64) -> Self {
        Self { file, size, start: 0, buffer: Vec::new(), unreadable_bytes: 0 }
    }

    /// `length` bytes at `offset`, which lie inside the file.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let end = offset + length as u64;
        assert!(end <= self.size, "bytes up to {end} of {}", self.size);
        let is_inside = self.start <= offset && end <= self.start + self.buffer.len() as u64;
        if !is_inside {
            let room = usize::try_from(self.size - offset).unwrap_or(usize::MAX);
            self.fill(offset, length.max(WINDOW_SIZE).min(room))?;
        }
        let from = usize::try_from(offset - self.start).expect("inside the buffer");
        Ok(&self.buffer[from..from + length])
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        self.start = offset;
        self.buffer.resize(length, 0);
        if self.file.read_exact_at(&mut self.buffer, offset).is_ok() {
            return Ok(());
        }
        // Somewhere in here is a bad place, or the file is shorter than it was: find out what can be read.
        let mut readable = 0;
        let mut last_error = None;
        for (page, start) in self.buffer.chunks_mut(PAGE_SIZE).zip((offset..).step_by(PAGE_SIZE)) {
            match self.file.read_exact_at(page, start) {
                Ok(()) => readable += page.len(),
                Err(error) => {
                    page.fill(UNREADABLE);
                    last_error = Some(error);
                }
            }
        }
        self.unreadable_bytes += (length - readable) as u64;
        match last_error {
            Some(error) if readable == 0 && self.is_device_dead() => {
                self.buffer.clear();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Whether not even the extent's header can be read, and not because the file was cut short: that is the device,
    /// not a place on it.
    fn is_device_dead(&self) -> bool {
        let result = self.file.read_exact_at(&mut [0; HEADER_SIZE], 0);
        result.is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof)
    }
}
