//! Proposals, batches and reads.

use std::path::Path;

use meta::Error;

use crate::world::{World, config, create_bucket, has_bucket, path};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_wait_for_a_sync_share_one_entry() {
    let world = World::new(41);
    let node = std::sync::Arc::new(world.open(1).await);
    create_bucket(&node, "warm").await.unwrap().unwrap();
    let before = node.consensus().read().await.unwrap().index;

    world.files.hang(&path(1).join("meta"));
    let mut proposals = tokio::task::JoinSet::new();
    for number in 0..100 {
        let node = node.clone();
        proposals.spawn(async move { create_bucket(&node, &format!("bucket-{number:03}")).await });
        // The first may travel alone; every other waits for its sync.
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    world.files.release(&path(1).join("meta"));
    while let Some(proposed) = proposals.join_next().await {
        proposed.unwrap().unwrap().unwrap();
    }
    let entries = node.consensus().read().await.unwrap().index - before;
    assert!(entries <= 5, "100 commands took {entries} entries");
    for number in 0..100 {
        assert!(has_bucket(&node, &format!("bucket-{number:03}")).await);
    }
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_see_every_answered_command() {
    let world = World::new(42);
    let node = world.open(3).await;
    let mut newest = 0;
    for number in 0..50 {
        let name = format!("bucket-{number}");
        create_bucket(&node, &name).await.unwrap().unwrap();
        let reading = node.consensus().read().await.unwrap();
        assert!(newest < reading.index);
        newest = reading.index;
        assert!(has_bucket(&node, &name).await);
    }
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_log_refuses_changes_and_still_reads() {
    let world = World::new(43);
    let node = world.open(3).await;
    create_bucket(&node, "photos").await.unwrap().unwrap();
    for number in 1..=3 {
        world.files.fail_path(&path(number), env::Failure::Io);
    }
    let error = create_bucket(&node, "lost").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable), "{error:?}");
    assert!(!node.health().deciding);
    assert!(has_bucket(&node, "photos").await);
    assert!(!has_bucket(&node, "lost").await);
    assert!(node.close().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_node_refuses_proposals() {
    let world = World::new(44);
    let node = world.open(1).await;
    node.close().await.unwrap();
    let error = create_bucket(&node, "photos").await.unwrap_err();
    assert!(matches!(error, Error::Stopping), "{error:?}");
    assert!(env::Files::exists(&world.files, Path::new("/srv/d1/meta")).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_is_purged_behind_flushes_and_nothing_is_lost() {
    let world = World::new(45);
    let mut small = config(2);
    small.meta.log_segment_bytes = 64 << 10;
    let node = world.try_open(&small).await.unwrap();
    for round in 0..5 {
        for number in 0..20 {
            create_bucket(&node, &format!("bucket-{round}-{number}")).await.unwrap().unwrap();
        }
        node.engine().flush().await.unwrap();
    }
    // Flushes and purges go on side by side: the last may be on its way.
    let log = path(1).join("meta/log");
    for _ in 0..1000 {
        if env::Files::list(&world.files, &log).unwrap().len() <= 3 {
            break;
        }
        tokio::task::yield_now().await;
    }
    node.close().await.unwrap();
    let node = world.later().open(2).await;
    for round in 0..5 {
        for number in 0..20 {
            assert!(has_bucket(&node, &format!("bucket-{round}-{number}")).await);
        }
    }
    node.close().await.unwrap();
}
