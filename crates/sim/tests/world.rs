//! Short simulated worlds; `cargo run --release -p sim -- --runs 1000` runs many and longer ones.

use std::process::Command;
use std::time::Duration;

use sim::World;

#[test]
fn everything_is_whole_and_linearizable_after_disasters() {
    for seed in 100..104 {
        let report = World { seed, span: Duration::from_secs(8), is_verbose: false }.run();
        assert_eq!(report.result, Ok(()), "again: cargo run --release -p sim -- --seed {seed} --seconds 8 --trace");
        assert!(100 < report.operations - report.unanswered, "seed {seed} did next to nothing");
    }
}

#[test]
fn a_seed_gives_the_same_trace_in_two_processes() {
    for seed in ["1", "2"] {
        let run = || {
            let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(["--seed", seed, "--seconds", "4"]).output();
            String::from_utf8(output.expect("the binary runs").stdout).expect("it prints text")
        };
        let (first, second) = (run(), run());
        assert!(first.contains("trace"), "{first}");
        assert_eq!(first, second);
    }
}
