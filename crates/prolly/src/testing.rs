//! What the tests of several modules share: a storage in memory, a random source, a store of trees.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::pack::{Damage, PackFile, PackStorage};
use crate::{Edit, PackId, Packs, PacksConfig, Params, Schema, SealedPack, Summarize, Summary, Tree, TreeKey, Written};

/// A mistake seeded into the editor, to see that the suite catches it (P19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    /// The editor takes a width one too small when it asks whether an old boundary stands.
    WidthOffByOne,
    /// The editor takes every page for a whole natural chunk.
    DropNaturalEnd,
    /// A tree that grows a level forgets its old root when that stands unchanged as a child.
    DropReappearingRoot,
}

/// Records as a sorted map: the model of a tree.
pub(crate) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A batch of edits in key order.
pub(crate) type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// SplitMix64: the tests' random source, from a seed that failures print.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

/// How many cases a property runs: `STONECROP_TEST_CASES` times the usual number.
pub(crate) fn cases(usual: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
    let factor = std::env::var("STONECROP_TEST_CASES").ok().and_then(|factor| factor.parse().ok());
    usual * factor.unwrap_or(1u64)
}

/// A summary in which every field says something about the record.
pub(crate) struct Measure;

impl Summarize for Measure {
    fn version(&self) -> u32 {
        7
    }

    fn summarize(&self, key: &[u8], value: &[u8]) -> Summary {
        let first = value.first().copied().unwrap_or(0);
        Summary {
            records: 99,
            objects: u64::from(first & 1),
            bytes: value.len() as u64,
            other_bytes: key.len() as u64,
            oldest: 1000 + u32::from(first),
            newest: u64::from(first) << 20,
        }
    }
}

/// Packs in memory, in two copies.
pub(crate) struct MemoryStorage {
    pub(crate) copies: [Mutex<BTreeMap<PackId, Vec<u8>>>; 2],
    /// What was reported: pack, copy, offset, whether intact bytes came along.
    pub(crate) damages: Mutex<Vec<(PackId, usize, u64, bool)>>,
    pub(crate) reads: AtomicU64,
    /// Writes until one fails.
    pub(crate) writes_left: AtomicU64,
}

impl MemoryStorage {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(MemoryStorage {
            copies: Default::default(),
            damages: Mutex::default(),
            reads: AtomicU64::new(0),
            writes_left: AtomicU64::new(u64::MAX),
        })
    }

    /// Flips bits of one byte of one copy.
    pub(crate) fn flip(&self, pack: PackId, copy: usize, offset: usize) {
        self.copies[copy].lock().get_mut(&pack).expect("the pack is there")[offset] ^= 0x55;
    }

    fn take_write(&self) -> io::Result<()> {
        match self.writes_left.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

/// A storage and the pack being written to it.
struct MemoryFile {
    storage: Arc<MemoryStorage>,
    pack: PackId,
}

impl PackFile for MemoryFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.storage.take_write()?;
        for copy in &self.storage.copies {
            copy.lock().entry(self.pack).or_default().extend_from_slice(bytes);
        }
        Ok(())
    }

    fn seal(self: Box<Self>) -> io::Result<()> {
        self.storage.take_write()
    }
}

/// A handle that can make files which outlive the borrow of the storage.
pub(crate) struct Shared(pub(crate) Arc<MemoryStorage>);

impl PackStorage for Shared {
    fn copies(&self) -> usize {
        self.0.copies.len()
    }

    fn read(&self, pack: PackId, copy: usize, offset: u64, length: usize) -> io::Result<Bytes> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let packs = self.0.copies[copy].lock();
        let pack = packs.get(&pack).ok_or(io::ErrorKind::NotFound)?;
        let piece = pack.get(offset as usize..).and_then(|rest| rest.get(..length));
        piece.map(Bytes::copy_from_slice).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn create(&self, pack: PackId) -> io::Result<Box<dyn PackFile>> {
        self.0.take_write()?;
        for copy in &self.0.copies {
            let replaced = copy.lock().insert(pack, Vec::new());
            assert!(replaced.is_none(), "a pack number is used twice");
        }
        Ok(Box::new(MemoryFile { storage: Arc::clone(&self.0), pack }))
    }

    fn remove(&self, pack: PackId) -> io::Result<()> {
        self.0.copies.iter().for_each(|copy| {
            copy.lock().remove(&pack);
        });
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<PackId>> {
        Ok(self.0.copies[0].lock().keys().copied().collect())
    }

    fn damaged(&self, damage: Damage<'_>) {
        self.0.damages.lock().push((damage.pack, damage.copy, damage.offset, damage.intact.is_some()));
        if let Some(intact) = damage.intact
            && let Some(pack) = self.0.copies[damage.copy].lock().get_mut(&damage.pack)
        {
            pack[damage.offset as usize..][..intact.len()].copy_from_slice(intact);
        }
    }
}

/// A store of trees in memory.
pub(crate) struct World {
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) packs: Arc<Packs>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) sealed: Mutex<Vec<SealedPack>>,
}

