//! `stonecrop bench`: one measured load on any S3 endpoint.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use client::load::{self, Load, Operation, Report};
use env::Env;

use crate::cli::{BenchArguments, BenchOperation};

/// Puts the load on the endpoint and prints the report.
pub(crate) fn run(arguments: &BenchArguments) -> anyhow::Result<ExitCode> {
    ensure!((1..=10_000).contains(&arguments.concurrency), "--concurrency takes 1 to 10000");
    ensure!(0 < arguments.part_size, "--part-size takes at least 1");
    let endpoint = arguments.signing.endpoint(&arguments.endpoint)?;
    let load = load_of(arguments);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let report = runtime.block_on(load::run(&Env::real(), &endpoint, &load))?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print_for_people(&report);
    }
    Ok(ExitCode::SUCCESS)
}

fn load_of(arguments: &BenchArguments) -> Load {
    let operation = match arguments.operation {
        BenchOperation::CreateBucket => Operation::CreateBucket,
        BenchOperation::Put => Operation::Put,
        BenchOperation::Get => Operation::Get,
        BenchOperation::Head => Operation::Head,
        BenchOperation::List => Operation::List,
        BenchOperation::Delete => Operation::Delete,
        BenchOperation::Multipart => Operation::Multipart { part_size: arguments.part_size },
    };
    let is_single = operation == Operation::CreateBucket;
    Load {
        operation,
        bucket: arguments.bucket.clone(),
        prefix: arguments.prefix.clone(),
        object_size: arguments.size,
        count: if is_single { 1 } else { arguments.count },
        concurrency: if is_single { 1 } else { arguments.concurrency },
    }
}

fn print_for_people(report: &Report) {
    let Report { operations, seconds, p50_milliseconds, p99_milliseconds, .. } = report;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    let (rate, mib_rate) = (*operations as f64 / seconds, report.bytes as f64 / seconds / 1024.0 / 1024.0);
    println!(
        "{operations} operations in {seconds:.2} s: {rate:.0} ops/s, {mib_rate:.1} MiB/s, p50 {p50_milliseconds:.2} ms, \
         p99 {p99_milliseconds:.2} ms"
    );
}
