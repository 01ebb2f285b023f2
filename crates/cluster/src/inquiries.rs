//! Questions to the background work of all nodes. What they mean is for the crate that does the work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use placement::NodeId;

use crate::cluster::Cluster;
use crate::rpc::{Answer, Call, Handler, HandlerFuture, Method};

/// How long a node may take to answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// Answers a question; `None` when it makes no sense.
pub type Respondent = Arc<dyn Fn(Vec<u8>) -> BoxFuture<'static, Option<Vec<u8>>> + Send + Sync>;

/// Who answers questions of other nodes; nobody at first. The head of [`Method::Work`] is the question, that of its answer the
/// answer: bytes both.
#[derive(Default)]
pub(crate) struct Inquiries(RwLock<Option<Respondent>>);

impl Handler for Inquiries {
    fn handle(&self, _: NodeId, call: Call) -> HandlerFuture<'_> {
        Box::pin(async move {
            let respondent = self.0.read().clone()?;
            Some(Answer::new(&respondent(call.parse()?).await?))
        })
    }
}

impl Cluster {
    /// Has `respondent` answer the questions of other nodes.
    pub fn respond(&self, respondent: Respondent) {
        *self.inquiries.0.write() = Some(respondent);
    }

    /// Asks all other nodes; returns what each says, or why it says nothing.
    pub async fn ask_others(&self, question: &[u8]) -> BTreeMap<NodeId, std::result::Result<Vec<u8>, String>> {
        let others = self.links.peers.nodes().into_iter().filter(|node| *node != self.node());
        let asked = others.map(|node| async move {
            let answer = self.links.peers.call(node, Call::new(Method::Work, &question, DEADLINE)).await;
            (node, answer.and_then(|answer| answer.parse(node)).map_err(|error| error.to_string()))
        });
        join_all(asked).await.into_iter().collect()
    }
}
