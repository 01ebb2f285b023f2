//! Checks everything against everything: every manifest against every shard, with its checksums, and back.
//!
//! Meant for a store that serves nobody meanwhile; on a busy one, objects that come and go are reported as problems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use disk::Disk;
use erasure::ShardIdentity;
use futures_util::{FutureExt, StreamExt, stream};
use meta::query::{self, Annotations, ListVersions, ListedVersion, VersionEntry};
use meta::record::{ObjectRecord, Segment, VersionName, VersionRecord, WriteId};
use meta::{BucketId, View};
use serde::Serialize;

use crate::census::SegmentWalk;
use crate::error::Result;
use crate::layout::Layout;
use crate::shards::{ShardFault, Stripe};
use crate::store::Store;

/// Problems listed one by one; further ones are only counted.
const PROBLEMS_MAX: usize = 10_000;

/// Versions, buckets and inventory entries looked at in one step.
const PAGE_SIZE: usize = 1000;

/// Stripes read at once.
const STRIPES_AT_ONCE: usize = 4;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FsckReport {
    /// Buckets.
    pub buckets: u64,
    /// Objects, each key once.
    pub objects: u64,
    /// Versions of objects that are not current.
    pub noncurrent_versions: u64,
    /// Delete markers.
    pub delete_markers: u64,
    /// Annotations of all versions.
    pub annotations: u64,
    /// Bytes of the objects and of their other versions, without annotations.
    pub object_bytes: u64,
    /// Manifests of objects and of parts.
    pub segments: u64,
    /// Stripes that the manifests name.
    pub stripes: u64,
    /// Shards that those stripes should have.
    pub shards: u64,
    /// Shards whose disk answers and lacks them.
    pub missing_shards: u64,
    /// Shards that do not match their checksums.
    pub corrupt_shards: u64,
    /// Shards whose disk does not answer.
    pub unreachable_shards: u64,
    /// Stripes that can lose no further shard, or only fewer than they should.
    pub degraded_stripes: u64,
    /// Stripes with too few shards to be read.
    pub unreadable_stripes: u64,
    /// Manifests that an object, an annotation or the index of writes tells differently.
    pub inconsistent_manifests: u64,
    /// Versions that are listed but not found by their name, or found differently, or with other annotations than they
    /// count.
    pub inconsistent_versions: u64,
    /// Shards on the disks that no manifest names; collection deletes them in time.
    pub orphaned_shards: u64,
    /// Shards on disks where no manifest expects them, left over from moves; collection deletes them in time.
    pub stray_shards: u64,
    /// The problems one by one, as far as there is room.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// A stripe lacks shards.
    Stripe {
        /// The write, in hexadecimal.
        write_id: String,
        /// Stripe number.
        stripe: u32,
        /// Indices of the shards that are missing.
        missing: Vec<u8>,
        /// Indices of the shards that do not match their checksums.
        corrupt: Vec<u8>,
        /// Indices of the shards whose disk does not answer.
        unreachable: Vec<u8>,
        /// Whether the stripe can still be read.
        readable: bool,
        /// The key of the object that it belongs to, when known.
        key: Option<String>,
    },
    /// The object and the index of writes do not tell the same manifest.
    Manifest {
        /// The write, in hexadecimal.
        write_id: String,
        /// The key of the object.
        key: String,
    },
    /// A version is not found by its name.
    Version {
        /// The key.
        key: String,
        /// The version, as requests name it.
        version: String,
    },
}

impl FsckReport {
    /// Whether everything is there and whole. Orphans do no harm.
    pub fn is_clean(&self) -> bool {
        self.missing_shards == 0
            && self.corrupt_shards == 0
            && self.unreachable_shards == 0
            && self.inconsistent_manifests == 0
            && self.inconsistent_versions == 0
    }

