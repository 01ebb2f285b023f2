//! STS: who one is, and temporary credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use iam::{AccessRequest, Action, Decision, Policy, Resource, ResourcePolicies, evaluate};
use identity::{Directory, Role, SessionOrder, SessionSubject, TemporaryCredential};

use super::answer::write_time;
use super::call::Call;
use super::error::{CallError, Result};
use crate::xml::Writer;

/// Shortest session.
const SECONDS_MIN: u32 = 900;

/// How long a session of a role lasts if nothing is said, and how long one may that another session has begun.
const ROLE_SECONDS: u32 = 3600;

/// How long a session of a user lasts if nothing is said, and how long one may.
const USER_SECONDS: u32 = 43_200;
const USER_SECONDS_MAX: u32 = 129_600;

/// How long a session of a root user may last, and does if nothing is said.
const ROOT_SECONDS_MAX: u32 = 3600;

/// GetCallerIdentity, which nobody can be denied.
pub(super) async fn get_caller_identity(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let principal = &call.caller.principal;
    document.text("Arn", principal.caller_arn().unwrap_or_default());
    document.text("UserId", principal.user_id());
    document.text("Account", &call.account());
    Ok(())
}

/// GetSessionToken, for holders of lasting credentials.
pub(super) async fn get_session_token(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let known = call.known.as_ref().ok_or_else(CallError::unsigned)?;
    if known.is_temporary() {
        return Err(CallError::denied("Cannot call GetSessionToken with session credentials"));
    }
    let (usual, longest) =
        if known.principal.is_root() { (ROOT_SECONDS_MAX, ROOT_SECONDS_MAX) } else { (USER_SECONDS, USER_SECONDS_MAX) };
    let asked = call.parameters.number("DurationSeconds")?;
    let seconds = check_duration(asked.unwrap_or(usual), USER_SECONDS_MAX)?.min(longest);
    let order = Directory::own_session(known, Duration::from_secs(seconds.into()));
    let credential = call.directory().begin_session(order).await?;
    write_credential(document, &credential);
    Ok(())
}

/// AssumeRole: the role must trust the sender, and another account's sender must be permitted to ask.
pub(super) async fn assume_role(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let arn = parameters.required("RoleArn")?;
    let session_name = session_name(call)?;
    let known = call.known.as_ref().ok_or_else(CallError::unsigned)?;
    if call.caller.principal.is_root() {
        return Err(CallError::denied("Roles may not be assumed by root accounts."));
    }
    let user_session = known.is_temporary() && !call.caller.principal.is_assumed_role();
    let (account, role) = find_role(call, Action::AssumeRole, arn).await?;
    let (tags, source_identity) = (parameters.tags()?, parameters.owned("SourceIdentity"));
    if let Some(identity) = &source_identity {
        check_name("SourceIdentity", identity)?;
    }
    let mut actions = vec![Action::AssumeRole];
    actions.extend((!tags.is_empty()).then_some(Action::TagSession));
    actions.extend(source_identity.is_some().then_some(Action::SetSourceIdentity));
    for action in actions {
        check_trust(call, action, &account, &role)?;
    }
    let chained = known.is_temporary() && !user_session;
    let longest = if chained { ROLE_SECONDS } else { role.session_seconds_max };
    let seconds = check_duration(parameters.number("DurationSeconds")?.unwrap_or(ROLE_SECONDS), longest)?;
    let subject = SessionSubject::Role { account, name: role.name.clone(), session_name: session_name.clone() };
    let order = SessionOrder {
        subject,
        duration: Duration::from_secs(seconds.into()),
        policy: parameters.owned("Policy"),
        policy_arns: parameters.members("PolicyArns", "arn"),
        tags,
        source_identity: source_identity.clone(),
        provider: None,
    };
    let credential = call.directory().begin_session(order).await?;
    write_credential(document, &credential);
    write_role_user(document, &role, &session_name);
    if let Some(identity) = &source_identity {
        document.text("SourceIdentity", identity);
    }
    Ok(())
}

/// The role with this ARN, and the canonical way to its account. Who asks for one that is not there is told that it is
/// denied: others must not learn which roles there are.
pub(super) async fn find_role(call: &Call<'_>, action: Action, arn: &str) -> Result<(String, Role)> {
    let malformed = || CallError::validation(format!("{arn} is invalid"));
    let (account, rest) =
        arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/")).ok_or_else(malformed)?;
    let name = rest.rsplit('/').next().unwrap_or_default();
    match call.directory().role(account.to_owned(), name.to_owned()).await {
        Ok(role) if role.arn == arn => Ok((account.to_owned(), role)),
        Ok(_) | Err(identity::Error::NoSuchEntity { .. }) => Err(call.denied(action, arn, "")),
        Err(error) => Err(error.into()),
    }
}

/// Asks the role's account and that of the sender.
fn check_trust(call: &Call<'_>, action: Action, account: &str, role: &Role) -> Result<()> {
    let trust = Policy::of_role(&role.trust).map_err(identity::Error::from)?;
    let own = &call.caller.account;
    // Between accounts the ids differ, and all that matters is that they do.
    let owner = if own.account_id() == account { own.canonical_id() } else { account };
    let no_tags = BTreeMap::new();
    let context = call.context(&no_tags);
    let principal = &call.caller.principal;
    let asked = AccessRequest { principal, action, resource: Resource::Arn(&role.arn), context: &context };
    match evaluate(&asked, &call.caller.policies(), Some(&ResourcePolicies::of_role(owner, &trust))) {
        Decision::Allowed(_) => Ok(()),
        Decision::Denied(_) => Err(call.denied(action, &role.arn, "")),
    }
}

pub(super) fn session_name(call: &Call<'_>) -> Result<String> {
    let name = call.parameters.required("RoleSessionName")?;
    check_name("RoleSessionName", name)?;
    Ok(name.to_owned())
}

/// Checks the name of a session.
fn check_name(parameter: &str, name: &str) -> Result<()> {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    if (2..=64).contains(&name.len()) && characters {
        return Ok(());
    }
    Err(CallError::validation(format!(
        "1 validation error detected: Value '{name}' at '{parameter}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\w+=,.@-]* and have a length of 2 to 64"
    )))
}

/// Checks how long a session is to last.
pub(super) fn check_duration(seconds: u32, longest: u32) -> Result<u32> {
    if (SECONDS_MIN..=longest).contains(&seconds) {
        return Ok(seconds);
    }
    Err(CallError::validation(format!(
        "The requested DurationSeconds must be between {SECONDS_MIN} and the longest session, {longest}."
    )))
}

pub(super) fn write_credential(document: &mut Writer, credential: &TemporaryCredential) {
    document.open("Credentials");
    document.text("AccessKeyId", &credential.access_key);
    document.text("SecretAccessKey", &credential.secret_key);
    document.text("SessionToken", &credential.token);
    write_time(document, "Expiration", credential.expires);
    document.close();
}

pub(super) fn write_role_user(document: &mut Writer, role: &Role, session_name: &str) {
    let account = role.arn.split(':').nth(4).unwrap_or_default();
    document.open("AssumedRoleUser");
    document.value("AssumedRoleId", format_args!("{}:{session_name}", role.id));
    document.value("Arn", format_args!("arn:aws:sts::{account}:assumed-role/{}/{session_name}", role.name));
    document.close();
}
