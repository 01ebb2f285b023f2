//! Background work as operators see and order it: repair, moves, scrubs, and the overview that tells of them.

use axum::extract::{Path, State};
use axum::response::Response;
use cluster::{Overview, Work};
use serde::Serialize;
use serde_json::{Value, json};
use store::{HealReport, NodeWork, RebalanceReport, Restoring, ScrubReport, Tally};

use crate::answer::{answer, answer_store};
use crate::commands::{Acted, no_such_command};

/// The overview, and how the work that changes it stands.
#[derive(Serialize)]
struct Info {
    #[serde(flatten)]
    overview: Overview,
    /// What is restored: the repair index and slots that are being rebuilt.
    heal: Progress,
    /// What is moved to where it belongs.
    rebalance: Progress,
    /// Nodes that did not say how their work stands.
    silent_nodes: Vec<u64>,
}

/// Some work on one line.
#[derive(Serialize)]
struct Progress {
    /// Operators have halted it.
    halted: bool,
    /// What is left; nothing while it is being counted, or a node does not say.
    left: Option<Tally>,
    /// Bytes a second of late.
    rate: Option<u64>,
    /// Until it is done; nothing while nobody can say.
    seconds_left: Option<u64>,
}

pub(crate) async fn info(State(acted): State<Acted>) -> Response {
    let overview = match acted.cluster.overview().await {
        Ok(overview) => overview,
        Err(error) => return answer(Err::<(), _>(error)),
    };
    let heal = match acted.store.heal_report().await {
        Ok(heal) => heal,
        Err(error) => return answer_store(Err::<(), _>(error)),
    };
    let rebalance = acted.store.rebalance_report().await;
    answer(Ok(Info {
        overview,
        silent_nodes: silent(&heal.nodes),
        heal: heal_line(&heal),
        rebalance: move_line(&rebalance),
    }))
}

fn heal_line(report: &HealReport) -> Progress {
    let HealReport { repair, rebuild, .. } = report;
    let left = repair.left.zip(rebuild.left);
    let left = left.map(|(one, other)| Tally { shards: one.shards + other.shards, bytes: one.bytes + other.bytes });
    let rates: Vec<u64> = repair.rate.into_iter().chain(rebuild.rate).collect();
    let rate = (!rates.is_empty()).then(|| rates.iter().sum());
    Progress { halted: report.stopped, left, rate, seconds_left: report.seconds_left }
}

fn move_line(report: &RebalanceReport) -> Progress {
    let Restoring { rate, left, .. } = report.moves;
    Progress { halted: report.paused, left, rate, seconds_left: report.seconds_left }
}

fn silent(nodes: &[NodeWork]) -> Vec<u64> {
    nodes.iter().filter(|node| node.error.is_some()).map(|node| node.node).collect()
}

pub(crate) async fn heal(State(acted): State<Acted>) -> Response {
    answer_store(acted.store.heal_report().await)
}

pub(crate) async fn heal_order(State(acted): State<Acted>, Path(command): Path<String>) -> Response {
    match command.as_str() {
        "start" => answer_store(acted.store.begin_heal_everywhere().await.map(|nodes| asked(&nodes))),
        "stop" => answer(acted.cluster.halt(Work::Repair).await.map(|()| json!({}))),
        _ => no_such_command(),
    }
}

pub(crate) async fn rebalance(State(acted): State<Acted>) -> Response {
    answer(Ok(acted.store.rebalance_report().await))
}

pub(crate) async fn rebalance_order(State(acted): State<Acted>, Path(command): Path<String>) -> Response {
    match command.as_str() {
        "pause" => answer(acted.cluster.halt(Work::Rebalance).await.map(|()| json!({}))),
        "resume" => answer(acted.cluster.resume(Work::Rebalance).await.map(|()| json!({}))),
        _ => no_such_command(),
    }
}

/// The scrub of one disk, and where it is.
#[derive(Serialize)]
struct DiskScrub {
    node: u64,
    #[serde(flatten)]
    scrub: ScrubReport,
}

pub(crate) async fn scrub(State(acted): State<Acted>) -> Response {
    let nodes = acted.store.work_reports().await;
    let silent = asked(&nodes);
    let scrubs = nodes.into_iter().filter_map(|node| Some((node.node, node.report?.scrubs)));
    let disks = scrubs.flat_map(|(node, scrubs)| scrubs.into_iter().map(move |scrub| DiskScrub { node, scrub }));
    answer(Ok(json!({ "disks": disks.collect::<Vec<_>>(), "silent": silent["silent"] })))
}

pub(crate) async fn scrub_order(State(acted): State<Acted>, Path(command): Path<String>) -> Response {
    match command.as_str() {
        "start" => answer(Ok(asked(&acted.store.begin_scrub_everywhere().await))),
        _ => no_such_command(),
    }
}

/// The nodes that did not answer, with the reason.
fn asked(nodes: &[NodeWork]) -> Value {
    let silent = nodes.iter().filter_map(|node| Some(json!({ "node": node.node, "error": node.error.as_ref()? })));
    json!({ "silent": silent.collect::<Vec<_>>() })
}
