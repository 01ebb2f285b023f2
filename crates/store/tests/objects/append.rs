//! Appending: what is there stays, what comes is read behind it, and one of two wins.

use std::sync::Arc;

use bytes::Bytes;
use encryption::Protection;
use store::append::Append;
use store::multipart::{CompleteRequest, CompletedPart, CreateUploadRequest};
use store::put::ExpectedBody;
use store::rename::RenameRequest;
use store::{
    ByteRange, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest, Error, Etag, GetRequest, PutRequest,
    PutResult, Result, checksum_of,
};

use crate::encryption::{protections, start};
use crate::node::{Node, bytes};

const INLINE: usize = 16 << 10;
const STRIPE: usize = 4 * (64 << 10);

async fn append_as(node: &Node, key: &str, offset: usize, body: &[u8], request: PutRequest) -> Result<PutResult> {
    let append = Append { offset: offset as u64, names_encryption: request.protection.is_some() };
    let body = Box::new(Bytes::copy_from_slice(body));
    node.store.append_object(&node.bucket().await, key, &append, request, body).await
}

async fn append(node: &Node, key: &str, offset: usize, body: &[u8]) -> Result<PutResult> {
    append_as(node, key, offset, body, PutRequest::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_grow_from_nothing_and_from_any_size() {
    let node = Node::start(6, "4+2").await;
    for (first, seed) in [0, 1, INLINE, INLINE + 1, 3 * STRIPE + 7].into_iter().zip(1..) {
        let key = format!("from {first}");
        let mut whole = bytes(seed, first);
        let created = append(&node, &key, 0, &whole).await.unwrap();
        assert_eq!((created.size, created.etag), (first as u64, Etag::Md5(md5_many::md5(&whole))));
        for (added, seed) in [0, 100, STRIPE + 1, INLINE].into_iter().zip(100..) {
            let bytes = bytes(seed, added);
            let appended = append(&node, &key, whole.len(), &bytes).await.unwrap();
            whole.extend_from_slice(&bytes);
            assert_eq!(appended.size, whole.len() as u64);
            assert_eq!(appended.checksum, Some(checksum_of(ChecksumAlgorithm::Crc64Nvme, &whole)));
            let (object, read) = node.get_with(&key, GetRequest::default()).await.unwrap();
            assert!(read == whole, "{added} bytes behind {first}");
            assert_eq!((object.etag, object.checksum), (appended.etag, appended.checksum));
        }
        let middle = ByteRange::Between(first.saturating_sub(3) as u64, first as u64 + 300);
        let request = GetRequest { range: Some(middle), ..GetRequest::default() };
        assert!(node.get_with(&key, request).await.unwrap().1 == whole[first.saturating_sub(3)..=first + 300]);
        let parts = usize::from(0 < first) + 4;
        let (object, part) =
            node.get_with(&key, GetRequest { part_number: Some(1), ..GetRequest::default() }).await.unwrap();
        assert_eq!((object.part_count, part.len()), (Some(parts as u16), first));
    }
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_go_only_where_the_object_ends() {
    let node = Node::start(6, "4+2").await;
    assert!(matches!(append(&node, "key", 5, b"bytes").await, Err(Error::InvalidWriteOffset)), "there is nothing");
    append(&node, "key", 0, b"bytes").await.unwrap();
    for wrong in [0, 4, 6] {
        assert!(matches!(append(&node, "key", wrong, b"more").await, Err(Error::InvalidWriteOffset)), "{wrong}");
    }
    let wrong = Checksum::new(ChecksumAlgorithm::Crc32, ChecksumKind::FullObject, vec![1; 4].into()).unwrap();
    let expected = ExpectedBody { checksum: ChecksumRequest::Expect(wrong), ..ExpectedBody::default() };
    let refused = append_as(&node, "key", 5, b"more", PutRequest { expected, ..PutRequest::default() }).await;
    assert!(matches!(refused, Err(Error::ChecksumMismatch { .. })));
    assert!(node.get("key").await.unwrap() == b"bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_appends_at_once_one_wins() {
    let node = Arc::new(Node::start(6, "4+2").await);
    for round in 0..4_usize {
        let offset = round * 10;
        let attempts = (0..6_u8).map(|writer| {
            let node = node.clone();
            async move { append(&node, "key", offset, &[writer; 10]).await.is_ok() }
        });
        let won: Vec<bool> = futures_util::future::join_all(attempts).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}");
    }
    let read = node.get("key").await.unwrap();
    assert!(read.len() == 40 && read.chunks(10).all(|chunk| chunk.iter().all(|byte| *byte == chunk[0])));
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_encrypted_grows_encrypted() {
    let node = start().await;
    for (protection, seed) in protections().into_iter().zip(1..) {
        for first in [100, 2 * STRIPE + 5] {
            let key = format!("{seed} {first}");
            let request = PutRequest { protection: Some(protection.clone()), ..PutRequest::default() };
            let mut whole = bytes(seed, first);
            let body = Box::new(Bytes::copy_from_slice(&whole));
            node.store.put_object(&node.bucket().await, &key, request.clone(), body).await.unwrap();
            if matches!(protection, Protection::Customer(_)) {
                assert!(matches!(append(&node, &key, first, b"more").await, Err(Error::InvalidRequest(_))));
                continue;
            }
            for (added, names_it) in [(50, true), (STRIPE, false), (0, false), (70_000, true)] {
                let more = bytes(added as u64, added);
                let request = if names_it { request.clone() } else { PutRequest::default() };
                let appended = append_as(&node, &key, whole.len(), &more, request).await.unwrap();
                whole.extend_from_slice(&more);
                assert!(appended.encryption.is_some());
                assert!(node.get(&key).await.unwrap() == whole, "{added} behind {first} of {seed}");
            }
            let renamed = RenameRequest { source: key.clone(), ..RenameRequest::default() };
            node.store.rename_object(&node.bucket().await, &format!("renamed {key}"), renamed).await.unwrap();
            assert!(node.get(&format!("renamed {key}")).await.unwrap() == whole);
        }
    }
    node.put("plain", vec![1; 10]).await.unwrap();
    let request = PutRequest { protection: Some(Protection::S3), ..PutRequest::default() };
    assert!(matches!(append_as(&node, "plain", 10, b"x", request).await, Err(Error::EncryptionTypeMismatch)));
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_can_be_appended_to_up_to_the_last_number() {
    let node = Node::start(6, "4+2").await;
    let bucket = node.bucket().await;
    let checksum = Some((ChecksumAlgorithm::Sha256, ChecksumKind::Composite));
    for (last, expected) in [(9_999_u16, Ok(())), (10_000, Err("TooManyParts"))] {
        let request = CreateUploadRequest { checksum, ..CreateUploadRequest::default() };
        let upload = node.store.create_upload(&bucket, "key", request).await.unwrap();
        let body = Box::new(Bytes::from_static(b"part"));
        let put = node.store.put_part(&bucket, &upload.id, last, ExpectedBody::default(), body).await.unwrap();
        let parts = vec![CompletedPart { number: last, etag: put.etag.to_string(), checksum: None }];
        let request = CompleteRequest { parts, ..CompleteRequest::default() };
        node.store.complete_upload(&bucket, &upload.id, request).await.unwrap();
        match (append(&node, "key", 4, b"more").await, expected) {
            (Ok(appended), Ok(())) => {
                let sha256 = |bytes: &[u8]| checksum_of(ChecksumAlgorithm::Sha256, bytes).value().to_vec();
                let composite = sha256(&[sha256(b"part"), sha256(b"more")].concat());
                let checksum = appended.checksum.unwrap();
                assert_eq!((checksum.kind(), checksum.value()), (ChecksumKind::Composite, composite.as_slice()));
                assert!(node.get("key").await.unwrap() == b"partmore");
            }
            (Err(Error::TooManyParts), Err(_)) => {}
            (other, _) => panic!("{last}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_object_is_repaired_and_found_by_every_walk() {
    let node = Node::start(6, "4+2").await;
    let (large, small) = (bytes(1, 3 * STRIPE + 9), bytes(2, 100));
    node.put("large", large.clone()).await.unwrap();
    node.put("small", small.clone()).await.unwrap();
    node.put("replaced", bytes(3, 2 * STRIPE)).await.unwrap();
    for (source, target) in [("large", "replaced"), ("small", "renamed")] {
        let request = RenameRequest { source: source.to_owned(), ..RenameRequest::default() };
        node.store.rename_object(&node.bucket().await, target, request).await.unwrap();
        assert!(matches!(node.get(source).await, Err(Error::NoSuchKey)));
    }
    assert!(node.store.fsck().await.unwrap().is_clean());
    node.replace(&[1, 4]).await;
    node.wait_until_writable().await;
    node.store.rebuild().await.unwrap();
    node.lose(&[0, 2]).await;
    assert!(node.get("replaced").await.unwrap() == large, "which stands on the disks that were filled again");
    assert!(node.get("renamed").await.unwrap() == small);
}
