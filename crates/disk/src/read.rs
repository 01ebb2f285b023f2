//! Reads byte ranges of shards: only the touched blocks, each verified before it leaves.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use env::{Bug, File};
use erasure::{BLOCK_SIZE, FramedShard, ShardIdentity, verify_block};

use crate::device::Device;
use crate::extent::Access;
use crate::index::{Entry, State};
use crate::record::{Header, Kind, Layout, checksum_of};
use crate::{Error, Result};

/// Times a record may move away under a reader before that counts as trouble.
const MOVES_MAX: u32 = 8;

impl Device {
    /// Finds shard `identity` and checks that it has bytes `range`.
    pub(crate) fn locate(&self, identity: &ShardIdentity, range: &Range<u64>) -> Result<Entry> {
        let entry = self.index.get(identity).ok_or(Error::NotFound { identity: *identity })?;
        let size = u64::from(entry.size);
        match entry.state {
            State::Deleted => Err(Error::NotFound { identity: *identity }),
            State::Damaged => Err(Error::Corrupt { identity: *identity }),
            State::Live if range.end < range.start || size < range.end => {
                Err(Error::OutOfRange { identity: *identity, end: range.end.max(range.start), size })
            }
            State::Live => Ok(entry),
        }
    }

    /// Reads bytes `range` of shard `identity`. Blocks.
    pub(crate) fn read(&self, identity: &ShardIdentity, range: &Range<u64>) -> Result<Bytes> {
        self.health.require_service()?;
        let mut entry = self.locate(identity, range)?;
        for _ in 0..MOVES_MAX {
            let id = entry.position.extent;
            let access = Access::for_size(to_index(range.end - range.start));
            let file = match (self.extents.exists(id), self.extents.file(id, access)) {
                (Ok(true), Ok(file)) => file,
                (Err(error), _) => return Err(self.io_error("stat", self.extents.path(id), error)),
                (Ok(true), Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.io_error("open", self.extents.path(id), error));
                }
                _ => {
                    // Compaction moves the entry before it removes the file.
                    let now = self.locate(identity, range)?;
                    if now.position == entry.position {
                        return Err(self.lost_extent(identity, &entry));
                    }
                    entry = now;
                    continue;
                }
            };
            let bytes = self.read_record(&*file, identity, &entry, range)?;
            self.counters.reads.add(1);
            self.counters.read_bytes.add(bytes.len() as u64);
            return Ok(bytes);
        }
        Err(Error::Corrupt { identity: *identity })
    }

    /// The extent's file is gone: with the whole disk, or alone.
    fn lost_extent(&self, identity: &ShardIdentity, entry: &Entry) -> Error {
        if let Err(failed) = self.check() {
            return failed;
        }
        self.quarantine(identity, entry.position);
        Error::Corrupt { identity: *identity }
    }

    fn read_record(
        &self,
        file: &dyn File,
        identity: &ShardIdentity,
        entry: &Entry,
        range: &Range<u64>,
    ) -> Result<Bytes> {
        let found = read_verified(file, identity, entry, range);
        match found {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => {
                self.quarantine(identity, entry.position);
                Err(Error::Corrupt { identity: *identity })
            }
            // The file was cut short: what is missing does not come back.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.quarantine(identity, entry.position);
                Err(Error::Corrupt { identity: *identity })
            }
            Err(error) => Err(self.io_error("read", self.extents.path(entry.position.extent), error)),
        }
    }
}

/// Reads the header, the checksum table and the touched blocks; `None` if anything does not match.
fn read_verified(
    file: &dyn File,
    identity: &ShardIdentity,
    entry: &Entry,
    range: &Range<u64>,
) -> io::Result<Option<Bytes>> {
    let layout = Layout::shard(entry.size as usize);
    let (start, end) = (to_index(range.start), to_index(range.end));
    let first_block = start / BLOCK_SIZE;
    let blocks_start = first_block * BLOCK_SIZE;
    let blocks_end =
        if start == end { blocks_start } else { end.next_multiple_of(BLOCK_SIZE).min(entry.size as usize) };
    let blocks_size = blocks_end.saturating_sub(blocks_start);

    // One read where header and blocks are neighbours, two where blocks lie between them.
    let offset = entry.position.offset;
    let (head, blocks) = if first_block == 0 {
        let mut head = file.read_at(offset, layout.head_size + blocks_size)?;
        let blocks = head.split_off(layout.head_size);
        (head, blocks)
    } else {
        let blocks_offset = offset + (layout.head_size + blocks_start) as u64;
        (file.read_at(offset, layout.head_size)?, file.read_at(blocks_offset, blocks_size)?)
    };
    let is_intact = is_head_of(&head, identity, entry) && are_blocks_intact(&head, identity, first_block, &blocks)
        || Bug::ReadsUnverified.is_planted();
    if !is_intact {
        return Ok(None);
    }
    if start == end {
        return Ok(Some(Bytes::new()));
    }
    Ok(Some(blocks.slice(start - blocks_start..end - blocks_start)))
}

/// Whether `head` begins with the header that the index expects.
fn is_head_of(head: &[u8], identity: &ShardIdentity, entry: &Entry) -> bool {
    let header = Header::decode(&head[..crate::record::HEADER_SIZE]);
    header.is_some_and(|header| {
        let is_same = header.identity == *identity && header.payload_size == entry.size;
        header.kind == Kind::Shard && is_same && header.place.offset == entry.position.offset
    })
}

fn are_blocks_intact(head: &[u8], identity: &ShardIdentity, first_block: usize, blocks: &[u8]) -> bool {
    blocks.chunks(BLOCK_SIZE).zip(first_block..).all(|(block, number)| {
        let block_number = u32::try_from(number).expect("payloads have at most 1024 blocks");
        verify_block(*identity, block_number, block, &checksum_of(head, number)).is_ok()
    })
}

/// As [`read_whole`], but an error counts only if it comes twice: a whole record must not be given up for a passing
/// trouble.
pub(crate) fn reread_whole(file: &dyn File, header: &Header) -> io::Result<Option<FramedShard>> {
    read_whole(file, header).or_else(|_| read_whole(file, header))
}

/// Reads and verifies the whole record behind `header`; `None` if it is damaged.
pub(crate) fn read_whole(file: &dyn File, header: &Header) -> io::Result<Option<FramedShard>> {
    let layout = header.layout();
    let buffer = match file.read_at(header.place.offset, layout.size) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    };
    let head = &buffer[..layout.head_size];
    let is_framed = Header::decode(&head[..crate::record::HEADER_SIZE]).as_ref() == Some(header)
        && crate::record::footer_matches(head, &buffer[layout.footer_offset..]);
    if !is_framed {
        return Ok(None);
    }
    let payload = buffer.slice(layout.head_size..layout.head_size + header.payload_size as usize);
    let shard = FramedShard::new(header.identity, payload);
    let is_intact =
        shard.checksums().iter().enumerate().all(|(number, checksum)| *checksum == checksum_of(head, number));
    Ok(is_intact.then_some(shard))
}

fn to_index(offset: u64) -> usize {
    usize::try_from(offset).expect("shards are at most 64 MiB")
}
