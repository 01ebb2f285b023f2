//! The durable trees of one root record.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use prolly::{Packs, PageStore, RootRef, Schema, Tree};

use crate::error::{Error, Result};
use crate::roots::PackList;
use crate::view::TreeId;

/// Opened trees kept at hand. Opening one again costs a lookup in the forest.
const OPEN_TREES_MAX: usize = 4096;

const STATE_CONTEXT: &str = "stonecrop 2026 meta state v1";

/// How all trees of a node are made and where their pages are.
#[derive(Clone)]
pub(super) struct Ground {
    pub(super) schema: Arc<Schema>,
    pub(super) packs: Arc<Packs>,
}

/// The trees as one root record names them. The forest maps each tree's id to its root.
pub(super) struct Base {
    ground: Ground,
    forest: Tree,
    packs: PackList,
    stored_bytes: u64,
    open: RwLock<BTreeMap<TreeId, Tree>>,
}

impl Ground {
    fn pages(&self) -> Arc<dyn PageStore> {
        self.packs.clone()
    }

    pub(super) fn empty_tree(&self) -> Tree {
        Tree::empty(self.schema.clone(), self.pages())
    }

    pub(super) fn open_tree(&self, root: RootRef) -> Result<Tree> {
        Ok(Tree::open(self.schema.clone(), self.pages(), root)?)
    }
}

impl Base {
    pub(super) fn new(ground: Ground, forest: Tree, packs: PackList) -> Self {
        let stored_bytes = packs.values().map(|pack| pack.length).sum();
        Self { ground, forest, packs, stored_bytes, open: RwLock::new(BTreeMap::new()) }
    }

    /// No trees at all, on the same ground.
    pub(super) fn bare(&self) -> Self {
        Self::new(self.ground.clone(), self.ground.empty_tree(), PackList::new())
    }

    pub(super) fn ground(&self) -> &Ground {
        &self.ground
    }

    pub(super) fn forest(&self) -> &Tree {
        &self.forest
    }

    /// Every pack that a page of these trees may lie in.
    pub(super) fn packs(&self) -> &PackList {
        &self.packs
    }

    /// Bytes that the packs take in one mirror.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    fn open_already(&self, id: TreeId) -> Option<Tree> {
        self.open.read().get(&id).cloned()
    }

    /// The value of `key` in a tree that is open, as far as its pages are in memory.
    pub(super) fn get_in_memory(&self, id: TreeId, key: &[u8]) -> Result<Option<Bytes>> {
        let tree = self.open_already(id).ok_or(Error::NotInMemory)?;
        tree.get_in_memory(key).map_err(|error| match error {
            prolly::Error::NotInMemory => Error::NotInMemory,
            error => error.into(),
        })
    }

    /// The tree with this id; empty when there is none.
    pub(super) fn tree(&self, id: TreeId) -> Result<Tree> {
        if let Some(tree) = self.open_already(id) {
            return Ok(tree);
        }
        let tree = match self.forest.get(&id.encode())? {
            Some(root) => self.ground.open_tree(RootRef::decode(&mut root.as_ref())?)?,
            None => self.ground.empty_tree(),
        };
        let mut open = self.open.write();
        if OPEN_TREES_MAX <= open.len() {
            open.clear();
        }
        open.insert(id, tree.clone());
        Ok(tree)
    }
}

/// Ids and roots of all trees of `forest`, in order.
pub(super) fn roots_of(forest: &Tree) -> Result<Vec<(TreeId, RootRef)>> {
    let mut roots = Vec::new();
    let mut cursor = forest.cursor();
    while let Some(record) = cursor.next()? {
        let id = <[u8; TreeId::ENCODED_SIZE]>::try_from(record.key).ok().and_then(TreeId::decode);
        let id = id.ok_or(Error::Inconsistent("a key of the forest is no tree id"))?;
        let root = RootRef::decode(&mut record.value()?.as_ref())?;
        roots.push((id, root));
    }
    Ok(roots)
}

/// Hash of all records: equal on nodes that hold the same, wherever their pages lie.
pub(super) fn state_hash(forest: &Tree) -> Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key(STATE_CONTEXT);
    for (id, root) in roots_of(forest)? {
        hasher.update(&id.encode());
        hasher.update(root.hash.as_bytes());
    }
    Ok(*hasher.finalize().as_bytes())
}
