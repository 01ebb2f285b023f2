//! Annotations: stored, repaired, collected, renamed and copied with their objects.

use bytes::Bytes;
use encryption::{Method, Protection};
use futures_util::TryStreamExt;
use store::annotation::{AnnotationRequest, AnnotationTarget, ListAnnotations};
use store::bucket::Versioning;
use store::copy::{AnnotationDirective, CopyRequest, CopySource};
use store::object::Governance;
use store::rename::RenameRequest;
use store::{Deletion, Error, EtagCondition, PutRequest, PutResult, ReadConditions, Result, VersionName};

use crate::encryption as encrypted;
use crate::node::Node;

/// Inline, and of one and of several stripes.
const SIZES: [usize; 3] = [100, 20_000, 1 << 20];

/// Text that differs everywhere.
fn text(seed: usize, size: usize) -> String {
    let mut text = String::with_capacity(size + 32);
    let mut number = seed + 7919;
    while text.len() < size {
        text.push_str(&format!("{number:x}ä"));
        number += seed + 7919;
    }
    while !text.is_char_boundary(size) {
        text.insert(0, 'x');
    }
    text.truncate(size);
    text
}

fn target(key: &str, name: &str) -> AnnotationTarget {
    AnnotationTarget { key: key.to_owned(), version: None, name: name.to_owned() }
}

async fn annotate(node: &Node, key: &str, name: &str, text: &str) -> Result<PutResult> {
    let body = Box::new(Bytes::copy_from_slice(text.as_bytes()));
    node.store.put_annotation(&node.bucket().await, target(key, name), AnnotationRequest::default(), body).await
}

