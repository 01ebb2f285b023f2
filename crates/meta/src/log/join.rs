//! Giving the log to a mirror that comes in place of another.

use std::sync::Arc;

use super::MetaLog;
use super::scan::SegmentName;
use super::shared::Shared;
use super::stream::{Finished, MemberId};
use crate::error::{Error, Result};
use crate::mirror::Mirror;

impl MetaLog {
    /// Gives a prepared, empty mirror everything the log holds and lets it take part.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the mirror cannot be written, [`Error::Unavailable`] when no other mirror works.
    pub(crate) async fn join(&self, mirror: &Arc<Mirror>) -> Result<()> {
        let (id, older, sources) = self.begin_joining(mirror);
        // Once the new segment is acknowledged, the sources hold the older ones to their ends.
        let joined = match self.change_and_wait(|_| {}).await {
            Ok(()) => self.copy_segments(older, sources, mirror).await,
            Err(error) => Err(error),
        };
        let mut state = self.shared.state.lock();
        let finished: Option<Finished> = match &joined {
            Ok(()) => {
                state.stream.count(id);
                None
            }
            Err(_) => Some(state.stream.remove(id)),
        };
        drop(state);
        if let Some(finished) = finished {
            finished.announce();
        }
        joined
    }

    /// Gives `mirror` the stream from a new segment on; its place, the segments before, and who has them.
    fn begin_joining(&self, mirror: &Arc<Mirror>) -> (MemberId, Vec<SegmentName>, Vec<Arc<Mirror>>) {
        let mut state = self.shared.state.lock();
        let finished = state.stream.remove_retired();
        let older = state.tail.segments.clone();
        let sources: Vec<Arc<Mirror>> = state.stream.counted_mirrors().cloned().collect();
        let id = state.stream.add_joining(mirror.clone());
        // In one step with joining: the first thing the mirror is given must be the beginning of a segment.
        state.begin_segment(0);
        drop(state);
        finished.announce();
        self.start_writer(mirror.clone(), id);
        (id, older, sources)
    }

    async fn copy_segments(
        &self,
        segments: Vec<SegmentName>,
        sources: Vec<Arc<Mirror>>,
        target: &Arc<Mirror>,
    ) -> Result<()> {
        for segment in segments {
            let (shared, sources, target) = (self.shared.clone(), sources.clone(), target.clone());
            self.env.blocking(move || copy_segment(&shared, segment, &sources, &target)).await?;
        }
        Ok(())
    }
}

fn copy_segment(shared: &Shared, segment: SegmentName, sources: &[Arc<Mirror>], target: &Mirror) -> Result<()> {
    let bytes =
        sources.iter().find_map(|source| source.read_whole(&segment.path(&source.log_directory())).ok().flatten());
    match bytes {
        Some(bytes) => target.replace(&segment.path(&target.log_directory()), &[&bytes]),
        None if shared.state.lock().tail.segments.contains(&segment) => Err(Error::Unavailable),
        // Purged meanwhile.
        None => Ok(()),
    }
}
