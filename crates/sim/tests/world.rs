//! Short simulated worlds. `cargo run --release -p sim -- --runs 2000` runs many, and longer ones.

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sim")).args(arguments).output().expect("the binary runs");
    let text = String::from_utf8(output.stdout.clone()).expect("it prints text");
    (output, text)
}

#[test]
fn a_hundred_worlds_are_linearizable_and_become_whole() {
    let (output, text) = simulate(&["--seed", "1000", "--runs", "100", "--seconds", "4"]);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let operations = |line: &str| line.split(' ').nth(2)?.parse::<u32>().ok();
    let idle = text.lines().filter(|line| operations(line).is_some_and(|count| count < 15)).count();
    assert!(idle < 10, "many worlds did next to nothing:\n{text}");
}

#[test]
fn a_seed_gives_the_same_trace_in_two_processes() {
    for (seed, nodes) in [("1", "1"), ("2", "3"), ("3", "4")] {
        let arguments = ["--seed", seed, "--nodes", nodes, "--seconds", "4", "--trace"];
        let ((_, first), (_, second)) = (simulate(&arguments), simulate(&arguments));
        assert!(first.contains("trace"), "{first}");
        assert_eq!(first, second);
    }
}
