//! [`Transaction`]: one change of identities, however many documents it touches.

use std::collections::BTreeMap;

use meta::command::{DocumentState, SetDocument, SetDocuments};
use meta::{View, query};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::name::Listing;
use crate::record::{self, Record, STAMP};

/// Most documents that are read at once.
const BATCH: usize = 256;

/// Documents as they are in one state of the metadata, and what is to become of them.
///
/// The change is proposed on condition that no identity was changed meanwhile, so what a transaction has read is true
/// when it takes effect.
pub(crate) struct Transaction<'a> {
    view: &'a dyn View,
    changes: BTreeMap<String, Option<Vec<u8>>>,
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// Where the next one starts, if there is one.
    pub marker: Option<String>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, each: impl FnMut(T) -> U) -> Page<U> {
        Page { entries: self.entries.into_iter().map(each).collect(), marker: self.marker }
    }

    /// The part of `all` that `listing` wants; each entry comes with what the next page's marker would say.
    pub(crate) fn of(all: impl IntoIterator<Item = (String, T)>, listing: &Listing) -> Self {
        let after = listing.marker.as_deref().unwrap_or_default();
        let mut rest = all.into_iter().filter(|(name, _)| listing.marker.is_none() || after < name.as_str());
        let mut page = Self { entries: Vec::new(), marker: None };
        let mut last = None;
        for (name, entry) in rest.by_ref().take(listing.limit) {
            page.entries.push(entry);
            last = Some(name);
        }
        page.marker = last.filter(|_| rest.next().is_some());
        page
    }
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(view: &'a dyn View) -> Self {
        Self { view, changes: BTreeMap::new() }
    }

    /// The document `name`, as it will be.
    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        match self.changes.get(name) {
            Some(change) => change.as_deref().map(|bytes| record::decode(name, bytes)).transpose(),
            None => {
                let found = query::document(self.view, name)?;
                found.map(|document| record::decode(name, &document.value)).transpose()
            }
        }
    }

    /// Sets the document `name`.
    pub(crate) fn write(&mut self, name: String, record: &impl Serialize) {
        self.changes.insert(name, Some(record::encode(record)));
    }

    /// Removes the document `name`.
    pub(crate) fn erase(&mut self, name: String) {
        self.changes.insert(name, None);
    }

    /// The record `name` of an account.
    pub(crate) fn find<R: Record>(&self, account: &str, name: &str) -> Result<Option<R>> {
        self.read(&record::document_name::<R>(account, name))
    }

    /// Sets the record `name` of an account.
    pub(crate) fn put<R: Record>(&mut self, account: &str, name: &str, record: &R) {
        self.write(record::document_name::<R>(account, name), record);
    }

    /// Removes the record `name` of an account.
    pub(crate) fn remove<R: Record>(&mut self, account: &str, name: &str) {
        self.erase(record::document_name::<R>(account, name));
    }

    /// All documents whose names start with `prefix` and come after `after`, as `each` takes them until it has enough;
    /// changes of this transaction are not seen.
    pub(crate) fn scan<T: DeserializeOwned>(
        &self,
        prefix: &str,
        after: Option<&str>,
        mut each: impl FnMut(&str, T) -> bool,
    ) -> Result<()> {
        let mut after = after.map(|after| format!("{prefix}{after}"));
        loop {
            let batch = query::documents(self.view, prefix, after.as_deref(), BATCH)?;
            for (name, document) in &batch {
                if !each(&name[prefix.len()..], record::decode(name, &document.value)?) {
                    return Ok(());
                }
            }
            match batch.last() {
                Some((last, _)) if batch.len() == BATCH => after = Some(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    /// How many records of this kind an account has.
    pub(crate) fn count<R: Record>(&self, account: &str) -> Result<usize> {
        let prefix = record::document_name::<R>(account, "");
        Ok(query::documents(self.view, &prefix, None, usize::MAX)?.len())
    }

    /// A page of the records of an account that `matches` accepts, by name.
    pub(crate) fn page<R: Record>(
        &self,
        account: &str,
        listing: &Listing,
        matches: impl Fn(&R) -> bool,
    ) -> Result<Page<R>> {
        let mut page = Page { entries: Vec::new(), marker: None };
        let mut last = String::new();
        self.scan(&record::document_name::<R>(account, ""), listing.marker.as_deref(), |name, record: R| {
            if !matches(&record) {
                return true;
            }
            if page.entries.len() == listing.limit {
                page.marker = Some(std::mem::take(&mut last));
                return false;
            }
            name.clone_into(&mut last);
            page.entries.push(record);
            true
        })?;
        Ok(page)
    }

    /// The version of the stamp.
    pub(crate) fn stamp(&self) -> Result<u64> {
        Ok(query::document(self.view, STAMP)?.map_or(0, |document| document.version))
    }

    /// What to propose; `None` when nothing changes.
    pub(crate) fn into_command(self) -> Result<Option<SetDocuments>> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let stamp = self.stamp()?;
        let expected = if stamp == 0 { DocumentState::Absent } else { DocumentState::Version(stamp) };
        let stamp = SetDocument { name: STAMP.to_owned(), expected, value: Some(Vec::new()) };
        let others = self.changes.into_iter();
        let others = others.map(|(name, value)| SetDocument { name, expected: DocumentState::Any, value });
        Ok(Some(SetDocuments { documents: std::iter::once(stamp).chain(others).collect() }))
    }
}

/// Refuses one more of something than there may be.
///
/// # Errors
///
/// [`Error::LimitExceeded`].
pub(crate) fn check_room(count: usize, limit: usize, what: &'static str) -> Result<()> {
    if count < limit { Ok(()) } else { Err(Error::LimitExceeded { what, limit }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let all = || ["a", "b", "c"].map(|name| (name.to_owned(), name));
        let mut listing = Listing { limit: 2, ..Listing::default() };
        let first = Page::of(all(), &listing);
        assert_eq!((first.entries, first.marker.as_deref()), (vec!["a", "b"], Some("b")));
        listing.marker = Some("b".to_owned());
        let second = Page::of(all(), &listing);
        assert_eq!((second.entries, second.marker), (vec!["c"], None));
    }
}
