//! Keys of the internal tree: what the store keeps for itself.

use env::UnixMillis;
use placement::GroupId;

use super::{TERMINATOR, escape, escaped, parse_stamp, parse_upload_id, push_stamp, push_upload_id, unescape};
use crate::lifecycle::Subject;
use crate::record::{Hlc, RetiredId, UploadId, VersionId, VersionName, WriteId};
use crate::view::BucketId;

/// Internal: stripe that waits for repair.
pub(super) const REPAIR: u8 = 0x40;
/// Internal: retired segment.
const RETIRED: u8 = 0x41;
/// Internal: deleted bucket whose uploads are being retired.
const DRAINING: u8 = 0x42;
/// Internal: pinned write.
const PINNED: u8 = 0x43;
/// Internal: placement table.
const TABLE: u8 = 0x44;
/// Internal: fence of a placement group.
const FENCE: u8 = 0x45;
/// Internal: remembered result.
const RESULT: u8 = 0x46;
/// Internal: ring of remembered results.
const RESULT_SLOT: u8 = 0x47;
/// Internal: index by write.
const OWNER: u8 = 0x48;
/// Internal: document.
const DOCUMENT: u8 = 0x49;
/// Internal: the state record.
const STATE: u8 = 0x4a;
/// Internal: what lifecycle rules end, by when.
const DUE: u8 = 0x4b;
/// Internal: what a bucket with a quota holds.
const USAGE: u8 = 0x4d;
/// Internal: how far the index of a bucket's lifecycle rules is.
const LIFECYCLE: u8 = 0x4c;

/// A stripe that waits for repair. Sorts by spare shards, age, write, stripe.
pub(crate) fn repair(spare_shards: i16, since: Hlc, write_id: WriteId, stripe: u32) -> Vec<u8> {
    let mut key = vec![REPAIR];
    key.extend_from_slice(&(spare_shards as u16 ^ SIGN_BIT).to_be_bytes());
    key.extend_from_slice(&since.bits().to_be_bytes());
    key.extend_from_slice(&write_id.0.to_be_bytes());
    key.extend_from_slice(&stripe.to_be_bytes());
    key
}

/// Flipped, so that negative numbers sort below the others.
const SIGN_BIT: u16 = 1 << 15;

/// The arguments of [`repair`] from a key that it made.
pub(crate) fn parse_repair(key: &[u8]) -> Option<(i16, Hlc, WriteId, u32)> {
    let (spare, rest) = key.strip_prefix(&[REPAIR])?.split_first_chunk()?;
    let (since, rest) = rest.split_first_chunk()?;
    let (write_id, stripe) = rest.split_first_chunk()?;
    Some((
        (u16::from_be_bytes(*spare) ^ SIGN_BIT) as i16,
        Hlc::from_bits(u64::from_be_bytes(*since)),
        WriteId(u128::from_be_bytes(*write_id)),
        u32::from_be_bytes(stripe.try_into().ok()?),
    ))
}

/// What the keys of all waiting stripes start with.
pub(crate) fn repairs() -> Vec<u8> {
    vec![REPAIR]
}

/// A retired segment.
pub(crate) fn retired(id: RetiredId) -> Vec<u8> {
    let mut key = vec![RETIRED];
    key.extend_from_slice(&id.index.to_be_bytes());
    key.extend_from_slice(&id.write_id.0.to_be_bytes());
    key
}

/// The id in a key that [`retired`] made.
pub(crate) fn parse_retired(key: &[u8]) -> Option<RetiredId> {
    let (index, write_id) = key.strip_prefix(&[RETIRED])?.split_first_chunk()?;
    let write_id = WriteId(u128::from_be_bytes(write_id.try_into().ok()?));
    Some(RetiredId { index: u64::from_be_bytes(*index), write_id })
}

/// What the keys of all retired segments start with.
pub(crate) fn retired_segments() -> Vec<u8> {
    vec![RETIRED]
}

/// A deleted bucket that is being drained.
pub(crate) fn draining(bucket: BucketId) -> Vec<u8> {
    let mut key = draining_buckets();
    key.extend_from_slice(&bucket.0.to_be_bytes());
    key
}

/// The bucket of a key that [`draining`] made.
pub(crate) fn parse_draining(key: &[u8]) -> Option<BucketId> {
    let id = key.strip_prefix(&[DRAINING])?.try_into().ok()?;
    Some(BucketId(u64::from_be_bytes(id)))
}

/// What the keys of all draining buckets start with.
pub(crate) fn draining_buckets() -> Vec<u8> {
    vec![DRAINING]
}

/// A pinned write.
pub(crate) fn pinned(write_id: WriteId) -> Vec<u8> {
    write_key(PINNED, write_id)
}

/// The write of a key that [`pinned`] made.
pub(crate) fn parse_pinned(key: &[u8]) -> Option<WriteId> {
    parse_write_key(PINNED, key)
}

/// What the keys of all pinned writes start with.
pub(crate) fn pinned_writes() -> Vec<u8> {
    vec![PINNED]
}

/// The index entry of a write.
pub(crate) fn owner(write_id: WriteId) -> Vec<u8> {
    write_key(OWNER, write_id)
}

/// The write of a key that [`owner`] made.
pub(crate) fn parse_owner(key: &[u8]) -> Option<WriteId> {
    parse_write_key(OWNER, key)
}

/// What the keys of the index by write start with.
pub(crate) fn owners() -> Vec<u8> {
    vec![OWNER]
}

fn write_key(kind: u8, write_id: WriteId) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&write_id.0.to_be_bytes());
    key
}

