//! Keys of the trees of objects: versions, their bodies and annotations.

use super::{TERMINATOR, escape, escaped, parse_stamp, push_stamp, unescape};
use crate::record::{Hlc, VersionId, VersionName};

/// Objects: current version of a key, unless it is a delete marker.
pub(super) const OBJECT: u8 = 0x10;
/// Objects: any other version of a key, and every delete marker.
pub(super) const VERSION: u8 = 0x11;
/// Objects: body of a small object.
const BODY: u8 = 0x12;
/// Objects: where the null version of a key is when it is not current.
const NULL_VERSION: u8 = 0x13;
/// Objects: annotation of a version.
pub(super) const ANNOTATION: u8 = 0x14;
/// Objects: body of a small annotation.
const ANNOTATION_BODY: u8 = 0x15;

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
pub(super) fn annotations_of(key: &str, version: VersionName) -> Vec<u8> {
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

/// Before the key of every object.
pub(crate) fn objects_start() -> Vec<u8> {
    vec![OBJECT]
}
