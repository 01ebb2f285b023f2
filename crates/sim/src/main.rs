//! `cargo run --release -p sim -- --seed 7`: simulated worlds, from that seed on. With `--cuts 1000`: power cuts of a node
//! with real threads.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sim::{PowerCuts, Report, World};

/// Runs simulated disasters and checks what they did to the data.
#[derive(Parser)]
struct Arguments {
    /// Decides everything: workload, faults, moments and damage.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many worlds, of ascending seeds.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Machines of each world; as its seed has it by default.
    #[arg(long)]
    nodes: Option<usize>,
    /// Virtual seconds in which things go wrong.
    #[arg(long, default_value_t = 40)]
    seconds: u64,
    /// Prints every event of the last world.
    #[arg(long)]
    trace: bool,
    /// Prints what the machines log, from this level on: `info`, `store=debug`.
    #[arg(long)]
    log: Option<String>,
    /// Instead of worlds: how many power cuts of one node whose threads interleave freely.
    #[arg(long)]
    cuts: Option<u64>,
    /// Disks of that node.
    #[arg(long, default_value_t = 6)]
    disks: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(filter) = &arguments.log {
        // Without the time, which is not the simulation's.
        tracing_subscriber::fmt().without_time().with_env_filter(filter).with_ansi(false).init();
    }
    let is_well = match arguments.cuts {
        Some(cuts) => cut_power(cuts, &arguments),
        None => (arguments.seed..).take(usize::try_from(arguments.runs).unwrap_or(usize::MAX)).all(|seed| {
            let span = Duration::from_secs(arguments.seconds);
            let world = World { seed, nodes: arguments.nodes, span, is_verbose: arguments.trace };
            print(seed, &arguments, &world.run())
        }),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what came of a world; whether it is well.
fn print(seed: u64, arguments: &Arguments, report: &Report) -> bool {
    report.trace.iter().for_each(|line| println!("{line}"));
    let Report { trace_hash, operations, unanswered, elapsed, .. } = report;
    println!("seed {seed}: {operations} operations, {unanswered} without an answer, {elapsed:.0?}, trace {trace_hash}");
    if let Err(violation) = &report.result {
        println!("VIOLATION with seed {seed}: {violation}");
        let nodes = arguments.nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
        println!("again: cargo run --release -p sim -- --seed {seed}{nodes} --seconds {} --trace", arguments.seconds);
    }
    report.result.is_ok()
}

fn cut_power(cuts: u64, arguments: &Arguments) -> bool {
    let Arguments { seed, disks, .. } = *arguments;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("the machine has threads");
    match runtime.block_on(PowerCuts { cuts, disk_count: disks, seed }.run()) {
        Ok(counts) => {
            println!(
                "{} power cuts, {} acknowledged operations, {} objects checked, 0 violations (seed {seed}, {disks} disks)",
                counts.cuts, counts.acknowledged, counts.checked
            );
            true
        }
        Err(error) => {
            println!("VIOLATION or failure with --cuts {cuts} --seed {seed} --disks {disks}: {error:#}");
            false
        }
    }
}
