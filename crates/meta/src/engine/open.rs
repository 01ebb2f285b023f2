//! Finds the newest durable state and gets everything going.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use env::{Clock, Env};
use prolly::{PackId, Packs, PacksConfig, Params, Schema, SealedPack, TreeKey};

use super::base::{Base, Ground};
use super::core::{Applier, Core};
use super::effects::EffectsHash;
use super::layers::{Layers, Marks};
use super::worker::{Fill, Start};
use super::{Durable, MetaConfig};
use crate::error::{Error, Result};
use crate::log::{LogConfig, LogId, MetaLog};
use crate::mirror::{Mirror, Mirrors};
use crate::overlay::Overlay;
use crate::packs::MirroredPacks;
use crate::roots::{PackList, RootRecord, read_records};
use crate::summary::RecordSummaries;

/// The secret of all trees of a realm follows from the realm, so that all its nodes, and all forks, cut alike.
const TREE_KEY_CONTEXT: &str = "stonecrop 2026 meta tree key v1";

/// The root records of one mirror, newest first.
struct MirrorRecords {
    mirror: Arc<Mirror>,
    records: Vec<RootRecord>,
}

/// The state to start from.
struct Chosen {
    record: Option<RootRecord>,
    base: Base,
}

/// Opens everything but the worker, and says where that begins.
pub(super) async fn open(env: &Env, candidates: &[PathBuf], config: MetaConfig) -> Result<(Core, Start)> {
    let (mirrors_env, candidates) = (env.clone(), candidates.to_vec());
    let mirrors =
        env.blocking(move || Mirrors::open(&mirrors_env, &candidates, config.mirror_count, config.realm)).await?;
    let mirrors = Arc::new(mirrors);
    let log = MetaLog::open(env, &mirrors, log_config(&config)).await?;
    let clock = env.clock.clone();
    env.blocking(move || open_state(mirrors, log, config, &clock)).await
}

/// Finds the newest state that the log can go on from. Blocks.
fn open_state(
    mirrors: Arc<Mirrors>,
    log: MetaLog,
    config: MetaConfig,
    clock: &Arc<dyn Clock>,
) -> Result<(Core, Start)> {
    let storage = Arc::new(MirroredPacks::new(mirrors.clone()));
    let found = read_all(&mirrors)?;
    let mut records: Vec<&RootRecord> = found.iter().flat_map(|found| &found.records).collect();
    records.sort_by_key(|record| std::cmp::Reverse((record.number, record.applied)));
    records.dedup();
    let chosen = choose(&records, &mirrors, &storage, &config)?;
    let previous =
        records.iter().find(|record| chosen.record.as_ref().is_some_and(|chosen| record.number < chosen.number));
    match refuse_gap(chosen.record.as_ref().and_then(|record| record.applied), &log) {
        Err(error) if config.may_regrow && storage.is_damaged() => {
            tracing::error!(%error, "the metadata must be regrown")
        }
        checked => checked?,
    }
    let start = Start {
        next_number: records.first().map_or(0, |record| record.number + 1),
        newest: chosen.record.clone(),
        previous: previous.map(|record| (*record).clone()),
        fills: missing_packs(found.iter(), &chosen, &storage),
    };
    settle_mirrors(&mirrors, &start, config.mirror_count);
    discard_garbage(&chosen.base, &records);
    let applied = |record: &Option<RootRecord>| record.as_ref().and_then(|record| record.applied);
    let durable = Durable { newest: applied(&start.newest), purgeable: applied(&start.previous) };
    let marks = chosen.record.as_ref().map_or_else(Marks::empty, Marks::of_record);
    let layers = Layers { marks, active: Overlay::default(), frozen: None, base: Arc::new(chosen.base) };
    let core = Core::new(config, (mirrors, storage), Arc::new(log), Applier::new(layers), durable, clock);
    if let Some(record) = start.newest.clone() {
        core.offers.set_newest(record, core.current().base.clone());
    }
    Ok((core, start))
}

impl Marks {
    fn empty() -> Self {
        Self { applied: None, membership: None, effects: EffectsHash::EMPTY }
    }

    pub(super) fn of_record(record: &RootRecord) -> Self {
        Self {
            applied: record.applied,
            membership: record.membership.clone().map(Into::into),
            effects: EffectsHash(record.effects_hash),
        }
    }
}

fn log_config(config: &MetaConfig) -> LogConfig {
    LogConfig {
        segment_size: config.log_segment_bytes,
        cache_bytes: config.log_cache_bytes,
        queue_bytes_max: config.log_queue_bytes_max,
    }
}

