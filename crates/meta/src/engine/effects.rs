//! The running hash of everything that was ever applied.

use crate::log::LogId;
use crate::view::{Edit, TreeId};

const CONTEXT: &str = "stonecrop 2026 meta effects v1";

/// A hash chain over the edits of all entries: two replicas that disagree on one edit disagree ever after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EffectsHash(pub(super) [u8; 32]);

impl EffectsHash {
    /// Before anything is applied.
    pub(super) const EMPTY: EffectsHash = EffectsHash([0; 32]);
}

/// Adds one entry's edits to the chain.
pub(super) struct EntryEffects {
    hasher: blake3::Hasher,
}

impl EntryEffects {
    pub(super) fn new(before: EffectsHash, id: LogId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&before.0);
        for number in [id.term, id.node, id.index] {
            hasher.update(&number.to_le_bytes());
        }
        Self { hasher }
    }

    pub(super) fn add(&mut self, edit: &Edit) {
        let (kind, tree, key, value): (u8, TreeId, &[u8], &[u8]) = match edit {
            Edit::Put { tree, key, value } => (1, *tree, key, value),
            Edit::Remove { tree, key } => (2, *tree, key, &[]),
            Edit::DropTree { tree } => (3, *tree, &[], &[]),
        };
        self.hasher.update(&[kind]);
        self.hasher.update(&tree.encode());
        self.hasher.update(&(key.len() as u64).to_le_bytes());
        self.hasher.update(key);
        self.hasher.update(&(value.len() as u64).to_le_bytes());
        self.hasher.update(value);
    }

    pub(super) fn finish(self) -> EffectsHash {
        EffectsHash(*self.hasher.finalize().as_bytes())
    }
}
