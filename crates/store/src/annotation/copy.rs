//! Copying the annotations of an object along with it.

use std::collections::BTreeMap;

use encryption::Protection;
use meta::command::NewAnnotation;
use meta::query::{self, Annotations};
use meta::record::ObjectRecord;

use super::{AnnotationTarget, NOT_WITH_CUSTOMER_KEYS, StoredAnnotation};
use crate::active::ActiveWrite;
use crate::bucket::Bucket;
use crate::checksum::ChecksumRequest;
use crate::copy::{CopySource, SourceBody};
use crate::error::{Error, Result};
use crate::object::{Object, find_without_body};
use crate::put::ExpectedBody;
use crate::retarget::WrittenRows;
use crate::store::Store;

/// Bytes of annotations that one copy commits inside of the metadata; others become stripes, however small they are. A
/// thousand small ones in one command would keep the log from everybody else.
const INLINE_TOTAL_MAX: u64 = 1 << 20;

/// Annotations that have been stored and that nothing names yet. Unless they are taken, their shards are deleted.
pub(crate) struct StoredAnnotations<'a> {
    store: &'a Store,
    stored: BTreeMap<String, StoredAnnotation>,
}

impl<'a> StoredAnnotations<'a> {
    /// No annotation.
    pub(crate) fn none(store: &'a Store) -> Self {
        Self { store, stored: BTreeMap::new() }
    }

    /// Their writes and what to commit of them. Adds the rows that they were written by.
    pub(crate) fn take(mut self, rows: &mut WrittenRows) -> (Vec<ActiveWrite>, BTreeMap<String, NewAnnotation>) {
        let (mut writes, mut annotations) = (Vec::new(), BTreeMap::new());
        for (name, stored) in std::mem::take(&mut self.stored) {
            rows.extend(stored.rows);
            writes.push(stored.write);
            annotations.insert(name, stored.annotation);
        }
        (writes, annotations)
    }
}

impl Drop for StoredAnnotations<'_> {
    fn drop(&mut self) {
        for stored in self.stored.values().filter(|stored| !stored.rows.is_empty()) {
            self.store.discard(stored.write.write_id());
        }
    }
}

impl Store {
    /// Stores copies of the annotations that `source` has at one moment, at which it is still `object`; for an object of
    /// `bucket`, encrypted as `protection` says.
    pub(crate) async fn copy_annotations(
        &self,
        source: &CopySource,
        object: &Object,
        bucket: &Bucket,
        protection: Option<&Protection>,
    ) -> Result<StoredAnnotations<'_>> {
        let mut copies = StoredAnnotations::none(self);
        let mut inline_left = INLINE_TOTAL_MAX;
        for (name, record) in self.annotations_of(source, object).await? {
            if matches!(protection, Some(Protection::Customer(_))) {
                return Err(Error::InvalidRequest(NOT_WITH_CUSTOMER_KEYS));
            }
            let left = inline_left.checked_sub(record.size);
            inline_left = left.unwrap_or(inline_left);
            let inline_size_max = left.map_or(0, |_| self.config().inline_size_max);
            let version = object.version.or(source.version);
            let target = AnnotationTarget { key: source.key.clone(), version, name };
            let stored = self.copy_annotation(&source.bucket, &target, &record, (bucket, protection), inline_size_max);
            let stored = stored.await?;
            copies.stored.insert(target.name, stored);
        }
        Ok(copies)
    }

    /// The annotations of a source that is still `object`.
    async fn annotations_of(&self, source: &CopySource, object: &Object) -> Result<Vec<(String, ObjectRecord)>> {
        let (bucket, key, version) = (source.bucket.id, source.key.clone(), object.version.or(source.version));
        let modified = object.modified;
        let found = self.query(move |view| {
            let found = match find_without_body(view, bucket, &key, version)? {
                // Versions of one key are at least a millisecond apart.
                Ok(found) if found.record.modified.millis() == modified => found,
                _ => return Ok(Err(Error::ConcurrentChange)),
            };
            if found.record.annotations == 0 {
                return Ok(Ok(Vec::new()));
            }
            let version = found.record.version.into();
            let all = Annotations { key: &key, version, prefix: "", after: None, limit: usize::MAX };
            query::list_annotations(view, bucket, &all).map(Ok)
        });
        found.await?
    }

    /// Copies the annotation that was `listed`.
    async fn copy_annotation(
        &self,
        from: &Bucket,
        target: &AnnotationTarget,
        listed: &ObjectRecord,
        (bucket, protection): (&Bucket, Option<&Protection>),
        inline_size_max: usize,
    ) -> Result<StoredAnnotation> {
        let reading = self.begin_read();
        let (_, record) = match self.find_annotation(from, target).await {
            Ok(found) if found.1.modified == listed.modified => found,
            Ok(_)
            | Err(Error::NoSuchAnnotation | Error::NoSuchKey | Error::NoSuchVersion(_) | Error::KeyDeleted(_)) => {
                return Err(Error::ConcurrentChange);
            }
            Err(error) => return Err(error),
        };
        let (bytes, _) = self.open_annotation(from, &record, reading).await?;
        let seal = self.new_seal(protection, bucket.id).await?;
        let checksum = record.checksum.clone().map_or(ChecksumRequest::default(), ChecksumRequest::Expect);
        let expected = ExpectedBody { size: Some(record.size), md5: None, checksum };
        let (body, failure) = SourceBody::new(bytes);
        let stored = self.store_annotation(seal.as_ref(), &expected, inline_size_max, Box::new(body)).await;
        stored.map_err(|error| failure.lock().take().unwrap_or(error))
    }
}
