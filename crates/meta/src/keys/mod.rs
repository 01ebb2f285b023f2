//! Keys of the trees. `docs/formats/metadata-keys.md` specifies them.
//!
//! A key is a kind byte and components whose byte order is the order we list in. A component of variable length is
//! escaped, and ends with a terminator unless it is the last.

mod catalog;
mod internal;
mod objects;
#[cfg(test)]
mod tests;
mod uploads;

use crate::record::{Hlc, UploadId};

pub(crate) use self::catalog::{bucket, bucket_documents, bucket_name, configuration};
pub(crate) use self::internal::{
    document, draining, draining_buckets, due, dues, fence, lifecycle, lifecycles, owner, owners, parse_document,
    parse_draining, parse_due, parse_lifecycle, parse_owner, parse_pinned, parse_repair, parse_retired, pinned,
    pinned_writes, repair, repairs, result_slot, retired, retired_segments, state, table, upload_result, usage,
    write_result,
};
pub(crate) use self::objects::{
    annotation, annotation_body, annotation_prefix, body, is_annotation, is_object, is_version, null_version, object,
    objects_start, parse_annotation, parse_object, parse_version, version, version_prefix, versions_of,
};
pub(crate) use self::uploads::{
    is_part, is_upload, parse_part, parse_upload, part, parts_of, upload, upload_prefix, uploads_of, uploads_start,
};

/// Ends an escaped component. Sorts below every continuation of it.
const TERMINATOR: [u8; 2] = [0x00, 0x01];

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
