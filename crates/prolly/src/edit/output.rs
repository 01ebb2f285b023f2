//! Where new pages go, and what is counted on the way.

use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::Location;
use crate::page::{INLINE_LENGTH_MAX, Link, Page, Place, encode_spilled};
use crate::params::Schema;
use crate::root::RootRef;
use crate::store::{PageSink, Written};
use crate::summary::Summary;
use crate::tree::Tree;

/// A page as its parent will name it.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) last_key: Vec<u8>,
    pub(super) link: Link,
    pub(super) summary: Summary,
}

/// A value ready to be put into a leaf.
pub(super) struct Placed {
    pub(super) payload: Vec<u8>,
    pub(super) place: Place,
}

/// A sink with its counters.
pub(super) struct Output<'a> {
    pub(super) schema: &'a Schema,
    sink: &'a mut dyn PageSink,
    pub(super) written: Written,
    /// Memory of the page put last.
    buffer: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(super) fn new(schema: &'a Schema, sink: &'a mut dyn PageSink) -> Self {
        Output { schema, sink, written: Written::default(), buffer: Vec::new() }
    }

    pub(super) fn put_page(&mut self, page: Page) -> Result<Link> {
        self.written.pages += 1;
        self.written.page_bytes += page.with_trailer().len() as u64;
        let location = self.sink.put_page(&page)?;
        let link = Link { hash: *page.hash(), location, spills: page.spills() };
        self.buffer = page.into_buffer();
        Ok(link)
    }

    /// Memory for the next page.
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Canonical payload of a value too long for a leaf. The blob is written unless `existing`, the payload now stored
    /// under the key, says that it is there already; `None` then.
    pub(super) fn spill(&mut self, key: &[u8], value: &[u8], existing: Option<&[u8]>) -> Result<Option<Placed>> {
        assert!(INLINE_LENGTH_MAX < value.len(), "short values stay in the leaf");
        let hash = Hash::of_blob(value);
        let length = u32::try_from(value.len()).expect("checked against the longest value");
        let mut payload = Vec::with_capacity(Hash::SIZE + 4 + Summary::SIZE_MAX);
        encode_spilled(&hash, length, &self.schema.summarize(key, value), &mut payload);
        if existing == Some(&payload[..]) {
            return Ok(None);
        }
        self.written.blobs += 1;
        self.written.blob_bytes += value.len() as u64;
        let location = self.sink.put_blob(&hash, value)?;
        Ok(Some(Placed { payload, place: Place { location, spills: false } }))
    }

    /// The reference to a tree whose root page, at `level`, is `child`; to the empty tree if there is none.
    pub(super) fn root(&self, level: u8, child: Option<Child>) -> RootRef {
        let params_hash = self.schema.params_hash();
        child.map_or(RootRef::empty(params_hash), |child| {
            let Link { hash, location, spills } = child.link;
            RootRef { params_hash, level, hash, location, spills, summary: child.summary }
        })
    }
}

/// Refuses keys and values that no page or blob can hold.
pub(super) fn check_lengths(key: &[u8], value: Option<&[u8]>) -> Result<()> {
    if Tree::KEY_LENGTH_MAX < key.len() {
        return Err(Error::KeyTooLong { length: key.len(), limit: Tree::KEY_LENGTH_MAX });
    }
    match value {
        Some(value) if Tree::VALUE_LENGTH_MAX < value.len() => {
            Err(Error::ValueTooLong { length: value.len(), limit: Tree::VALUE_LENGTH_MAX })
        }
        _ => Ok(()),
    }
}

impl Child {
    /// Where the child lies, as its parent's trailer says it.
    pub(super) fn place(&self) -> Place {
        let location: Location = self.link.location;
        Place { location, spills: self.link.spills }
    }
}
