//! A node whose metadata is damaged in every copy takes it from another node before it takes part again.

use std::sync::Arc;
use std::time::Duration;

use env::Clock;
use meta::{MetaEngine, Offer};
use placement::NodeId;

use super::transfer::Source;
use crate::rpc::{Call, Method, Peers};

/// How long the start waits for a node that offers its state. Without one the node goes on with what it can read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause before all nodes are asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long a node may take to make its state durable and offer it.
const OFFER_DEADLINE: Duration = Duration::from_secs(5);

/// Takes the metadata from one of `nodes`, if one of them has it at least as new.
///
/// What another node has applied was decided, so that it may stand in for any state that this node has had. The votes that
/// this node has given, and the entries that it has taken, stay in its log.
pub(crate) async fn regrow(engine: &MetaEngine, peers: &Arc<Peers>, nodes: &[NodeId], clock: &dyn Clock) {
    let ends = clock.monotonic() + PATIENCE;
    loop {
        for node in nodes {
            match regrow_from(engine, peers, *node).await {
                Ok(index) => {
                    tracing::info!(node = node.0, index, "the metadata was damaged and is whole again");
                    return;
                }
                Err(reason) => tracing::warn!(node = node.0, reason, "cannot take the metadata from another node"),
            }
        }
        if ends <= clock.monotonic() {
            tracing::error!("no node has the metadata that is damaged here: going on with what can be read");
            return;
        }
        clock.sleep(PAUSE).await;
    }
}

async fn regrow_from(engine: &MetaEngine, peers: &Arc<Peers>, node: NodeId) -> Result<u64, String> {
    let call = Call::new(Method::Offer, &engine.index_to_regrow(), OFFER_DEADLINE);
    let answer = peers.call(node, call).await;
    let offer = answer.and_then(|answer| answer.parse::<Option<Offer>>(node)).map_err(|error| error.to_string())?;
    let offer = offer.ok_or("it has no state as new as that of this node")?;
    let source = Source { node, peers: peers.clone() };
    engine.regrow(&offer, &source).await.map_err(|error| error.to_string())?;
    Ok(offer.applied().index)
}