    fn add_problem(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

/// The shards of one stripe that cannot be read, by reason.
#[derive(Default)]
struct StripeFaults {
    missing: Vec<u8>,
    corrupt: Vec<u8>,
    unreachable: Vec<u8>,
}

impl Store {
    /// Reads and verifies every shard that a manifest names, and looks for shards that none names.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read.
    pub async fn fsck(&self) -> Result<FsckReport> {
        let mut report = FsckReport::default();
        self.check_objects(&mut report).await?;
        self.check_shards(&mut report).await?;
        for disk in self.disks() {
            self.check_inventory(&disk, &mut report).await?;
        }
        Ok(report)
    }

    /// Compares the manifests in the objects with those that the index of writes leads to.
    async fn check_objects(&self, report: &mut FsckReport) -> Result<()> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let page = self.query(move |view| query::list_buckets(view, "", &from, PAGE_SIZE)).await?;
            for bucket in &page.buckets {
                report.buckets += 1;
                self.check_bucket(bucket.id, report).await?;
            }
            match page.buckets.last() {
                Some(last) if page.truncated => after.clone_from(&last.record.name),
                _ => return Ok(()),
            }
        }
    }

    async fn check_bucket(&self, bucket: BucketId, report: &mut FsckReport) -> Result<()> {
        let mut after = Some((String::new(), None));
        while let Some(from) = after.take() {
            let (next, checks) = self.query(move |view| check_versions(view, bucket, &from)).await?;
            checks.into_iter().for_each(|check| check.count(report));
            after = next;
        }
        Ok(())
    }

    /// Reads every shard of every manifest.
    async fn check_shards(&self, report: &mut FsckReport) -> Result<()> {
        let mut walk = SegmentWalk::new(self);
        loop {
            let page = walk.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            for segment in page {
                report.segments += 1;
                self.check_segment(Arc::new(segment), report).await?;
            }
        }
    }

    async fn check_segment(&self, segment: Arc<Segment>, report: &mut FsckReport) -> Result<()> {
        let numbers = 0..segment.stripe_count();
        let checks: Vec<_> = numbers.map(|number| self.clone().read_shards(segment.clone(), number).boxed()).collect();
        let mut checks = stream::iter(checks).buffered(STRIPES_AT_ONCE);
        while let Some((number, faults)) = checks.next().await {
            report.stripes += 1;
            report.shards += segment.shard_count() as u64;
            let lost = faults.missing.len() + faults.corrupt.len() + faults.unreachable.len();
            if lost == 0 {
                continue;
            }
            report.missing_shards += faults.missing.len() as u64;
            report.corrupt_shards += faults.corrupt.len() as u64;
            report.unreachable_shards += faults.unreachable.len() as u64;
            let readable = lost <= usize::from(segment.parity);
            if readable {
                report.degraded_stripes += 1;
            } else {
                report.unreadable_stripes += 1;
            }
            let write_id = segment.write_id;
            let object = self.query(move |view| query::object_of(view, write_id)).await?;
            let problem = Problem::Stripe {
                write_id: hex(segment.write_id),
                stripe: number,
                missing: faults.missing,
                corrupt: faults.corrupt,
                unreachable: faults.unreachable,
                readable,
                key: object.map(|(_, key)| key),
            };
            report.add_problem(problem);
        }
        Ok(())
    }

    /// Reads all shards of one stripe.
    async fn read_shards(self, segment: Arc<Segment>, number: u32) -> (u32, StripeFaults) {
        let stripe = Stripe::of(&segment, number);
        let size = Layout::of(&segment).shard_size(number);
        let reads = stripe.indices().map(|index| {
            let (store, stripe) = (self.clone(), stripe.clone());
            async move { (index, store.shards().read(&stripe, index, 0..size).await.err()) }.boxed()
        });
        let mut reads = stream::iter(reads.collect::<Vec<_>>()).buffered(segment.shard_count());
        let mut faults = StripeFaults::default();
        while let Some((index, fault)) = reads.next().await {
            match fault {
                None => {}
                Some(ShardFault::Absent) => faults.missing.push(index),
                Some(ShardFault::Corrupt) => faults.corrupt.push(index),
                Some(ShardFault::Unreachable) => faults.unreachable.push(index),
            }
        }
        (number, faults)
    }

