//! The side that lacks pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::rebuild::{LocalRecord, Rebuilt, rebuild};
use super::wire::{Kind, Message, Part, Wanted};
use crate::error::{Error, Result};
use crate::hash::Hash;
use crate::location::Location;
use crate::page::{Page, Place};
use crate::params::Schema;
use crate::path::Path;
use crate::root::RootRef;
use crate::store::{PageSink, PageStore};

/// Wants in one request.
const WANTS_MAX: usize = 256;
/// What these take where they are, together, in bytes; one want may take more.
const WANTED_BYTES_MAX: usize = 1 << 20;
/// Local records named for one page. The boundary rule makes longer pages, and longer local ranges, very rare.
const LOCAL_RECORDS_MAX: usize = 512;

/// A tree to arrive at, from one that is here.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// The tree that is here; the empty one if there is none.
    pub local: RootRef,
    /// The tree elsewhere.
    pub remote: RootRef,
}

/// Fetches trees: says what to ask for, takes the answers, writes the pages. Goes depth first, so that it holds some pages
/// a level and no more than that, however large the trees are.
pub struct Walk {
    schema: Arc<Schema>,
    pages: Arc<dyn PageStore>,
    goals: Vec<Goal>,
    /// What is to be asked for; the last one first.
    pending: Vec<Want>,
    /// What was asked for, in order, and not answered yet.
    asked: Vec<Asked>,
    /// Pages that wait for what they name.
    open: BTreeMap<u64, OpenPage>,
    next_id: u64,
    /// Roots that have arrived.
    roots: Vec<Option<RootRef>>,
    /// Inner pages that were written, with everything below them: another walk need not fetch them again.
    written: BTreeMap<Hash, Place>,
}

/// Who names what is wanted.
#[derive(Clone, Copy)]
enum Parent {
    /// The goal with this number.
    Goal(usize),
    /// An open page, by an entry of its trailer.
    Page { id: u64, entry: usize },
}

#[derive(Clone, Copy)]
struct Want {
    parent: Parent,
    kind: Kind,
    /// Of a page.
    level: u8,
    hash: Hash,
    location: Location,
    /// Whether the whole page is to be sent.
    is_whole: bool,
}

/// A want and what is here at its place.
struct Asked {
    want: Want,
    low: Option<Vec<u8>>,
    local: Vec<LocalRecord>,
}

struct OpenPage {
    page: Page,
    parent: Parent,
    goal: usize,
    /// The key before the first that may be in the page.
    low: Option<Vec<u8>>,
    /// Of what the trailer names; the sender's until it has arrived.
    places: Vec<Place>,
    missing: usize,
}

impl Walk {
    /// A walk to `goals` with the local pages in `pages`. They must stay, and what the walk writes, until its roots are
    /// not needed any more.
    ///
    /// # Errors
    ///
    /// [`ParamsDiffer`](Error::ParamsDiffer) unless all trees were made under `schema`.
    pub fn new(schema: Arc<Schema>, pages: Arc<dyn PageStore>, goals: Vec<Goal>) -> Result<Self> {
        let params = schema.params_hash();
        if goals.iter().any(|goal| goal.local.params_hash != params || goal.remote.params_hash != params) {
            return Err(Error::ParamsDiffer);
        }
        let (roots, pending) = (vec![None; goals.len()], Vec::new());
        let (asked, open, written) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut walk = Walk { schema, pages, goals, pending, asked, open, next_id: 0, roots, written };
        walk.begin();
        Ok(walk)
    }

    /// Goes to other goals, of the same local trees. What was fetched for the former ones and is wanted again is not
    /// fetched again.
    ///
    /// # Errors
    ///
    /// As [`Walk::new`].
    pub fn redirect(self, goals: Vec<Goal>) -> Result<Self> {
        let mut walk = Walk::new(self.schema, self.pages, goals)?;
        walk.written = self.written;
        walk.pending.clear();
        walk.begin();
        Ok(walk)
    }

    fn begin(&mut self) {
        for number in (0..self.goals.len()).rev() {
            let Goal { local, remote } = self.goals[number];
            let RootRef { hash, location, level, .. } = remote;
            self.roots[number] = match self.written.get(&hash) {
                _ if hash == local.hash => Some(local),
                _ if remote.is_empty() => Some(remote),
                Some(Place { location, spills }) => Some(RootRef { location: *location, spills: *spills, ..remote }),
                None => None,
            };
            if self.roots[number].is_none() {
                let parent = Parent::Goal(number);
                self.pending.push(Want { parent, kind: Kind::Page, level, hash, location, is_whole: false });
            }
        }
    }