fn parse_write_key(kind: u8, key: &[u8]) -> Option<WriteId> {
    let id = key.strip_prefix(&[kind])?.try_into().ok()?;
    Some(WriteId(u128::from_be_bytes(id)))
}

/// The placement table.
pub(crate) fn table() -> Vec<u8> {
    vec![TABLE]
}

/// The fence of a placement group.
pub(crate) fn fence(group: GroupId) -> Vec<u8> {
    let mut key = vec![FENCE];
    key.extend_from_slice(&group.0.to_be_bytes());
    key
}

/// The remembered result of a put or a deletion.
pub(crate) fn write_result(write_id: WriteId) -> Vec<u8> {
    let mut key = vec![RESULT, 0];
    key.extend_from_slice(&write_id.0.to_be_bytes());
    key
}

/// The remembered result of a completed upload.
pub(crate) fn upload_result(bucket: BucketId, id: UploadId) -> Vec<u8> {
    let mut key = vec![RESULT, 1];
    key.extend_from_slice(&bucket.0.to_be_bytes());
    push_upload_id(id, &mut key);
    key
}

/// A place in a ring of remembered results: ring 0 holds those of writes, ring 1 those of uploads.
pub(crate) fn result_slot(ring: u8, slot: u32) -> Vec<u8> {
    let mut key = vec![RESULT_SLOT, ring];
    key.extend_from_slice(&slot.to_be_bytes());
    key
}

/// A document.
pub(crate) fn document(name: &str) -> Vec<u8> {
    escaped(DOCUMENT, name.as_bytes())
}

/// The name of the document under `key`.
pub(crate) fn parse_document(key: &[u8]) -> Option<String> {
    let (name, rest) = unescape(key.strip_prefix(&[DOCUMENT])?)?;
    String::from_utf8(name).ok().filter(|_| rest.is_none())
}

/// The state record.
pub(crate) fn state() -> Vec<u8> {
    vec![STATE]
}

/// How far the index of the rules is that a bucket was given at `generation`.
pub(crate) fn lifecycle(bucket: BucketId, generation: Hlc) -> Vec<u8> {
    let mut key = lifecycles();
    push_generation(bucket, generation, &mut key);
    key
}

/// Bucket and generation of a key that [`lifecycle`] made.
pub(crate) fn parse_lifecycle(key: &[u8]) -> Option<(BucketId, Hlc)> {
    let (generation, rest) = parse_generation(key.strip_prefix(&[LIFECYCLE])?)?;
    rest.is_empty().then_some(generation)
}

/// What the keys of all of these start with.
pub(crate) fn lifecycles() -> Vec<u8> {
    vec![LIFECYCLE]
}

/// What those rules end, and when. Sorts by time.
pub(crate) fn due(bucket: BucketId, generation: Hlc, due: UnixMillis, subject: &Subject) -> Vec<u8> {
    let mut key = dues(bucket, generation);
    key.extend_from_slice(&due.0.to_be_bytes());
    let (kind, name) = match subject {
        Subject::Version(name, _) => (0, name),
        Subject::Upload(name, _) => (1, name),
    };
    key.push(kind);
    escape(name.as_bytes(), &mut key);
    key.extend_from_slice(&TERMINATOR);
    match subject {
        Subject::Version(_, VersionName::Null) => {}
        Subject::Version(_, VersionName::Id(id)) => push_stamp(id.committed, id.site, &mut key),
        Subject::Upload(_, id) => push_upload_id(*id, &mut key),
    }
    key
}

/// Time and subject of a key that [`due`] made.
pub(crate) fn parse_due(key: &[u8]) -> Option<(UnixMillis, Subject)> {
    let (_, rest) = parse_generation(key.strip_prefix(&[DUE])?)?;
    let (due, rest) = rest.split_first_chunk()?;
    let due = UnixMillis(u64::from_be_bytes(*due));
    let (kind, rest) = rest.split_first()?;
    let (name, stamp) = unescape(rest)?;
    let (name, stamp) = (String::from_utf8(name).ok()?, stamp?);
    let subject = match (kind, stamp.is_empty()) {
        (0, true) => Subject::Version(name, VersionName::Null),
        (0, false) => {
            let (committed, site) = parse_stamp(stamp.try_into().ok()?);
            Subject::Version(name, VersionName::Id(VersionId { committed, site }))
        }
        (1, false) => Subject::Upload(name, parse_upload_id(stamp.try_into().ok()?)),
        _ => return None,
    };
    Some((due, subject))
}

/// What the keys of all that those rules end start with.
pub(crate) fn dues(bucket: BucketId, generation: Hlc) -> Vec<u8> {
    let mut key = vec![DUE];
    push_generation(bucket, generation, &mut key);
    key
}

fn push_generation(bucket: BucketId, generation: Hlc, key: &mut Vec<u8>) {
    key.extend_from_slice(&bucket.0.to_be_bytes());
    key.extend_from_slice(&generation.bits().to_be_bytes());
}

fn parse_generation(bytes: &[u8]) -> Option<((BucketId, Hlc), &[u8])> {
    let (bucket, rest) = bytes.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let generation = Hlc::from_bits(u64::from_be_bytes(*generation));
    Some(((BucketId(u64::from_be_bytes(*bucket)), generation), rest))
}

/// What a bucket with a quota holds.
pub(crate) fn usage(bucket: BucketId) -> Vec<u8> {
    let mut key = vec![USAGE];
    key.extend_from_slice(&bucket.0.to_be_bytes());
    key
}
