//! How a node becomes a member: it presents a token at any member's door, and receives a number and a certificate.

use std::sync::Arc;
use std::time::Duration;

use env::Env;
use meta::Consensus;
use placement::NodeId;
use serde::{Deserialize, Serialize};

use crate::documents::{self, Document};
use crate::error::{Error, Result};
use crate::nodes::{AUTHORITY, AuthorityDocument, NODES, NodeRecord, Nodes, TOKENS, Tokens};
use crate::rpc::{Answer, Call, DoorFault, Handler, HandlerFuture, Method, ask_to_join};
use crate::security::{Authority, JoinToken, NodeFile, NodeKey, Passport, PublicKey};

/// How long a member may take to answer.
const DEADLINE: Duration = Duration::from_secs(15);

/// Pause before all doors are tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// How long doors are tried before the start gives up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a node says at the door.
#[derive(Serialize, Deserialize)]
struct Request {
    secret: [u8; 32],
    public_key: PublicKey,
    address: String,
    rack: String,
}

/// What it is answered.
#[derive(Serialize, Deserialize)]
enum Reply {
    Admitted(Admission),
    /// It will not be admitted, whichever door it tries.
    Refused(String),
    /// It may try again.
    Later(String),
}

#[derive(Serialize, Deserialize)]
struct Admission {
    node: NodeId,
    certificate: Vec<u8>,
    authority: Vec<u8>,
    realm: u128,
    peers: Vec<(NodeId, String)>,
}

/// What a node that wants to join knows.
pub(crate) struct Applicant<'a> {
    pub(crate) token: &'a JoinToken,
    pub(crate) seeds: &'a [String],
    pub(crate) address: &'a str,
    pub(crate) rack: &'a str,
    pub(crate) key: NodeKey,
}

impl Applicant<'_> {
    /// Tries the doors until one admits. Asking again with the same key gives the same node.
    ///
    /// # Errors
    ///
    /// [`Error::NotAdmitted`] when it is refused, when all doors are another cluster's, or nobody answers for long.
    pub(crate) async fn join(&self, env: &Env) -> Result<NodeFile> {
        let begun = env.clock.monotonic();
        let public_key = self.key.public_key()?;
        loop {
            let mut reasons = Vec::new();
            let mut wrong_doors = 0;
            for seed in self.seeds {
                let reason = match self.ask(env, seed, public_key).await {
                    Ok(Reply::Admitted(admission)) => return Ok(self.admitted(admission)),
                    Ok(Reply::Refused(reason)) => return Err(Error::NotAdmitted { reason }),
                    Ok(Reply::Later(reason)) | Err(DoorFault::Failed(reason)) => reason,
                    Err(DoorFault::AnotherCluster) => {
                        wrong_doors += 1;
                        "it is of another cluster than the token".to_owned()
                    }
                };
                reasons.push(format!("{seed}: {reason}"));
            }
            let reason = reasons.join("; ");
            if wrong_doors == self.seeds.len() || begun + PATIENCE < env.clock.monotonic() {
                return Err(Error::NotAdmitted { reason });
            }
            tracing::warn!(reason, "no node admits this one yet");
            env.clock.sleep(RETRY_PAUSE).await;
        }
    }

    async fn ask(&self, env: &Env, seed: &str, public_key: PublicKey) -> std::result::Result<Reply, DoorFault> {
        let request = Request {
            secret: self.token.secret,
            public_key,
            address: self.address.to_owned(),
            rack: self.rack.to_owned(),
        };
        let call = Call::new(Method::Join, &request, DEADLINE);
        let answer = ask_to_join(env, seed, self.token.fingerprint, call).await?;
        answer.parse(NodeId(0)).map_err(|error| DoorFault::Failed(error.to_string()))
    }

    fn admitted(&self, admission: Admission) -> NodeFile {
        let Admission { node, certificate, authority, realm, peers } = admission;
        let cluster_id = self.token.cluster_id;
        let passport = Passport { cluster_id, node, key: self.key.clone(), certificate, authority };
        NodeFile { passport, realm, peers }
    }
}

/// Admits nodes.
pub(crate) struct Doorkeeper {
    pub(crate) env: Env,
    pub(crate) cluster_id: u128,
    pub(crate) realm: u128,
    pub(crate) consensus: Arc<dyn Consensus>,
}

