//! Keys of the trees. `docs/formats/metadata-keys.md` specifies them.
//!
//! A key is a kind byte and components whose byte order is the order we list in. A component of variable length is
//! escaped, and ends with a terminator unless it is the last.

use env::UnixMillis;
use placement::GroupId;

use crate::lifecycle::Subject;
use crate::record::{ConfigurationKind, Hlc, RetiredId, UploadId, VersionId, VersionName, WriteId};
use crate::view::BucketId;

/// Ends an escaped component. Sorts below every continuation of it.
const TERMINATOR: [u8; 2] = [0x00, 0x01];

/// Catalog: bucket by name.
const BUCKET_NAME: u8 = 0x01;
/// Catalog: what belongs to a bucket as a whole.
const BUCKET: u8 = 0x02;
/// Objects: current version of a key, unless it is a delete marker.
const OBJECT: u8 = 0x10;
/// Objects: any other version of a key, and every delete marker.
const VERSION: u8 = 0x11;
/// Objects: body of a small object.
const BODY: u8 = 0x12;
/// Objects: where the null version of a key is when it is not current.
const NULL_VERSION: u8 = 0x13;
/// Objects: annotation of a version.
const ANNOTATION: u8 = 0x14;
/// Objects: body of a small annotation.
const ANNOTATION_BODY: u8 = 0x15;
/// Uploads: unfinished upload.
const UPLOAD: u8 = 0x20;
/// Uploads: part.
const PART: u8 = 0x21;
/// Internal: stripe that waits for repair.
const REPAIR: u8 = 0x40;
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

/// Appends `bytes` with every 00 replaced by 00 FF, so that a terminator cannot occur within, and order is kept.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
}

/// Reads an escaped component; returns it and, if it was terminated, what follows. `None` when malformed.
fn unescape(mut bytes: &[u8]) -> Option<(Vec<u8>, Option<&[u8]>)> {
    let mut component = Vec::with_capacity(bytes.len());
    loop {
        match bytes {
            [] => return Some((component, None)),
            [0x00, 0xff, rest @ ..] => {
                component.push(0);
                bytes = rest;
            }
            [0x00, 0x01, rest @ ..] => return Some((component, Some(rest))),
            [0x00, ..] => return None,
            [byte, rest @ ..] => {
                component.push(*byte);
                bytes = rest;
            }
        }
    }
}

/// The least key above every key that starts with `prefix`; `None` when there is none.
pub(crate) fn prefix_end(mut prefix: Vec<u8>) -> Option<Vec<u8>> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return Some(prefix);
        }
    }
    None
}