    /// Looks for shards of one disk that no manifest names, or that it expects elsewhere.
    async fn check_inventory(&self, disk: &Arc<Disk>, report: &mut FsckReport) -> Result<()> {
        let mut after = None;
        loop {
            let page: Vec<ShardIdentity> =
                disk.inventory(after, PAGE_SIZE).into_iter().map(|shard| shard.identity).collect();
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(*last);
            let writes: BTreeSet<u128> = page.iter().map(|shard| shard.write_id).collect();
            let segments = self
                .query(move |view| {
                    let mut segments = BTreeMap::new();
                    for write_id in writes {
                        if let Some(segment) = query::segment_of(view, WriteId(write_id))? {
                            segments.insert(write_id, segment);
                        }
                    }
                    Ok(segments)
                })
                .await?;
            let topology = self.cluster().topology();
            for shard in page {
                match segments.get(&shard.write_id).filter(|segment| shard.stripe < segment.stripe_count()) {
                    None => report.orphaned_shards += 1,
                    Some(segment) => {
                        let locations = Stripe::of(segment, shard.stripe).locations(topology.table(), shard.index);
                        let here = locations.iter().any(|location| location.0 == disk.identity().disk_id);
                        report.stray_shards += u64::from(!here);
                    }
                }
            }
        }
    }
}

/// What was found about one version.
struct VersionCheck {
    key: String,
    name: VersionName,
    listed: ListedVersion,
    is_latest: bool,
    annotations: u64,
    /// Whether the version is found by its name.
    is_found: bool,
    /// Writes whose manifest the index of writes tells differently.
    inconsistent: Vec<WriteId>,
}

impl VersionCheck {
    fn count(self, report: &mut FsckReport) {
        let Self { key, name, listed, is_latest, annotations, is_found, inconsistent } = self;
        report.annotations += annotations;
        match listed {
            ListedVersion::Marker { .. } => report.delete_markers += 1,
            ListedVersion::Object(head) => {
                report.object_bytes += head.size;
                *if is_latest { &mut report.objects } else { &mut report.noncurrent_versions } += 1;
            }
        }
        for write_id in inconsistent {
            report.inconsistent_manifests += 1;
            report.add_problem(Problem::Manifest { write_id: hex(write_id), key: key.clone() });
        }
        if !is_found {
            report.inconsistent_versions += 1;
            report.add_problem(Problem::Version { key, version: name.to_string() });
        }
    }
}

/// Key marker and version marker of a listing.
type Marker = (String, Option<VersionName>);

/// Checks a page of versions; returns where the next one begins.
fn check_versions(
    view: &dyn View,
    bucket: BucketId,
    (key_marker, version_marker): &Marker,
) -> meta::Result<(Option<Marker>, Vec<VersionCheck>)> {
    let (version_marker, limit) = (*version_marker, PAGE_SIZE);
    let request = ListVersions { key_marker, version_marker, limit, ..ListVersions::default() };
    let page = query::list_versions(view, bucket, &request)?;
    let mut checks = Vec::new();
    for entry in page.entries {
        let VersionEntry::Version { key, name, is_latest, version: listed } = entry else { continue };
        let found = query::version_without_body(view, bucket, &key, name)?;
        let is_found = match (&found, &listed) {
            (Some(VersionRecord::Object(object)), ListedVersion::Object(head)) => object.etag == head.etag,
            (Some(VersionRecord::Marker(marker)), ListedVersion::Marker { modified }) => marker.modified == *modified,
            _ => false,
        };
        let annotations = match &found {
            Some(VersionRecord::Object(_)) => annotations_of(view, bucket, (&key, name))?,
            Some(VersionRecord::Marker(_)) | None => Vec::new(),
        };
        let counted = match &found {
            Some(VersionRecord::Object(object)) => object.annotations,
            Some(VersionRecord::Marker(_)) | None => 0,
        };
        let is_found = is_found && counted == annotations.len() as u64;
        let of_annotations = annotations.iter().flat_map(|(_, annotation)| annotation.segments());
        let mut inconsistent = Vec::new();
        for segment in found.iter().flat_map(VersionRecord::segments).chain(of_annotations) {
            if query::segment_of(view, segment.write_id)?.as_ref() != Some(segment) {
                inconsistent.push(segment.write_id);
            }
        }
        let annotations = annotations.len() as u64;
        checks.push(VersionCheck { key, name, listed, is_latest, annotations, is_found, inconsistent });
    }
    Ok((page.next, checks))
}

/// The annotations of a version, also of one that counts none.
fn annotations_of(
    view: &dyn View,
    bucket: BucketId,
    (key, version): (&str, VersionName),
) -> meta::Result<Vec<(String, ObjectRecord)>> {
    query::list_annotations(view, bucket, &Annotations { key, version, prefix: "", after: None, limit: usize::MAX })
}

fn hex(write_id: WriteId) -> String {
    format!("{:032x}", write_id.0)
}
