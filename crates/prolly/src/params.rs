//! What fixes the shape of a tree: its secret key, its widths, the summary rule.

use std::fmt;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use crate::summary::{Summarize, Summary};

const BOUNDARY_CONTEXT: &str = "stonecrop 2026 prolly boundary v1";
const PARAMS_CONTEXT: &str = "stonecrop 2026 prolly params v1";

/// Format of pages, root references and the boundary rule.
pub(crate) const FORMAT: u8 = 1;

/// Levels a tree may have. A level has at most half the pages of the one below, so 2^63 records fit.
pub(crate) const LEVEL_COUNT_MAX: u8 = 64;

/// The secret of a lineage of trees. Whoever knows it can choose keys that make pages large, nothing worse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TreeKey(pub [u8; 16]);

impl fmt::Debug for TreeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TreeKey(hidden)")
    }
}

/// Identity of a tree's parameters. Only trees with equal hashes may be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamsHash(pub [u8; 16]);

/// What a lineage of trees (a bucket, its snapshots and forks) has in common.
#[derive(Clone, Copy, Debug)]
pub struct Params {
    key: TreeKey,
    leaf_width: u8,
    inner_width: u8,
}

impl Params {
    /// Parameters with the measured widths: 8 in leaves (17 records a page), 16 above (33 children).
    pub fn new(key: TreeKey) -> Self {
        Params { key, leaf_width: 8, inner_width: 16 }
    }

    /// The same with other widths, for trees known to take scattered updates. `None` when a width is 0.
    #[must_use]
    pub fn with_widths(self, leaf_width: u8, inner_width: u8) -> Option<Self> {
        let valid = 0 < leaf_width && 0 < inner_width;
        valid.then_some(Params { leaf_width, inner_width, ..self })
    }
}

/// How the trees of one lineage are cut and summed. Made once and shared by all of them.
pub struct Schema {
    widths: [usize; 2],
    params_hash: ParamsHash,
    boundary: Boundary,
    summarize: Arc<dyn Summarize>,
    #[cfg(test)]
    pub(crate) mutation: Option<crate::testing::Mutation>,
}

/// The hash that decides where pages end.
enum Boundary {
    SipHash(Vec<SipHasher13>),
    #[cfg(test)]
    Chosen(fn(u8, &[u8]) -> u64),
}

impl Schema {
    /// Derives the keys of all levels from `params`.
    pub fn new(params: Params, summarize: Arc<dyn Summarize>) -> Arc<Self> {
        Arc::new(Schema {
            widths: [usize::from(params.leaf_width), usize::from(params.inner_width)],
            params_hash: hash_params(&params, summarize.version()),
            boundary: Boundary::SipHash((0..LEVEL_COUNT_MAX).map(|level| level_hasher(&params.key, level)).collect()),
            summarize,
            #[cfg(test)]
            mutation: None,
        })
    }

    /// A schema with another boundary hash and, if asked, a seeded mistake in the editor.
    #[cfg(test)]
    pub(crate) fn with_boundary(
        params: Params,
        summarize: Arc<dyn Summarize>,
        boundary: Option<fn(u8, &[u8]) -> u64>,
        mutation: Option<crate::testing::Mutation>,
    ) -> Arc<Self> {
        let mut schema = Arc::into_inner(Schema::new(params, summarize)).expect("just made, shared with nobody");
        if let Some(boundary) = boundary {
            schema.boundary = Boundary::Chosen(boundary);
        }
        schema.mutation = mutation;
        Arc::new(schema)
    }

    /// Identity of the parameters.
    pub fn params_hash(&self) -> ParamsHash {
        self.params_hash
    }

    /// Neighbours on either side that a boundary of `level` must exceed.
    pub(crate) fn width(&self, level: u8) -> usize {
        self.widths[usize::from(0 < level)]
    }

    /// The boundary hash of `key` at `level`.
    pub(crate) fn boundary_hash(&self, level: u8, key: &[u8]) -> u64 {
        match &self.boundary {
            Boundary::SipHash(hashers) => hashers[usize::from(level)].hash(key),
            #[cfg(test)]
            Boundary::Chosen(hash) => hash(level, key),
        }
    }

    /// Summary of one record, with its count of 1.
    pub(crate) fn summarize(&self, key: &[u8], value: &[u8]) -> Summary {
        Summary { records: 1, ..self.summarize.summarize(key, value) }
    }
}

fn level_hasher(key: &TreeKey, level: u8) -> SipHasher13 {
    let mut material = [0; 17];
    material[..16].copy_from_slice(&key.0);
    material[16] = level;
    let derived = blake3::derive_key(BOUNDARY_CONTEXT, &material);
    let (level_key, _) = derived.split_first_chunk().expect("32 bytes hold 16");
    SipHasher13::new_with_key(level_key)
}

fn hash_params(params: &Params, summary_version: u32) -> ParamsHash {
    let mut hasher = blake3::Hasher::new_derive_key(PARAMS_CONTEXT);
    hasher.update(&[FORMAT]).update(&params.key.0).update(&[params.leaf_width, params.inner_width]);
    hasher.update(&summary_version.to_le_bytes());
    let hash = hasher.finalize();
    let (first_half, _) = hash.as_bytes().split_first_chunk().expect("32 bytes hold 16");
    ParamsHash(*first_half)
}
