//! `stonecrop fsck`: checks a stopped store.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use store::{FsckReport, Problem};

use crate::cli::FsckArguments;
use crate::stack::{Stack, StackConfig};

/// Exit code of a check that found missing or damaged data.
const FOUND_PROBLEMS: u8 = 1;

/// Checks the directories and prints the report.
pub(crate) fn run(arguments: &FsckArguments) -> anyhow::Result<ExitCode> {
    crate::logging::start(None, "error")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let report = runtime.block_on(async {
        let stack = Stack::open(env::Env::real(), StackConfig::offline(&arguments.disks)).await?;
        let report = stack.store.fsck().await;
        stack.close().await?;
        anyhow::Ok(report?)
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", text_of(&report)?);
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(FOUND_PROBLEMS) })
}

fn text_of(report: &FsckReport) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "{} objects in {} buckets, {} versions that are not current, {} delete markers, {} annotations, {} bytes; {} \
         stripes with {} shards",
        report.objects,
        report.buckets,
        report.noncurrent_versions,
        report.delete_markers,
        report.annotations,
        report.object_bytes,
        report.stripes,
        report.shards
    )?;
    for problem in &report.problems {
        match problem {
            Problem::Stripe { write_id, stripe, missing, corrupt, unreachable, readable, key } => {
                let name = key.as_deref().unwrap_or("(an unfinished or retired write)");
                let fate = if *readable { "readable" } else { "LOST" };
                writeln!(
                    text,
                    "{name}: stripe {stripe} of write {write_id} is {fate}: shards missing {missing:?}, corrupt \
                     {corrupt:?}, on disks that do not answer {unreachable:?}"
                )?;
            }
            Problem::Version { key, version } => {
                writeln!(
                    text,
                    "{key}: version {version} is listed, but not found by its name, or counts its annotations wrong"
                )?;
            }
            Problem::Manifest { write_id, key } => {
                writeln!(text, "{key}: write {write_id} is told differently by the object and by the index of writes")?;
            }
        }
    }
    writeln!(
        text,
        "missing {}, corrupt {}, on disks that do not answer {}; stripes that cannot be read {}; orphans {}",
        report.missing_shards,
        report.corrupt_shards,
        report.unreachable_shards,
        report.unreadable_stripes,
        report.orphaned_shards + report.stray_shards
    )?;
    writeln!(text, "{}", if report.is_clean() { "clean" } else { "PROBLEMS FOUND: start the server to repair them" })?;
    Ok(text)
}
