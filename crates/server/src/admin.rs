//! `stonecrop admin`: asks a node's admin address, and prints what it answers.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use client::{Connection, Endpoint, Keep};
use env::Env;
use http::Method;
use serde_json::Value;

use crate::cli::{AdminArguments, AdminCommand, DiskAction, NodeAction};

/// Carries the command out.
pub(crate) fn run(arguments: &AdminArguments) -> anyhow::Result<ExitCode> {
    let endpoint = Endpoint::new(&arguments.endpoint, &arguments.region, &arguments.access_key, &arguments.secret_key)?;
    let (method, path) = request(&arguments.command);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let answered = runtime.block_on(async {
        let mut connection = Connection::open(&Env::real(), &endpoint).await?;
        connection.send(method, &path, Bytes::new(), Keep::Body).await
    });
    let answer = match answered {
        Ok(answer) => answer,
        Err(client::Error::Refused { status, body, .. }) => {
            let refusal: Option<Value> = serde_json::from_str(&body).ok();
            let reason = refusal.as_ref().and_then(|refusal| refusal["error"].as_str()).unwrap_or(body.trim());
            anyhow::bail!("{reason} ({status})");
        }
        Err(error) => return Err(error.into()),
    };
    let answer: Value = serde_json::from_slice(&answer.body).context("the answer is not understood")?;
    print!("{}", text_of(&arguments.command, &answer)?);
    Ok(ExitCode::SUCCESS)
}

fn request(command: &AdminCommand) -> (Method, String) {
    let disk = |disk: &str, command: &str| (Method::POST, format!("/admin/v1/disk/{disk}/{command}"));
    match command {
        AdminCommand::Info { .. } => (Method::GET, "/admin/v1/info".to_owned()),
        AdminCommand::Token => (Method::POST, "/admin/v1/token".to_owned()),
        AdminCommand::Disk(DiskAction::Drain { disk: id }) => disk(id, "drain"),
        AdminCommand::Disk(DiskAction::Undrain { disk: id }) => disk(id, "undrain"),
        AdminCommand::Disk(DiskAction::Offline { disk: id }) => disk(id, "offline"),
        AdminCommand::Disk(DiskAction::Online { disk: id }) => disk(id, "online"),
        AdminCommand::Node(NodeAction::Remove { node }) => (Method::POST, format!("/admin/v1/node/{node}/remove")),
    }
}

fn text_of(command: &AdminCommand, answer: &Value) -> anyhow::Result<String> {
    Ok(match command {
        AdminCommand::Info { json: true } => format!("{}\n", serde_json::to_string_pretty(answer)?),
        AdminCommand::Info { json: false } => overview(answer)?,
        AdminCommand::Token => format!("{}\n", text(&answer["token"])),
        AdminCommand::Disk(action) => {
            let done = match action {
                DiskAction::Drain { .. } => "is being emptied: see `stonecrop admin info`",
                DiskAction::Undrain { .. } => "gets its share again",
                DiskAction::Offline { .. } => "is taken offline",
                DiskAction::Online { .. } => "is taken into service",
            };
            format!("disk {} {done}\n", text(&answer["disk"]))
        }
        AdminCommand::Node(NodeAction::Remove { node }) => {
            format!("node {node} leaves once its disks are empty: see `stonecrop admin info`\n")
        }
    })
}

/// The cluster on one screen.
fn overview(answer: &Value) -> Result<String, std::fmt::Error> {
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
                disk["slots"],
                disk["weight"],
                text(&disk["path"])
            )?;
        }
    }
    Ok(out)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
