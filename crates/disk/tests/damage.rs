//! Damage of any kind to any file: never a panic, never wrong bytes, and new shards are stored all the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::path::PathBuf;

use disk::{Disk, Error, ScrubCursor};
use env::{Entropy, Files, OpenMode, SeededEntropy, SimFiles};
use proptest::prelude::*;
use support::oracle::case_factor;
use support::{config, env, formatted, identity, open, path, payload, run, shard};

const SHARDS: u64 = 24;
const SIZE: usize = 7000;

#[derive(Clone, Debug)]
enum Harm {
    /// Overwrites a range with zeros, ones or random bytes.
    Fill {
        place: usize,
        length: usize,
        with: Filling,
    },
    /// Copies a range to another place, as a misdirected write does.
    Misdirect {
        source: usize,
        target: usize,
        length: usize,
    },
    Truncate {
        place: usize,
    },
    Extend {
        length: usize,
    },
    Remove,
    /// Changes places with another file.
    Swap,
}

#[derive(Clone, Copy, Debug)]
enum Filling {
    Zeros,
    Ones,
    Noise(u64),
}

fn harms() -> impl Strategy<Value = Vec<(usize, Harm)>> {
    let filling = prop_oneof![Just(Filling::Zeros), Just(Filling::Ones), any::<u64>().prop_map(Filling::Noise)];
    let length = prop_oneof![1..64usize, 64..9000usize, 9000..80_000usize];
    let harm = prop_oneof![
        4 => (any::<usize>(), length.clone(), filling)
            .prop_map(|(place, length, with)| Harm::Fill { place, length, with }),
        2 => (any::<usize>(), any::<usize>(), length.clone())
            .prop_map(|(source, target, length)| Harm::Misdirect { source, target, length }),
        2 => any::<usize>().prop_map(|place| Harm::Truncate { place }),
        1 => length.prop_map(|length| Harm::Extend { length }),
        1 => Just(Harm::Remove),
        1 => Just(Harm::Swap),
    ];
    prop::collection::vec((any::<usize>(), harm), 1..4)
}

/// A disk with sealed extents, and after a crash an open one.
fn prepared(crashes: bool) -> SimFiles {
    let files = formatted(1);
    let (disk, _) = open(&files);
    run(async {
        for number in 0..SHARDS {
            disk.append(shard(number, 1, SIZE)).await.unwrap();
        }
        disk.delete(vec![identity(0), identity(5)]).await.unwrap();
        if crashes {
            drop(disk);
            return files.power_cut(1);
        }
        disk.close().await.unwrap();
        files
    })
}

fn inflict(files: &SimFiles, target: usize, harm: &Harm) {
    let directory = path().join("extents");
    let all: Vec<PathBuf> = files.list(&directory).unwrap().iter().map(|name| directory.join(name)).collect();
    let Some(victim) = all.get(target % all.len().max(1)) else { return };
    let file = files.open(victim, OpenMode::ReadWrite).unwrap();
    let size = usize::try_from(file.size().unwrap()).unwrap().max(1);
    match *harm {
        Harm::Fill { place, length, with } => {
            let place = place % size;
            let mut bytes = vec![0; length.min(size - place)];
            match with {
                Filling::Zeros => {}
                Filling::Ones => bytes.fill(0xff),
                Filling::Noise(seed) => SeededEntropy::new(seed).fill(&mut bytes),
            }
            file.write_all_at(&[&bytes], place as u64).unwrap();
        }
        Harm::Misdirect { source, target, length } => {
            let (source, target) = (source % size, target % size);
            let mut bytes = vec![0; length.min(size - source.max(target))];
            if file.read_exact_at(&mut bytes, source as u64).is_ok() {
                file.write_all_at(&[&bytes], target as u64).unwrap();
            }
        }
        Harm::Truncate { place } => file.set_size((place % size) as u64).unwrap(),
        Harm::Extend { length } => file.set_size((size + length) as u64).unwrap(),
        Harm::Remove => files.remove(victim).unwrap(),
        Harm::Swap => {
            let other = &all[(target + 1) % all.len()];
            let aside = directory.join("aside");
            files.rename(victim, &aside).unwrap();
            if other != victim {
                files.rename(other, victim).unwrap();
                files.rename(&aside, other).unwrap();
            }
        }
    }
}

/// Every shard that can be read is what was written.
async fn check_no_wrong_bytes(disk: &Disk) {
    for number in 0..SHARDS {
        match disk.read_all(&identity(number)).await {
            Ok(bytes) => assert_eq!(bytes, payload(number, 1, SIZE)),
            Err(Error::NotFound { .. } | Error::Corrupt { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(200 * case_factor()).unwrap()))]

    #[test]
    fn no_damage_makes_a_disk_lie(harms in harms(), crashes in any::<bool>()) {
        let files = prepared(crashes);
        for (target, harm) in &harms {
            inflict(&files, *target, harm);
        }
        run(async {
            let (disk, _) = Disk::open(&env(&files), path(), &config()).unwrap();
            check_no_wrong_bytes(&disk).await;
            let mut cursor = Some(ScrubCursor::default());
            while let Some(from) = cursor {
                cursor = disk.scrub_next(from, 30_000).await.unwrap().next;
            }
            check_no_wrong_bytes(&disk).await;
            disk.append(shard(100, 1, SIZE)).await.unwrap();
            disk.compact().await.unwrap();
            disk.close().await.unwrap();
            let (disk, _) = open(&files);
            check_no_wrong_bytes(&disk).await;
            assert_eq!(disk.read_all(&identity(100)).await.unwrap(), payload(100, 1, SIZE));
        });
    }
}
