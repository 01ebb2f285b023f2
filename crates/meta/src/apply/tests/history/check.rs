//! Whether everything that can be asked is what the model says.

use std::collections::BTreeMap;

use super::super::lifecycle::check_index;
use super::super::model::{ModelBucket, ModelVersion, Stored};
use super::{History, KEYS, listed_version, stored};
use crate::keys;
use crate::query::{self, ListObjects, ListUploads, ListVersions, ObjectEntry, UploadEntry};
use crate::record::{Record, UploadId, UsageRecord, VersionLock, VersionName};
use crate::view::{BucketId, TreeId, View};

impl History {
    /// Listings, lookups, parts and usage say what the model says.
    pub(super) fn check(&self) {
        for (id, model) in self.buckets.iter().flatten() {
            self.check_objects(*id, model);
            self.check_versions(*id, model);
            self.check_uploads(*id, model);
            check_index(&self.fixture.view, *id);
            let usage = query::bucket_usage(&self.fixture.view, *id).unwrap();
            let (bytes, objects) = model.usage();
            let part_bytes = model.uploads.values().flat_map(|upload| upload.parts.values()).map(|part| part.size);
            assert_eq!((usage.bytes, usage.objects), (bytes, objects));
            let counted = self.fixture.view.get(TreeId::Internal, &keys::usage(*id)).unwrap();
            let counted = counted.map(|record| UsageRecord::decode(&record).unwrap());
            let counted = counted.map(|record| (record.bytes, record.objects));
            assert_eq!(counted, model.quota.map(|_| (bytes, objects)));
            assert_eq!(usage.other_bytes, part_bytes.sum::<u64>());
        }
    }

    /// The keys and their current versions.
    pub(super) fn check_objects(&self, id: BucketId, model: &ModelBucket) {
        let view = &self.fixture.view;
        let request = ListObjects { limit: usize::MAX, ..ListObjects::default() };
        let listed = query::list_objects(view, id, &request).unwrap().entries;
        let listed = listed.into_iter().map(|entry| match entry {
            ObjectEntry::Object { key, head } => (key, (head.etag, head.size)),
            ObjectEntry::CommonPrefix(_) => unreachable!("no delimiter"),
        });
        let current = model.keys.keys().filter_map(|key| Some((key.clone(), model.current(key)?)));
        let current = current.map(|(key, stored)| (key, (stored.etag.clone(), stored.size)));
        assert_eq!(listed.collect::<BTreeMap<_, _>>(), current.collect());
        for key in KEYS {
            let found = query::object(view, id, key).unwrap();
            assert_eq!(found.map(|object| stored(view, (id, key), object)), model.current(key).cloned());
            let hidden = query::hiding_marker(view, id, key).unwrap();
            let marker = model.newest(key).filter(|newest| newest.object.is_none());
            assert_eq!(hidden.map(|marker| marker.version.into()), marker.map(|newest| newest.name));
        }
    }

    /// All versions, listed in pages and one by one.
    pub(super) fn check_versions(&self, id: BucketId, model: &ModelBucket) {
        let view = &self.fixture.view;
        let limit = 1 + self.done.len() % 5;
        let mut listed = Vec::new();
        let mut next = Some((String::new(), None));
        while let Some((key_marker, version_marker)) = next {
            let request = ListVersions { key_marker: &key_marker, version_marker, limit, ..ListVersions::default() };
            let page = query::list_versions(view, id, &request).unwrap();
            assert!(page.entries.len() == limit || page.next.is_none());
            listed.extend(page.entries);
            next = page.next;
        }
        let listed: Vec<_> = listed.into_iter().map(listed_version).collect();
        let expected = model.versions().map(|(key, version)| {
            let is_latest = model.newest(key).is_some_and(|newest| newest.name == version.name);
            let object = version.object.as_ref().map(|object| (object.etag.clone(), object.size));
            (key.clone(), version.name, is_latest, object)
        });
        assert_eq!(listed, expected.collect::<Vec<_>>());

        let names = self.versions.iter().copied().map(VersionName::Id).chain([VersionName::Null]);
        for (name, key) in names.flat_map(|name| KEYS.map(|key| (name, key))) {
            let found = query::version(view, id, key, name).unwrap();
            assert!(found.as_ref().is_none_or(|found| found.name() == name));
            let found = found.map(|found| ModelVersion {
                name,
                object: found.object().map(|object| stored(view, (id, key), object)),
            });
            assert_eq!(found.as_ref(), model.version(key, name), "{name} of {key:?}");
        }
    }

    pub(super) fn check_uploads(&self, id: BucketId, model: &ModelBucket) {
        let view = &self.fixture.view;
        let request = ListUploads { limit: usize::MAX, ..ListUploads::default() };
        let listed = query::list_uploads(view, id, &request).unwrap().entries;
        let listed: BTreeMap<UploadId, String> = listed
            .into_iter()
            .map(|entry| match entry {
                UploadEntry::Upload { key, id, .. } => (id, key),
                UploadEntry::CommonPrefix(_) => unreachable!("no delimiter"),
            })
            .collect();
        let expected = model.uploads.iter().map(|(id, upload)| (*id, upload.key.clone()));
        assert_eq!(listed, expected.collect());
        for (upload_id, upload) in &model.uploads {
            let parts = query::parts(view, id, *upload_id).unwrap().into_iter();
            let parts = parts.map(|(number, part)| {
                let writes = vec![part.segment.write_id];
                let lock = VersionLock::default();
                let (etag, size, annotations) = (part.etag, part.segment.size, BTreeMap::new());
                (number, Stored { etag, size, body: None, writes, lock, annotations })
            });
            assert_eq!(parts.collect::<BTreeMap<_, _>>(), upload.parts);
        }
    }
}
