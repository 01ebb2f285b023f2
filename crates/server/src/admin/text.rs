//! Answers as text for people.

use std::fmt::Write;

use serde_json::Value;

use super::quantity::bytes;
use super::{overview, table, work};
use crate::cli::{AccountAction, AdminCommand, DiskAction, NodeAction, TableAction};

/// What is printed for the answer to a command.
pub(super) fn of(command: &AdminCommand, answer: &Value) -> Result<String, std::fmt::Error> {
    Ok(match command {
        AdminCommand::Info(_) => overview::of(answer)?,
        AdminCommand::Token => format!("{}\n", text(&answer["token"])),
        AdminCommand::Account(action) => account(action, answer)?,
        AdminCommand::Disk(action) => format!("disk {} {}\n", text(&answer["disk"]), disk_outcome(action)),
        AdminCommand::Node(action) => node_outcome(action),
        AdminCommand::Heal(action) => work::heal(action, answer)?,
        AdminCommand::Rebalance(action) => work::rebalance(action, answer)?,
        AdminCommand::Scrub(action) => work::scrub(action, answer)?,
        AdminCommand::Table(TableAction::Show(_)) => table::of(answer)?,
        AdminCommand::Bucket(_) => quota(answer),
        AdminCommand::SafeToStop { node, .. } => safety(*node, answer)?,
    })
}

fn account(action: &AccountAction, answer: &Value) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    match action {
        AccountAction::Create { .. } => {
            for (title, name) in [
                ("account", "name"),
                ("account id", "account_id"),
                ("canonical id", "canonical_id"),
                ("access key", "access_key"),
                ("secret key", "secret_key"),
            ] {
                writeln!(out, "{title:<13} {}", text(&answer[name]))?;
            }
            writeln!(out, "The secret key is shown only now.")?;
        }
        AccountAction::List(_) => {
            for account in list(&answer["accounts"]) {
                let [id, canonical_id, name] =
                    ["account_id", "canonical_id", "name"].map(|field| text(&account[field]));
                writeln!(out, "{id} {canonical_id} {name} {}", text(&account["email"]))?;
            }
        }
        AccountAction::Remove { name } => writeln!(out, "account {name} is removed")?,
    }
    Ok(out)
}

fn quota(answer: &Value) -> String {
    let of = |limit: &Value, write: fn(u64) -> String| limit.as_u64().map_or_else(|| "any number".to_owned(), write);
    let (quota, usage) = (&answer["quota"], &answer["usage"]);
    format!(
        "{}: {} of {}, {} of {} objects\n",
        text(&answer["bucket"]),
        of(&usage["bytes"], bytes),
        of(&quota["bytes"], bytes),
        of(&usage["objects"], |count| count.to_string()),
        of(&quota["objects"], |count| count.to_string()),
    )
}

fn disk_outcome(action: &DiskAction) -> &'static str {
    match action {
        DiskAction::Add { .. } => "is added and gets its share: see `stonecrop admin info`",
        DiskAction::Drain { .. } => "is being emptied: see `stonecrop admin info`",
        DiskAction::Undrain { .. } => "gets its share again",
        DiskAction::Offline { .. } => "is taken offline",
        DiskAction::Online { .. } => "is taken into service",
        DiskAction::Remove { .. } => "is removed: its directory is used no more",
    }
}

fn node_outcome(action: &NodeAction) -> String {
    match action {
        NodeAction::Drain { node } => {
            format!("the disks of node {node} are being emptied: see `stonecrop admin info`\n")
        }
        NodeAction::Undrain { node } => format!("node {node} stays, and its disks get their share again\n"),
        NodeAction::Remove { node } => {
            format!("node {node} leaves once its disks are empty: see `stonecrop admin info`\n")
        }
    }
}

fn safety(node: u64, answer: &Value) -> Result<String, std::fmt::Error> {
    let reasons = list(&answer["reasons"]);
    if reasons.is_empty() {
        return Ok(format!("node {node} can be stopped: clients use the others\n"));
    }
    let mut out = format!("node {node} is needed:\n");
    for reason in reasons {
        writeln!(out, "  {}", text(reason))?;
    }
    Ok(out)
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
