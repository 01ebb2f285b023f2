//! Root records: which durable state there is. `docs/formats/root-record.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prolly::{PackId, RootRef};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::log::LogId;
use crate::mirror::Mirror;

const MAGIC: [u8; 8] = *b"SCROOT\r\n";
const VERSION: u16 = 1;
const HEADER_SIZE: usize = 40;
const HASH_SIZE: usize = 32;
const HASH_CONTEXT: &str = "stonecrop 2026 meta root record v1";

/// First half of the BLAKE3 of a pack's bytes.
pub(crate) type PackDigest = [u8; 16];

/// A pack as a root record lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedPack {
    pub(crate) length: u64,
    pub(crate) digest: PackDigest,
}

/// The packs of one state.
pub(crate) type PackList = BTreeMap<PackId, ListedPack>;

/// One durable state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootRecord {
    pub(crate) number: u64,
    pub(crate) forest: RootRef,
    pub(crate) state_hash: [u8; 32],
    pub(crate) effects_hash: [u8; 32],
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: Option<Vec<u8>>,
    pub(crate) packs: PackList,
}

/// The order of the fields is part of the format.
#[derive(Serialize, Deserialize)]
struct RootBody {
    forest: Vec<u8>,
    state: [u8; 32],
    effects: [u8; 32],
    applied: Option<LogIdFields>,
    membership: Option<Vec<u8>>,
    packs: Vec<(u32, u64, PackDigest)>,
}

/// Term, node, index.
type LogIdFields = (u64, u64, u64);

impl RootRecord {
    /// Writes the record into `mirror`; durable on return.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(crate) fn write(&self, mirror: &Mirror, realm: u128) -> Result<()> {
        mirror.replace(&path(mirror, self.number), &[&self.encode(realm)])
    }

    fn encode(&self, realm: u128) -> Vec<u8> {
        let mut forest = Vec::new();
        self.forest.encode(&mut forest);
        let body = RootBody {
            forest,
            state: self.state_hash,
            effects: self.effects_hash,
            applied: self.applied.map(|id| (id.term, id.node, id.index)),
            membership: self.membership.clone(),
            packs: self.packs.iter().map(|(id, pack)| (id.0, pack.length, pack.digest)).collect(),
        };
        let body = postcard::to_stdvec(&body).expect("root records always encode");
        let length = u32::try_from(body.len()).expect("a pack list is far below 4 GiB");
        let mut bytes = Vec::with_capacity(HEADER_SIZE + body.len() + HASH_SIZE);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&realm.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&body);
        let hash = blake3::derive_key(HASH_CONTEXT, &bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }

    /// The record in `bytes`; `None` when they are torn or damaged.
    fn decode(bytes: &[u8], realm: u128, path: &Path) -> Result<Option<Self>> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_SIZE>() else { return Ok(None) };
        let length = u32::from_le_bytes(std::array::from_fn(|i| header[12 + i]));
        let Some((body, hash)) = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length)) else {
            return Ok(None);
        };
        let signed = &bytes[..HEADER_SIZE + body.len()];
        if header[..8] != MAGIC || hash != blake3::derive_key(HASH_CONTEXT, signed) {
            return Ok(None);
        }
        let unsupported = || Error::Unsupported { what: "root record", path: path.to_path_buf() };
        if header[8..10] != VERSION.to_le_bytes() {
            return Err(unsupported());
        }
        if header[16..32] != realm.to_le_bytes() {
            return Err(Error::ForeignMirror { first: path.with_file_name("mirror"), second: path.to_path_buf() });
        }
        let body: RootBody = postcard::from_bytes(body).map_err(|_| unsupported())?;
        let forest = RootRef::decode(&mut body.forest.as_slice())?;
        let list = |(id, length, digest)| (PackId(id), ListedPack { length, digest });
        Ok(Some(Self {
            number: u64::from_le_bytes(std::array::from_fn(|i| header[32 + i])),
            forest,
            state_hash: body.state,
            effects_hash: body.effects,
            applied: body.applied.map(|(term, node, index)| LogId { term, node, index }),
            membership: body.membership,
            packs: body.packs.into_iter().map(list).collect(),
        }))
    }
}

/// The intact records of `mirror`, newest first.
///
/// # Errors
///
/// [`Error::Unsupported`], [`Error::ForeignMirror`], [`Error::Io`].
pub(crate) fn read_records(mirror: &Mirror, realm: u128) -> Result<Vec<RootRecord>> {
    let mut records = Vec::new();
    for slot in 0..2 {
        let path = path(mirror, slot);
        if let Some(bytes) = mirror.read_whole(&path)? {
            let record = RootRecord::decode(&bytes, realm, &path)?;
            if record.is_none() {
                tracing::warn!(path = %path.display(), "ignoring a torn or damaged root record");
            }
            records.extend(record);
        }
    }
    records.sort_unstable_by_key(|record| std::cmp::Reverse(record.number));
    Ok(records)
}

fn path(mirror: &Mirror, number: u64) -> PathBuf {
    mirror.directory().join(format!("root.{}", number % 2))
}

#[cfg(test)]
mod tests {
    use prolly::ParamsHash;

    use super::*;

    fn record() -> RootRecord {
        let packs = (1..4u8).map(|n| (PackId(n.into()), ListedPack { length: u64::from(n) << 33, digest: [n; 16] }));
        RootRecord {
            number: 7,
            forest: RootRef::empty(ParamsHash([3; 16])),
            state_hash: [1; 32],
            effects_hash: [2; 32],
            applied: Some(LogId { term: 1, node: 2, index: 3 }),
            membership: Some(vec![1, 2]),
            packs: packs.collect(),
        }
    }

    #[test]
    fn decode_inverts_encode() {
        let bytes = record().encode(5);
        assert_eq!(RootRecord::decode(&bytes, 5, Path::new("root.1")).unwrap(), Some(record()));
    }

    #[test]
    fn any_damage_is_noticed() {
        let bytes = record().encode(5);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert_eq!(RootRecord::decode(&damaged, 5, Path::new("root.1")).unwrap(), None, "at {position}");
            assert_eq!(RootRecord::decode(&bytes[..position], 5, Path::new("root.1")).unwrap(), None);
        }
    }

    #[test]
    fn another_realm_is_refused() {
        let bytes = record().encode(5);
        assert!(matches!(RootRecord::decode(&bytes, 6, Path::new("root.1")), Err(Error::ForeignMirror { .. })));
    }
}
