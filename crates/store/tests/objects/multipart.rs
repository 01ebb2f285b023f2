//! Multipart uploads.

use bytes::Bytes;
use store::condition::Precondition;
use store::copy::CopySource;
use store::get::GetRequest;
use store::multipart::{CompleteRequest, CompletedPart, CreateUploadRequest, ListUploadsRequest, Upload};
use store::put::ExpectedBody;
use store::{ByteRange, ChecksumAlgorithm, ChecksumKind, Deletion, Error, Etag, ReadConditions};

use crate::node::{Node, bytes};

const PART: usize = 5 << 20;

async fn create(node: &Node, key: &str) -> Upload {
    node.store.create_upload(&node.bucket().await, key, CreateUploadRequest::default()).await.unwrap()
}

async fn put_part(node: &Node, upload: &Upload, number: u16, body: &[u8]) -> CompletedPart {
    let body = Box::new(Bytes::copy_from_slice(body));
    let put =
        node.store.put_part(&node.bucket().await, &upload.id, number, ExpectedBody::default(), body).await.unwrap();
    CompletedPart { number, etag: put.etag.to_string(), checksum: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_become_an_object_that_reads_whole_by_range_and_by_part() {
    let node = Node::start(6, "4+2").await;
    let body = bytes(1, 2 * PART + 777);
    let upload = create(&node, "key").await;
    let mut parts = Vec::new();
    for (chunk, number) in body.chunks(PART).zip([2, 5, 9]) {
        parts.push(put_part(&node, &upload, number, chunk).await);
    }
    let listed = node.store.list_parts(&node.bucket().await, &upload.id, 2, 10).await.unwrap();
    assert_eq!(listed.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [5, 9]);
    assert!(matches!(node.get("key").await, Err(Error::NoSuchKey)));

    let request = CompleteRequest { parts, ..CompleteRequest::default() };
    let completed = node.store.complete_upload(&node.bucket().await, &upload.id, request.clone()).await.unwrap();
    assert!(matches!(completed.etag, Etag::Multipart { part_count: 3, .. }));
    assert_eq!(completed.size, body.len() as u64);
    assert_eq!(completed.checksum.as_ref().unwrap().kind(), ChecksumKind::FullObject);
    let again = node.store.complete_upload(&node.bucket().await, &upload.id, request).await.unwrap();
    assert_eq!(again, completed, "completing is idempotent");

    let (object, read) = node.get_with("key", GetRequest::default()).await.unwrap();
    assert!(read == body);
    assert_eq!(object.part_count, Some(3));
    let whole = node.put("copy", body.clone()).await.unwrap();
    assert_eq!(whole.checksum, completed.checksum, "combined from the parts' checksums");
    for (chunk, number) in body.chunks(PART).zip(1..) {
        let request = GetRequest { part_number: Some(number), ..GetRequest::default() };
        assert!(node.get_with("key", request).await.unwrap().1 == chunk);
    }
    let across = ByteRange::Between(PART as u64 - 10, 2 * PART as u64 + 10);
    let request = GetRequest { range: Some(across), ..GetRequest::default() };
    assert!(node.get_with("key", request).await.unwrap().1 == body[PART - 10..=2 * PART + 10]);
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_completion_is_said() {
    let node = Node::start(6, "4+2").await;
    let upload = create(&node, "key").await;
    let small = put_part(&node, &upload, 1, b"small").await;
    let last = put_part(&node, &upload, 2, b"last").await;
    let complete = async |parts: Vec<CompletedPart>, size: Option<u64>| {
        let request = CompleteRequest { parts, size, ..CompleteRequest::default() };
        node.store.complete_upload(&node.bucket().await, &upload.id, request).await
    };
    let other = CompletedPart { number: 1, ..last.clone() };
    assert!(matches!(complete(vec![other], None).await, Err(Error::InvalidPart { number: 1 })));
    let unknown = CompletedPart { number: 7, ..last.clone() };
    assert!(matches!(complete(vec![unknown], None).await, Err(Error::InvalidPart { number: 7 })));
    assert!(matches!(complete(vec![last.clone(), small.clone()], None).await, Err(Error::InvalidPartOrder)));
    let too_small = complete(vec![small.clone(), last.clone()], None).await;
    assert!(matches!(too_small, Err(Error::EntityTooSmall { number: 1, size: 5 })), "{too_small:?}");
    assert!(matches!(complete(vec![last.clone()], Some(5)).await, Err(Error::InvalidRequest(_))));
    assert_eq!(complete(vec![last], Some(4)).await.unwrap().size, 4);
    assert_eq!(node.get("key").await.unwrap(), b"last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn composite_checksums_and_copied_parts() {
    let node = Node::start(6, "4+2").await;
    let source = bytes(3, PART + 1000);
    node.put("source", source.clone()).await.unwrap();
    let checksum = Some((ChecksumAlgorithm::Sha256, ChecksumKind::Composite));
    let request = CreateUploadRequest { checksum, ..CreateUploadRequest::default() };
    let upload = node.store.create_upload(&node.bucket().await, "key", request).await.unwrap();
    let from = CopySource {
        bucket: node.bucket().await,
        key: "source".into(),
        version: None,
        conditions: ReadConditions::default(),
        customer_key: None,
    };
    let range = Some(ByteRange::Between(1000, source.len() as u64 - 1));
    let copied = node.store.copy_part(&from, range, &from.bucket, &upload.id, 1).await.unwrap();
    let first = CompletedPart { number: 1, etag: copied.result.etag.to_string(), checksum: copied.result.checksum };
    let second = put_part(&node, &upload, 2, b"tail").await;
    let beyond = Some(ByteRange::Between(0, source.len() as u64));
    assert!(matches!(
        node.store.copy_part(&from, beyond, &from.bucket, &upload.id, 3).await,
        Err(Error::InvalidRange { .. })
    ));

    let request = CompleteRequest { parts: vec![first, second], ..CompleteRequest::default() };
    let completed = node.store.complete_upload(&node.bucket().await, &upload.id, request).await.unwrap();
    let checksum = completed.checksum.unwrap();
    assert_eq!((checksum.algorithm(), checksum.kind()), (ChecksumAlgorithm::Sha256, ChecksumKind::Composite));
    assert!(node.get("key").await.unwrap() == [&source[1000..], b"tail"].concat());
    let attributes = node.store.object_attributes(&node.bucket().await, "key", None, 0, 1).await.unwrap();
    assert_eq!((attributes.parts.len(), attributes.truncated), (1, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_upload_is_gone_with_its_shards() {
    let node = Node::start(6, "4+2").await;
    let upload = create(&node, "key").await;
    put_part(&node, &upload, 1, &bytes(1, 100_000)).await;
    let page = node
        .store
        .list_uploads(&node.bucket().await, &ListUploadsRequest { limit: 10, ..Default::default() })
        .await
        .unwrap();
    assert_eq!(page.uploads, std::slice::from_ref(&upload));
    node.store.abort_upload(&node.bucket().await, &upload.id).await.unwrap();
    assert!(matches!(node.store.list_parts(&node.bucket().await, &upload.id, 0, 10).await, Err(Error::NoSuchUpload)));
    let late = node
        .store
        .put_part(&node.bucket().await, &upload.id, 2, ExpectedBody::default(), Box::new(Bytes::from_static(b"x")))
        .await;
    assert!(matches!(late, Err(Error::NoSuchUpload)));
    node.store.collect_garbage().await.unwrap();
    assert_eq!(node.shard_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_obeys_its_condition() {
    let node = Node::start(6, "4+2").await;
    let upload = create(&node, "key").await;
    let parts = vec![put_part(&node, &upload, 1, b"part").await];
    node.put("key", b"there already".to_vec()).await.unwrap();
    let request = CompleteRequest { parts, condition: Precondition::absent(), ..CompleteRequest::default() };
    let refused = node.store.complete_upload(&node.bucket().await, &upload.id, request.clone()).await;
    assert!(matches!(refused, Err(Error::PreconditionFailed { condition: "If-None-Match" })));
    node.store.delete_object(&node.bucket().await, Deletion::of("key")).await.unwrap();
    node.store.complete_upload(&node.bucket().await, &upload.id, request).await.unwrap();
    assert_eq!(node.get("key").await.unwrap(), b"part");
}