fn read_all(mirrors: &Mirrors) -> Result<Vec<MirrorRecords>> {
    let mut found = Vec::new();
    for mirror in mirrors.in_service() {
        match read_records(&mirror, mirrors.realm()) {
            Ok(records) => found.push(MirrorRecords { mirror, records }),
            Err(error @ Error::Io { .. }) => mirror.retire(&error),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The newest record that can be used; without any, the empty state.
fn choose(
    records: &[&RootRecord],
    mirrors: &Mirrors,
    storage: &Arc<MirroredPacks>,
    config: &MetaConfig,
) -> Result<Chosen> {
    for record in records {
        let complete = record.packs.iter().all(|(id, pack)| storage.is_present(*id, pack));
        let opened = if complete {
            open_base(Some(record), mirrors, storage, config)
        } else {
            Err(Error::Inconsistent("packs are missing"))
        };
        match opened {
            Ok(base) => return Ok(Chosen { record: Some((*record).clone()), base }),
            Err(error) => {
                tracing::error!(number = record.number, %error, source = ?error, "cannot use a root record");
            }
        }
    }
    Ok(Chosen { record: None, base: open_base(None, mirrors, storage, config)? })
}

fn open_base(
    record: Option<&RootRecord>,
    mirrors: &Mirrors,
    storage: &Arc<MirroredPacks>,
    config: &MetaConfig,
) -> Result<Base> {
    let realm = mirrors.realm().to_le_bytes();
    let derived = blake3::derive_key(TREE_KEY_CONTEXT, &realm);
    let key = TreeKey(std::array::from_fn(|i| derived[i]));
    let schema = Schema::new(Params::new(key), Arc::new(RecordSummaries));
    let packs_config =
        PacksConfig { realm, cache_bytes: config.page_cache_bytes, pack_bytes_max: config.pack_bytes_max };
    let list = record.map(|record| record.packs.clone()).unwrap_or_default();
    let packs = Packs::open(storage.clone(), packs_config, &sealed_packs(&list))?;
    let ground = Ground { schema, packs };
    let forest = match record {
        Some(record) => ground.open_tree(record.forest)?,
        None => ground.empty_tree(),
    };
    // Reads the path to the first tree: the record is of no use without it.
    forest.cursor().next()?;
    Ok(Base::new(ground, forest, list))
}

fn sealed_packs(packs: &PackList) -> Vec<SealedPack> {
    packs.iter().map(|(id, pack)| SealedPack { id: *id, length: pack.length }).collect()
}

/// The log must go on where the state ends.
pub(super) fn refuse_gap(applied: Option<LogId>, log: &MetaLog) -> Result<()> {
    let index = |id: Option<LogId>| id.map_or(0, |id| id.index + 1);
    match log.state().purged {
        Some(purged) if index(applied) < index(Some(purged)) => Err(Error::NoRoot { purged: purged.index }),
        _ => Ok(()),
    }
}

/// What each mirror lacks of the chosen state.
fn missing_packs<'a>(
    found: impl Iterator<Item = &'a MirrorRecords>,
    chosen: &Chosen,
    storage: &MirroredPacks,
) -> Vec<Fill> {
    let mut fills = Vec::new();
    for MirrorRecords { mirror, records } in found {
        let trusted = records.first().map(|record| &record.packs);
        let mut missing = chosen.base.packs().clone();
        missing.retain(|id, pack| {
            let is_trusted = trusted.is_some_and(|trusted| trusted.get(id) == Some(pack));
            !(is_trusted && storage.is_present_in(mirror, *id, pack))
        });
        let has_record = records.first() == chosen.record.as_ref();
        if missing.is_empty() && has_record {
            mirror.note_packs();
        } else {
            fills.push(Fill { mirror: mirror.clone(), missing, done: None });
        }
    }
    fills
}

/// Declares the mirrors complete as far as the log goes, and gives up those that are too many.
fn settle_mirrors(mirrors: &Mirrors, start: &Start, count: usize) {
    for mirror in mirrors.in_service() {
        if let Err(error) = mirror.confirm(mirrors.realm()) {
            mirror.retire(&error);
        }
    }
    // While one lacks packs, a surplus mirror may be the one that has them.
    if start.fills.is_empty() {
        mirrors.release_beyond(count);
    }
}

/// Removes packs that no usable record names: they were being written when the node stopped.
fn discard_garbage(base: &Base, records: &[&RootRecord]) {
    let lists = records.iter().map(|record| &record.packs);
    let needed: BTreeMap<PackId, _> = lists.flatten().map(|(id, pack)| (*id, *pack)).collect();
    if let Err(error) = base.ground().packs.discard_unlisted(&sealed_packs(&needed)) {
        tracing::warn!(%error, source = ?error, "cannot remove metadata packs");
    }
}
