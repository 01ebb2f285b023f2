//! Rereads everything slowly and quarantines what no longer matches its checksum.

use std::io;
use std::sync::Arc;

use env::File;

use crate::batch::Job;
use crate::device::Device;
use crate::extent::{Access, Extent, RECORDS_START};
use crate::index::{Position, State};
use crate::queue::Queue;
use crate::read::reread_whole;
use crate::record::{Header, Kind};
use crate::report::{Damage, Finding, ScrubCursor, ScrubStep};
use crate::scan::{Item, Scanner};
use crate::{Error, Result};

/// Rereads about `budget` bytes of records from `cursor` on.
pub(crate) async fn scrub(device: &Device, writer: &Queue<Job>, cursor: ScrubCursor, budget: u64) -> Result<ScrubStep> {
    device.check()?;
    let mut step = ScrubStep { findings: Vec::new(), bytes: 0, next: None };
    if cursor == ScrubCursor::default() {
        step.findings.extend(restore_roots(device)?);
    }
    let mut cursor = cursor;
    while let Some(extent) = device.extents.at_or_after(cursor.extent) {
        let start = if extent.id == cursor.extent { cursor.offset.max(RECORDS_START) } else { RECORDS_START };
        let stopped_at = scrub_extent(device, writer, &extent, start, budget, &mut step).await?;
        if let Some(offset) = stopped_at {
            step.next = Some(ScrubCursor { extent: extent.id, offset });
            break;
        }
        let Some(next) = extent.id.checked_add(1) else { break };
        cursor = ScrubCursor { extent: next, offset: 0 };
    }
    device.counters.scrubbed_bytes.add(step.bytes);
    Ok(step)
}

/// Rereads the log of extents. An extent whose sealing is forgotten would be taken for torn where it is damaged.
fn restore_roots(device: &Device) -> Result<Vec<Finding>> {
    let mut roots = device.roots.lock();
    // Under the lock: what is created, sealed or retired meanwhile is told to the log first.
    let extents = device.extents.all();
    let restored = roots.restore(&*device.files, &extents).inspect_err(|_| device.counters.io_errors.add(1))?;
    drop(roots);
    device.counters.corrupt_blocks.add(restored.len() as u64);
    let finding = |extent| Finding { identity: None, extent, offset: 0, damage: Damage::Corrupt };
    Ok(restored.into_iter().map(finding).collect())
}

/// Rereads one extent from `start`; where it stopped, if the budget was used up before the end.
async fn scrub_extent(
    device: &Device,
    writer: &Queue<Job>,
    extent: &Extent,
    start: u64,
    budget: u64,
    step: &mut ScrubStep,
) -> Result<Option<u64>> {
    let file = match device.extents.file(extent.id, Access::Cached) {
        Ok(file) => file,
        Err(error) => return missing_extent(device, extent, &error, step),
    };
    // Read the medium, not the page cache.
    file.drop_cache();
    let mut scanner = Scanner::sealed(file.clone(), extent, start);
    loop {
        let before = scanner.position();
        if budget <= step.bytes && before < extent.end {
            return Ok(Some(before));
        }
        let unreadable = scanner.unreadable_bytes();
        let path = || device.extents.path(extent.id);
        let Some(item) = scanner.next().map_err(|error| device.io_error("read", path(), error))? else {
            return Ok(None);
        };
        step.bytes += scanner.position() - before;
        let damage = if unreadable < scanner.unreadable_bytes() { Damage::Unreadable } else { Damage::Corrupt };
        match item {
            Item::Record(header) => {
                if let Some(damage) = scrub_record(device, &file, extent, &header)? {
                    device.seal_damaged(writer, extent).await?;
                    step.findings.extend(lose_record(device, extent, &header, damage));
                }
            }
            Item::Damage { range, .. } => {
                device.seal_damaged(writer, extent).await?;
                step.findings.extend(device.quarantine_range(extent.id, &range, damage));
                device.rebury(writer, extent.id, &range).await?;
            }
        }
    }
}

/// Rereads a record if it is the one that holds for its shard; in an open extent, any. What is known to be damaged needs
/// no second look.
fn scrub_record(device: &Device, file: &Arc<dyn File>, extent: &Extent, header: &Header) -> Result<Option<Damage>> {
    let position = Position { extent: extent.id, offset: header.place.offset };
    let entry = device.index.get(&header.identity);
    let holds = entry.is_some_and(|entry| entry.position == position && entry.state == State::Live);
    let matters = holds || (!extent.is_sealed && header.kind == Kind::Shard);
    if !matters {
        return Ok(None);
    }
    match reread_whole(&**file, header) {
        Ok(Some(_)) => Ok(None),
        Ok(None) => Ok(Some(Damage::Corrupt)),
        Err(error) => {
            device.counters.io_errors.add(1);
            tracing::warn!(shard = %header.identity, %error, "cannot read a shard");
            device.check()?;
            Ok(Some(Damage::Unreadable))
        }
    }
}

/// Quarantines the shard of a damaged record, unless another record holds for it.
fn lose_record(device: &Device, extent: &Extent, header: &Header, damage: Damage) -> Option<Finding> {
    let position = Position { extent: extent.id, offset: header.place.offset };
    let is_new = device.quarantine(&header.identity, position);
    is_new.then_some(Finding { identity: Some(header.identity), extent: extent.id, offset: position.offset, damage })
}

/// An extent without its file: either compaction was quicker, or it is lost.
fn missing_extent(device: &Device, extent: &Extent, error: &io::Error, step: &mut ScrubStep) -> Result<Option<u64>> {
    device.check()?;
    if device.extents.get(extent.id).is_none() {
        return Ok(None);
    }
    let path = device.extents.path(extent.id);
    if error.kind() != io::ErrorKind::NotFound {
        return Err(Error::io("open", path, io::Error::from(error.kind())));
    }
    tracing::error!(extent = %path.display(), "an extent is missing");
    step.findings.extend(device.quarantine_range(extent.id, &(0..u64::MAX), Damage::ExtentMissing));
    Ok(None)
}
