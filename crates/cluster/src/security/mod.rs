//! Who may take part: the cluster's own certificate authority, the nodes' certificates, and the tokens to join with.
//!
//! The cluster begins with an [`Authority`], whose key is a document of the replicated metadata: every member can renew
//! its own certificate, and no machine is the only one that can admit another. A certificate names cluster and node in
//! its subject alternative name; both ends of a connection check it. A [`JoinToken`] carries the fingerprint of the
//! authority, so that a node that joins knows whom it talks to before it tells the token's secret.
//!
//! Invariants: there is no secret that two clusters share, and none by default; a secret never formats.

mod authority;
mod identity;
mod node_file;
mod token;

pub(crate) use authority::{Authority, LIFETIME, PublicKey};
pub(crate) use identity::{NodeKey, Passport, node_of_certificate, server_name};
pub(crate) use node_file::{NodeFile, read_node_file, write_node_file};
pub(crate) use token::{JoinToken, TokenRecord, fingerprint};
