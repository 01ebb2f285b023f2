//! Encrypted objects: what goes in comes out, under the right key only, and never lies on a disk.

use std::sync::Arc;

use bytes::Bytes;
use encryption::{
    CustomerKey, EnvelopeConfig, Envelopes, KeyUse, LocalKeys, MANAGED_KEY, MasterKey, Method, Protection,
};
use env::{Env, Files, OpenMode, SimFiles};
use store::bucket::NewBucket;
use store::copy::{CopyRequest, CopySource};
use store::multipart::{CompleteRequest, CompletedPart, CreateUploadRequest, PartTarget, Upload};
use store::put::ExpectedBody;
use store::{ByteRange, Error, GetRequest, Object, PutRequest, ReadConditions, Result, StoreConfig};

use crate::node::{Node, bytes, disk_path};

const INLINE: usize = 16 << 10;
const CHUNK: usize = 64 << 10;
const STRIPE: usize = 4 * CHUNK;

/// A node whose store has keys: the managed ones, and `testkey`.
pub async fn start() -> Node {
    let node = Node::start(6, "4+2").await;
    unlock(&node);
    node
}

fn unlock(node: &Node) {
    let env = Env::real();
    let master = MasterKey::parse(&format!("{}=", "A".repeat(43))).unwrap();
    let file = encryption::KeyFile::parse(&format!("[keys]\ntestkey = \"{}=\"", "E".repeat(42) + "A")).unwrap();
    let service = Arc::new(LocalKeys::new(file.keys, env.entropy.clone()));
    let config = EnvelopeConfig { master, service: Some(service), s3_key: None };
    node.store.unlock(Arc::new(Envelopes::new(&env, config)));
}

fn named(key_id: &str) -> KeyUse {
    KeyUse { key_id: key_id.to_owned(), context: None, bucket_key: false }
}

fn customer() -> CustomerKey {
    CustomerKey::parse(&format!("{}=", "Q".repeat(43))).unwrap()
}

pub fn protections() -> [Protection; 4] {
    [
        Protection::S3,
        Protection::Kms(named(MANAGED_KEY)),
        Protection::Dual(named("testkey")),
        Protection::Customer(customer()),
    ]
}

fn key_of(protection: Option<&Protection>) -> Option<CustomerKey> {
    match protection {
        Some(Protection::Customer(key)) => Some(key.clone()),
        _ => None,
    }
}

async fn put(node: &Node, key: &str, body: &[u8], protection: Option<&Protection>) -> store::PutResult {
    let request = PutRequest { protection: protection.cloned(), ..PutRequest::default() };
    let body = Box::new(Bytes::copy_from_slice(body));
    node.store.put_object(&node.bucket().await, key, request, body).await.unwrap()
}

