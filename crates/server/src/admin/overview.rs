//! `stonecrop admin info` as text.

use std::fmt::Write;

use serde_json::Value;

use super::quantity::{pace, tally, time_left};
use super::text::{list, text};

/// The cluster on one screen.
pub(super) fn of(answer: &Value) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let leader = answer["leader"].as_u64().map_or("nobody leads".to_owned(), |node| format!("node {node} leads"));
    writeln!(out, "cluster {}, {}; {leader}", text(&answer["cluster"]), text(&answer["profile"]))?;
    writeln!(out, "survives the loss of {}", text(&answer["survives"]))?;
    let [moving, rebuilding, vacant] =
        ["slots_moving", "slots_rebuilding", "slots_vacant"].map(|name| answer[name].as_u64().unwrap_or(0));
    match (moving, rebuilding, vacant) {
        (0, 0, 0) => writeln!(out, "{} groups, all where they belong", answer["groups"])?,
        _ => writeln!(
            out,
            "{} groups; slots: {moving} moving, {rebuilding} being rebuilt, {vacant} without a disk",
            answer["groups"]
        )?,
    }
    work(&mut out, "healing", "STOPPED by an operator", &answer["heal"])?;
    work(&mut out, "moving", "PAUSED by an operator", &answer["rebalance"])?;
    for node in list(&answer["silent_nodes"]) {
        writeln!(out, "node {node} does not say how its work stands")?;
    }
    for node in list(&answer["nodes"]) {
        let role = if node["votes"] == Value::Bool(true) { "votes" } else { "follows" };
        let rack = match text(&node["rack"]) {
            "" => String::new(),
            rack => format!(", rack {rack}"),
        };
        writeln!(out, "\nnode {} {} {}, {role}{rack}", node["id"], text(&node["address"]), text(&node["state"]))?;
        for disk in list(&answer["disks"]).iter().filter(|disk| disk["node"] == node["id"]) {
            let full = if disk["full"] == Value::Bool(true) { ", FULL" } else { "" };
            writeln!(
                out,
                "  {:.8}  {:<9}{:>5} slots {:>6} GiB  {}{full}",
                text(&disk["id"]),
                text(&disk["state"]),
                disk["slots"].as_u64().unwrap_or(0),
                disk["weight"].as_u64().unwrap_or(0),
                text(&disk["path"])
            )?;
        }
    }
    Ok(out)
}

/// One line about work that is left; none when nothing is.
fn work(out: &mut String, what: &str, halted: &str, progress: &Value) -> Result<(), std::fmt::Error> {
    let is_halted = progress["halted"] == Value::Bool(true);
    let left = match tally(&progress["left"]) {
        Some(_) if progress["left"]["shards"] == 0 && !is_halted => return Ok(()),
        Some(left) => format!("{left} left"),
        None => "what is left is not known yet".to_owned(),
    };
    match is_halted {
        true => writeln!(out, "{what} is {halted}; {left}"),
        false => writeln!(
            out,
            "{what}: {left}, {}, time left: {}",
            pace(&progress["rate"]),
            time_left(&progress["seconds_left"])
        ),
    }
}
