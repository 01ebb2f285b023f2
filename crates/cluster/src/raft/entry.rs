//! What openraft's log entries carry, and their bytes: `docs/formats/raft-entries.md`.

use std::sync::Arc;

use bytes::Bytes;
use env::UnixMillis;
use meta::{Command, Fetched, LogEntry, Offer, Outcome};
use openraft::{BasicNode, CommittedLeaderId, EntryPayload, Membership, StoredMembership};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

openraft::declare_raft_types!(
    /// Our instance of openraft's types.
    pub(crate) Types:
        D = Batch,
        R = Answers,
        NodeId = u64,
        Node = BasicNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = StateSnapshot,
);

/// An openraft log entry.
pub(crate) type Entry = openraft::Entry<Types>;

/// Kinds of entries in the log. A change of a kind's payload takes a new number.
const KIND_BLANK: u8 = 0;
const KIND_BATCH: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Commands that are decided together, in order.
#[derive(Clone)]
pub(crate) struct Batch {
    payload: Bytes,
    content: Arc<BatchContent>,
}

/// A batch, decoded.
#[derive(Serialize, Deserialize)]
pub(crate) struct BatchContent {
    /// The proposer's clock, in milliseconds since 1970.
    time: u64,
    pub(crate) commands: Vec<Command>,
}

/// What the commands of a batch answer, in order; empty for other entries.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answers(pub(crate) Vec<Outcome>);

/// A snapshot: a state by the hashes of its trees. What it consists of travels apart, and first.
pub(crate) enum StateSnapshot {
    /// To be sent: what the node offers.
    Offered(Offer),
    /// To be installed: everything is here.
    Fetched(Fetched),
}

impl Batch {
    /// Joins commands that were encoded one by one; the result equals the encoding of the whole.
    pub(crate) fn new(time: UnixMillis, commands: Vec<(Command, Vec<u8>)>) -> Self {
        let mut payload = Vec::with_capacity(20 + commands.iter().map(|(_, encoded)| encoded.len()).sum::<usize>());
        put_varint(&mut payload, time.0);
        put_varint(&mut payload, commands.len() as u64);
        let take = |(command, encoded): (Command, Vec<u8>)| {
            payload.extend_from_slice(&encoded);
            command
        };
        let commands = commands.into_iter().map(take).collect();
        Self { payload: payload.into(), content: Arc::new(BatchContent { time: time.0, commands }) }
    }

    fn decode(payload: Bytes) -> Result<Self, postcard::Error> {
        let content = Arc::new(postcard::from_bytes(&payload)?);
        Ok(Self { payload, content })
    }

    pub(crate) fn content(&self) -> &Arc<BatchContent> {
        &self.content
    }
}

impl BatchContent {
    pub(crate) fn time(&self) -> UnixMillis {
        UnixMillis(self.time)
    }
}

/// Postcard's variable-length integers: seven bits a byte, low bits first.
fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while 0x80 <= value {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

impl Serialize for Batch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.payload)
    }
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = Vec::<u8>::deserialize(deserializer)?;
        Self::decode(payload.into()).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Batch of {} commands", self.content.commands.len())
    }
}

/// The log's entry for openraft's.
pub(crate) fn encode(entry: &Entry) -> Result<LogEntry, postcard::Error> {
    let (kind, payload) = match &entry.payload {
        EntryPayload::Blank => (KIND_BLANK, Bytes::new()),
        EntryPayload::Normal(batch) => (KIND_BATCH, batch.payload.clone()),
        EntryPayload::Membership(membership) => (KIND_MEMBERSHIP, postcard::to_stdvec(membership)?.into()),
    };
    Ok(LogEntry { id: log_id(&entry.log_id), kind, payload })
}