async fn get(node: &Node, key: &str, protection: Option<&Protection>) -> Result<(Object, Vec<u8>)> {
    node.get_with(key, GetRequest { customer_key: key_of(protection), ..GetRequest::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_every_border_size_come_back() {
    let node = start().await;
    let borders = [0, 1, INLINE, CHUNK, STRIPE, 5 * STRIPE + CHUNK / 2];
    let sizes = borders.into_iter().flat_map(|size| [size.saturating_sub(1), size, size + 1]);
    for (size, seed) in sizes.zip(0..) {
        let body = bytes(seed, size);
        for protection in &protections() {
            for declared in [None, Some(size as u64)] {
                let expected = ExpectedBody { size: declared, ..ExpectedBody::default() };
                let request = PutRequest { protection: Some(protection.clone()), expected, ..PutRequest::default() };
                let body_sent = Box::new(Bytes::from(body.clone()));
                let put = node.store.put_object(&node.bucket().await, "key", request, body_sent).await.unwrap();
                let (object, read) = get(&node, "key", Some(protection)).await.unwrap();
                assert!(read == body, "{size} bytes, {protection:?}");
                assert_eq!((object.size, &object.etag, put.size), (size as u64, &put.etag, size as u64));
                assert_eq!(object.encryption.map(|encryption| encryption.method), put.encryption);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_slices_of_the_whole_also_with_disks_lost() {
    let node = start().await;
    let size = 2 * STRIPE + 1000;
    let body = bytes(1, size);
    let borders = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, STRIPE - 1, STRIPE, STRIPE + 1, 2 * STRIPE, size - 1];
    for protection in [Protection::S3, Protection::Dual(named("testkey"))] {
        node.lose(&[]).await;
        put(&node, "key", &body, Some(&protection)).await;
        node.lose(&[1, 4]).await;
        for first in borders {
            for last in borders.into_iter().filter(|last| first <= *last) {
                let range = Some(ByteRange::Between(first as u64, last as u64));
                let (_, read) = node.get_with("key", GetRequest { range, ..GetRequest::default() }).await.unwrap();
                assert!(read == body[first..=last], "bytes {first} to {last}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_keys_are_needed_for_everything_that_tells_of_an_object() {
    let node = start().await;
    let body = bytes(3, 100_000);
    put(&node, "own", &body, Some(&Protection::Customer(customer()))).await;
    put(&node, "plain", &body, None).await;
    put(&node, "ours", &body, Some(&Protection::S3)).await;
    let other = CustomerKey::parse(&format!("{}=", "g".repeat(43))).unwrap();
    use encryption::Error::{CustomerKeyMissing, CustomerKeyUnexpected, CustomerKeyWrong};
    for (key, customer_key, expected) in [
        ("own", None, CustomerKeyMissing),
        ("own", Some(other), CustomerKeyWrong),
        ("plain", Some(customer()), CustomerKeyUnexpected),
        ("ours", Some(customer()), CustomerKeyUnexpected),
    ] {
        let request = GetRequest { customer_key: customer_key.clone(), ..GetRequest::default() };
        let read = node.get_with(key, request.clone()).await.map(drop);
        assert!(matches!(&read, Err(Error::Key(error)) if *error == expected), "{key} {read:?}");
        let head = node.store.head_range(&node.bucket().await, key, request).await.map(drop);
        assert!(matches!(&head, Err(Error::Key(error)) if *error == expected), "{key} {head:?}");
        let object = node.store.head_object(&node.bucket().await, key, None).await.unwrap();
        let told = node.store.check_customer_key(&object, customer_key.as_ref()).await;
        assert!(matches!(&told, Err(Error::Key(error)) if *error == expected), "{key} {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entity_tags_are_digests_only_where_aws_has_them_so() {
    let node = start().await;
    let body = bytes(3, 1000);
    let plain = put(&node, "key", &body, None).await.etag;
    for protection in &protections() {
        let etag = put(&node, "key", &body, Some(protection)).await.etag;
        assert_eq!(etag == plain, matches!(protection, Protection::S3), "{protection:?}");
    }
}

async fn create(node: &Node, protection: Option<&Protection>) -> Upload {
    let request = CreateUploadRequest { protection: protection.cloned(), ..CreateUploadRequest::default() };
    node.store.create_upload(&node.bucket().await, "parts", request).await.unwrap()
}

fn completed(number: u16, put: &store::PutResult) -> CompletedPart {
    CompletedPart { number, etag: put.etag.to_string(), checksum: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_read_as_one_object_and_one_by_one() {
    let node = start().await;
    let body = bytes(4, (5 << 20) + 70_001);
    for protection in &protections() {
        let upload = create(&node, Some(protection)).await;
        let customer_key = key_of(Some(protection));
        let mut parts = Vec::new();
        for (piece, number) in [(&body[..5 << 20], 2), (&body[5 << 20..], 7)] {
            let target = PartTarget { number, customer_key: customer_key.clone() };
            let body = Box::new(Bytes::copy_from_slice(piece));
            let put = node
                .store
                .put_part(&node.bucket().await, &upload.id, target, ExpectedBody::default(), body)
                .await
                .unwrap();
            assert_eq!(put.size, piece.len() as u64);
            parts.push(completed(number, &put));
        }
        let page = node.store.list_parts(&node.bucket().await, &upload.id, 0, 10).await.unwrap();
        assert_eq!(page.parts.iter().map(|part| part.size).collect::<Vec<_>>(), [5 << 20, 70_001]);
        let size = Some(body.len() as u64);
        let request = CompleteRequest { parts, size, customer_key: customer_key.clone(), ..CompleteRequest::default() };
        let done = node.store.complete_upload(&node.bucket().await, &upload.id, request).await.unwrap();
        assert_eq!(done.size, body.len() as u64);
        assert!(done.encryption.is_some());
        let (object, read) = get(&node, "parts", Some(protection)).await.unwrap();
        assert!(read == body && object.part_count == Some(2), "{protection:?}");
        let second = GetRequest { part_number: Some(2), customer_key: customer_key.clone(), ..GetRequest::default() };
        assert!(node.get_with("parts", second).await.unwrap().1 == body[5 << 20..]);
        let across = Some(ByteRange::Between((5 << 20) - 3, (5 << 20) + 2));
        let across = GetRequest { range: across, customer_key, ..GetRequest::default() };
        assert!(node.get_with("parts", across).await.unwrap().1 == body[(5 << 20) - 3..(5 << 20) + 3]);
    }
    let usage = node.store.usage(&node.bucket().await).await.unwrap();
    assert_eq!(usage.bytes, body.len() as u64, "plain bytes are counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_need_the_key_of_their_upload() {
    let node = start().await;
    let put = async |upload: &Upload, customer_key| {
        let part = PartTarget { number: 1, customer_key };
        let body = Box::new(Bytes::from_static(b"part"));
        node.store.put_part(&node.bucket().await, &upload.id, part, ExpectedBody::default(), body).await
    };
    let own = create(&node, Some(&Protection::Customer(customer()))).await;
    let other = CustomerKey::parse(&format!("{}=", "g".repeat(43))).unwrap();
    for wrong in [None, Some(other)] {
        assert!(matches!(put(&own, wrong).await, Err(Error::Key(_))));
    }
    let plain = create(&node, None).await;
    assert!(matches!(put(&plain, Some(customer())).await, Err(Error::Key(_))));
    assert!(put(&own, Some(customer())).await.is_ok() && put(&plain, None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_have_the_encryption_that_they_are_given() {
    let node = start().await;
    let body = bytes(5, 300_001);
    let mut all: Vec<Option<Protection>> = protections().into_iter().map(Some).collect();
    all.push(None);
    for from in &all {
        put(&node, "from", &body, from.as_ref()).await;
        let source = CopySource {
            bucket: node.bucket().await,
            key: "from".into(),
            version: None,
            conditions: ReadConditions::default(),
            customer_key: key_of(from.as_ref()),
        };
        for to in &all {
            let request = CopyRequest { protection: to.clone(), ..CopyRequest::default() };
            let copied = node.store.copy_object(&source, &source.bucket, "to", request).await.unwrap();
            assert_eq!(copied.result.encryption.is_some(), to.is_some());
            let (_, read) = get(&node, "to", to.as_ref()).await.unwrap();
            assert!(read == body, "{from:?} {to:?}");

            let upload = create(&node, to.as_ref()).await;
            let part = PartTarget { number: 1, customer_key: key_of(to.as_ref()) };
            let range = Some(ByteRange::Between(10, 200_000));
            let copied = node.store.copy_part(&source, range, &source.bucket, &upload.id, part).await.unwrap();
            let parts = vec![completed(1, &copied.result)];
            let request = CompleteRequest { parts, customer_key: key_of(to.as_ref()), ..CompleteRequest::default() };
            node.store.complete_upload(&node.bucket().await, &upload.id, request).await.unwrap();
            let (_, read) = get(&node, "parts", to.as_ref()).await.unwrap();
            assert!(read == body[10..=200_000], "{from:?} {to:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_wrapped_again_without_touching_the_bytes() {
    let node = start().await;
    let body = bytes(6, 300_000);
    let before = put(&node, "key", &body, Some(&Protection::S3)).await;
    let to = Protection::Kms(named("testkey"));
    node.store.rewrap_object(&node.bucket().await, "key", None, &to).await.unwrap();
    let (object, read) = get(&node, "key", None).await.unwrap();
    assert_eq!(object.encryption.map(|encryption| encryption.method), Some(Method::Kms(named("testkey"))));
    assert!(read == body && object.etag == before.etag);
    for (key, protection) in [("plain", None), ("own", Some(Protection::Customer(customer())))] {
        put(&node, key, &body, protection.as_ref()).await;
        let refused = node.store.rewrap_object(&node.bucket().await, key, None, &to).await;
        assert!(matches!(refused, Err(Error::InvalidRequest(_))), "{key}");
    }
}

/// Whether any file of the disks holds `needle`.
pub fn is_on_disks(files: &SimFiles, needle: &[u8]) -> bool {
    let mut folders: Vec<_> = (0..6).map(disk_path).collect();
    while let Some(folder) = folders.pop() {
        for name in files.list(&folder).unwrap() {
            let path = folder.join(name);
            let Ok(file) = files.open(&path, OpenMode::Read) else {
                folders.push(path);
                continue;
            };
            let mut content = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
            file.read_exact_at(&mut content, 0).unwrap();
            if content.windows(needle.len()).any(|window| window == needle) {
                return true;
            }
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_bytes_are_on_no_disk() {
    const MARKER: &[u8] = b"this sentence must not be found on any disk";
    for (protection, expected) in [(Some(Protection::S3), false), (None, true)] {
        let node = start().await;
        for size in [MARKER.len(), 200_000] {
            let body: Vec<u8> = MARKER.iter().copied().cycle().take(size).collect();
            put(&node, &format!("key-{size}"), &body, protection.as_ref()).await;
        }
        let files = node.stop().await;
        assert_eq!(is_on_disks(&files, MARKER), expected, "{protection:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_objects_survive_a_restart_and_small_stripes() {
    let config = StoreConfig { shard_unit: 4 << 10, ..Node::config() };
    let node = Node::open_with(SimFiles::new(3), 6, "4+2", config.clone()).await;
    node.store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
    let locked = PutRequest { protection: Some(Protection::S3), ..PutRequest::default() };
    let refused = node.store.put_object(&node.bucket().await, "key", locked, Box::new(Bytes::from_static(b"x"))).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "there are no keys yet");
    unlock(&node);
    let body = bytes(7, 3 * STRIPE + 5);
    put(&node, "key", &body, Some(&Protection::S3)).await;
    let files = node.stop().await;
    let node = Node::open_with(files, 6, "4+2", config).await;
    assert!(matches!(node.get("key").await, Err(Error::Unavailable { .. })), "there are no keys yet");
    unlock(&node);
    assert!(node.get("key").await.unwrap() == body);
}
