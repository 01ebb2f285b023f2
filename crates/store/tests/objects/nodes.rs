//! One of several nodes goes; the others serve on and restore what it held.

use crate::members::{Settings, World};
use crate::node::{Node, bytes};

const NODES: usize = 4;
const DISKS_PER_NODE: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_may_go_and_the_others_restore_what_it_held() {
    let settings = Settings { profile: "4+2", store: Node::config() };
    let mut world = World::start(settings, NODES, DISKS_PER_NODE).await;
    let mut objects = Vec::new();
    for (size, seed) in [100, 20_000, 300_000, 1_000_000].into_iter().cycle().take(12).zip(0..) {
        let (key, body) = (format!("object-{seed}"), bytes(seed, size));
        world.members[seed as usize % NODES].put(&key, body.clone()).await.unwrap();
        let read = world.members[(seed as usize + 1) % NODES].get(&key).await.unwrap();
        assert!(read == body, "{key} on another node");
        objects.push((key, body));
    }
    world.assert_whole("four nodes").await;
    for member in &world.members {
        assert!(0 < member.shard_count(), "every node has a share");
    }

    world.members.pop().unwrap().kill().await;
    for (number, (key, body)) in objects.iter_mut().enumerate() {
        let member = &world.members[number % world.members.len()];
        assert!(member.get(key).await.unwrap() == *body, "{key} while a node is gone");
        if number % 3 == 0 {
            *body = bytes(1000 + number as u64, 400_000);
            member.put(key, body.clone()).await.unwrap();
        }
    }

    world.settle().await;
    world.repair().await;
    world.assert_whole("three nodes").await;
    for (key, body) in &objects {
        for member in &world.members {
            assert!(member.get(key).await.unwrap() == *body, "{key} on three nodes");
        }
    }
    world.close().await;
}
