//! Rereading the packs, one at a time.

use std::ops::Bound;

use prolly::{PackId, SealedPack};

use super::layers::Layers;
use crate::error::Result;
use crate::mirror::Mirrors;

/// What rereading one pack in all its copies found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetaScrub {
    /// How many packs there are: a pass over all takes that many calls.
    pub pack_count: usize,
    /// Bytes read, all copies together.
    pub bytes: u64,
    /// Damaged pieces of copies. Each was healed if another copy was whole.
    pub damaged: u64,
    /// Pages and values of which no copy is whole.
    pub lost: u64,
}

/// Verifies the pack after `last`, from the first again behind the last one; its number and what was found. `None` when
/// there is nothing to verify, or a mirror is being filled and lacks packs for that reason.
pub(super) fn scrub_after(last: PackId, layers: &Layers, mirrors: &Mirrors) -> Result<Option<(PackId, MetaScrub)>> {
    let packs = layers.base.packs();
    let next = packs.range((Bound::Excluded(last), Bound::Unbounded)).next().or_else(|| packs.iter().next());
    let is_filling = mirrors.in_service().iter().any(|mirror| !mirror.has_packs());
    let (Some((id, pack)), false) = (next, is_filling) else { return Ok(None) };
    let sealed = SealedPack { id: *id, length: pack.length };
    let report = layers.base.ground().packs.scrub(&sealed)?;
    let lost = report.lost.len() as u64;
    let found = MetaScrub { pack_count: packs.len(), bytes: report.bytes, damaged: report.damaged, lost };
    if 0 < found.lost {
        tracing::error!(pack = %id, lost, "pages of the metadata are damaged in every copy");
    }
    Ok(Some((*id, found)))
}
