//! Shards that lie on disks in place of others: the placement table knows nothing of them, the manifests do.

use std::collections::BTreeSet;

use meta::{View, query};
use placement::DiskId;

use crate::error::Result;

/// Manifests read at a time.
const PAGE_SIZE: usize = 1024;

/// How many shards the manifests expect on `disks` in place of others. Walks over all manifests: blocks, and not briefly.
///
/// # Errors
///
/// [`crate::Error::Meta`].
pub(crate) fn substitutes_on(view: &dyn View, disks: &BTreeSet<DiskId>) -> Result<usize> {
    let mut count = 0;
    let mut after = None;
    loop {
        let page = query::segments(view, after, PAGE_SIZE)?;
        let exceptions = page.iter().flat_map(|segment| segment.exceptions.values());
        let overrides = exceptions.flat_map(|exception| exception.overrides.values());
        count += overrides.filter(|disk| disks.contains(disk)).count();
        match page.last() {
            Some(last) if page.len() == PAGE_SIZE => after = Some(last.write_id),
            _ => return Ok(count),
        }
    }
}
