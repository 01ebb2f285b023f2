//! Reads what one mirror has of the log.

use std::path::{Path, PathBuf};

use super::record::decode_control;
use super::record::{ALIGNMENT, Control, RecordHeader, Records, SEGMENT_HEADER_SIZE, SegmentHeader, Sequence};
use crate::error::{Error, Result};
use crate::mirror::Mirror;

/// Names a segment: two files with this name hold the same bytes, on whatever mirror they are.
///
/// The order is that of the records inside, and of generations where they overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentName {
    pub(super) first: Sequence,
    pub(super) generation: u32,
}

impl SegmentName {
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{:016x}-{:08x}.segment", self.first, self.generation))
    }

    fn parse(name: &str) -> Option<Self> {
        let (first, generation) = name.strip_suffix(".segment")?.split_once('-')?;
        let first = Sequence::from_str_radix(first, 16).ok()?;
        let parsed = Self { first, generation: u32::from_str_radix(generation, 16).ok()? };
        // Only the one spelling that `path` makes.
        parsed.path(Path::new("")).to_str().is_some_and(|canonical| canonical == name).then_some(parsed)
    }
}

/// A valid record and where it lies in its segment.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) header: RecordHeader,
    pub(super) offset: u64,
    /// What it says, unless it is an entry.
    pub(super) control: Option<Control>,
}

/// One segment file as found.
pub(super) struct Scanned {
    pub(super) name: SegmentName,
    /// `None` when it is damaged.
    pub(super) nonce: Option<u64>,
    /// In order of offset.
    pub(super) records: Vec<Located>,
    pub(super) file_size: u64,
}

/// All segments of `mirror`, in order of name.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::ForeignMirror`], [`Error::Io`].
pub(super) fn scan_mirror(mirror: &Mirror, realm: u128) -> Result<Vec<Scanned>> {
    let directory = mirror.log_directory();
    let mut segments = Vec::new();
    for file_name in mirror.list(&directory)? {
        if let Some(name) = SegmentName::parse(&file_name) {
            segments.push(scan_segment(mirror, name, realm)?);
        }
    }
    segments.sort_unstable_by_key(|segment| segment.name);
    Ok(segments)
}

/// One segment of `mirror`; one without anything when there is no such file.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::ForeignMirror`], [`Error::Io`].
pub(super) fn scan_segment(mirror: &Mirror, name: SegmentName, realm: u128) -> Result<Scanned> {
    let path = name.path(&mirror.log_directory());
    let bytes = mirror.read_whole(&path)?.unwrap_or_default();
    let header = SegmentHeader::decode(&bytes, &path)?;
    if header.is_some_and(|header| header.realm != realm) {
        return Err(Error::ForeignMirror { first: mirror.directory().to_path_buf(), second: path });
    }
    // A header that contradicts the name is as good as damaged.
    let header = header.filter(|header| (header.first, header.generation) == (name.first, name.generation));
    let records = find_records(&bytes, name, Records::of_realm(realm), &path)?;
    Ok(Scanned { name, nonce: header.map(|header| header.nonce), records, file_size: bytes.len() as u64 })
}

/// The valid records, also those behind damage.
fn find_records(bytes: &[u8], name: SegmentName, format: Records, path: &Path) -> Result<Vec<Located>> {
    let mut found: Vec<Located> = Vec::new();
    let mut position = SEGMENT_HEADER_SIZE;
    while position < bytes.len() {
        let lowest = found.last().map_or(name.first, |last| last.header.stamp.sequence + 1);
        match format.decode(&bytes[position..]) {
            Some((header, payload)) if lowest <= header.stamp.sequence => {
                let control = if header.is_entry { None } else { Some(decode_control(payload, path)?) };
                found.push(Located { header, offset: position as u64, control });
                position += header.size();
            }
            _ => position += ALIGNMENT,
        }
    }
    Ok(found)
}
