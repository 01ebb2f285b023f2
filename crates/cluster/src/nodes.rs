//! The nodes of the cluster, and what else they agree on at its birth: documents (`docs/formats/cluster-documents.md`).

use std::collections::BTreeMap;

use placement::{NodeId, RackId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::documents::Document;
use crate::error::{Error, Result};
use crate::security::{PublicKey, TokenRecord};

/// Name of the document that lists the [`Nodes`].
pub(crate) const NODES: &str = "cluster/nodes";

/// Name of the document that lists the valid [`Tokens`].
pub(crate) const TOKENS: &str = "cluster/tokens";

/// Name of the document with the certificate authority ([`AuthorityDocument`]).
pub(crate) const AUTHORITY: &str = "cluster/authority";

/// Format version of these documents.
const VERSION: u8 = 1;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeRecord {
    /// Where other nodes reach it, `HOST:PORT`; empty for a node that is alone.
    pub(crate) address: String,
    /// What fails together with it: the name of a rack, a room or a zone.
    pub(crate) rack: String,
    /// The key that it joined with: asking again with it gives the same number again.
    pub(crate) public_key: Option<PublicKey>,
    /// It was told to leave and will be removed once its disks are empty.
    pub(crate) leaving: bool,
}

/// The nodes by number. Numbers are never used again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Nodes {
    /// Members.
    pub(crate) members: BTreeMap<u64, NodeRecord>,
    /// Numbers of nodes that were members.
    pub(crate) removed: Vec<u64>,
}

/// The tokens with which nodes may join.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tokens {
    /// Those that have not expired when the last one was made.
    pub(crate) records: Vec<TokenRecord>,
}

/// The encoded [`Authority`](crate::security::Authority), or nothing yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuthorityDocument(pub(crate) Vec<u8>);

/// Bytes that nodes agreed on, or nothing yet. They are their owner's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreed(pub(crate) Option<Vec<u8>>);

impl Nodes {
    pub(crate) fn get(&self, node: NodeId) -> Option<&NodeRecord> {
        self.members.get(&node.0)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.members.keys().copied().map(NodeId)
    }

    /// A number that no node ever had.
    pub(crate) fn next_id(&self) -> NodeId {
        let used = self.members.keys().chain(&self.removed).max().copied().unwrap_or(0);
        NodeId(used + 1)
    }

    /// The rack of each node, numbered by the order of their names.
    pub(crate) fn racks(&self) -> BTreeMap<NodeId, RackId> {
        let mut names: Vec<&str> = self.members.values().map(|node| node.rack.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let rack = |name: &str| names.iter().position(|other| *other == name).and_then(|at| u32::try_from(at).ok());
        self.members.iter().map(|(&id, node)| (NodeId(id), RackId(rack(&node.rack).unwrap_or(0)))).collect()
    }
}

impl Document for Nodes {
    const WHAT: &'static str = "list of nodes";

    fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        decode(bytes, Self::WHAT)
    }
}

impl Document for Tokens {
    const WHAT: &'static str = "list of join tokens";

    fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        decode(bytes, Self::WHAT)
    }
}

impl Document for AuthorityDocument {
    const WHAT: &'static str = "certificate authority";

    fn encode(&self) -> Vec<u8> {
        self.0.clone()
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self(bytes.to_vec()))
    }
}

impl Document for Agreed {
    const WHAT: &'static str = "agreement";

    fn encode(&self) -> Vec<u8> {
        self.0.clone().unwrap_or_default()
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self(Some(bytes.to_vec())))
    }
}

pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bytes.extend(postcard::to_stdvec(value).expect("plain values always encode"));
    bytes
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T> {
    match bytes.split_first() {
        Some((&VERSION, body)) => {
            postcard::from_bytes(body).map_err(|_| Error::Damaged { what, reason: "cannot be decoded" })
        }
        Some((&found, _)) => Err(Error::UnknownFormat { what, found, known: VERSION }),
        None => Err(Error::Damaged { what, reason: "is empty" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(rack: &str) -> NodeRecord {
        NodeRecord { address: "10.0.0.1:9002".into(), rack: rack.into(), public_key: None, leaving: false }
    }

    #[test]
    fn nodes_round_trip_and_numbers_are_not_used_again() {
        let mut nodes = Nodes { members: [(1, node("b")), (2, node("a"))].into(), removed: vec![7] };
        assert_eq!(Nodes::decode(&Document::encode(&nodes)).unwrap(), nodes);
        assert_eq!(nodes.next_id(), NodeId(8));
        nodes.removed.clear();
        assert_eq!(nodes.next_id(), NodeId(3));
        assert_eq!(nodes.racks(), [(NodeId(1), RackId(1)), (NodeId(2), RackId(0))].into());
        assert!(matches!(Nodes::decode(&[2]), Err(Error::UnknownFormat { found: 2, .. })));
        assert!(matches!(Nodes::decode(&[1, 9]), Err(Error::Damaged { .. })));
    }
}
