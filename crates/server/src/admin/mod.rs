//! `stonecrop admin`: asks a node's admin address, and prints what it answers.

mod overview;
mod quantity;
mod request;
mod table;
mod text;
mod work;

use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use client::{Connection, Keep};
use env::Env;
use serde_json::Value;

use crate::cli::{
    AccountAction, AdminArguments, AdminCommand, BucketAction, Form, HealAction, RebalanceAction, ScrubAction,
    TableAction,
};

/// Exit code of a question whose answer is no.
const NOT_SAFE: u8 = 1;

/// Carries the command out.
pub(crate) fn run(arguments: &AdminArguments) -> anyhow::Result<ExitCode> {
    let endpoint = arguments.signing.endpoint(&arguments.endpoint)?;
    let (method, path) = request::of(&arguments.command);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    let answered = runtime.block_on(async {
        let mut connection = Connection::open(&Env::real(), &endpoint).await?;
        connection.send(method, &path, Bytes::new(), Keep::Body).await
    });
    let answer = match answered {
        Ok(answer) => answer,
        Err(client::Error::Refused { status, body, .. }) => {
            let refusal: Option<Value> = serde_json::from_str(&body).ok();
            let reason = refusal.as_ref().and_then(|refusal| refusal["error"].as_str()).unwrap_or(body.trim());
            anyhow::bail!("{reason} ({status})");
        }
        Err(error) => return Err(error.into()),
    };
    let answer: Value = serde_json::from_slice(&answer.body).context("the answer is not understood")?;
    match form(&arguments.command) {
        Some(form) if form.json => println!("{}", serde_json::to_string_pretty(&answer)?),
        _ => print!("{}", text::of(&arguments.command, &answer)?),
    }
    let is_no = matches!(arguments.command, AdminCommand::SafeToStop { .. }) && answer["safe"] != Value::Bool(true);
    Ok(if is_no { ExitCode::from(NOT_SAFE) } else { ExitCode::SUCCESS })
}

/// How the answer to a question is printed; `None` for orders.
fn form(command: &AdminCommand) -> Option<&Form> {
    match command {
        AdminCommand::Info(form) | AdminCommand::SafeToStop { form, .. } => Some(form),
        AdminCommand::Table(TableAction::Show(form)) => Some(form),
        AdminCommand::Bucket(BucketAction::Quota { form, .. }) => Some(form),
        AdminCommand::Heal(HealAction::Status(form)) => Some(form),
        AdminCommand::Rebalance(RebalanceAction::Status(form)) => Some(form),
        AdminCommand::Scrub(ScrubAction::Status(form)) => Some(form),
        AdminCommand::Account(AccountAction::Create { form, .. } | AccountAction::List(form)) => Some(form),
        AdminCommand::Account(AccountAction::Remove { .. }) => None,
        AdminCommand::Token | AdminCommand::Disk(_) | AdminCommand::Node(_) => None,
        AdminCommand::Heal(_) | AdminCommand::Rebalance(_) | AdminCommand::Scrub(_) => None,
    }
}
