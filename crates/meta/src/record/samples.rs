//! Arbitrary records for property tests.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use env::UnixMillis;
use placement::{DiskId, Epoch, GroupId};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

pub(crate) fn hlc() -> impl Strategy<Value = Hlc> {
    any::<u64>().prop_map(Hlc::from_bits)
}

pub(crate) fn etag() -> impl Strategy<Value = Etag> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(Etag::Md5),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(md5, part_count)| Etag::Multipart { md5, part_count }),
        "[0-9a-f-]{1,40}".prop_map(|text| Etag::parse(&text).unwrap()),
        any::<String>().prop_filter_map("length", |text| Etag::parse(&text)),
    ]
}

pub(crate) fn checksum() -> impl Strategy<Value = Checksum> {
    let algorithm = select(&ChecksumAlgorithm::ALL[..]);
    let kind = prop_oneof![Just(ChecksumKind::FullObject), Just(ChecksumKind::Composite)];
    (algorithm, kind, any::<[[u8; 32]; 2]>()).prop_map(|(algorithm, kind, value)| {
        let value = Bytes::copy_from_slice(&value.as_flattened()[..algorithm.value_size()]);
        Checksum::new(algorithm, kind, value).unwrap()
    })
}

fn text_map() -> impl Strategy<Value = BTreeMap<String, String>> {
    let name = prop_oneof!["content-type|expires|cache-control", "[a-z]{0,8}", any::<String>()];
    btree_map(name, any::<String>(), 0..4)
}

fn exception() -> impl Strategy<Value = StripeException> {
    let overrides = btree_map(any::<u8>(), any::<u128>().prop_map(DiskId), 0..3);
    (btree_set(any::<u8>(), 0..4), hlc(), overrides).prop_map(|(missing, since, overrides)| StripeException {
        missing,
        since,
        overrides,
    })
}

pub(crate) fn segment() -> impl Strategy<Value = Segment> {
    let slot =
        (any::<u32>(), 0_u32..3).prop_map(|(group, epoch)| StripeSlot { group: GroupId(group), epoch: Epoch(epoch) });
    let geometry = (any::<u8>(), any::<u8>(), any::<u8>(), any::<u32>());
    let exceptions = btree_map(any::<u32>(), exception(), 0..4);
    (any::<u128>(), any::<u64>(), geometry, vec(slot, 0..20), exceptions).prop_map(
        |(write_id, size, (code_id, data, parity, shard_size), slots, exceptions)| Segment {
            write_id: WriteId(write_id),
            size,
            code_id,
            data,
            parity,
            shard_size,
            slots,
            exceptions,
        },
    )
}

fn part() -> impl Strategy<Value = ObjectPart> {
    (any::<u16>(), any::<u64>(), option::of(checksum())).prop_map(|(number, size, checksum)| ObjectPart {
        number,
        size,
        checksum,
    })
}

pub(crate) fn retention() -> impl Strategy<Value = Retention> {
    let mode = prop_oneof![Just(RetentionMode::Governance), Just(RetentionMode::Compliance)];
    (mode, any::<u64>()).prop_map(|(mode, until)| Retention { mode, until: UnixMillis(until) })
}

pub(crate) fn lock() -> impl Strategy<Value = VersionLock> {
    let hold = option::of(prop_oneof![Just(LegalHold::On), Just(LegalHold::Off)]);
    (option::of(retention()), hold).prop_map(|(retention, hold)| VersionLock { retention, hold })
}

fn bucket_lock() -> impl Strategy<Value = BucketLock> {
    let period =
        prop_oneof![any::<u32>().prop_map(RetentionPeriod::Days), any::<u32>().prop_map(RetentionPeriod::Years),];
    let default = (retention(), period).prop_map(|(Retention { mode, .. }, period)| DefaultRetention { mode, period });
    option::of(default).prop_map(|default| BucketLock { default })
}

