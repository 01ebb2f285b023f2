//! The `stonecrop` binary: command line, configuration, wiring and shutdown.
//!
//! `stonecrop server` passes through [`cli`] (flags and environment), [`config`] (the file under them, checked once)
//! and [`serve`], which opens the crates from the bottom up and closes them in reverse. `stonecrop fsck` is in
//! [`fsck`].
//!
//! Invariant: no other crate reads flags, environment variables or the configuration file.

mod admin;
mod banner;
mod bench;
mod cli;
mod config;
mod credentials;
mod fsck;
mod kept_secret;
mod keys;
mod logging;
mod recover;
mod serve;
mod stack;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// Exit code for settings that cannot be.
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Server(arguments) => serve::run(*arguments),
        Command::Fsck(arguments) => fsck::run(&arguments),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Admin(arguments) => admin::run(&arguments),
        Command::Key(arguments) => keys::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("stonecrop: {}", format!("{error:#}").trim_end());
        // What the command line parser finds wrong by itself ends the same way.
        if error.is::<config::Error>() { ExitCode::from(WRONG_USE) } else { ExitCode::FAILURE }
    })
}