/// The inverse of [`encode`]. `None` for a kind that newer software wrote.
pub(crate) fn decode(entry: LogEntry) -> Result<Option<Entry>, postcard::Error> {
    let payload = match entry.kind {
        KIND_BLANK => EntryPayload::Blank,
        KIND_BATCH => EntryPayload::Normal(Batch::decode(entry.payload)?),
        KIND_MEMBERSHIP => {
            EntryPayload::Membership(postcard::from_bytes::<Membership<u64, BasicNode>>(&entry.payload)?)
        }
        _ => return Ok(None),
    };
    Ok(Some(Entry { log_id: raft_log_id(entry.id), payload }))
}

/// Membership as the state machine keeps it.
pub(crate) fn encode_membership(membership: &StoredMembership<u64, BasicNode>) -> Result<Bytes, postcard::Error> {
    Ok(postcard::to_stdvec(membership)?.into())
}

/// The inverse of [`encode_membership`].
pub(crate) fn decode_membership(bytes: &[u8]) -> Result<StoredMembership<u64, BasicNode>, postcard::Error> {
    postcard::from_bytes(bytes)
}

/// The log's name of an entry.
pub(crate) fn log_id(id: &openraft::LogId<u64>) -> meta::LogId {
    meta::LogId { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
}

/// openraft's name of an entry.
pub(crate) fn raft_log_id(id: meta::LogId) -> openraft::LogId<u64> {
    openraft::LogId::new(CommittedLeaderId::new(id.term, id.node), id.index)
}

#[cfg(test)]
mod tests {
    use meta::command::{AdvanceIntentEpoch, DeleteBucket};
    use meta::record::IntentEpoch;
    use meta::{BucketId, LogId};

    use super::*;

    fn batch(time: u64, commands: Vec<Command>) -> Batch {
        let encode = |command| (postcard::to_stdvec(&command).unwrap(), command);
        Batch::new(
            UnixMillis(time),
            commands.into_iter().map(encode).map(|(bytes, command)| (command, bytes)).collect(),
        )
    }

    fn commands() -> Vec<Command> {
        vec![
            Command::DeleteBucket(DeleteBucket { bucket: BucketId(300) }),
            Command::AdvanceIntentEpoch(AdvanceIntentEpoch { from: IntentEpoch(u64::MAX) }),
        ]
    }

    #[test]
    fn joined_commands_equal_the_encoding_of_the_whole() {
        for (time, repeat) in [(0, 0), (127, 1), (128, 100), (1_700_000_000_000, 200), (u64::MAX, 1)] {
            let commands: Vec<Command> = (0..repeat).flat_map(|_| commands()).collect();
            let whole = postcard::to_stdvec(&BatchContent { time, commands: commands.clone() }).unwrap();
            assert_eq!(batch(time, commands).payload, whole);
        }
    }

    #[test]
    fn entries_round_trip() {
        let id = LogId { term: 3, node: 1, index: 9 };
        let members = Membership::new(vec![[1].into()], None);
        let payloads = [
            EntryPayload::Blank,
            EntryPayload::Normal(batch(5, commands())),
            EntryPayload::Membership(members.clone()),
        ];
        for payload in payloads {
            let stored = encode(&Entry { log_id: raft_log_id(id), payload }).unwrap();
            let entry = decode(stored.clone()).unwrap().unwrap();
            assert_eq!(log_id(&entry.log_id), id);
            assert_eq!(encode(&entry).unwrap(), stored);
        }
        let stored = StoredMembership::new(Some(raft_log_id(id)), members);
        assert_eq!(decode_membership(&encode_membership(&stored).unwrap()).unwrap(), stored);
    }

    #[test]
    fn unknown_kinds_are_recognised_and_damage_is_an_error() {
        let entry = |kind, payload: &'static [u8]| LogEntry { id: LogId::default(), kind, payload: payload.into() };
        assert!(decode(entry(77, b"")).unwrap().is_none());
        assert!(decode(entry(KIND_BATCH, b"\xff")).is_err());
        assert!(decode(entry(KIND_MEMBERSHIP, b"")).is_err());
    }
}
