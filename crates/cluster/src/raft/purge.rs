//! Lets go of log entries whose effects are durable in the trees.

use meta::Durable;
use openraft::Raft;
use openraft::error::Fatal;
use tokio::sync::watch;

use super::entry::Types;

/// Follows the engine's flushes until it closes or the consensus stops.
pub(crate) async fn run(mut durable: watch::Receiver<Durable>, raft: Raft<Types>) {
    loop {
        let now = *durable.borrow_and_update();
        if let Err(error) = purge(now, &raft).await {
            tracing::debug!(%error, "no more purging: the consensus has stopped");
            return;
        }
        if durable.changed().await.is_err() {
            return;
        }
    }
}

async fn purge(durable: Durable, raft: &Raft<Types>) -> Result<(), Fatal<u64>> {
    let Some(purgeable) = durable.purgeable else { return Ok(()) };
    // openraft purges only what a snapshot covers; ours is a reference to the newest durable root.
    raft.trigger().snapshot().await?;
    raft.trigger().purge_log(purgeable.index).await
}