async fn read_of(node: &Node, target: &AnnotationTarget) -> Result<String> {
    let reader = node.store.get_annotation(&node.bucket().await, target).await?;
    let chunks: Vec<Bytes> = reader.body.try_collect().await?;
    assert_eq!(chunks.iter().map(Bytes::len).sum::<usize>() as u64, reader.annotation.size);
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

async fn read(node: &Node, key: &str, name: &str) -> Result<String> {
    read_of(node, &target(key, name)).await
}

async fn names(node: &Node, key: &str) -> Vec<String> {
    let list = ListAnnotations { limit: 1000, ..ListAnnotations::default() };
    let page = node.store.list_annotations(&node.bucket().await, (key, None), list).await.unwrap();
    page.annotations.into_iter().map(|annotation| annotation.name).collect()
}

/// An object with an annotation of each size, which is its name.
async fn put_annotated(node: &Node, key: &str) {
    node.put(key, b"body".to_vec()).await.unwrap();
    for size in SIZES {
        annotate(node, key, &size.to_string(), &text(size, size)).await.unwrap();
    }
}

async fn assert_annotated(node: &Node, key: &str) {
    for size in SIZES {
        assert!(read(node, key, &size.to_string()).await.unwrap() == text(size, size), "{size} of {key}");
    }
}

async fn copy(node: &Node, source: &str, target: &str, annotations: AnnotationDirective) -> Result<PutResult> {
    copy_as(node, source, target, CopyRequest { annotations, ..CopyRequest::default() }).await
}

async fn copy_as(node: &Node, source: &str, target: &str, request: CopyRequest) -> Result<PutResult> {
    let bucket = node.bucket().await;
    let source = CopySource {
        bucket: bucket.clone(),
        key: source.to_owned(),
        version: None,
        conditions: ReadConditions::default(),
        customer_key: None,
    };
    Ok(node.store.copy_object(&source, &bucket, target, request).await?.result)
}

/// No shard is there that nothing names, once garbage is collected.
async fn assert_nothing_left(node: &Node) {
    for _ in 0..3 {
        node.store.advance_epoch().await.unwrap();
        node.store.collect_garbage().await.unwrap();
    }
    assert_eq!(node.shard_count(), 0);
    assert_eq!(node.store.usage(&node.bucket().await).await.unwrap().bytes, 0);
    assert!(node.store.fsck().await.unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotations_are_replaced_listed_counted_and_deleted() {
    let node = Node::start(6, "4+2").await;
    put_annotated(&node, "key").await;
    assert_annotated(&node, "key").await;
    assert_eq!(names(&node, "key").await, ["100", "1048576", "20000"]);
    let bytes = 4 + SIZES.iter().sum::<usize>() as u64;
    assert_eq!(node.store.usage(&node.bucket().await).await.unwrap().bytes, bytes);
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.annotations == 3, "{report:?}");

    annotate(&node, "key", "20000", "shorter").await.unwrap();
    assert_eq!(read(&node, "key", "20000").await.unwrap(), "shorter");
    let bucket = node.bucket().await;
    let delete =
        async |name| node.store.delete_annotation(&bucket, target("key", name), None, Governance::Observed).await;
    assert_eq!(delete("100").await.unwrap(), None);
    assert_eq!(delete("100").await.unwrap(), None, "it is gone already");
    assert!(matches!(read(&node, "key", "100").await, Err(Error::NoSuchAnnotation)));
    assert!(matches!(read(&node, "missing", "100").await, Err(Error::NoSuchKey)));
    node.store.delete_object(&bucket, Deletion::of("key")).await.unwrap();
    assert_nothing_left(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_join_to_the_whole() {
    let node = Node::start(3, "1+1").await;
    node.put("key", b"body".to_vec()).await.unwrap();
    let all: Vec<String> = (0..7).map(|number| format!("{}/{number}", ["a", "b"][number % 2])).collect();
    for name in &all {
        annotate(&node, "key", name, name).await.unwrap();
    }
    for (prefix, limit) in [("", 1), ("", 3), ("", 7), ("a", 2), ("b/", 1000), ("c", 1)] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let list = ListAnnotations { prefix: prefix.to_owned(), after, limit };
            let page = node.store.list_annotations(&node.bucket().await, ("key", None), list).await.unwrap();
            assert!(page.annotations.len() <= limit);
            found.extend(page.annotations.into_iter().map(|annotation| annotation.name));
            if !page.truncated {
                break;
            }
            after = found.last().cloned();
        }
        let mut expected: Vec<_> = all.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
        expected.sort();
        assert_eq!(found, expected, "{prefix:?} by {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_annotation_leaves_nothing() {
    let node = Node::start(6, "4+2").await;
    node.put("key", b"body".to_vec()).await.unwrap();
    let put = async |name: &str, body: Vec<u8>, request| {
        let body = Box::new(Bytes::from(body));
        node.store.put_annotation(&node.bucket().await, target("key", name), request, body).await
    };
    let mut binary = text(1, 500_000).into_bytes();
    binary[400_000] = 0xff;
    assert!(matches!(put("n", binary, AnnotationRequest::default()).await, Err(Error::NotText)));
    assert!(matches!(put("n", Vec::new(), AnnotationRequest::default()).await, Err(Error::InvalidRequest(_))));
    let large = put("n", vec![b'a'; (1 << 20) + 1], AnnotationRequest::default()).await;
    assert!(matches!(large, Err(Error::EntityTooLarge { .. })), "{large:?}");
    let if_match = Some(EtagCondition::OneOf(Vec::new()));
    let refused = put("n", vec![b'a'; 100_000], AnnotationRequest { if_match, ..AnnotationRequest::default() }).await;
    assert!(matches!(refused, Err(Error::PreconditionFailed { condition: "x-amz-object-if-match" })), "{refused:?}");
    assert!(names(&node, "key").await.is_empty());
    node.store.delete_object(&node.bucket().await, Deletion::of("key")).await.unwrap();
    assert_nothing_left(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotations_survive_the_loss_of_disks_and_a_rename() {
    let node = Node::start(6, "4+2").await;
    put_annotated(&node, "old").await;
    node.put("new", vec![1; 100_000]).await.unwrap();
    annotate(&node, "new", "replaced", &text(3, 50_000)).await.unwrap();
    let request = RenameRequest { source: "old".to_owned(), ..RenameRequest::default() };
    node.store.rename_object(&node.bucket().await, "new", request).await.unwrap();
    assert_eq!(names(&node, "new").await, ["100", "1048576", "20000"]);

    node.replace(&[1, 4]).await;
    node.wait_until_writable().await;
    assert_annotated(&node, "new").await;
    let rebuilt = node.store.rebuild().await.unwrap();
    assert!(0 < rebuilt.repaired_shards && rebuilt.waiting_stripes == 0, "{rebuilt:?}");
    assert!(node.store.fsck().await.unwrap().is_clean());
    node.lose(&[0, 2]).await;
    assert_annotated(&node, "new").await;
    node.lose(&[]).await;
    node.store.delete_object(&node.bucket().await, Deletion::of("new")).await.unwrap();
    assert_nothing_left(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_an_annotation_missed_is_repaired() {
    let node = Node::start(6, "4+2").await;
    node.lose(&[3]).await;
    put_annotated(&node, "key").await;
    node.lose(&[]).await;
    let repaired = node.store.repair().await.unwrap();
    assert!(0 < repaired.repaired_shards && repaired.waiting_stripes == 0, "{repaired:?}");
    assert!(node.store.fsck().await.unwrap().is_clean());
    assert_annotated(&node, "key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_version_has_its_own() {
    let node = Node::start(6, "4+2").await;
    node.store.set_versioning(&node.bucket().await, Versioning::Enabled).await.unwrap();
    let mut versions = Vec::new();
    for number in 0..3 {
        let version = node.put("key", vec![0; 10]).await.unwrap().version;
        let put = annotate(&node, "key", "n", &text(number, 30_000)).await.unwrap();
        assert_eq!(put.version, version);
        versions.push(version.unwrap());
    }
    let of = |version: VersionName| AnnotationTarget { version: Some(version), ..target("key", "n") };
    for (version, number) in versions.iter().zip(0..) {
        assert!(read_of(&node, &of(*version)).await.unwrap() == text(number, 30_000));
    }
    let bucket = node.bucket().await;
    node.store.delete_object(&bucket, Deletion::of("key")).await.unwrap();
    assert!(matches!(read(&node, "key", "n").await, Err(Error::KeyDeleted(_))));
    for version in versions {
        assert_eq!(read_of(&node, &of(version)).await.unwrap().len(), 30_000);
        let deletion = Deletion { version: Some(version), ..Deletion::of("key") };
        node.store.delete_object(&bucket, deletion).await.unwrap();
        assert!(matches!(read_of(&node, &of(version)).await, Err(Error::NoSuchVersion(_))));
    }
    assert_nothing_left(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_have_annotations_of_their_own() {
    let node = Node::start(6, "4+2").await;
    put_annotated(&node, "source").await;
    node.put("target", vec![0; 100_000]).await.unwrap();
    for name in ["20000", "replaced"] {
        annotate(&node, "target", name, &text(9, 60_000)).await.unwrap();
    }
    let refused = copy(&node, "source", "target", AnnotationDirective::Absent).await;
    assert!(matches!(refused, Err(Error::ConcurrentChange)), "{refused:?}");
    assert_eq!(names(&node, "target").await, ["20000", "replaced"]);
    copy(&node, "source", "without", AnnotationDirective::Exclude).await.unwrap();
    copy(&node, "without", "without either", AnnotationDirective::Absent).await.unwrap();
    copy(&node, "source", "target", AnnotationDirective::Copy { protection: None }).await.unwrap();
    assert!(names(&node, "without").await.is_empty());
    assert_eq!(names(&node, "target").await, ["100", "1048576", "20000"]);
    let bucket = node.bucket().await;
    node.store.delete_object(&bucket, Deletion::of("source")).await.unwrap();
    node.store.collect_garbage().await.unwrap();
    assert_annotated(&node, "target").await;
    // Onto itself: what ends has the names of what comes.
    copy(&node, "target", "target", AnnotationDirective::Copy { protection: None }).await.unwrap();
    node.store.collect_garbage().await.unwrap();
    assert_annotated(&node, "target").await;
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.annotations == 3 && report.orphaned_shards == 0, "{report:?}");
    for key in ["target", "without", "without either"] {
        node.store.delete_object(&bucket, Deletion::of(key)).await.unwrap();
    }
    assert_nothing_left(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_annotations_are_copied_with_little_in_the_command() {
    let node = Node::start(3, "1+1").await;
    node.put("source", b"body".to_vec()).await.unwrap();
    for number in 0..80 {
        annotate(&node, "source", &format!("{number:02}"), &text(number, 15_000)).await.unwrap();
    }
    assert_eq!(node.shard_count(), 0, "all of them are in the metadata");
    copy(&node, "source", "target", AnnotationDirective::Copy { protection: None }).await.unwrap();
    let in_metadata = (1 << 20) / 15_000;
    assert_eq!(node.shard_count(), 2 * (80 - in_metadata));
    for number in 0..80 {
        assert!(read(&node, "target", &format!("{number:02}")).await.unwrap() == text(number, 15_000));
    }
    // What the condition forbids leaves no shard behind.
    let condition = store::Precondition { if_none_match: Some(EtagCondition::Any), ..Default::default() };
    let annotations = AnnotationDirective::Copy { protection: None };
    let request = CopyRequest { condition, annotations, ..CopyRequest::default() };
    let refused = copy_as(&node, "source", "target", request).await;
    assert!(matches!(refused, Err(Error::PreconditionFailed { .. })), "{refused:?}");
    for key in ["source", "target"] {
        node.store.delete_object(&node.bucket().await, Deletion::of(key)).await.unwrap();
    }
    assert_nothing_left(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotations_are_encrypted_as_their_objects_and_never_lie_plain() {
    let node = encrypted::start().await;
    let [s3, kms, dual, customer] = encrypted::protections();
    let bucket = node.bucket().await;
    let put = async |key: &str, protection: &Protection| {
        let request = PutRequest { protection: Some(protection.clone()), ..PutRequest::default() };
        node.store.put_object(&bucket, key, request, Box::new(Bytes::from_static(b"body"))).await.unwrap();
    };
    for (key, protection) in [("s3", &s3), ("kms", &kms), ("dual", &dual)] {
        put(key, protection).await;
        for size in SIZES {
            let result = annotate(&node, key, &size.to_string(), &text(size, size)).await.unwrap();
            let expected = match protection {
                Protection::S3 => Method::S3,
                Protection::Kms(key) => Method::Kms(key.clone()),
                Protection::Dual(key) => Method::Dual(key.clone()),
                Protection::Customer(_) => Method::Customer,
            };
            assert_eq!(result.encryption, Some(expected));
        }
        assert_annotated(&node, key).await;
    }
    // Copies are encrypted as their object is, and as asked for where it is not.
    for (key, protection, otherwise) in [("a", Some(dual.clone()), None), ("b", None, Some(s3.clone()))] {
        let annotations = AnnotationDirective::Copy { protection: otherwise };
        copy_as(&node, "s3", key, CopyRequest { protection, annotations, ..CopyRequest::default() }).await.unwrap();
        assert_annotated(&node, key).await;
    }
    let annotations = AnnotationDirective::Copy { protection: None };
    let request = CopyRequest { protection: Some(customer.clone()), annotations, ..CopyRequest::default() };
    let refused = copy_as(&node, "s3", "c", request).await;
    assert!(matches!(refused, Err(Error::InvalidRequest(_))), "{refused:?}");
    put("customer", &customer).await;
    assert!(matches!(annotate(&node, "customer", "n", "text").await, Err(Error::InvalidRequest(_))));

    for (size, at) in [(SIZES[0], 0), (SIZES[1], 9000), (SIZES[2], 0), (SIZES[2], 500_000), (SIZES[2], 1_000_000)] {
        let plain = text(size, size);
        assert!(!encrypted::is_on_disks(&node.files, &plain.as_bytes()[at..at + 24]), "{size} at {at}");
    }
}
