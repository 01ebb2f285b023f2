//! Finding what is live, and moving it out of sparse packs.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::hash::Hash;
use crate::location::{Location, PackId};
use crate::page::{Link, Place};
use crate::path::read_page;
use crate::root::RootRef;
use crate::store::{PageSink, PageStore};

/// What is reachable from a set of roots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// By pack; a pack that is not listed holds nothing live.
    pub packs: BTreeMap<PackId, LivePack>,
}

/// What is reachable in one pack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LivePack {
    /// Pages and blobs.
    pub frames: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// Counts what `roots` reach. Reads inner pages, and of the leaves only those with spilled values.
///
/// Takes 8 bytes of memory a live frame, and 12 an inner page.
///
/// # Errors
///
/// What the page store reports.
pub fn mark(pages: &dyn PageStore, roots: &[RootRef]) -> Result<Live> {
    let mut marking = Marking { pages, entered: BTreeSet::new(), frames: BTreeMap::new() };
    for root in roots.iter().filter(|root| !root.is_empty()) {
        marking.visit(root_link(root), root.level)?;
    }
    Ok(marking.count())
}

fn root_link(root: &RootRef) -> Link {
    Link { hash: root.hash, location: root.location, spills: root.spills }
}

struct Marking<'a> {
    pages: &'a dyn PageStore,
    /// Pages that were read: everything below them is marked.
    entered: BTreeSet<Location>,
    frames: BTreeMap<PackId, Frames>,
}

/// Live frames of one pack: offset and length, with duplicates behind the first `distinct`.
#[derive(Default)]
struct Frames {
    frames: Vec<(u32, u32)>,
    distinct: usize,
}

impl Frames {
    fn push(&mut self, location: Location) {
        self.frames.push((location.offset, location.length));
        // Sorting each time the list has doubled keeps it within twice what is live, at a constant cost an entry.
        if 1024 + 2 * self.distinct < self.frames.len() {
            self.deduplicate();
        }
    }

    fn deduplicate(&mut self) {
        self.frames.sort_unstable();
        self.frames.dedup();
        self.distinct = self.frames.len();
    }
}

impl Marking<'_> {
    fn visit(&mut self, link: Link, level: u8) -> Result<()> {
        let is_plain_leaf = level == 0 && !link.spills;
        if is_plain_leaf {
            self.add(link.location);
            return Ok(());
        }
        if !self.entered.insert(link.location) {
            return Ok(());
        }
        self.add(link.location);
        let page = read_page(self.pages, &link, level)?;
        for index in 0..page.count() {
            match level {
                0 => page.place(index).into_iter().for_each(|place| self.add(place.location)),
                _ => self.visit(page.child(index), level - 1)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, location: Location) {
        self.frames.entry(location.pack).or_default().push(location);
    }

    fn count(self) -> Live {
        let packs = self.frames.into_iter().map(|(pack, mut frames)| {
            frames.deduplicate();
            let bytes = frames.frames.iter().map(|&(_, length)| u64::from(length)).sum();
            (pack, LivePack { frames: frames.frames.len() as u64, bytes })
        });
        Live { packs: packs.collect() }
    }
}

/// Copies everything that `roots` reach in `victims` into `sink`, in key order, with the pages above that name it.
/// Returns the roots with their new locations; hashes do not change. The victims may be removed once the new roots
/// are durable and no reader of an older root is left.
///
/// # Errors
///
/// What store and sink report.
pub fn collect(
    pages: &dyn PageStore,
    roots: &[RootRef],
    victims: &BTreeSet<PackId>,
    sink: &mut dyn PageSink,
) -> Result<Vec<RootRef>> {
    let mut copying = Copying { pages, victims, sink, moved: BTreeMap::new() };
    let move_root = |root: &RootRef| match root.is_empty() {
        true => Ok(*root),
        false => Ok(RootRef { location: copying.copy(root_link(root), root.level)?, ..*root }),
    };
    roots.iter().map(move_root).collect()
}

struct Copying<'a> {
    pages: &'a dyn PageStore,
    victims: &'a BTreeSet<PackId>,
    sink: &'a mut dyn PageSink,
    /// New locations of what was looked at, whether it moved or not; shared parts are copied once.
    moved: BTreeMap<Location, Location>,
}

impl Copying<'_> {
    /// Moves what is below a page, and the page if it lies in a victim or names something that moved.
    fn copy(&mut self, link: Link, level: u8) -> Result<Location> {
        let is_victim = self.victims.contains(&link.location.pack);
        let is_plain_leaf = level == 0 && !link.spills;
        if is_plain_leaf && !is_victim {
            return Ok(link.location);
        }
        if let Some(location) = self.moved.get(&link.location) {
            return Ok(*location);
        }
        let page = read_page(self.pages, &link, level)?;
        let mut places = Vec::new();
        for index in 0..page.count() {
            let Some(Place { location, spills }) = page.place(index) else { continue };
            let location = match level {
                0 => self.copy_blob(&page.named_hash(index), location)?,
                _ => self.copy(page.child(index), level - 1)?,
            };
            places.push(Place { location, spills });
        }
        let location = match page.relocated(&places) {
            Some(page) => self.sink.put_page(&page)?,
            None if is_victim => self.sink.put_page(&page)?,
            None => link.location,
        };
        self.moved.insert(link.location, location);
        Ok(location)
    }

    fn copy_blob(&mut self, hash: &Hash, location: Location) -> Result<Location> {
        if !self.victims.contains(&location.pack) {
            return Ok(location);
        }
        if let Some(location) = self.moved.get(&location) {
            return Ok(*location);
        }
        let value = self.pages.blob(hash, location)?;
        let copy = self.sink.put_blob(hash, &value)?;
        self.moved.insert(location, copy);
        Ok(copy)
    }
}