impl Doorkeeper {
    async fn reply(&self, request: Request) -> Result<Reply> {
        let reading = self.consensus.read().await?;
        let tokens: Tokens = documents::read(reading.view.as_ref(), TOKENS)?;
        let now = self.env.clock.now();
        if !tokens.records.iter().any(|token| token.admits(&request.secret, now)) {
            return Ok(Reply::Refused("the token is not valid, or not any more: ask for another".to_owned()));
        }
        let AuthorityDocument(authority) = documents::read(reading.view.as_ref(), AUTHORITY)?;
        let authority = Authority::decode(&authority)?;
        let entered = documents::change(&self.consensus, NODES, |nodes: &mut Nodes| Ok(enter(nodes, &request))).await?;
        let (node, nodes) = match entered {
            Ok(entered) => entered,
            Err(reason) => return Ok(Reply::Refused(reason)),
        };
        tracing::info!(node = node.0, address = request.address, "a node joins");
        let others = nodes.members.into_iter().filter(|(id, _)| *id != node.0);
        Ok(Reply::Admitted(Admission {
            node,
            certificate: authority.sign(&self.env, self.cluster_id, node, &request.public_key)?,
            authority: authority.certificate().to_vec(),
            realm: self.realm,
            peers: others.map(|(id, record)| (NodeId(id), record.address)).collect(),
        }))
    }

    async fn answer(&self, call: Call) -> Option<Answer> {
        let request: Request = call.parse()?;
        let reply = self.reply(request).await.unwrap_or_else(|error| Reply::Later(error.to_string()));
        Some(Answer::new(&reply))
    }
}

impl Handler for Doorkeeper {
    fn handle(&self, _from: NodeId, call: Call) -> HandlerFuture<'_> {
        Box::pin(self.answer(call))
    }
}

/// Enters the node into the list, or says why not.
fn enter(nodes: &mut Nodes, request: &Request) -> std::result::Result<(NodeId, Nodes), String> {
    let key = Some(request.public_key);
    let known = nodes.members.iter().find(|(_, node)| node.public_key == key).map(|(id, _)| NodeId(*id));
    let node = known.unwrap_or_else(|| nodes.next_id());
    let twin = nodes.members.iter().find(|(id, other)| **id != node.0 && other.address == request.address);
    if let Some((id, _)) = twin {
        return Err(format!(
            "node {id} has the address {} already: remove it first, or choose another",
            request.address
        ));
    }
    let record =
        NodeRecord { address: request.address.clone(), rack: request.rack.clone(), public_key: key, leaving: false };
    nodes.members.insert(node.0, record);
    Ok((node, nodes.clone()))
}

/// Makes a token that admits nodes for `valid_for`, and forgets those that have expired. Durable on return.
///
/// # Errors
///
/// [`Error::Meta`]; [`Error::Certificate`] when the cluster has no authority yet.
pub(crate) async fn create_token(
    env: &Env,
    cluster_id: u128,
    consensus: &Arc<dyn Consensus>,
    valid_for: Duration,
) -> Result<JoinToken> {
    let reading = consensus.read().await?;
    let AuthorityDocument(authority) = documents::read(reading.view.as_ref(), AUTHORITY)?;
    let authority = Authority::decode(&authority)?;
    let token = JoinToken::generate(env, cluster_id, authority.certificate());
    let record = token.record(env, valid_for);
    let now = env.clock.now();
    let remember = |tokens: &mut Tokens| {
        tokens.records.retain(|token| !token.is_expired(now));
        tokens.records.push(record.clone());
        Ok(())
    };
    documents::change(consensus, TOKENS, remember).await?;
    Ok(token)
}

/// The cluster's authority; made now when there is none. Durable on return.
///
/// # Errors
///
/// [`Error::Meta`], [`Error::Certificate`].
pub(crate) async fn authority(env: &Env, cluster_id: u128, consensus: &Arc<dyn Consensus>) -> Result<Authority> {
    let new = Authority::create(env, cluster_id)?.encode();
    let kept = documents::change(consensus, AUTHORITY, |document: &mut AuthorityDocument| {
        if document.0.is_empty() {
            document.0.clone_from(&new);
        }
        Ok(document.encode())
    });
    Authority::decode(&kept.await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: u8, address: &str) -> Request {
        Request { secret: [0; 32], public_key: PublicKey([key; 32]), address: address.into(), rack: String::new() }
    }

    #[test]
    fn a_node_that_asks_again_keeps_its_number_and_addresses_are_not_shared() {
        let mut nodes = Nodes::default();
        assert_eq!(enter(&mut nodes, &request(1, "a:1")).unwrap().0, NodeId(1));
        assert_eq!(enter(&mut nodes, &request(2, "b:1")).unwrap().0, NodeId(2));
        assert_eq!(enter(&mut nodes, &request(2, "c:1")).unwrap().0, NodeId(2));
        assert_eq!(nodes.get(NodeId(2)).unwrap().address, "c:1");
        assert!(enter(&mut nodes, &request(3, "a:1")).is_err());
        assert_eq!(nodes.members.len(), 2);
    }
}
