//! What goes in comes out, at every border of the layout.

use store::{ByteRange, GetRequest};

use crate::node::{Node, bytes};

const INLINE: usize = 16 << 10;
const BLOCK: usize = 64 << 10;
const STRIPE: usize = 4 * BLOCK;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_every_border_size_come_back() {
    let node = Node::start(6, "4+2").await;
    let borders = [0, 1, INLINE, BLOCK, STRIPE, 2 * STRIPE, 5 * STRIPE + BLOCK / 2];
    let sizes = borders.into_iter().flat_map(|size| [size.saturating_sub(1), size, size + 1]);
    for (size, seed) in sizes.zip(0..) {
        let body = bytes(seed, size);
        let put = node.put("key", body.clone()).await.unwrap();
        assert_eq!(put.size, size as u64);
        let (object, read) = node.get_with("key", GetRequest::default()).await.unwrap();
        assert!(read == body, "{size} bytes");
        assert_eq!((object.size, &object.etag), (size as u64, &put.etag));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_are_slices_of_the_whole() {
    let node = Node::start(6, "4+2").await;
    let size = 2 * STRIPE + 1000;
    let body = bytes(1, size);
    node.put("key", body.clone()).await.unwrap();
    let borders = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, STRIPE - 1, STRIPE, STRIPE + 1, 2 * STRIPE, size - 1];
    for first in borders {
        for last in borders.into_iter().filter(|last| first <= *last) {
            let range = Some(ByteRange::Between(first as u64, last as u64));
            let (_, read) = node.get_with("key", GetRequest { range, ..GetRequest::default() }).await.unwrap();
            assert!(read == body[first..=last], "bytes {first} to {last}");
        }
    }
}
