//! Declared bodies, conditional writes, copies and deletions.

use bytes::Bytes;
use env::SimFiles;
use futures_util::{future, stream};
use store::bucket::NewBucket;
use store::condition::Precondition;
use store::copy::{CopyRequest, CopySource};
use store::list::ListRequest;
use store::put::ExpectedBody;
use store::{
    BodyError, Checksum, ChecksumAlgorithm, ChecksumKind, ChecksumRequest, Deletion, Error, EtagCondition, GetRequest,
    PutRequest, ReadConditions, StoreConfig, StreamBody,
};

use crate::node::{Node, bucket, bytes};

fn declared(expected: ExpectedBody) -> PutRequest {
    PutRequest { expected, ..PutRequest::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_as_declared_stores_nothing() {
    let node = Node::start(6, "4+2").await;
    let bucket = node.bucket().await;
    for size in [100, 700_000] {
        let body = bytes(1, size);
        let wrong = Checksum::new(ChecksumAlgorithm::Crc32, ChecksumKind::FullObject, vec![1; 4].into()).unwrap();
        let cases = [
            ExpectedBody { size: Some(size as u64 + 1), ..ExpectedBody::default() },
            ExpectedBody { size: Some(size as u64 - 1), ..ExpectedBody::default() },
            ExpectedBody { md5: Some([0; 16]), ..ExpectedBody::default() },
            ExpectedBody { checksum: ChecksumRequest::Expect(wrong), ..ExpectedBody::default() },
            ExpectedBody { checksum: ChecksumRequest::Trailer(ChecksumAlgorithm::Sha1), ..ExpectedBody::default() },
        ];
        for expected in cases {
            let put =
                node.store.put_object(&bucket, "key", declared(expected.clone()), Box::new(Bytes::from(body.clone())));
            let error = put.await.unwrap_err();
            let client = matches!(error, Error::Body(_) | Error::BadDigest | Error::ChecksumMismatch { .. });
            assert!(client, "{expected:?}: {error}");
            assert!(matches!(node.get("key").await, Err(Error::NoSuchKey)));
        }
        let broken = stream::iter([Ok(Bytes::from(body)), Err(BodyError::Incomplete)]);
        let put = node.store.put_object(&bucket, "key", PutRequest::default(), Box::new(StreamBody(broken)));
        assert!(matches!(put.await, Err(Error::Body(BodyError::Incomplete))));
    }
    let mut node = node;
    node.drain_queues().await;
    assert_eq!(node.shard_count(), 0, "discarded at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_creations_one_wins() {
    let node = Node::start(6, "4+2").await;
    for size in [10, 100_000] {
        let key = format!("key-{size}");
        let puts = (0..8u64).map(|seed| {
            let request = PutRequest { condition: Precondition::absent(), ..PutRequest::default() };
            let (store, key) = (node.store.clone(), key.clone());
            async move {
                let body = bytes(seed, size);
                store.put_object(&bucket(&store).await, &key, request, Box::new(Bytes::from(body))).await
            }
        });
        let outcomes = future::join_all(puts).await;
        let winners: Vec<u64> = (0..8).filter(|seed| outcomes[*seed as usize].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert!(node.get(&key).await.unwrap() == bytes(winners[0], size));
        for error in outcomes.into_iter().filter_map(Result::err) {
            assert!(matches!(error, Error::PreconditionFailed { condition: "If-None-Match" }), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compare_and_swap_loses_no_increment() {
    let node = Node::start(6, "4+2").await;
    node.put("counter", b"0".to_vec()).await.unwrap();
    let workers = (0..4).map(|_| async {
        for _ in 0..5 {
            loop {
                let (object, body) = node.get_with("counter", Default::default()).await.unwrap();
                let next = String::from_utf8(body).unwrap().parse::<u64>().unwrap() + 1;
                let condition = Precondition::matches(object.etag);
                let request = PutRequest { condition, ..PutRequest::default() };
                let body = Box::new(Bytes::from(next.to_string()));
                match node.store.put_object(&node.bucket().await, "counter", request, body).await {
                    Ok(_) => break,
                    Err(Error::PreconditionFailed { condition: "If-Match" }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    future::join_all(workers).await;
    assert_eq!(node.get("counter").await.unwrap(), b"20");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_keep_or_replace_what_goes_with_the_bytes() {
    let node = Node::start(6, "4+2").await;
    let body = bytes(5, 300_000);
    let mut request = PutRequest::default();
    request.user_metadata.insert("color".into(), "green".into());
    request.expected.checksum = ChecksumRequest::Compute(ChecksumAlgorithm::Sha256);
    let put =
        node.store.put_object(&node.bucket().await, "a", request, Box::new(Bytes::from(body.clone()))).await.unwrap();
    let mut source = CopySource {
        bucket: node.bucket().await,
        key: "a".into(),
        version: None,
        conditions: ReadConditions::default(),
        customer_key: None,
    };
    let copied = node.store.copy_object(&source, &node.bucket().await, "b", CopyRequest::default()).await.unwrap();
    assert_eq!((&copied.result.etag, &copied.result.checksum), (&put.etag, &put.checksum));
    let (object, read) = node.get_with("b", Default::default()).await.unwrap();
    assert!(read == body);
    assert_eq!(object.user_metadata["color"], "green");

    let replaced_metadata = Some((Default::default(), [("shape".to_owned(), "round".to_owned())].into()));
    let request = CopyRequest { replaced_metadata, ..CopyRequest::default() };
    node.store.copy_object(&source, &node.bucket().await, "a", request).await.unwrap();
    let (object, read) = node.get_with("a", Default::default()).await.unwrap();
    assert!(read == body);
    assert_eq!(object.user_metadata.into_iter().collect::<Vec<_>>(), [("shape".to_owned(), "round".to_owned())]);

    source.conditions.if_none_match = Some(EtagCondition::Any);
    let refused = node.store.copy_object(&source, &node.bucket().await, "c", CopyRequest::default()).await;
    assert!(matches!(refused, Err(Error::PreconditionFailed { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_keys_are_gone_and_their_bucket_can_follow() {
    let node = Node::start(6, "4+2").await;
    for key in ["a", "b/c", "b/d"] {
        node.put(key, bytes(1, 50_000)).await.unwrap();
    }
    let request = ListRequest { delimiter: Some("/".into()), limit: 10, ..ListRequest::default() };
    let page = node.store.list_objects(&node.bucket().await, &request).await.unwrap();
    assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(page.common_prefixes, ["b/"]);
    let usage = node.store.usage(&node.bucket().await).await.unwrap();
    assert_eq!((usage.objects, usage.bytes), (3, 150_000));
    assert!(matches!(node.store.delete_bucket(&node.bucket().await).await, Err(Error::BucketNotEmpty)));

    let keys = ["a", "b/c", "b/d", "never"].map(Deletion::of).to_vec();
    let deleted = node.store.delete_objects(&node.bucket().await, keys).await;
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    assert!(node.store.list_objects(&node.bucket().await, &request).await.unwrap().objects.is_empty());
    let gone = node.bucket().await;
    node.store.delete_bucket(&gone).await.unwrap();
    assert!(matches!(node.store.head_bucket("bucket").await, Err(Error::NoSuchBucket)));
    node.store.create_bucket(NewBucket::new("bucket", "somebody else")).await.unwrap();
    node.put("a", b"theirs".to_vec()).await.unwrap();
    let in_gone = node.store.get_object(&gone, "a", GetRequest::default()).await;
    assert!(
        matches!(in_gone, Err(Error::NoSuchBucket)),
        "whoever found the bucket before does not read in its successor"
    );
    let body = Box::new(Bytes::from_static(b"ours"));
    let in_gone = node.store.put_object(&gone, "a", PutRequest::default(), body).await;
    assert!(matches!(in_gone, Err(Error::NoSuchBucket)), "nor write");
    assert_eq!(node.get("a").await.unwrap(), b"theirs");
    node.store.collect_garbage().await.unwrap();
    assert_eq!(node.shard_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_large_copies_at_once_do_not_wait_for_each_other_for_ever() {
    let config = StoreConfig { memory_size_max: 1, ..Node::config() };
    let node = Node::open_with(SimFiles::new(1), 6, "4+2", config).await;
    node.store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
    let body = bytes(6, 3_000_000);
    node.put("source", body.clone()).await.unwrap();
    let source = CopySource {
        bucket: node.bucket().await,
        key: "source".into(),
        version: None,
        conditions: ReadConditions::default(),
        customer_key: None,
    };
    let keys: Vec<String> = (0..12).map(|number| format!("copy-{number}")).collect();
    let copies = keys.iter().map(|key| node.store.copy_object(&source, &source.bucket, key, CopyRequest::default()));
    for (copied, key) in future::join_all(copies).await.into_iter().zip(&keys) {
        copied.unwrap();
        assert!(node.get(key).await.unwrap() == body);
    }
}
