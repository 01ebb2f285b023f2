//! A bounded cache of decoded pages and of blobs.
//!
//! Clock replacement with lives: each hit restores an entry's lives, each pass of the hand takes one. Inner pages have
//! more lives than leaves, because every lookup below them needs them. Pages note hits themselves, because most are found
//! through their parent, past the cache.

use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::location::Location;
use crate::page::Page;

const SHARD_COUNT: usize = 16;
const LEAF_LIVES: u8 = 1;
const INNER_LIVES: u8 = 4;
/// What an entry costs besides its bytes, about.
const ENTRY_OVERHEAD: usize = 96;

/// What the cache keeps.
#[derive(Clone)]
pub(super) enum Cached {
    Page(Arc<Page>),
    /// Boxed, so that an entry is small: the index is larger than the processor's caches.
    Blob(Arc<Bytes>),
}

impl Cached {
    fn memory(&self) -> usize {
        ENTRY_OVERHEAD
            + match self {
                Cached::Page(page) => page.memory(),
                Cached::Blob(blob) => blob.len(),
            }
    }

    fn lives(&self) -> u8 {
        match self {
            Cached::Page(page) if 0 < page.level() => INNER_LIVES,
            _ => LEAF_LIVES,
        }
    }
}

/// Shards by location, each with its own lock and share of the budget.
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
}

#[expect(clippy::disallowed_types, reason = "keyed by a fixed hash and never iterated, so no order can show")]
type Index = std::collections::HashMap<u64, Entry, BuildHasherDefault<LocationHasher>>;

struct Shard {
    index: Index,
    /// Keys in the order in which the hand meets them.
    clock: VecDeque<u64>,
    bytes: usize,
    bytes_max: usize,
}

struct Entry {
    cached: Cached,
    lives: u8,
}

/// Mixes a location's number; locations are not chosen by strangers.
#[derive(Default)]
struct LocationHasher(u64);

impl Hasher for LocationHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0 ^ number);
    }
}

/// Fibonacci hashing, with the high half folded down: tables take low bits and high ones.
fn mix(number: u64) -> u64 {
    let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

fn number(location: Location) -> u64 {
    u64::from(location.pack.0) << 32 | u64::from(location.offset)
}

impl Cache {
    /// A cache that keeps at most `bytes_max` bytes, about.
    pub(super) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max / SHARD_COUNT;
        let shard = || Shard { index: Index::default(), clock: VecDeque::new(), bytes: 0, bytes_max };
        Cache { shards: (0..SHARD_COUNT).map(|_| Mutex::new(shard())).collect() }
    }

    fn shard(&self, number: u64) -> &Mutex<Shard> {
        &self.shards[usize::from(mix(number).to_le_bytes()[7]) % SHARD_COUNT]
    }

    pub(super) fn get(&self, location: Location) -> Option<Cached> {
        let number = number(location);
        let mut shard = self.shard(number).lock();
        let entry = shard.index.get_mut(&number)?;
        if let Cached::Blob(_) = entry.cached {
            entry.lives = LEAF_LIVES;
        }
        Some(entry.cached.clone())
    }

    pub(super) fn insert(&self, location: Location, cached: Cached) {
        let number = number(location);
        self.shard(number).lock().insert(number, cached);
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.index.clear();
            shard.clock.clear();
            shard.bytes = 0;
        }
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().bytes).sum()
    }
}

impl Shard {
    fn insert(&mut self, number: u64, cached: Cached) {
        let memory = cached.memory();
        if self.bytes_max < memory {
            return;
        }
        let lives = cached.lives();
        match self.index.insert(number, Entry { cached, lives }) {
            Some(old) => self.bytes -= old.cached.memory(),
            None => self.clock.push_back(number),
        }
        self.bytes += memory;
        while self.bytes_max < self.bytes {
            self.turn();
        }
    }

    /// Moves the hand by one entry, which loses a life or goes.
    fn turn(&mut self) {
        let number = self.clock.pop_front().expect("bytes are counted, so entries are there");
        let entry = self.index.get_mut(&number).expect("the clock lists what the index holds");
        if let Cached::Page(page) = &entry.cached
            && page.take_touch()
        {
            entry.lives = entry.cached.lives();
        }
        if 0 < entry.lives {
            entry.lives -= 1;
            self.clock.push_back(number);
        } else if let Some(gone) = self.index.remove(&number) {
            self.bytes -= gone.cached.memory();
        }
    }
}