pub(crate) const CONFIG: PacksConfig = PacksConfig { realm: [9; 16], cache_bytes: 64 << 20, pack_bytes_max: 256 << 20 };

pub(crate) fn params(leaf_width: u8, inner_width: u8) -> Params {
    Params::new(TreeKey([42; 16])).with_widths(leaf_width, inner_width).expect("widths are positive")
}

impl World {
    pub(crate) fn new() -> Self {
        World::with(Schema::new(params(8, 16), Arc::new(Measure)))
    }

    pub(crate) fn with(schema: Arc<Schema>) -> Self {
        World::with_config(schema, CONFIG)
    }

    pub(crate) fn with_config(schema: Arc<Schema>, config: PacksConfig) -> Self {
        let storage = MemoryStorage::new();
        let packs = Packs::open(Arc::new(Shared(Arc::clone(&storage))), config, &[]).expect("nothing to open");
        World { storage, packs, schema, sealed: Mutex::default() }
    }

    pub(crate) fn empty(&self) -> Tree {
        Tree::empty(Arc::clone(&self.schema), self.pages())
    }

    pub(crate) fn pages(&self) -> Arc<dyn crate::PageStore> {
        Arc::clone(&self.packs) as Arc<dyn crate::PageStore>
    }

    /// Runs `write` with a writer and seals it.
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut crate::PackWriter) -> crate::Result<T>) -> T {
        let mut writer = self.packs.writer();
        let result = write(&mut writer).expect("the storage does not fail");
        self.sealed.lock().extend(writer.seal().expect("the storage does not fail"));
        result
    }

    pub(crate) fn build(&self, model: &Model) -> Tree {
        self.write(|writer| Tree::build(Arc::clone(&self.schema), self.pages(), model, writer)).0
    }

    pub(crate) fn apply(&self, tree: &Tree, batch: &Batch) -> (Tree, Written) {
        let edits: Vec<_> = batch.iter().map(|(key, value)| Edit { key, value: value.as_deref() }).collect();
        self.write(|writer| tree.apply(&edits, writer))
    }
}

/// Applies a batch to the model.
pub(crate) fn apply_to_model(model: &mut Model, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => model.insert(key.clone(), value.clone()),
            None => model.remove(key),
        };
    }
}

/// Everything in a tree, read by a cursor.
pub(crate) fn read_all(tree: &Tree) -> Model {
    let mut cursor = tree.cursor();
    let mut model = Model::new();
    while let Some(record) = cursor.next().expect("the storage does not fail") {
        let value = record.value().expect("the storage does not fail").to_vec();
        assert!(model.last_key_value().is_none_or(|(last, _)| last.as_slice() < record.key), "a cursor ascends");
        model.insert(record.key.to_vec(), value);
    }
    model
}

/// Kinds of batches: how keys and edits are chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Habit {
    Scattered,
    Clustered,
    Sequential,
}

/// A key of one of a few lengths, with shared prefixes, now and then binary.
pub(crate) fn key_of(number: u64) -> Vec<u8> {
    match number % 17 {
        0 => number.to_be_bytes()[4..].to_vec(),
        1 => [&number.to_be_bytes()[4..], &[0, 0]].concat(),
        n => format!("bucket/{:02}/object-{number:07}{}", number / 1000, &"/tail"[..(n as usize % 6)]).into_bytes(),
    }
}

fn value_of(random: &mut Random) -> Vec<u8> {
    let length = match random.below(40) {
        0 => 1000 + random.below(60),
        1 => 0,
        _ => random.below(60),
    };
    random.bytes(length)
}

/// A random batch over the keys below `key_space`.
pub(crate) fn random_batch(
    random: &mut Random,
    habit: Habit,
    key_space: u64,
    size: u64,
    deletes_percent: u64,
) -> Batch {
    let start = random.below(key_space);
    let number = |random: &mut Random, i: u64| match habit {
        Habit::Scattered => random.below(key_space),
        Habit::Clustered => (start + random.below(1 + 2 * size)) % key_space,
        Habit::Sequential => start + i,
    };
    let edit = |i| {
        let key = key_of(number(random, i));
        let value = (deletes_percent <= random.below(100)).then(|| value_of(random));
        (key, value)
    };
    (0..size).map(edit).collect()
}
