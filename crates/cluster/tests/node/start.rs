//! Starting and stopping.

use std::path::Path;
use std::time::Duration;

use cluster::{ClusterConfig, Entry, Error, MemberState, NodeConfig, Purpose};
use env::Files;
use placement::Slot;

use crate::world::{World, config, config_of, create_bucket, disk_at, has_bucket, path, slots};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_finds_everything_as_it_was() {
    for (disks, profile) in [(1, "1+0"), (2, "1+1"), (3, "1+2"), (4, "2+2"), (6, "4+2"), (7, "4+2")] {
        let world = World::new(1);
        let first = world.open(disks).await;
        assert!(first.health().is_whole(), "{:?}", first.health());
        assert_eq!(first.health().profile.to_string(), profile);
        create_bucket(&first, "photos").await.unwrap().unwrap();
        let (id, table) = (first.id(), first.topology().table().clone());
        first.close().await.unwrap();

        let second = world.later().open(disks).await;
        assert_eq!(second.id(), id);
        assert_eq!(second.topology().table(), &table, "a restart changed the placement");
        assert!(second.health().is_whole());
        assert!(has_bucket(&second, "photos").await);
        second.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_power_cut() {
    let mut world = World::new(2);
    for round in 0..8 {
        let node = world.open(6).await;
        for earlier in 0..round {
            assert!(has_bucket(&node, &format!("bucket-{earlier}")).await, "bucket {earlier} is gone in round {round}");
        }
        create_bucket(&node, &format!("bucket-{round}")).await.unwrap().unwrap();
        world = world.after_power_cut(round);
        assert!(node.close().await.is_err(), "the machine it ran on is gone");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_start_may_be_interrupted_anywhere() {
    let calls = {
        let world = World::new(3);
        let node = world.open(2).await;
        let calls = world.files.calls();
        node.close().await.unwrap();
        calls
    };
    let step = option_env!("STONECROP_TEST_CASES").map_or(calls.div_ceil(24), |_| 1);
    for crash_at in (0..calls).step_by(usize::try_from(step).unwrap()) {
        let world = World::new(3);
        world.files.fail_call(crash_at, env::Failure::Crash);
        if let Ok(node) = world.try_open(&config(2)).await {
            let _ = node.close().await;
        }
        let world = world.after_power_cut(crash_at);
        let node = world.try_open(&config(2)).await;
        let node = node.unwrap_or_else(|error| panic!("no start after a power cut at call {crash_at}: {error}"));
        assert!(node.health().is_whole(), "after a power cut at call {crash_at}: {:?}", node.health());
        create_bucket(&node, "photos").await.unwrap().unwrap();
        node.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_directories_are_refused_with_a_reason() {
    let world = World::new(4);
    world.open(3).await.close().await.unwrap();
    world.later().try_open(&config_of(vec![11, 12])).await.unwrap().close().await.unwrap();
    type Case = (&'static str, ClusterConfig, fn(&Error) -> bool);
    let cases: [Case; 5] = [
        ("another cluster's", config_of(vec![1, 2, 11]), |error| matches!(error, Error::MixedClusters { .. })),
        ("twice the same", config_of(vec![1, 2, 3, 3]), |error| matches!(error, Error::DuplicateDirectory { .. })),
        ("none", config_of(vec![]), |error| matches!(error, Error::NoDisks)),
        ("another profile", ClusterConfig { profile: Some("1+1".parse().unwrap()), ..config(3) }, |error| {
            matches!(error, Error::ProfileChanged { .. })
        }),
        (
            "too few for the profile",
            ClusterConfig { profile: Some("4+2".parse().unwrap()), ..config_of(vec![21, 22]) },
            |error| matches!(error, Error::TooFewDisks { disks: 2, .. }),
        ),
    ];
    for (name, config, expected) in cases {
        let error = world.later().try_open(&config).await.err().unwrap_or_else(|| panic!("{name}: started"));
        assert!(expected(&error), "{name}: {error:?}");
    }
    // None of the attempts did any harm.
    let node = world.later().open(3).await;
    assert!(node.health().is_whole());
    node.close().await.unwrap();
}

fn node_at(address: &str, entry: Entry) -> Option<NodeConfig> {
    Some(NodeConfig { address: address.to_owned(), rack: String::new(), entry })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_be_listened_on_is_refused_before_anything_is_changed() {
    let world = World::new(13);
    let listener = world.env().net.listen("127.0.0.1:0".to_owned()).await.unwrap();
    let taken = listener.local_address().unwrap().to_string();
    let founder = ClusterConfig { node: node_at(&taken, Entry::Init), ..config(2) };
    let error = world.try_open(&founder).await.err().unwrap();
    assert!(matches!(error, Error::Listen { .. }), "{error:?}");
    assert!(!world.files.exists(&path(1)).unwrap() && !world.files.exists(&path(2)).unwrap());
    drop(listener);
    world.later().try_open(&founder).await.unwrap().close().await.unwrap();
}

/// Neither doors nor tokens become right by waiting, and no pause ever ends here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_will_never_do_is_refused_at_once() {
    let mut founders = Vec::new();
    for seed in [14, 15] {
        let world = World::new(seed);
        let listener = world.env().net.listen("127.0.0.1:0".to_owned()).await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        drop(listener);
        let founder = ClusterConfig { node: node_at(&address, Entry::Init), ..config(1) };
        let node = world.try_open(&founder).await.unwrap();
        let token = node.create_join_token(Duration::from_secs(3600)).await.unwrap();
        founders.push((node, address, token, world));
    }
    let [(one, address, token, one_world), (other, _, other_token, _)] = &founders[..] else { panic!("two founders") };
    let joining = World::new(16);
    let refusal = async |token: &str| {
        let entry = Entry::Join { seeds: vec![address.clone()], token: token.to_owned() };
        let joiner = ClusterConfig { node: node_at("127.0.0.1:0", entry), ..config(1) };
        let refused = tokio::time::timeout(Duration::from_secs(20), joining.try_open(&joiner)).await;
        let error = refused.expect("it does not wait").err().unwrap();
        let Error::NotAdmitted { reason } = error else { panic!("{error:?}") };
        assert!(!joining.files.exists(&path(1)).unwrap());
        reason
    };
    let reason = refusal(other_token).await;
    assert!(reason.contains("another cluster"), "{reason}");
    one_world.tick(Duration::from_secs(3601));
    let reason = refusal(token).await;
    assert!(reason.contains("not valid"), "{reason}");
    one.close().await.unwrap();
    other.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_in_use_are_refused() {
    let world = World::new(5);
    let node = world.open(3).await;
    let error = world.later().try_open(&config(3)).await.err().unwrap();
    assert!(matches!(error, Error::Disk(disk::Error::InUse { .. })), "{error:?}");
    create_bucket(&node, "photos").await.unwrap().unwrap();
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unmounted_disk_is_refused_and_works_again_once_mounted() {
    let world = World::new(6);
    for number in 1..=4 {
        world.files.mount(&path(number));
    }
    world.open(4).await.close().await.unwrap();
    world.files.unmount(&path(2));
    let error = world.later().try_open(&config(4)).await.err().unwrap();
    assert!(matches!(&error, Error::Unmounted { path: refused } if *refused == path(2)), "{error:?}");
    world.files.remount(&path(2));
    let node = world.later().open(4).await;
    assert!(node.health().is_whole());
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_is_never_begun_anew_beside_its_disks() {
    let world = World::new(7);
    let node = world.open(6).await;
    create_bucket(&node, "photos").await.unwrap().unwrap();
    let mirrors: Vec<String> =
        node.health().mirrors.iter().map(|mirror| mirror.directory.display().to_string()).collect();
    node.close().await.unwrap();
    let with_metadata = |number: &usize| mirrors.contains(&path(*number).join("meta").display().to_string());
    let without: Vec<usize> = (1..=6).filter(|number| !with_metadata(number)).collect();
    assert_eq!(without.len(), 3);
    let error = world.later().try_open(&config_of(without)).await.err().unwrap();
    assert!(matches!(error, Error::MetadataMissing { present: 3, .. }), "{error:?}");
    let node = world.later().open(6).await;
    assert!(has_bucket(&node, "photos").await);
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_unreadable_mirror_does_not_keep_a_node_from_starting() {
    type Harm = fn(&World, &Path);
    let rot: Harm = |world, identity| world.files.flip_bits(identity, 1, 7).clear();
    let bad_sector: Harm = |world, identity| world.files.fail_path(identity, env::Failure::Io);
    for harm in [rot, bad_sector] {
        let world = World::new(13);
        let node = world.open(3).await;
        create_bucket(&node, "photos").await.unwrap().unwrap();
        let mirror = node.health().mirrors[0].directory.clone();
        node.close().await.unwrap();
        harm(&world, &mirror.join("mirror"));
        let node = world.later().open(3).await;
        assert!(has_bucket(&node, "photos").await);
        node.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_directories_leave_the_node_degraded() {
    for pair in [[1, 2], [2, 5], [4, 6]] {
        let world = World::new(8);
        let node = world.open(6).await;
        create_bucket(&node, "photos").await.unwrap().unwrap();
        node.close().await.unwrap();
        pair.iter().for_each(|&number| world.files.vanish(&path(number)));

        let node = world.later().open(6).await;
        let topology = node.topology();
        for number in pair {
            let member = &topology.members()[&disk_at(&topology, number)];
            assert!(matches!(member.state, MemberState::Absent { .. }), "{:?}", member.state);
        }
        let health = node.health();
        assert!(health.survives.readable && !health.survives.disk && !health.writable, "{health:?}");
        assert!(has_bucket(&node, "photos").await);
        create_bucket(&node, "more").await.unwrap().unwrap();

        pair.iter().for_each(|&number| world.files.restore(&path(number)));
        world.wait_for(&node, |topology| topology.members().values().all(|member| member.disk.is_some())).await;
        assert_eq!(slots(&node.topology(), |slot| !slot.is_stable()), 0);
        assert!(has_bucket(&node, "more").await);
        node.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disk_that_cannot_be_read_leaves_the_node_degraded() {
    let world = World::new(10);
    world.open(6).await.close().await.unwrap();
    world.files.fail_path(&path(1), env::Failure::Io);
    let node = world.later().open(6).await;
    let topology = node.topology();
    assert!(matches!(topology.members()[&disk_at(&topology, 1)].state, MemberState::Absent { .. }));
    create_bucket(&node, "photos").await.unwrap().unwrap();
    world.files.heal_path(&path(1));
    world.wait_for(&node, |topology| topology.members().values().all(|member| member.disk.is_some())).await;
    node.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn returning_disk_does_not_bring_old_metadata_back() {
    for absent in 1..=3 {
        let world = World::new(11);
        let node = world.open(6).await;
        create_bucket(&node, "first").await.unwrap().unwrap();
        node.close().await.unwrap();
        world.files.vanish(&path(absent));
        let node = world.later().open(6).await;
        create_bucket(&node, "second").await.unwrap().unwrap();
        node.close().await.unwrap();
        world.files.restore(&path(absent));
        for round in 0..2 {
            let node = world.later().open(6).await;
            assert!(has_bucket(&node, "first").await && has_bucket(&node, "second").await, "in round {round}");
            assert!(node.health().is_whole(), "{:?}", node.health());
            node.close().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inspection_changes_nothing() {
    let world = World::new(12);
    let inspect = |numbers| ClusterConfig { purpose: Purpose::Inspect, ..config_of(numbers) };
    let error = world.try_open(&inspect(vec![1, 2])).await.err().unwrap();
    assert!(matches!(error, Error::NotMember { .. }), "{error:?}");
    assert!(!world.files.exists(&path(1)).unwrap());

    let node = world.open(6).await;
    let before = node.topology();
    node.close().await.unwrap();
    world.files.vanish(&path(4));
    world.make_directory(4);
    let node = world.later().try_open(&inspect((1..=6).collect())).await.unwrap();
    let topology = node.topology();
    assert_eq!(topology.table(), before.table());
    assert!(matches!(topology.members()[&disk_at(&before, 4)].state, MemberState::Absent { .. }));
    node.close().await.unwrap();
    assert!(world.files.list(&path(4)).unwrap().is_empty());
    let error = world.later().try_open(&inspect((1..=7).collect())).await.err().unwrap();
    assert!(matches!(error, Error::NotMember { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_directories_replace_lost_disks() {
    let world = World::new(9);
    let node = world.open(6).await;
    create_bucket(&node, "photos").await.unwrap().unwrap();
    let before = node.topology();
    node.close().await.unwrap();
    for number in [1, 4] {
        world.files.vanish(&path(number));
        world.make_directory(number);
    }

    let node = world.later().open(6).await;
    let after = node.topology();
    for number in 1..=6 {
        let replaced = [1, 4].contains(&number);
        assert_eq!(disk_at(&before, number) != disk_at(&after, number), replaced, "directory {number}");
    }
    assert_eq!(slots(&after, |slot| matches!(slot, Slot::Rebuilding(_))), 2 * 256);
    assert_eq!(slots(&after, |slot| slot.is_stable()), 4 * 256);
    assert!(has_bucket(&node, "photos").await);
    node.close().await.unwrap();

    let node = world.later().open(6).await;
    assert_eq!(node.topology().table(), after.table(), "a restart goes on with the same rebuild");
    node.close().await.unwrap();
    assert!(world.files.exists(Path::new("/srv/d1/joined")).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node_with_an_address_takes_empty_directories_as_a_lone_one_does() {
    let world = World::new(12);
    let addressed = |disks, entry| {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let node = NodeConfig { address: format!("127.0.0.1:{port}"), rack: String::new(), entry };
        ClusterConfig { node: Some(node), ..config(disks) }
    };
    let node = world.try_open(&addressed(6, Entry::Init)).await.unwrap();
    let before = node.topology();
    node.close().await.unwrap();
    world.files.vanish(&path(4));
    world.make_directory(4);
    world.make_directory(7);

    let node = world.later().try_open(&addressed(7, Entry::Member)).await.unwrap();
    let after = node.topology();
    assert_ne!(disk_at(&before, 4), disk_at(&after, 4));
    assert_eq!(after.members().values().filter(|member| member.disk.is_some()).count(), 7);
    node.close().await.unwrap();
    let strangers = (1..=7).filter(|number| !world.files.exists(&path(*number).join("node")).unwrap());
    assert_eq!(strangers.collect::<Vec<_>>(), [], "disks that do not know which node they belong to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificate_is_renewed_while_the_node_runs() {
    let world = World::new(31);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let founder = ClusterConfig { node: node_at(&format!("127.0.0.1:{port}"), Entry::Init), ..config(2) };
    let node = world.try_open(&founder).await.unwrap();
    let kept = |number| world.read(&path(number).join("node"));
    let before = kept(1);
    assert_eq!(kept(2), before);
    world.let_season_pass(Duration::from_secs(30 * 24 * 3600));
    for number in [1, 2] {
        world.wait_until(|| kept(number) != before).await;
    }
    assert_eq!(kept(1), kept(2));
    node.close().await.unwrap();
    world.later().try_open(&founder_again(founder)).await.unwrap().close().await.unwrap();
}

fn founder_again(founder: ClusterConfig) -> ClusterConfig {
    let node = founder.node.map(|node| NodeConfig { entry: Entry::Member, ..node });
    ClusterConfig { node, ..founder }
}
