//! A small cache of decoding matrices.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::matrix::Matrix;

/// Memory the cached matrices of one codec may take, in bytes. All 495 patterns of 8+4 with four shards missing take
/// a fourteenth of it.
const CACHE_SIZE_MAX: usize = 512 * 1024;

/// Decoding matrices by the shards they decode from; the least recently used one makes room.
///
/// A disk that is down gives the same few patterns to every stripe, so that nearly all look-ups hit. Inverting
/// takes from a microsecond (8+4) to tens of milliseconds (200+56).
#[derive(Debug)]
pub(crate) struct InverseCache {
    count_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts look-ups: the age of an entry.
    now: u64,
    entries: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Debug)]
struct Entry {
    used_at: u64,
    inverse: Arc<Matrix>,
}

impl InverseCache {
    /// A cache for matrices of `data_count` rows and columns.
    pub(crate) fn new(data_count: usize) -> Self {
        let count_max = (CACHE_SIZE_MAX / (data_count * data_count)).clamp(4, 1024);
        Self { count_max, state: Mutex::default() }
    }

    /// Returns the inverse kept for `sources`, or keeps what `invert` gives.
    ///
    /// The lock is not held during `invert`: two callers may compute the same matrix, and both get it.
    pub(crate) fn get_or_insert(&self, sources: &[u8], invert: impl FnOnce() -> Matrix) -> Arc<Matrix> {
        if let Some(inverse) = self.state.lock().find(sources) {
            return inverse;
        }
        let inverse = Arc::new(invert());
        self.state.lock().insert(sources.to_vec(), Arc::clone(&inverse), self.count_max);
        inverse
    }
}

impl State {
    fn find(&mut self, sources: &[u8]) -> Option<Arc<Matrix>> {
        self.now += 1;
        let entry = self.entries.get_mut(sources)?;
        entry.used_at = self.now;
        Some(Arc::clone(&entry.inverse))
    }

    fn insert(&mut self, sources: Vec<u8>, inverse: Arc<Matrix>, count_max: usize) {
        if self.entries.len() == count_max {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used_at).map(|(sources, _)| sources.clone());
            oldest.map(|sources| self.entries.remove(&sources));
        }
        self.entries.insert(sources, Entry { used_at: self.now, inverse });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(cell: u8) -> Matrix {
        Matrix::from_fn(1, 1, |_, _| cell)
    }

    #[test]
    fn the_least_recently_used_matrix_makes_room() {
        let cache = InverseCache { count_max: 2, state: Mutex::default() };
        for sources in [1, 2, 1, 3] {
            cache.get_or_insert(&[sources], || matrix(sources));
        }
        assert_eq!(*cache.get_or_insert(&[1], || matrix(99)), matrix(1), "used again, so kept");
        assert_eq!(*cache.get_or_insert(&[2], || matrix(99)), matrix(99), "made room for 3");
        assert_eq!(cache.state.lock().entries.len(), 2);
    }
}
