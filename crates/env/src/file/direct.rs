//! Files whose bytes pass by the kernel's page cache (`O_DIRECT`).
//!
//! Object bytes are written once, checked by us and rarely read soon: keeping them in the page cache costs a copy, the
//! cache's bookkeeping and the pages of everything else (`docs/decisions/0003-direct-io.md`).

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::{File, real};
use crate::buffer::{Buffer, Buffers, DIRECT_ALIGNMENT};

/// Bytes that one call writes at most: what fits a core's cache beside its source.
const WRITE_SIZE_MAX: usize = 1024 * 1024;

/// Bytes of writes that use a small buffer.
const WRITE_SIZE_SMALL: usize = 64 * 1024;

pub(super) struct DirectFile {
    file: fs::File,
    buffers: Buffers,
}

impl DirectFile {
    /// Opens the existing file at `path` as `options` say, past the page cache. `None` if the file system knows no such
    /// way.
    #[expect(clippy::disallowed_methods, reason = "a part of the one place that may touch the file system")]
    pub(super) fn open(options: &mut OpenOptions, path: &Path, buffers: &Buffers) -> io::Result<Option<Self>> {
        match options.custom_flags(OFlags::DIRECT.bits().cast_signed()).open(path) {
            Ok(file) => Ok(Some(Self { file, buffers: buffers.clone() })),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the aligned range around `size` bytes from `offset`; returns where in the buffer they begin.
    fn read_around(&self, offset: u64, size: usize) -> io::Result<(Buffer, usize)> {
        let start = offset / DIRECT_ALIGNMENT as u64 * DIRECT_ALIGNMENT as u64;
        let skipped = usize::try_from(offset - start).expect("less than the alignment");
        let mut buffer = self.buffers.take((skipped + size).next_multiple_of(DIRECT_ALIGNMENT));
        let mut filled = 0;
        while filled < skipped + size {
            match self.file.read_at(&mut buffer.as_mut()[filled..], start + filled as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // Only the end of the file gives less than was asked for.
            let is_end = !filled.is_multiple_of(DIRECT_ALIGNMENT);
            if is_end && filled < skipped + size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((buffer, skipped))
    }

    fn write_aligned(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.file.write_at(bytes, offset) {
                Ok(written) if written < DIRECT_ALIGNMENT => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let written = written / DIRECT_ALIGNMENT * DIRECT_ALIGNMENT;
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl File for DirectFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (read, start) = self.read_around(offset, buffer.len())?;
        buffer.copy_from_slice(&read.as_ref()[start..start + buffer.len()]);
        Ok(())
    }

    fn read_at(&self, offset: u64, size: usize) -> io::Result<Bytes> {
        let (read, start) = self.read_around(offset, size)?;
        Ok(read.into_bytes(start..start + size))
    }

    fn write_all_at(&self, buffers: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let mut left: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        super::assert_direct(offset, left);
        // One of two sizes, so that the buffer of the last write fits this one.
        let mut staging = self.buffers.take(if left <= WRITE_SIZE_SMALL { WRITE_SIZE_SMALL } else { WRITE_SIZE_MAX });
        let mut sources = buffers.iter().copied();
        let mut source: &[u8] = &[];
        while 0 < left {
            let size = left.min(WRITE_SIZE_MAX);
            let mut target = &mut staging.as_mut()[..size];
            while !target.is_empty() {
                if source.is_empty() {
                    source = sources.next().expect("as many bytes as were counted");
                }
                let count = source.len().min(target.len());
                let (now, later) = target.split_at_mut(count);
                now.copy_from_slice(&source[..count]);
                (source, target) = (&source[count..], later);
            }
            self.write_aligned(&staging.as_ref()[..size], offset)?;
            left -= size;
            offset += size as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        real::allocate(&self.file, size)
    }

    fn drop_cache(&self) {
        real::drop_cache(&self.file);
    }
}