    /// The next request; `None` once everything has arrived. Asks again what was asked for and not answered. Reads local
    /// pages.
    pub fn request(&mut self) -> Option<Vec<u8>> {
        if self.asked.is_empty() {
            self.asked = self.next_batch();
        }
        let mut request = Vec::new();
        for Asked { want, local, .. } in &self.asked {
            let have = local.iter().map(LocalRecord::fingerprint).collect();
            Wanted { kind: want.kind, hash: want.hash, location: want.location, have }.encode(&mut request);
        }
        (!self.asked.is_empty()).then_some(request)
    }

    fn next_batch(&mut self) -> Vec<Asked> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < WANTS_MAX {
            let Some(want) = self.pending.last().copied() else { break };
            bytes += want.location.length as usize;
            if !batch.is_empty() && WANTED_BYTES_MAX < bytes {
                break;
            }
            self.pending.pop();
            let (goal, low, high) = self.bounds(want.parent);
            let mut local = Vec::new();
            if want.kind == Kind::Page && !want.is_whole {
                let root = self.goals[goal].local;
                // Local pages that cannot be read are fetched like those that are not there.
                let _ = gather(&self.pages, &root, want.level, (low.as_deref(), high.as_deref()), &mut local);
            }
            batch.push(Asked { want, low, local });
        }
        batch
    }

    /// The goal, the key before, and the last key of what `parent` names.
    fn bounds(&self, parent: Parent) -> (usize, Option<Vec<u8>>, Option<Vec<u8>>) {
        match parent {
            Parent::Goal(goal) => (goal, None, None),
            Parent::Page { id, entry } => {
                let OpenPage { page, goal, low, .. } = &self.open[&id];
                if page.level() == 0 {
                    return (*goal, None, None);
                }
                let low = entry.checked_sub(1).map(|before| page.key(before)).or_else(|| low.clone());
                (*goal, low, Some(page.key(entry)))
            }
        }
    }

    /// Takes the answer to the last request, and writes what is complete now.
    ///
    /// # Errors
    ///
    /// [`Gone`](Error::Gone) when the other side has some page no more, [`Malformed`](Error::Malformed) when it does not
    /// send what was asked for, and what the sink reports. After an error of the sink the walk must be dropped; otherwise
    /// it may go on, with the same source or another.
    pub fn take(&mut self, answer: Bytes, sink: &mut dyn PageSink) -> Result<()> {
        let mut answer = Message::new(answer);
        if answer.is_empty() && !self.asked.is_empty() {
            return Err(Error::Malformed { what: "message about pages", reason: "it answers nothing" });
        }
        let mut parts = Vec::new();
        while !answer.is_empty() && parts.len() < self.asked.len() {
            parts.push(answer.part()?);
        }
        if parts.contains(&Part::Gone) {
            return Err(Error::Gone);
        }
        let mut asked = std::mem::take(&mut self.asked);
        let unanswered = asked.split_off(parts.len());
        let mut outcome = Ok(());
        for (asked, part) in asked.into_iter().zip(parts) {
            let want = asked.want;
            if outcome.is_ok() {
                outcome = self.take_part(asked, part, sink);
            }
            if outcome.is_err() {
                self.pending.push(want);
            }
        }
        self.pending.extend(unanswered.into_iter().rev().map(|asked| asked.want));
        outcome
    }

    fn take_part(&mut self, asked: Asked, part: Part, sink: &mut dyn PageSink) -> Result<()> {
        let wrong = |reason| Error::Malformed { what: "page", reason };
        let Asked { want, low, local } = asked;
        match (want.kind, part) {
            (Kind::Blob, Part::Blob(value)) => {
                if Hash::of_blob(&value) != want.hash {
                    return Err(wrong("a value with another hash was sent"));
                }
                let location = sink.put_blob(&want.hash, &value)?;
                self.settle(want.parent, Place { location, spills: false }, sink)
            }
            (Kind::Blob, _) => Err(wrong("no value was sent for a value")),
            (Kind::Page, part) => {
                let is_whole = matches!(part, Part::Page(_));
                match rebuild(want.hash, part, &local)? {
                    Some(rebuilt) if rebuilt.page.level() == want.level => self.enter(want, low, rebuilt, sink),
                    Some(_) => Err(wrong("its parent is not one level above")),
                    None if is_whole => Err(wrong("a page with another hash was sent")),
                    None => {
                        self.pending.push(Want { is_whole: true, ..want });
                        Ok(())
                    }
                }
            }
        }
    }

    /// Wants what a page names that has arrived.
    fn enter(&mut self, want: Want, low: Option<Vec<u8>>, rebuilt: Rebuilt, sink: &mut dyn PageSink) -> Result<()> {
        let Rebuilt { page, known } = rebuilt;
        let (goal, ..) = self.bounds(want.parent);
        let id = self.next_id;
        self.next_id += 1;
        let mut wants = Vec::new();
        let mut places = Vec::with_capacity(known.len());
        let named = (0..page.count()).filter_map(|index| Some((index, page.place(index)?)));
        for (entry, ((index, theirs), known)) in named.zip(known).enumerate() {
            let hash = page.named_hash(index);
            let ours = known.or_else(|| self.written.get(&hash).copied());
            places.push(ours.unwrap_or(theirs));
            if ours.is_none() {
                let (kind, level) = match page.level() {
                    0 => (Kind::Blob, 0),
                    level => (Kind::Page, level - 1),
                };
                let parent = Parent::Page { id, entry };
                wants.push(Want { parent, kind, level, hash, location: theirs.location, is_whole: false });
            }
        }
        let missing = wants.len();
        let open = OpenPage { page, parent: want.parent, goal, low, places, missing };
        if missing == 0 {
            return self.close(open, sink);
        }
        self.open.insert(id, open);
        self.pending.extend(wants.into_iter().rev());
        Ok(())
    }

    /// Writes a page that has everything it names, and settles that in its parent.
    fn close(&mut self, open: OpenPage, sink: &mut dyn PageSink) -> Result<()> {
        let OpenPage { page, parent, places, .. } = open;
        let page = page.relocated(&places).unwrap_or(page);
        let place = Place { location: sink.put_page(&page)?, spills: page.spills() };
        if 0 < page.level() {
            self.written.insert(*page.hash(), place);
        }
        self.settle(parent, place, sink)
    }

    /// What `parent` names has arrived, at `place`. Recurses once a level.
    fn settle(&mut self, parent: Parent, place: Place, sink: &mut dyn PageSink) -> Result<()> {
        match parent {
            Parent::Goal(goal) => {
                let Place { location, spills } = place;
                self.roots[goal] = Some(RootRef { location, spills, ..self.goals[goal].remote });
                Ok(())
            }
            Parent::Page { id, entry } => {
                let open = self.open.get_mut(&id).expect("a page stays open until all it names has arrived");
                open.places[entry] = place;
                open.missing -= 1;
                if 0 < open.missing {
                    return Ok(());
                }
                let open = self.open.remove(&id).expect("seen a moment ago");
                self.close(open, sink)
            }
        }
    }

    /// The roots of the goals, with the places of their pages here; `None` while something is missing. They are of use
    /// once the sink is sealed.
    pub fn roots(&self) -> Option<Vec<RootRef>> {
        self.roots.iter().copied().collect()
    }
}

/// Collects the records of `level` behind `low` up to `high`.
fn gather(
    pages: &Arc<dyn PageStore>,
    root: &RootRef,
    level: u8,
    (low, high): (Option<&[u8]>, Option<&[u8]>),
    found: &mut Vec<LocalRecord>,
) -> Result<()> {
    if root.is_empty() || root.level < level {
        return Ok(());
    }
    let mut path = Path::new(Arc::clone(pages), root, level)?;
    match low {
        Some(low) => path.seek(low)?,
        None => path.seek_first()?,
    }
    loop {
        let page = Arc::clone(path.page());
        let first = low.map_or(0, |low| {
            let (index, is_there) = page.search(low);
            index + usize::from(is_there)
        });
        for index in first..page.count() {
            let is_behind = high.is_some_and(|high| high < page.key(index).as_slice());
            if is_behind || found.len() == LOCAL_RECORDS_MAX {
                return Ok(());
            }
            found.push(LocalRecord { page: Arc::clone(&page), index });
        }
        if !path.advance()? {
            return Ok(());
        }
    }
}
