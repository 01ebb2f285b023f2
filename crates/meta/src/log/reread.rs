//! Rereading what the mirrors have, before anybody needs it.

use std::sync::Arc;

use env::UnixMillis;

use super::scan::SegmentName;
use super::shared::Shared;
use super::{MetaLog, recover};
use crate::error::{Error, Result};
use crate::mirror::Mirror;

impl MetaLog {
    /// Rereads what is durable in all copies, and rewrites the copies that are damaged; how many segments of mirrors were.
    /// Begins a segment, as the one that is written to cannot be judged; rereads nothing where that would take a disk's
    /// last room.
    ///
    /// # Errors
    ///
    /// [`Error::LogHole`] when a record is damaged in every copy: the next start would find it, and refuse.
    /// [`Error::Unavailable`] once no mirror works.
    pub(crate) async fn reread(&self) -> Result<usize> {
        let is_tight = |mirror: &Arc<Mirror>| mirror.room() < 2 * self.config.segment_size;
        if self.shared.state.lock().stream.counted_mirrors().any(is_tight) {
            return Ok(0);
        }
        let began = self.shared.clock.now();
        let mut closed = Vec::new();
        let mut end = 0;
        self.change_and_wait(|state| {
            closed.clone_from(&state.tail.segments);
            end = state.tail.next;
            state.begin_segment(0);
        })
        .await?;
        let (mirrors, are_all, realm) = {
            let state = self.shared.state.lock();
            let mirrors = state.stream.mirrors_that_have(end);
            let are_all = mirrors.len() == state.stream.counted_mirrors().count();
            (mirrors, are_all, state.tail.realm)
        };
        let ends: Vec<u64> = closed.iter().skip(1).map(|segment| segment.first).chain([end]).collect();
        let mut damaged = 0;
        for (segment, end) in closed.into_iter().zip(ends) {
            let (shared, mirrors) = (self.shared.clone(), mirrors.clone());
            damaged += self.env.blocking(move || reread_segment(&shared, segment, end, &mirrors, realm)).await?;
        }
        if are_all {
            self.shared.state.lock().reread = Some(began);
        }
        Ok(damaged)
    }

    /// When the last [`MetaLog::reread`] began after which every copy was whole.
    pub(crate) fn reread_at(&self) -> Option<UnixMillis> {
        self.shared.state.lock().reread
    }
}

fn reread_segment(
    shared: &Shared,
    segment: SegmentName,
    end: u64,
    mirrors: &[Arc<Mirror>],
    realm: u128,
) -> Result<usize> {
    let is_needed = || shared.state.lock().tail.segments.contains(&segment);
    if !is_needed() {
        return Ok(0);
    }
    match recover::reread(segment, end, mirrors, realm) {
        // Purged meanwhile.
        Err(Error::LogHole { .. }) if !is_needed() => Ok(0),
        result => result,
    }
}