fn quota() -> impl Strategy<Value = Quota> {
    (option::of(any::<u64>()), option::of(any::<u64>())).prop_map(|(bytes, objects)| Quota { bytes, objects })
}

pub(crate) fn object() -> impl Strategy<Value = ObjectRecord> {
    let body = prop_oneof![
        vec(any::<u8>(), 0..300).prop_map(|bytes| Body::Inline(bytes.into())),
        vec(segment(), 0..3).prop_map(Body::Striped),
        Just(Body::Apart),
    ];
    let head = (any::<u64>(), hlc(), etag(), option::of(any::<String>()), option::of(checksum()));
    let body = (body, option::of(version_id()));
    let maps = (text_map(), text_map(), text_map());
    let rights = (
        option::of(any::<String>()),
        (lock(), option::of(hlc()), any::<bool>(), any::<u64>()),
        option::of(encryption()),
    );
    (head, maps, vec(part(), 0..4), body, rights).prop_map(
        |(
            (size, modified, etag, storage_class, checksum),
            (headers, user_metadata, tags),
            parts,
            (body, version),
            (acl, (lock, noncurrent_since, was_whole, annotations), encryption),
        )| {
            ObjectRecord {
                size,
                modified,
                etag,
                storage_class,
                checksum,
                headers,
                user_metadata,
                tags,
                parts,
                body,
                version,
                acl,
                encryption,
                lock,
                noncurrent_since,
                was_whole,
                annotations,
                unknown: UnknownFields::default(),
            }
        },
    )
}

pub(crate) fn bucket() -> impl Strategy<Value = BucketRecord> {
    let texts = (any::<String>(), any::<String>(), option::of(any::<String>()));
    let configured = prop_oneof![Just(Hlc::ZERO), hlc()];
    let versioning = option::of(prop_oneof![Just(Versioning::Enabled), Just(Versioning::Suspended)]);
    (texts, hlc(), configured, versioning, (option::of(bucket_lock()), option::of(quota()), option::of(hlc())))
        .prop_map(|((name, owner, region), created, configured, versioning, (lock, quota, lifecycle))| BucketRecord {
            name,
            created,
            owner,
            region,
            configured,
            versioning,
            lock,
            quota,
            lifecycle,
            unknown: UnknownFields::default(),
        })
}

pub(crate) fn version_id() -> impl Strategy<Value = VersionId> {
    (hlc(), any::<u16>()).prop_map(|(committed, site)| VersionId { committed, site })
}

pub(crate) fn upload() -> impl Strategy<Value = UploadRecord> {
    let checksum = option::of(checksum().prop_map(|checksum| (checksum.algorithm(), checksum.kind())));
    let texts = (option::of(any::<String>()), option::of(any::<String>()));
    let maps = (text_map(), text_map(), text_map());
    (texts, checksum, maps, lock(), option::of(encryption())).prop_map(
        |((storage_class, acl), checksum, (headers, user_metadata, tags), lock, encryption)| UploadRecord {
            storage_class,
            checksum,
            headers,
            user_metadata,
            tags,
            acl,
            encryption,
            lock,
            unknown: UnknownFields::default(),
        },
    )
}

fn encryption() -> impl Strategy<Value = EncryptionRecord> {
    let envelope = vec(any::<u8>(), 0..40);
    (any::<u8>(), envelope).prop_map(|(layers, envelope)| EncryptionRecord { layers, envelope: envelope.into() })
}

pub(crate) fn uploaded_part() -> impl Strategy<Value = PartRecord> {
    (hlc(), etag(), option::of(checksum()), segment(), option::of(any::<u64>())).prop_map(
        |(modified, etag, checksum, segment, plain_size)| PartRecord {
            modified,
            etag,
            checksum,
            segment,
            plain_size,
            unknown: UnknownFields::default(),
        },
    )
}

pub(crate) fn missing() -> impl Strategy<Value = BTreeSet<u8>> {
    btree_set(any::<u8>(), 0..5)
}