/// The least key above `key`.
pub(crate) fn just_above(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

fn escaped(kind: u8, component: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(component.len() + 16);
    key.push(kind);
    escape(component, &mut key);
    key
}

/// Bucket by name.
pub(crate) fn bucket_name(name: &str) -> Vec<u8> {
    escaped(BUCKET_NAME, name.as_bytes())
}

/// A bucket's record: document 0 of the bucket.
pub(crate) fn bucket(id: BucketId) -> Vec<u8> {
    let mut key = bucket_documents(id);
    key.push(0);
    key
}

/// A configuration of a bucket: the document of this kind.
pub(crate) fn configuration(id: BucketId, kind: ConfigurationKind) -> Vec<u8> {
    let mut key = bucket_documents(id);
    key.push(kind.0.get());
    key
}

/// What the keys of all documents of a bucket start with, its record included.
pub(crate) fn bucket_documents(id: BucketId) -> Vec<u8> {
    let mut key = vec![BUCKET];
    key.extend_from_slice(&id.0.to_be_bytes());
    key
}

/// Current version of an object key. A prefix of object keys gives a prefix of tree keys.
pub(crate) fn object(key: &str) -> Vec<u8> {
    escaped(OBJECT, key.as_bytes())
}

/// The object key in a key that [`object`] made.
pub(crate) fn parse_object(key: &[u8]) -> Option<String> {
    let (component, rest) = unescape(key.strip_prefix(&[OBJECT])?)?;
    rest.is_none().then(|| String::from_utf8(component).ok())?
}

/// The body of a small object: of the version with this id, or of the null version.
pub(crate) fn body(key: &str, version: Option<VersionId>) -> Vec<u8> {
    let mut tree_key = escaped(BODY, key.as_bytes());
    if let Some(version) = version {
        tree_key.extend_from_slice(&TERMINATOR);
        push_stamp(version.committed, version.site, &mut tree_key);
    }
    tree_key
}

/// Whether a tree key is a current object's.
pub(crate) fn is_object(key: &[u8]) -> bool {
    key.first() == Some(&OBJECT)
}

/// A version of an object key that is not current, or a delete marker, at its place: newer ones sort first.
pub(crate) fn version(key: &str, place: VersionId) -> Vec<u8> {
    let mut tree_key = versions_of(key);
    tree_key.extend_from_slice(&(!place.committed.bits()).to_be_bytes());
    tree_key.extend_from_slice(&place.site.to_be_bytes());
    tree_key
}

/// What the keys of all such versions of an object key start with.
pub(crate) fn versions_of(key: &str) -> Vec<u8> {
    let mut tree_key = version_prefix(key);
    tree_key.extend_from_slice(&TERMINATOR);
    tree_key
}

/// What the keys of all such versions start with whose object keys start with `prefix`.
pub(crate) fn version_prefix(prefix: &str) -> Vec<u8> {
    escaped(VERSION, prefix.as_bytes())
}

/// Object key and place of a key that [`version`] made.
pub(crate) fn parse_version(tree_key: &[u8]) -> Option<(String, VersionId)> {
    let (key, rest) = unescape(tree_key.strip_prefix(&[VERSION])?)?;
    let (committed, site) = parse_stamp(rest?.try_into().ok()?);
    let committed = Hlc::from_bits(!committed.bits());
    Some((String::from_utf8(key).ok()?, VersionId { committed, site }))
}

/// Whether a tree key is that of a version which is not current, or a delete marker.
pub(crate) fn is_version(key: &[u8]) -> bool {
    key.first() == Some(&VERSION)
}

/// Where the null version of an object key is when it is not current.
pub(crate) fn null_version(key: &str) -> Vec<u8> {
    escaped(NULL_VERSION, key.as_bytes())
}

/// An annotation of a version of an object key.
pub(crate) fn annotation(key: &str, version: VersionName, name: &str) -> Vec<u8> {
    let mut tree_key = annotations_of(key, version);
    escape(name.as_bytes(), &mut tree_key);
    tree_key
}

/// What the keys of all annotations of a version start with.
pub(crate) fn annotations_of(key: &str, version: VersionName) -> Vec<u8> {
    let mut tree_key = annotation_prefix(key);
    tree_key.extend_from_slice(&TERMINATOR);
    match version {
        VersionName::Null => tree_key.push(0),
        VersionName::Id(id) => {
            tree_key.push(1);
            push_stamp(id.committed, id.site, &mut tree_key);
        }
    }
    tree_key
}

/// What the keys of all annotations start with that belong to object keys which start with `prefix`.
pub(crate) fn annotation_prefix(prefix: &str) -> Vec<u8> {
    escaped(ANNOTATION, prefix.as_bytes())
}

/// Object key, version and name of a key that [`annotation`] made.
pub(crate) fn parse_annotation(tree_key: &[u8]) -> Option<(String, VersionName, String)> {
    let (key, rest) = unescape(tree_key.strip_prefix(&[ANNOTATION])?)?;
    let (version, rest) = match rest?.split_first()? {
        (0, rest) => (VersionName::Null, rest),
        (1, rest) => {
            let (stamp, rest) = rest.split_first_chunk()?;
            let (committed, site) = parse_stamp(*stamp);
            (VersionName::Id(VersionId { committed, site }), rest)
        }
        _ => return None,
    };
    let (name, rest) = unescape(rest)?;
    let parsed = (String::from_utf8(key).ok()?, version, String::from_utf8(name).ok()?);
    rest.is_none().then_some(parsed)
}

/// Whether a tree key is an annotation's.
pub(crate) fn is_annotation(key: &[u8]) -> bool {
    key.first() == Some(&ANNOTATION)
}

/// The body of a small annotation, which was put at this time under this name: no other was.
pub(crate) fn annotation_body(put: Hlc, name: &str) -> Vec<u8> {
    let mut tree_key = vec![ANNOTATION_BODY];
    tree_key.extend_from_slice(&put.bits().to_be_bytes());
    escape(name.as_bytes(), &mut tree_key);
    tree_key
}

/// Whether a tree key is a part's.
pub(crate) fn is_part(key: &[u8]) -> bool {
    key.first() == Some(&PART)
}

/// An unfinished upload.
pub(crate) fn upload(key: &str, id: UploadId) -> Vec<u8> {
    let mut tree_key = uploads_of(key);
    push_upload_id(id, &mut tree_key);
    tree_key
}

/// What the keys of all uploads of an object key start with.
pub(crate) fn uploads_of(key: &str) -> Vec<u8> {
    let mut tree_key = upload_prefix(key);
    tree_key.extend_from_slice(&TERMINATOR);
    tree_key
}

/// What the keys of all uploads start with whose object keys start with `prefix`.
pub(crate) fn upload_prefix(prefix: &str) -> Vec<u8> {
    escaped(UPLOAD, prefix.as_bytes())
}

/// Object key and upload id of a key that [`upload`] made.
pub(crate) fn parse_upload(tree_key: &[u8]) -> Option<(String, UploadId)> {
    let (key, rest) = unescape(tree_key.strip_prefix(&[UPLOAD])?)?;
    Some((String::from_utf8(key).ok()?, parse_upload_id(rest?.try_into().ok()?)))
}

/// A part of an upload.
pub(crate) fn part(id: UploadId, number: u16) -> Vec<u8> {
    let mut key = parts_of(id);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// What the keys of all parts of an upload start with.
pub(crate) fn parts_of(id: UploadId) -> Vec<u8> {
    let mut key = vec![PART];
    push_upload_id(id, &mut key);
    key
}

/// The part number of a key that [`part`] made.
pub(crate) fn parse_part(key: &[u8]) -> Option<u16> {
    let rest: &[u8; 12] = key.strip_prefix(&[PART])?.try_into().ok()?;
    Some(u16::from_be_bytes([rest[10], rest[11]]))
}

fn push_upload_id(id: UploadId, key: &mut Vec<u8>) {
    push_stamp(id.initiated, id.site, key);
}

fn push_stamp(time: Hlc, site: u16, key: &mut Vec<u8>) {
    key.extend_from_slice(&time.bits().to_be_bytes());
    key.extend_from_slice(&site.to_be_bytes());
}

fn parse_upload_id(bytes: [u8; 10]) -> UploadId {
    let (initiated, site) = parse_stamp(bytes);
    UploadId { initiated, site }
}

fn parse_stamp(bytes: [u8; 10]) -> (Hlc, u16) {
    let [time @ .., high, low] = bytes;
    (Hlc::from_bits(u64::from_be_bytes(time)), u16::from_be_bytes([high, low]))
}

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

/// Before the key of every object.
pub(crate) fn objects_start() -> Vec<u8> {
    vec![OBJECT]
}

/// Before the key of every upload.
pub(crate) fn uploads_start() -> Vec<u8> {
    vec![UPLOAD]
}

/// Whether a tree key is an upload's, or before them.
pub(crate) fn is_upload(key: &[u8]) -> bool {
    key.first() == Some(&UPLOAD)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few bytes, so that prefixes and zeros meet often.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0, 1, 2, b'a', 0xfe, 0xff]), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_due_sorts_by_time_and_is_read_back(
            left in (any::<u64>(), "[ab\\x00]{0,4}", prop::option::of(any::<(u64, u16)>())),
            right in (any::<u64>(), "[ab\\x00]{0,4}", prop::option::of(any::<(u64, u16)>())),
        ) {
            let (bucket, generation) = (BucketId(7), Hlc::from_bits(9));
            let key = |(time, name, id): (u64, String, Option<(u64, u16)>)| {
                let id = id.map(|(bits, site)| VersionId { committed: Hlc::from_bits(bits), site });
                let subject = Subject::Version(name, id.into());
                let key = due(bucket, generation, UnixMillis(time), &subject);
                assert_eq!(parse_due(&key), Some((UnixMillis(time), subject)));
                key
            };
            if left.0 < right.0 {
                prop_assert!(key(left) < key(right));
            } else {
                let id = UploadId { initiated: generation, site: 1 };
                let upload = due(bucket, generation, UnixMillis(left.0), &Subject::Upload(left.1.clone(), id));
                prop_assert_eq!(parse_due(&upload), Some((UnixMillis(left.0), Subject::Upload(left.1, id))));
            }
        }
    }

    fn terminated(bytes: &[u8], after: u64) -> Vec<u8> {
        let mut key = escaped(OBJECT, bytes);
        key.extend_from_slice(&TERMINATOR);
        key.extend_from_slice(&after.to_be_bytes());
        key
    }

    proptest! {
        #[test]
        fn the_last_component_keeps_the_order_of_any_bytes(left in bytes(), right in bytes()) {
            prop_assert_eq!(escaped(OBJECT, &left).cmp(&escaped(OBJECT, &right)), left.cmp(&right));
        }

        #[test]
        fn a_terminated_component_keeps_the_order_of_any_bytes(
            left in (bytes(), any::<u64>()),
            right in (bytes(), any::<u64>()),
        ) {
            let keys = [&left, &right].map(|(bytes, after)| terminated(bytes, *after));
            prop_assert_eq!(keys[0].cmp(&keys[1]), left.cmp(&right));
        }

        #[test]
        fn components_are_read_back(bytes in bytes(), after: u64) {
            let key = terminated(&bytes, after);
            prop_assert_eq!(unescape(&key[1..]), Some((bytes.clone(), Some(&after.to_be_bytes()[..]))));
            let last = escaped(OBJECT, &bytes);
            prop_assert_eq!(unescape(&last[1..]), Some((bytes, None)));
        }

        #[test]
        fn a_prefix_of_components_is_a_range_of_keys(prefix in bytes(), other in bytes()) {
            let start = escaped(OBJECT, &prefix);
            let end = prefix_end(start.clone()).unwrap();
            let key = escaped(OBJECT, &other);
            prop_assert_eq!(start <= key && key < end, other.starts_with(&prefix));
            prop_assert_eq!(key.starts_with(&start), other.starts_with(&prefix));
        }

        #[test]
        fn just_above_leaves_no_room(left in bytes(), right in bytes()) {
            let above = just_above(escaped(OBJECT, &left));
            prop_assert_eq!(above <= escaped(OBJECT, &right), left < right);
        }

        #[test]
        fn uploads_sort_by_key_then_time_then_site(
            left in ("[a\0/]{1,3}", any::<u64>(), any::<u16>()),
            right in ("[a\0/]{1,3}", any::<u64>(), any::<u16>()),
        ) {
            let id = |time, site| UploadId { initiated: Hlc::from_bits(time), site };
            let keys = [&left, &right].map(|(key, time, site)| upload(key, id(*time, *site)));
            prop_assert_eq!(keys[0].cmp(&keys[1]), left.cmp(&right));
            prop_assert_eq!(parse_upload(&keys[0]), Some((left.0, id(left.1, left.2))));
        }

        #[test]
        fn versions_sort_by_key_then_newest_first(
            left in ("[a\0/]{1,3}", any::<u64>()),
            right in ("[a\0/]{1,3}", any::<u64>()),
        ) {
            let place = |time| VersionId::at(Hlc::from_bits(time));
            let keys = [&left, &right].map(|(key, time)| version(key, place(*time)));
            let expected = left.0.cmp(&right.0).then(right.1.cmp(&left.1));
            prop_assert_eq!(keys[0].cmp(&keys[1]), expected);
            prop_assert_eq!(parse_version(&keys[0]), Some((left.0, place(left.1))));
        }

        #[test]
        fn annotations_of_a_version_lie_together_and_sort_by_name(
            left in ("[a\0/]{1,2}", prop::option::of(0_u64..3), "[ab\0]{1,3}"),
            right in ("[a\0/]{1,2}", prop::option::of(0_u64..3), "[ab\0]{1,3}"),
            prefix in "[ab\0]{0,2}",
        ) {
            let name = |time: Option<u64>| VersionName::from(time.map(|time| VersionId::at(Hlc::from_bits(time))));
            let keys = [&left, &right].map(|(key, time, text)| annotation(key, name(*time), text));
            prop_assert_eq!(keys[0].cmp(&keys[1]), left.cmp(&right));
            prop_assert_eq!(parse_annotation(&keys[0]), Some((left.0.clone(), name(left.1), left.2.clone())));
            let within = keys[0].starts_with(&annotations_of(&right.0, name(right.1)));
            prop_assert_eq!(within, (&left.0, left.1) == (&right.0, right.1));
            let begins = keys[0].starts_with(&annotation(&right.0, name(right.1), &prefix));
            prop_assert_eq!(begins, within && left.2.starts_with(&prefix));
        }

        #[test]
        fn repairs_sort_by_spare_shards_age_write_and_stripe(
            left in (-2_i16..3, 0_u64..3, 0_u128..3, 0_u32..3),
            right in (-2_i16..3, 0_u64..3, 0_u128..3, 0_u32..3),
        ) {
            let key = |(spare, since, write, stripe)| repair(spare, Hlc::from_bits(since), WriteId(write), stripe);
            prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
            let (spare, since, write, stripe) = left;
            prop_assert_eq!(parse_repair(&key(left)), Some((spare, Hlc::from_bits(since), WriteId(write), stripe)));
        }

        #[test]
        fn parsing_any_bytes_never_panics(bytes: Vec<u8>, kind in prop::sample::select(vec![OBJECT, VERSION, ANNOTATION, UPLOAD, PART, REPAIR])) {
            let mut key = vec![kind];
            key.extend_from_slice(&bytes);
            for key in [&bytes, &key] {
                if let Some(object_key) = parse_object(key) {
                    prop_assert_eq!(&object(&object_key), key);
                }
                if let Some((object_key, id)) = parse_upload(key) {
                    prop_assert_eq!(&upload(&object_key, id), key);
                }
                if let Some((object_key, place)) = parse_version(key) {
                    prop_assert_eq!(&version(&object_key, place), key);
                }
                if let Some((object_key, version, name)) = parse_annotation(key) {
                    prop_assert_eq!(&annotation(&object_key, version, &name), key);
                }
                parse_part(key);
                parse_retired(key);
                if let Some((spare, since, write, stripe)) = parse_repair(key) {
                    prop_assert_eq!(&repair(spare, since, write, stripe), key);
                }
            }
        }
    }

    #[test]
    fn names_that_are_prefixes_sort_as_raw_bytes() {
        let sorted = ["a", "a\0", "a\0\0", "a\0b", "a\u{1}", "a/", "ab", "b"];
        assert!(sorted.map(object).is_sorted());
        let id = UploadId { initiated: Hlc::from_bits(u64::MAX), site: u16::MAX };
        assert!(sorted.map(|key| upload(key, id)).is_sorted());
    }

    #[test]
    fn golden_keys() {
        let hex = |key: Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let id = UploadId { initiated: Hlc::from_bits(0x0123_4567_89ab_cdef), site: 2 };
        let version_id = VersionId { committed: id.initiated, site: 2 };
        let write = WriteId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        let write_hex = "0102030405060708090a0b0c0d0e0f10";
        let golden = [
            (bucket_name("b"), "01 62".to_owned()),
            (bucket(BucketId(3)), "02 0000000000000003 00".to_owned()),
            (configuration(BucketId(3), ConfigurationKind::new(7).unwrap()), "02 0000000000000003 07".to_owned()),
            (object("a\0b"), "10 6100ff62".to_owned()),
            (body("a", None), "12 61".to_owned()),
            (body("a", Some(version_id)), "12 61 0001 0123456789abcdef 0002".to_owned()),
            (version("a\0", version_id), "11 6100ff 0001 fedcba9876543210 0002".to_owned()),
            (null_version("a\0"), "13 6100ff".to_owned()),
            (annotation("a", VersionName::Null, "n\0"), "14 61 0001 00 6e00ff".to_owned()),
            (annotation("a", VersionName::Id(version_id), "n"), "14 61 0001 01 0123456789abcdef 0002 6e".to_owned()),
            (annotation_body(id.initiated, "n"), "15 0123456789abcdef 6e".to_owned()),
            (upload("a\0", id), "20 6100ff 0001 0123456789abcdef 0002".to_owned()),
            (part(id, 258), "21 0123456789abcdef 0002 0102".to_owned()),
            (repair(-1, Hlc::from_bits(5), write, 6), format!("40 7fff 0000000000000005 {write_hex} 00000006")),
            (retired(RetiredId { index: 4, write_id: write }), format!("41 0000000000000004 {write_hex}")),
            (draining(BucketId(3)), "42 0000000000000003".to_owned()),
            (pinned(write), format!("43 {write_hex}")),
            (table(), "44".to_owned()),
            (fence(GroupId(7)), "45 00000007".to_owned()),
            (write_result(write), format!("46 00 {write_hex}")),
            (upload_result(BucketId(3), id), "46 01 0000000000000003 0123456789abcdef 0002".to_owned()),
            (result_slot(1, 9), "47 01 00000009".to_owned()),
            (owner(write), format!("48 {write_hex}")),
            (document("d"), "49 64".to_owned()),
            (state(), "4a".to_owned()),
        ];
        for (key, expected) in golden {
            assert_eq!(hex(key), expected.replace(' ', ""));
        }
    }
}
