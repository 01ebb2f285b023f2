//! Ordered reading.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::Result;
use crate::page::{Page, spilled_length};
use crate::path::Path;
use crate::root::RootRef;
use crate::store::PageStore;
use crate::tree::load;

/// A place in a tree, between two records. Holds the pages from the root to its leaf, so nearby seeks are cheap.
pub struct Cursor {
    pages: Arc<dyn PageStore>,
    root: RootRef,
    /// `None` until the first move, and for the empty tree.
    path: Option<Path>,
    /// Record of the path's leaf that comes next.
    index: usize,
    key: Vec<u8>,
    /// Whether `key` begins with the prefix of the path's leaf.
    has_prefix: bool,
}

/// A record under a cursor.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The whole key.
    pub key: &'a [u8],
    pages: &'a dyn PageStore,
    leaf: &'a Page,
    index: usize,
    payload: &'a [u8],
    is_spilled: bool,
}

impl<'a> Record<'a> {
    /// Length of the value in bytes. Reads nothing.
    pub fn value_length(&self) -> usize {
        match self.is_spilled {
            false => self.payload.len(),
            true => spilled_length(self.payload),
        }
    }

    /// The value; reads a blob when it is spilled.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn value(&self) -> Result<Bytes> {
        load(self.pages, self.leaf, self.leaf.stored(self.index))
    }

    /// The value, unless it is spilled. Copies nothing.
    pub fn inline_value(&self) -> Option<&'a [u8]> {
        (!self.is_spilled).then_some(self.payload)
    }
}

impl Cursor {
    pub(crate) fn new(pages: Arc<dyn PageStore>, root: RootRef) -> Self {
        Cursor { pages, root, path: None, index: 0, key: Vec::new(), has_prefix: false }
    }

    /// Moves before the first record whose key is at least `key`, forwards or backwards.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn seek(&mut self, key: &[u8]) -> Result<()> {
        if self.root.is_empty() {
            return Ok(());
        }
        let path = match &mut self.path {
            Some(path) => path,
            None => self.path.insert(Path::new(Arc::clone(&self.pages), &self.root, 0)?),
        };
        path.seek(key)?;
        self.index = path.page().search(key).0;
        self.has_prefix = false;
        Ok(())
    }

    /// Moves before the first record whose key is above every key that starts with `prefix`.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    pub fn skip_prefix(&mut self, prefix: &[u8]) -> Result<()> {
        match prefix_end(prefix) {
            Some(end) => self.seek(&end),
            None => self.seek_end(),
        }
    }

    fn seek_end(&mut self) -> Result<()> {
        if self.root.is_empty() {
            return Ok(());
        }
        let mut path = Path::new(Arc::clone(&self.pages), &self.root, 0)?;
        path.seek_last()?;
        self.index = path.page().count();
        self.has_prefix = false;
        self.path = Some(path);
        Ok(())
    }

    /// Returns the next record and moves behind it; `None` at the end.
    ///
    /// # Errors
    ///
    /// What the page store reports.
    #[expect(clippy::should_implement_trait, reason = "the record borrows the cursor, which Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>> {
        if self.path.is_none() {
            self.seek(&[])?;
        }
        let Some(path) = &mut self.path else { return Ok(None) };
        if self.index == path.page().count() {
            if !path.advance()? {
                return Ok(None);
            }
            self.index = 0;
            self.has_prefix = false;
        }
        let leaf = &**path.page();
        if !self.has_prefix {
            leaf.start_key(&mut self.key);
            self.has_prefix = true;
        }
        let index = self.index;
        let (payload, is_spilled) = leaf.replace_key(index, &mut self.key);
        self.index += 1;
        Ok(Some(Record { key: &self.key, pages: &*self.pages, leaf, index, payload, is_spilled }))
    }
}

/// The lowest key above all that start with `prefix`; `None` when there is none.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}
