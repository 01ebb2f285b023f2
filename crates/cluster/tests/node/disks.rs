//! Disks that fail, vanish, return and are replaced while the node runs.

use std::time::Duration;

use cluster::{MemberState, NoGroup, SlotSeen, Topology};
use disk::Shard;
use env::Failure;
use erasure::{FramedShard, ShardIdentity};
use placement::{DiskId, Epoch, Slot, StripeId};

use crate::world::{World, config, config_of, create_bucket, disk_at, has_bucket, path, slots};

fn is_absent(topology: &Topology, disk: DiskId) -> bool {
    matches!(topology.members()[&disk].state, MemberState::Absent { .. })
}

fn is_rebuilding(topology: &Topology) -> bool {
    0 < slots(topology, |slot| matches!(slot, Slot::Rebuilding(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replacement_may_be_interrupted_anywhere() {
    let mut calls = 400;
    let mut crash_at = 0;
    while crash_at < calls {
        let world = World::new(28);
        world.open(3).await.close().await.unwrap();
        world.files.vanish(&path(2));
        world.make_directory(2);
        let start = world.files.calls();
        world.files.fail_call(start + crash_at, Failure::Crash);
        if let Ok(node) = world.later().try_open(&config(3)).await {
            let _ = node.close().await;
        }
        calls = world.files.calls() - start;
        let world = world.after_power_cut(crash_at);
        let node = world.try_open(&config(3)).await;
        let node = node.unwrap_or_else(|error| panic!("no start after a power cut at call {crash_at}: {error}"));
        assert_eq!(node.topology().members().len(), 3, "after a power cut at call {crash_at}");
        assert_eq!(slots(&node.topology(), |slot| matches!(slot, Slot::Rebuilding(_))), 256);
        node.close().await.unwrap();
        crash_at += option_env!("STONECROP_TEST_CASES").map_or(13, |_| 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disks_take_no_new_stripes_until_room_returns() {
    let world = World::new(29);
    for number in 1..=3 {
        world.files.set_capacity(&path(number), 64 << 20);
    }
    let node = world.open(3).await;
    let stripe = StripeId { write_id: 7, number: 0 };
    assert!(node.topology().choose(stripe).is_ok());
    for member in node.topology().members().values() {
        // However much of its own the metadata gives back meanwhile.
        world.files.set_capacity(&member.path, 0);
        let disk = member.local().unwrap();
        let identity = ShardIdentity { write_id: 7, stripe: 0, index: 0 };
        let framed = FramedShard::new(identity, vec![1; 2 << 20].into());
        let error = disk.append(Shard { framed, group: 0, epoch: 1, intent_epoch: 0 }).await.unwrap_err();
        assert!(matches!(error, disk::Error::Full { .. }), "{error:?}");
    }
    world.wait_for(&node, |topology| topology.members().values().all(|member| member.full)).await;
    assert_eq!(node.topology().choose(stripe).err(), Some(NoGroup::DisksFull));
    for number in 1..=3 {
        world.files.set_capacity(&path(number), 64 << 20);
    }
    world.wait_for(&node, |topology| topology.choose(stripe).is_ok()).await;
    node.close().await.unwrap();
}

/// All slots that wait for a census.
fn in_flight(topology: &Topology) -> Vec<SlotSeen> {
    let rows = topology.table().groups();
    let slots = rows.flat_map(|(group, row)| {
        let slots = row.slots.iter().zip(0u8..);
        slots.map(move |(&slot, index)| SlotSeen { group, index, slot, epoch: row.epoch })
    });
    slots.filter(|seen| seen.slot.settled().is_some()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vanished_disk_is_replaced_by_an_empty_directory() {
    let world = World::new(21);
    let node = world.open(6).await;
    let lost = disk_at(&node.topology(), 3);
    world.files.vanish(&path(3));
    world.wait_for(&node, |topology| is_absent(topology, lost)).await;
    assert!(node.health().writable, "five of six disks are a write quorum");
    create_bucket(&node, "photos").await.unwrap().unwrap();

    world.make_directory(3);
    world.wait_for(&node, is_rebuilding).await;
    let topology = node.topology();
    let new = disk_at(&topology, 3);
    assert_ne!(new, lost);
    assert!(!topology.members().contains_key(&lost));
    assert_eq!(slots(&topology, |slot| *slot == Slot::Rebuilding(new)), 256);

    let before_the_loss: Vec<SlotSeen> =
        in_flight(&topology).into_iter().map(|seen| SlotSeen { epoch: Epoch(seen.epoch.0 - 1), ..seen }).collect();
    assert_eq!(node.settle(&before_the_loss).await.unwrap(), 0, "a census from before the last change of disk");
    assert_eq!(node.settle(&in_flight(&topology)).await.unwrap(), 256);
    assert_eq!(node.settle(&in_flight(&topology)).await.unwrap(), 0, "what was seen before the change is stale");
    assert_eq!(slots(&node.topology(), |slot| slot.is_stable()), 6 * 256);
    node.close().await.unwrap();
    let node = world.later().open(6).await;
    assert!(node.health().is_whole(), "{:?}", node.health());
    assert!(has_bucket(&node, "photos").await);
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_survives_the_loss_of_every_pair_of_disks_one_after_the_other() {
    let world = World::new(22);
    let node = world.open(6).await;
    for round in 0..6 {
        let pair = [1 + round, 1 + (round + 1) % 6];
        let lost = pair.map(|number| disk_at(&node.topology(), number));
        pair.iter().for_each(|&number| world.files.vanish(&path(number)));
        world.wait_for(&node, |topology| lost.iter().all(|&disk| is_absent(topology, disk))).await;
        create_bucket(&node, &format!("bucket-{round}")).await.unwrap().unwrap();
        pair.iter().for_each(|&number| world.make_directory(number));
        world.wait_for(&node, |topology| topology.members().values().all(|member| member.disk.is_some())).await;
        while !node.health().is_mirrored() {
            world.let_rounds_pass().await;
        }
        node.settle(&in_flight(&node.topology())).await.unwrap();
    }
    node.close().await.unwrap();
    let node = world.later().open(6).await;
    for round in 0..6 {
        assert!(has_bucket(&node, &format!("bucket-{round}")).await, "bucket {round} is gone");
    }
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vanished_disk_that_returns_goes_on_as_before() {
    let world = World::new(23);
    let node = world.open(6).await;
    let table = node.topology().table().clone();
    let disk = disk_at(&node.topology(), 2);
    world.files.vanish(&path(2));
    world.wait_for(&node, |topology| is_absent(topology, disk)).await;
    world.files.restore(&path(2));
    world.wait_for(&node, |topology| !is_absent(topology, disk)).await;
    assert_eq!(node.topology().table(), &table);
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_disk_is_taken_out_and_taken_back() {
    let world = World::new(24);
    let node = world.open(6).await;
    let disk = disk_at(&node.topology(), 5);
    world.files.fail_path(&path(5), Failure::Io);
    world.wait_for(&node, |topology| is_absent(topology, disk)).await;
    create_bucket(&node, "photos").await.unwrap().unwrap();
    world.files.heal_path(&path(5));
    world.wait_for(&node, |topology| !is_absent(topology, disk)).await;
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_disk_is_taken_out_and_the_others_are_looked_after() {
    let world = World::new(30);
    let node = world.open(6).await;
    let [hanging, vanished] = [6, 5].map(|number| disk_at(&node.topology(), number));
    world.files.hang(&path(6));
    world.wait_for(&node, |topology| is_absent(topology, hanging)).await;
    world.files.vanish(&path(5));
    world.wait_for(&node, |topology| is_absent(topology, vanished)).await;
    create_bucket(&node, "photos").await.unwrap().unwrap();
    world.files.release(&path(6));
    world.wait_for(&node, |topology| !is_absent(topology, hanging)).await;
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_that_stays_away_is_given_up_when_others_can_take_over() {
    let world = World::new(25);
    let node = world.open(7).await;
    let lost = disk_at(&node.topology(), 7);
    world.files.vanish(&path(7));
    world.wait_for(&node, |topology| is_absent(topology, lost)).await;
    world.let_rounds_pass().await;
    world.tick(Duration::from_secs(14 * 60));
    world.let_rounds_pass().await;
    assert!(!is_rebuilding(&node.topology()), "given up too early");
    world.tick(Duration::from_secs(60));
    world.wait_for(&node, is_rebuilding).await;
    let topology = node.topology();
    assert_eq!(slots(&topology, |slot| slot.read_sources().any(|disk| disk == lost)), 0);
    assert_eq!(slots(&topology, |slot| *slot == Slot::Vacant), 0);
    node.settle(&in_flight(&topology)).await.unwrap();

    // When it comes back after all, it joins anew and gets its share.
    world.files.restore(&path(7));
    world
        .wait_for(&node, |topology| 0 < slots(topology, |slot| matches!(slot, Slot::Moving { to, .. } if *to == lost)))
        .await;
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn additional_disk_gets_its_share() {
    let world = World::new(26);
    world.open(6).await.close().await.unwrap();
    let node = world.later().try_open(&config(7)).await.unwrap();
    let topology = node.topology();
    let new = disk_at(&topology, 7);
    let moving = slots(&topology, |slot| matches!(slot, Slot::Moving { to, .. } if *to == new));
    assert!((218..=220).contains(&moving), "{moving} of 1536 slots move to one of 7 disks");
    assert_eq!(slots(&topology, |slot| slot.is_stable()), 1536 - moving);
    node.settle(&in_flight(&topology)).await.unwrap();
    node.close().await.unwrap();

    // Named no longer, it is missing, not forgotten.
    let node = world.later().try_open(&config_of((1..=6).collect())).await.unwrap();
    assert!(is_absent(&node.topology(), new));
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_the_directories_does_not_matter() {
    let world = World::new(27);
    let node = world.open(4).await;
    let before = node.topology();
    node.close().await.unwrap();
    let node = world.later().try_open(&config_of(vec![2, 4, 3, 1])).await.unwrap();
    assert!(node.health().is_whole());
    (1..=4).for_each(|number| assert_eq!(disk_at(&node.topology(), number), disk_at(&before, number)));
    assert_eq!(node.topology().table(), before.table());
    node.close().await.unwrap();
}
