//! Background work as text: `stonecrop admin heal`, `rebalance` and `scrub`.

use std::fmt::{Error, Write};

use env::Env;
use serde_json::Value;

use super::quantity::{bytes, pace, span, tally, time_left};
use super::text::{list, text};
use crate::cli::{HealAction, RebalanceAction, ScrubAction};

pub(super) fn heal(action: &HealAction, answer: &Value) -> Result<String, Error> {
    match action {
        HealAction::Start => ordered("looks for what is missing, and restores it", answer),
        HealAction::Stop => Ok("nothing is restored in the background until `stonecrop admin heal start`\n".to_owned()),
        HealAction::Status(_) => heal_status(answer),
    }
}

pub(super) fn rebalance(action: &RebalanceAction, answer: &Value) -> Result<String, Error> {
    match action {
        RebalanceAction::Pause => Ok("nothing is moved until `stonecrop admin rebalance resume`\n".to_owned()),
        RebalanceAction::Resume => Ok("shards are moved again\n".to_owned()),
        RebalanceAction::Status(_) => rebalance_status(answer),
    }
}

pub(super) fn scrub(action: &ScrubAction, answer: &Value) -> Result<String, Error> {
    match action {
        ScrubAction::Start => ordered("rereads its disks: see `stonecrop admin scrub status`", answer),
        ScrubAction::Status(_) => scrub_status(answer, Env::real().clock.now().0),
    }
}

fn ordered(what: &str, answer: &Value) -> Result<String, Error> {
    let mut out = format!("every node {what}\n");
    for node in list(&answer["silent"]) {
        writeln!(out, "except node {}: {}", node["node"], text(&node["error"]))?;
    }
    Ok(out)
}

fn heal_status(answer: &Value) -> Result<String, Error> {
    let mut out = String::new();
    if answer["stopped"] == Value::Bool(true) {
        writeln!(out, "STOPPED by an operator: `stonecrop admin heal start` goes on")?;
    }
    if answer["whole"] == Value::Bool(true) {
        writeln!(out, "whole: every shard is in its place, as all nodes have counted")?;
    }
    for waiting in list(&answer["queue"]) {
        let spare = match waiting["spare_shards"].as_i64() {
            Some(spare) if spare < 0 => "cannot be read now".to_owned(),
            _ => format!("can lose {} more", waiting["spare_shards"]),
        };
        let missing = tally(waiting).unwrap_or_default();
        writeln!(out, "{} stripes that {spare} lack {missing}", waiting["stripes"])?;
    }
    if answer["queue_truncated"] == Value::Bool(true) {
        writeln!(out, "and more stripes than are counted here")?;
    }
    for key in list(&answer["unreadable_objects"]) {
        writeln!(out, "  cannot be read now: {}", text(key))?;
    }
    if !list(&answer["queue"]).is_empty() {
        work_line(&mut out, "waiting stripes", &answer["repair"])?;
    }
    let [rebuilding, vacant] = ["slots_rebuilding", "slots_vacant"].map(|name| answer[name].as_u64().unwrap_or(0));
    if 0 < rebuilding + vacant {
        work_line(&mut out, &format!("{rebuilding} slots being rebuilt"), &answer["rebuild"])?;
    }
    if 0 < vacant {
        writeln!(out, "{vacant} slots have no disk: add disks")?;
    }
    if answer["whole"] != Value::Bool(true) {
        let left = time_left(&answer["seconds_left"]);
        writeln!(out, "time left: {left}")?;
        let [lost, unknown] = ["lost_shards", "unknown_shards"].map(|name| answer[name].as_u64().unwrap_or(0));
        writeln!(out, "the last censuses missed {lost} shards, and did not reach {unknown}")?;
    }
    nodes(&mut out, answer, |node| {
        let repaired = [&node["repair"]["done"], &node["rebuild"]["done"]].map(|done| tally(done).unwrap_or_default());
        let census = match &node["census"] {
            Value::Null => "has not counted yet".to_owned(),
            census => format!(
                "census: {} shards, {} lost, {} not reached",
                census["shards"], census["lost"], census["unknown"]
            ),
        };
        format!("repaired {}; rebuilt {}; {census}", repaired[0], repaired[1])
    })?;
    Ok(out)
}

