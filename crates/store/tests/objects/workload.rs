//! A random workload with power cuts against a model: nothing acknowledged is lost, nothing deleted comes back.

use std::collections::BTreeMap;

use store::bucket::NewBucket;
use store::list::ListRequest;
use store::multipart::{CompleteRequest, CompletedPart, CreateUploadRequest};
use store::put::ExpectedBody;
use store::{ByteRange, Deletion, Error, GetRequest};

use bytes::Bytes;
use env::{Entropy, SeededEntropy, SimFiles};

use crate::node::{Node, bucket, bytes};

const KEYS: u64 = 8;

/// Numbers that follow from a seed.
struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    fn size(&self) -> usize {
        const BORDERS: [u64; 5] = [100, 16 << 10, 64 << 10, 256 << 10, 900 << 10];
        self.below(BORDERS[self.below(5) as usize]) as usize
    }
}

/// What may be under a key: what was acknowledged, or what an operation without an answer may have made of it.
type Model = BTreeMap<String, Vec<Option<Vec<u8>>>>;

fn rounds() -> u64 {
    std::env::var("STONECROP_TEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_objects_survive_power_cuts() {
    let mut files = SimFiles::new(3);
    let mut model = Model::new();
    let node = Node::open(files.clone(), 6, "4+2").await;
    node.store.create_bucket(NewBucket::new("bucket", "owner")).await.unwrap();
    files = node.stop().await;
    for round in 0..rounds() {
        let dice = Dice(SeededEntropy::new(round));
        let mut node = Node::open(files.clone(), 6, "4+2").await;
        check(&node, &mut model, round).await;
        let crash_at = files.calls() + 50 + dice.below(1500);
        let mut step = 0;
        while files.calls() < crash_at && step < 60 {
            act(&mut node, &mut model, &dice).await;
            step += 1;
        }
        // One more operation is under way when the power goes.
        let key = format!("key-{}", dice.below(KEYS));
        let body = bytes(dice.below(1 << 40), dice.size());
        let put = tokio::spawn({
            let store = node.store.clone();
            let (key, body) = (key.clone(), Bytes::from(body.clone()));
            async move { store.put_object(&bucket(&store).await, &key, Default::default(), Box::new(body)).await }
        });
        for _ in 0..dice.below(40) {
            tokio::task::yield_now().await;
        }
        files = node.cut_power(round).await;
        let known = model.entry(key).or_insert_with(|| vec![None]);
        match put.await.unwrap() {
            Ok(_) => *known = vec![Some(body)],
            Err(_) => known.push(Some(body)),
        }
    }
    let node = Node::open(files, 6, "4+2").await;
    check(&node, &mut model, rounds()).await;
    for _ in 0..3 {
        node.store.advance_epoch().await.unwrap();
        node.store.collect_garbage().await.unwrap();
    }
    node.store.take_census().await.unwrap();
    node.store.repair().await.unwrap();
    let report = node.store.fsck().await.unwrap();
    assert!(report.is_clean() && report.orphaned_shards == 0, "{report:?}");
    check(&node, &mut model, rounds() + 1).await;
}

/// One random operation, in the node and in the model.
async fn act(node: &mut Node, model: &mut Model, dice: &Dice) {
    let key = format!("key-{}", dice.below(KEYS));
    match dice.below(10) {
        0..5 => {
            let body = bytes(dice.below(1 << 40), dice.size());
            node.put(&key, body.clone()).await.unwrap();
            model.insert(key, vec![Some(body)]);
        }
        5 => {
            node.store.delete_object(&node.bucket().await, Deletion::of(&key)).await.unwrap();
            model.insert(key, vec![None]);
        }
        6 => {
            let body = bytes(dice.below(1 << 40), dice.size());
            let upload =
                node.store.create_upload(&node.bucket().await, &key, CreateUploadRequest::default()).await.unwrap();
            let part = Box::new(Bytes::from(body.clone()));
            let part =
                node.store.put_part(&node.bucket().await, &upload.id, 1, ExpectedBody::default(), part).await.unwrap();
            let parts = vec![CompletedPart { number: 1, etag: part.etag.to_string(), checksum: None }];
            let request = CompleteRequest { parts, ..CompleteRequest::default() };
            node.store.complete_upload(&node.bucket().await, &upload.id, request).await.unwrap();
            model.insert(key, vec![Some(body)]);
        }
        7 => {
            node.store.advance_epoch().await.unwrap();
            node.store.collect_garbage().await.unwrap();
        }
        8 => {
            node.drain_queues().await;
            node.store.take_census().await.unwrap();
            node.store.repair().await.unwrap();
        }
        _ => {
            if let Some([Some(body)]) = model.get(&key).map(Vec::as_slice)
                && !body.is_empty()
            {
                let first = dice.below(body.len() as u64);
                let last = first + dice.below(body.len() as u64 - first);
                let range = Some(ByteRange::Between(first, last));
                let (_, read) = node.get_with(&key, GetRequest { range, ..GetRequest::default() }).await.unwrap();
                assert!(read == body[first as usize..=last as usize], "{key}: bytes {first} to {last}");
            }
        }
    }
}

/// Every key is what the model allows; from then on it is known.
async fn check(node: &Node, model: &mut Model, round: u64) {
    let mut listed = 0;
    for (key, allowed) in model.iter_mut() {
        let found = match node.get(key).await {
            Ok(body) => Some(body),
            Err(Error::NoSuchKey) => None,
            Err(error) => panic!("round {round}: {key}: {error}"),
        };
        assert!(allowed.contains(&found), "round {round}: {key} has {:?} bytes", found.map(|body| body.len()));
        listed += usize::from(found.is_some());
        *allowed = vec![found];
    }
    let page = node
        .store
        .list_objects(&node.bucket().await, &ListRequest { limit: 1000, ..ListRequest::default() })
        .await
        .unwrap();
    assert_eq!(page.objects.len(), listed, "round {round}");
}
