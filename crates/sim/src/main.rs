//! `cargo run --release -p sim -- --cuts 1000`: power cuts of a simulated node, and what they lost.

use std::process::ExitCode;

use clap::Parser;
use sim::PowerCuts;

/// Cuts the power of a simulated node at random I/O calls and checks that nothing acknowledged is lost.
#[derive(Parser)]
struct Arguments {
    /// How many power cuts.
    #[arg(long, default_value_t = 1000)]
    cuts: u64,
    /// Disks of the node.
    #[arg(long, default_value_t = 6)]
    disks: usize,
    /// Decides workload, moments and damage.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { cuts, disks, seed } = Arguments::parse();
    match (PowerCuts { cuts, disk_count: disks, seed }).run().await {
        Ok(counts) => {
            println!(
                "{} power cuts, {} acknowledged operations, {} objects checked, 0 violations (seed {seed}, {disks} disks)",
                counts.cuts, counts.acknowledged, counts.checked
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("VIOLATION or failure with --seed {seed} --disks {disks}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