fn rebalance_status(answer: &Value) -> Result<String, Error> {
    let mut out = String::new();
    if answer["paused"] == Value::Bool(true) {
        writeln!(out, "PAUSED by an operator: `stonecrop admin rebalance resume` goes on")?;
    }
    match answer["slots_moving"].as_u64().unwrap_or(0) {
        0 => writeln!(out, "every shard is on the disk where it belongs")?,
        moving => {
            work_line(&mut out, &format!("{moving} slots move"), &answer["moves"])?;
            let left = time_left(&answer["seconds_left"]);
            writeln!(out, "time left: {left}")?;
        }
    }
    nodes(&mut out, answer, |node| {
        let moves = &node["moves"];
        let left = tally(&moves["left"]).unwrap_or_else(|| "being counted".to_owned());
        format!("moved {}; left: {left}", tally(&moves["done"]).unwrap_or_default())
    })?;
    Ok(out)
}

fn work_line(out: &mut String, what: &str, work: &Value) -> Result<(), Error> {
    let left = tally(&work["left"]).map_or("being counted".to_owned(), |left| format!("{left} left"));
    writeln!(out, "{what}: {left}, {}", pace(&work["rate"]))
}

/// What each node says; those that do not answer say so too.
fn nodes(out: &mut String, answer: &Value, said: impl Fn(&Value) -> String) -> Result<(), Error> {
    for node in list(&answer["nodes"]) {
        match &node["report"] {
            Value::Null => writeln!(out, "node {}: DID NOT ANSWER: {}", node["node"], text(&node["error"]))?,
            report => writeln!(out, "node {}: {}", node["node"], said(report))?,
        }
    }
    Ok(())
}

fn scrub_status(answer: &Value, now: u64) -> Result<String, Error> {
    let mut out = String::new();
    for disk in list(&answer["disks"]) {
        let size = disk["size"].as_u64().unwrap_or(0);
        write!(out, "node {} {:.8} {}: ", disk["node"], text(&disk["disk"]), text(&disk["path"]))?;
        match (&disk["under_way"], disk["due"].as_u64()) {
            (Value::Array(pass), _) => {
                let done = pass[1]["bytes"].as_u64().unwrap_or(0);
                write!(out, "reread {} of {}, {} findings so far", bytes(done), bytes(size), pass[1]["findings"])?;
            }
            (_, Some(due)) if now < due => write!(out, "next pass in {}", span((due - now) / 1000))?,
            _ => write!(out, "next pass now")?,
        }
        if let Value::Array(last) = &disk["last"] {
            let ago = now.saturating_sub(last[0].as_u64().unwrap_or(now)) / 1000;
            let reread = bytes(last[1]["bytes"].as_u64().unwrap_or(0));
            write!(out, "; last pass ended {} ago: {reread}, {} findings", span(ago), last[1]["findings"])?;
        }
        match disk["damaged"].as_u64() {
            None | Some(0) => writeln!(out)?,
            Some(damaged) => writeln!(out, "; {damaged} DAMAGED shards not replaced yet")?,
        }
    }
    for node in list(&answer["silent"]) {
        writeln!(out, "node {}: DID NOT ANSWER: {}", node["node"], text(&node["error"]))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_called_so() {
        let unknown = json!({ "done": { "shards": 0, "bytes": 0 }, "rate": null, "left": null });
        let nodes = json!([{ "node": 2, "report": null, "error": "it is down" }]);
        let printed = rebalance_status(&json!({
            "paused": true, "slots_moving": 3, "moves": unknown, "seconds_left": null, "nodes": nodes,
        }));
        let printed = printed.unwrap();
        for expected in
            ["PAUSED", "3 slots move: being counted", "time left: not known", "node 2: DID NOT ANSWER: it is down"]
        {
            assert!(printed.contains(expected), "{expected} is not in {printed}");
        }
    }

    #[test]
    fn scrubs_tell_how_far_they_are() {
        let disk = |more: Value| {
            let mut disk = json!({ "node": 1, "disk": "0123456789", "path": "/a", "size": 2048, "damaged": 0 });
            disk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "disks": [disk], "silent": [] })
        };
        let pass = json!([1000, { "bytes": 1024, "findings": 1 }]);
        let cases = [
            (json!({ "under_way": pass, "last": null, "due": null }), "reread 1.0 KiB of 2.0 KiB, 1 findings so far\n"),
            (
                json!({ "under_way": null, "last": pass, "due": 90_000 }),
                "next pass in 30 s; last pass ended 59 s ago: 1.0 KiB, 1 findings\n",
            ),
            (json!({ "under_way": null, "last": null, "due": 0 }), "next pass now\n"),
        ];
        for (more, expected) in cases {
            let printed = scrub_status(&disk(more), 60_000).unwrap();
            assert_eq!(printed, format!("node 1 01234567 /a: {expected}"));
        }
    }
}
