//! `cargo run --release -p sim -- --seed 7`: simulated worlds, from that seed on. With `--cuts 1000`: power cuts of a node
//! with real threads.

use std::num::NonZero;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use parking_lot::Mutex;
use sim::{PowerCuts, Report, World};

/// Runs simulated disasters and checks what they did to the data.
#[derive(Parser)]
struct Arguments {
    /// Decides everything: workload, faults, moments and damage.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many worlds, of ascending seeds; each is a process of its own.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Worlds at a time [default: as many as the machine has processors].
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
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
    /// Plants a bug, to see whether it is found: `list` names them.
    #[cfg(feature = "probes")]
    #[arg(long, value_parser = bug_of)]
    bug: Option<env::Bug>,
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
    #[cfg(feature = "probes")]
    arguments.bug.into_iter().for_each(env::Bug::plant);
    let is_well = match arguments.cuts {
        Some(cuts) => cut_power(cuts, &arguments),
        None if arguments.runs == 1 => {
            let Arguments { seed, nodes, seconds, trace, .. } = arguments;
            let world = World { seed, nodes, span: Duration::from_secs(seconds), is_verbose: trace };
            print(&arguments, &world.run())
        }
        None => sweep(&arguments),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Begins the line that names the moments that a world came to.
#[cfg(feature = "probes")]
const REACHED: &str = "came to: ";

#[cfg(feature = "probes")]
fn names_of(values: impl IntoIterator<Item = impl std::fmt::Debug>) -> String {
    values.into_iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ")
}

#[cfg(feature = "probes")]
fn bug_of(name: &str) -> Result<env::Bug, String> {
    let found = env::Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == name);
    found.ok_or_else(|| format!("there are: {}", names_of(env::Bug::ALL)))
}

/// Runs many worlds until one is not well; whether all are. A process runs one: what the libraries of a world count in
/// static variables would differ in a second one, and with it the second world.
fn sweep(arguments: &Arguments) -> bool {
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let seeds = Mutex::new(arguments.seed..arguments.seed.saturating_add(arguments.runs));
    let well = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().next() } {
                    if run_apart(seed, arguments) {
                        well.fetch_add(1, Ordering::Relaxed);
                    } else {
                        seeds.lock().start = u64::MAX;
                    }
                }
            });
        }
    });
    let well = well.into_inner();
    println!("{well} of {} worlds are well", arguments.runs);
    well == arguments.runs
}

/// Runs one world in another process; whether it is well.
fn run_apart(seed: u64, arguments: &Arguments) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("the program has a file"));
    command.args(["--seed", &seed.to_string(), "--seconds", &arguments.seconds.to_string()]);
    if let Some(nodes) = arguments.nodes {
        command.args(["--nodes", &nodes.to_string()]);
    }
    #[cfg(feature = "probes")]
    if let Some(bug) = arguments.bug {
        command.args(["--bug", &format!("{bug:?}")]);
    }
    let output = command.output().expect("the program can be run");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    output.status.success()
}

/// Prints what came of a world; whether it is well.
fn print(arguments: &Arguments, report: &Report) -> bool {
    let seed = arguments.seed;
    report.trace.iter().for_each(|line| println!("{line}"));
    let Report { trace_hash, operations, unanswered, elapsed, .. } = report;
    #[cfg(feature = "probes")]
    println!("{REACHED}{}", names_of(env::Moment::ALL.into_iter().filter(|moment| moment.has_come())));
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
