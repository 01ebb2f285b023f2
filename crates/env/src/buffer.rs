//! Large buffers that are used again and again, at addresses that direct transfers accept.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Alignment of addresses, offsets and sizes of direct transfers, in bytes: the largest sector of current devices.
pub const DIRECT_ALIGNMENT: usize = 4096;

/// Sizes of buffers are multiples of this, in bytes, so that those of one size serve many transfers.
const SIZE_STEP: usize = 64 * 1024;

/// Bytes of buffers that are kept to be used again: fresh memory costs a page fault for every 4 KiB, which is more than
/// reading them.
const FREE_SIZE_MAX: usize = 32 * 1024 * 1024;

/// Hands out buffers, and keeps those that nobody uses at present. Clones share them.
#[derive(Clone, Default)]
pub struct Buffers {
    free: Arc<Mutex<Free>>,
}

#[derive(Default)]
struct Free {
    /// The one used last at the back.
    buffers: VecDeque<Vec<u8>>,
    size: usize,
}

/// A buffer, given back on drop. It holds at first what its last use left there, which must not get out: whoever takes
/// it writes every byte that is read later.
pub struct Buffer {
    memory: Vec<u8>,
    /// Where the first aligned byte is.
    start: usize,
    size: usize,
    home: Buffers,
}

impl Buffers {
    /// A buffer of `size` bytes, which begins at a multiple of [`DIRECT_ALIGNMENT`].
    pub fn take(&self, size: usize) -> Buffer {
        let capacity = size.next_multiple_of(SIZE_STEP) + DIRECT_ALIGNMENT;
        let memory = self.free.lock().take(capacity).unwrap_or_else(|| vec![0; capacity]);
        let start = memory.as_ptr().align_offset(DIRECT_ALIGNMENT);
        assert!(start + size <= memory.len(), "an allocation has an aligned byte within the alignment");
        Buffer { memory, start, size, home: self.clone() }
    }
}

impl Free {
    /// The buffer of this capacity that was used last: its bytes are the likeliest to be in the CPU's caches.
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let position = self.buffers.iter().rposition(|buffer| buffer.len() == capacity)?;
        self.size -= capacity;
        self.buffers.remove(position)
    }

    /// Keeps `buffer`; returns those that were not used for longest, as many as are too much.
    fn keep(&mut self, buffer: Vec<u8>) -> Vec<Vec<u8>> {
        self.size += buffer.len();
        self.buffers.push_back(buffer);
        let mut excess = Vec::new();
        while FREE_SIZE_MAX < self.size
            && let Some(oldest) = self.buffers.pop_front()
        {
            self.size -= oldest.len();
            excess.push(oldest);
        }
        excess
    }
}

impl Buffer {
    /// Bytes `range` of the buffer. It is given back when the last clone of them is dropped.
    ///
    /// # Panics
    ///
    /// Panics unless the buffer has these bytes.
    pub fn into_bytes(self, range: Range<usize>) -> Bytes {
        Bytes::from_owner(self).slice(range)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.size]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.size]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let excess = self.home.free.lock().keep(memory);
        // Freed after the lock.
        drop(excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_as_large_as_asked_for() {
        let buffers = Buffers::default();
        for size in [0, 1, 4096, SIZE_STEP, SIZE_STEP + 1, 1_000_000] {
            let mut buffer = buffers.take(size);
            assert_eq!(buffer.as_ref().len(), size);
            assert_eq!(buffer.as_mut().as_ptr().addr() % DIRECT_ALIGNMENT, 0);
        }
    }

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let buffers = Buffers::default();
        let bytes = buffers.take(100_000).into_bytes(10..30);
        let address = bytes.as_ptr().addr() - 10;
        assert_ne!(buffers.take(100_000).as_ref().as_ptr().addr(), address, "in use");
        drop(bytes.clone());
        drop(bytes);
        assert_eq!(buffers.take(80_000).as_ref().as_ptr().addr(), address, "of the same size class");
    }

    #[test]
    fn free_buffers_are_bounded() {
        let buffers = Buffers::default();
        let used: Vec<_> = (0..20).map(|_| buffers.take(4 << 20)).collect();
        drop(used);
        let free = buffers.free.lock();
        let size: usize = free.buffers.iter().map(Vec::len).sum();
        assert!(size == free.size && size <= FREE_SIZE_MAX && 0 < size);
    }
}
