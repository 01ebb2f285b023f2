//! `stonecrop recover`: a cluster without most of its voters goes on from one node.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use cluster::{Standing, StoppedNode};

use crate::cli::RecoverArguments;

/// Tells what the stopped node knows, and has it take over if it was told to.
pub(crate) fn run(arguments: &RecoverArguments) -> anyhow::Result<ExitCode> {
    crate::logging::start(None, "error")?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let standing = runtime.block_on(async {
        let node = StoppedNode::open(&env::Env::real(), arguments.disks.clone()).await?;
        let recovered = recover(&node, arguments.take_over).await;
        node.close().await;
        recovered
    })?;
    print!("{}", text_of(&standing, arguments.take_over)?);
    Ok(ExitCode::SUCCESS)
}

/// How the node stood before it took over.
async fn recover(node: &StoppedNode, take_over: bool) -> cluster::Result<Standing> {
    let standing = node.standing()?;
    if take_over {
        node.take_over().await?;
    }
    Ok(standing)
}

fn text_of(standing: &Standing, took_over: bool) -> Result<String, std::fmt::Error> {
    let Standing { node, cluster_id, newest: (term, index), decided, voters, members } = standing;
    let mut text = String::new();
    writeln!(text, "node {} of cluster {cluster_id:032x}", node.0)?;
    writeln!(text, "newest entry of its log: term {term}, index {index}; known to be decided: up to {decided}")?;
    for (id, address) in members {
        let votes = if voters.contains(id) { "votes" } else { "follows" };
        let itself = if *id == node.0 { ", this node" } else { "" };
        writeln!(text, "  node {id}, {address}: {votes}{itself}")?;
    }
    if took_over {
        writeln!(
            text,
            "Node {} decides alone from its next start on, and the others follow it: start it, then those that are left.\n\
             Remove the lost ones with `stonecrop admin node remove`, and never start them again.",
            node.0
        )?;
    } else {
        writeln!(
            text,
            "If most of those that vote are lost for good, stop all nodes that are left, look at each of them in this way,\n\
             and use --take-over on the one with the highest term, and among those the highest index: what it lacks is gone."
        )?;
    }
    Ok(text)
}
