//! The file on each disk that says which node it belongs to, with the node's key: `docs/formats/node-file.md`.

use std::path::Path;

use env::{Env, OpenMode};
use placement::NodeId;
use serde::{Deserialize, Serialize};

use super::identity::{NodeKey, Passport};
use crate::error::{Error, Result};

const NAME: &str = "node";
const MAGIC: [u8; 8] = *b"SCNODE\r\n";
const VERSION: u8 = 1;
const CONTEXT: &str = "stonecrop 2026 node file v1";
const HASH_SIZE: usize = 32;
/// Far more than a file of this kind takes.
const SIZE_MAX: u64 = 1 << 20;

/// What a node knows of itself before it has read any metadata.
#[derive(Clone, Debug)]
pub(crate) struct NodeFile {
    /// Its key and certificates.
    pub(crate) passport: Passport,
    /// Realm of the metadata, which all nodes share.
    pub(crate) realm: u128,
    /// Addresses of other nodes, `HOST:PORT`, as known when the file was written.
    pub(crate) peers: Vec<(NodeId, String)>,
}

/// The order of the fields is part of the format.
#[derive(Serialize, Deserialize)]
struct Body {
    cluster_id: u128,
    node: u64,
    key: Vec<u8>,
    certificate: Vec<u8>,
    authority: Vec<u8>,
    realm: u128,
    peers: Vec<(u64, String)>,
}

/// The node file of the disk at `disk`; `None` when there is none, or it is torn: another disk has it too. Blocks.
///
/// # Errors
///
/// [`Error::Io`]; [`Error::UnknownFormat`] for a file of newer software.
pub(crate) fn read_node_file(env: &Env, disk: &Path) -> Result<Option<NodeFile>> {
    let path = disk.join(NAME);
    let failed = |source| Error::Io { operation: "read", path: path.clone(), source };
    if !env.files.exists(&path).map_err(failed)? {
        return Ok(None);
    }
    let file = env.files.open(&path, OpenMode::Read).map_err(failed)?;
    let size = file.size().map_err(failed)?.min(SIZE_MAX);
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    decode(&bytes)
}

/// Writes the node file of the disk at `disk`, readable by its owner alone. Durable on return. Blocks.
///
/// # Errors
///
/// [`Error::Io`].
pub(crate) fn write_node_file(env: &Env, disk: &Path, content: &NodeFile) -> Result<()> {
    let path = disk.join(NAME);
    let temporary = disk.join("node.new");
    let files = env.files.as_ref();
    let write = || {
        if files.exists(&temporary)? {
            files.remove(&temporary)?;
        }
        let file = files.open(&temporary, OpenMode::CreateNew)?;
        file.write_all_at(&[&encode(content)], 0)?;
        file.sync_data()?;
        files.rename(&temporary, &path)?;
        files.sync_directory(disk)
    };
    write().map_err(|source| Error::Io { operation: "write", path: path.clone(), source })
}

fn encode(content: &NodeFile) -> Vec<u8> {
    let Passport { cluster_id, node, key, certificate, authority } = &content.passport;
    let body = Body {
        cluster_id: *cluster_id,
        node: node.0,
        key: key.pkcs8().to_vec(),
        certificate: certificate.clone(),
        authority: authority.clone(),
        realm: content.realm,
        peers: content.peers.iter().map(|(node, address)| (node.0, address.clone())).collect(),
    };
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend(postcard::to_stdvec(&body).expect("plain values always encode"));
    let hash = blake3::derive_key(CONTEXT, &bytes);
    bytes.extend_from_slice(&hash);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Option<NodeFile>> {
    let Some((content, hash)) = bytes.split_last_chunk::<HASH_SIZE>() else { return Ok(None) };
    if blake3::derive_key(CONTEXT, content) != *hash {
        return Ok(None);
    }
    const WHAT: &str = "node file";
    let body = match content.strip_prefix(&MAGIC).and_then(<[u8]>::split_first) {
        Some((&VERSION, body)) => body,
        Some((&found, _)) => return Err(Error::UnknownFormat { what: WHAT, found, known: VERSION }),
        None => return Err(Error::Damaged { what: WHAT, reason: "is not one" }),
    };
    let body: Body =
        postcard::from_bytes(body).map_err(|_| Error::Damaged { what: WHAT, reason: "cannot be decoded" })?;
    let passport = Passport {
        cluster_id: body.cluster_id,
        node: NodeId(body.node),
        key: NodeKey::from_pkcs8(body.key),
        certificate: body.certificate,
        authority: body.authority,
    };
    let peers = body.peers.into_iter().map(|(node, address)| (NodeId(node), address)).collect();
    Ok(Some(NodeFile { passport, realm: body.realm, peers }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_file_is_read_as_written_and_damage_is_noticed() {
        let passport = Passport {
            cluster_id: 9,
            node: NodeId(3),
            key: NodeKey::from_pkcs8(vec![1; 80]),
            certificate: vec![2; 300],
            authority: vec![3; 300],
        };
        let bytes = encode(&NodeFile { passport, realm: 4, peers: vec![(NodeId(1), "10.0.0.1:9002".to_owned())] });
        let read = decode(&bytes).unwrap().unwrap();
        assert_eq!(encode(&read), bytes);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert!(decode(&damaged).unwrap().is_none(), "at {position}");
            assert!(decode(&bytes[..position]).unwrap().is_none(), "cut at {position}");
        }
    }
}
