//! [`Call`]: a call whose sender is known, and whether it may happen.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use env::UnixMillis;
use http::HeaderMap;
use http::header::{REFERER, USER_AGENT};
use iam::condition::{ConditionKey, Context, Value, Values};
use iam::{AccessRequest, Action, Decision, Resource, evaluate};
use identity::{Directory, KeyHolder, Known};

use super::error::{CallError, Result};
use super::parameters::Parameters;
use crate::caller::Caller;
use crate::frontend::Frontend;

/// A call whose sender is known.
pub(super) struct Call<'a> {
    pub(super) frontend: &'a Frontend,
    pub(super) parameters: Parameters,
    pub(super) caller: Caller,
    /// What is known about the sender.
    pub(super) known: Option<Arc<Known>>,
    pub(super) headers: HeaderMap,
    pub(super) remote: Option<SocketAddr>,
    pub(super) request_id: String,
}

/// On what an action acts: where its ARN comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Nothing in particular.
    Everything,
    /// The sender itself, who needs no permission.
    Oneself,
    /// A role of any account, which is asked itself.
    RoleToTake,
    /// The user that is to be made, or that `UserName` names: the sender when it does not.
    NewUser,
    User,
    UsersBelow,
    /// The user of `AccessKeyId`.
    KeyHolder,
    NewGroup,
    Group,
    GroupsBelow,
    NewRole,
    Role,
    RolesBelow,
    NewPolicy,
    Policy,
    PoliciesBelow,
    NewProvider,
    Provider,
}

impl Call<'_> {
    /// Identities of the whole cluster.
    pub(super) fn directory(&self) -> &Directory {
        &self.frontend.directory
    }

    /// Twelve digits of the sender's account, which all of IAM's actions are about.
    pub(super) fn account(&self) -> String {
        self.caller.account.account_id().to_owned()
    }

    /// The user that `UserName` names, or that the sender is.
    ///
    /// # Errors
    ///
    /// `ValidationError` for a sender that is neither a user nor a root user.
    pub(super) fn key_holder(&self) -> Result<KeyHolder> {
        let named = self.parameters.owned("UserName");
        let own = self.caller.principal.user_name().map(str::to_owned);
        if named.is_none() && own.is_none() && !self.caller.principal.is_root() {
            return Err(CallError::validation("Must specify userName when calling with non-User credentials"));
        }
        Ok(KeyHolder { account: self.account(), user: named.or(own) })
    }

    /// The name of the user that `UserName` names, or that the sender is; `None` for the root user.
    pub(super) fn user_name(&self) -> Result<Option<String>> {
        Ok(self.key_holder()?.user)
    }

    /// Refuses what the sender may not do.
    ///
    /// # Errors
    ///
    /// `AccessDenied`.
    pub(super) async fn permit(&self, action: Action, subject: Subject) -> Result<()> {
        if matches!(subject, Subject::Oneself | Subject::RoleToTake) {
            return Ok(());
        }
        let temporary = self.known.as_ref().is_some_and(|known| known.is_temporary());
        if temporary && !self.caller.principal.is_assumed_role() {
            // As on AWS, where it takes a second factor.
            return Err(CallError::denied("Sessions of users cannot change or read identities."));
        }
        let (resource, tags) = self.resource(subject).await?;
        self.check(action, &resource, &tags)
    }

    /// Refuses `action` on `resource`, which has `tags`, unless the sender's account permits it.
    ///
    /// # Errors
    ///
    /// `AccessDenied`.
    pub(super) fn check(&self, action: Action, resource: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let principal = &self.caller.principal;
        let context = self.context(tags);
        let asked = AccessRequest { principal, action, resource: Resource::Arn(resource), context: &context };
        match evaluate(&asked, &self.caller.policies(), None) {
            Decision::Allowed(_) => Ok(()),
            Decision::Denied(denied) => Err(self.denied(action, resource, &denied.explain(action))),
        }
    }

    /// The error for what the sender may not do.
    pub(super) fn denied(&self, action: Action, resource: &str, reason: &str) -> CallError {
        let (caller, name) = (self.caller.principal.caller_arn().unwrap_or("anonymous"), action.name());
        tracing::debug!(action = name, caller, reason, "denied");
        CallError::denied(format!(
            "User: {caller} is not authorized to perform: {name} on resource: {resource} {reason}"
        ))
    }

    /// What conditions can ask about the call, which is about something with `tags`.
    pub(super) fn context<'a>(&'a self, tags: &'a BTreeMap<String, String>) -> CallContext<'a> {
        CallContext { call: self, tags, now: self.frontend.env.clock.now() }
    }

    /// The ARN of what an action acts on, and its tags. What is not there has the ARN that it would have in `/`: only
    /// who may ask learns that.
    async fn resource(&self, subject: Subject) -> Result<(String, BTreeMap<String, String>)> {
        let account = self.account();
        let arn = |kind: &str, rest: &str| format!("arn:aws:iam::{account}:{kind}{rest}");
        let named = |kind: &str, name: &str| arn(kind, &format!("{}{name}", self.parameters.path()));
        let below = |kind: &str| arn(kind, self.parameters.optional("PathPrefix").unwrap_or("/"));
        let untagged = |arn: String| (arn, BTreeMap::new());
        let required = |name: &str| self.parameters.required(name);
        Ok(match subject {
            Subject::Everything | Subject::Oneself | Subject::RoleToTake => untagged("*".to_owned()),
            Subject::NewUser => untagged(named("user", required("UserName")?)),
            Subject::User => self.user(self.user_name()?).await?,
            Subject::KeyHolder => {
                let id = required("AccessKeyId")?.to_owned();
                let holder = self.directory().access_key_holder(id).await;
                match holder {
                    Ok(holder) if holder.account == account => self.user(holder.user).await?,
                    // Nobody is told of another account's keys.
                    Ok(_) | Err(identity::Error::NoSuchEntity { .. }) => untagged(arn("user", "/")),
                    Err(error) => return Err(error.into()),
                }
            }
            Subject::UsersBelow => untagged(below("user")),
            Subject::NewGroup => untagged(named("group", required("GroupName")?)),
            Subject::Group => {
                let name = required("GroupName")?.to_owned();
                let missing = arn("group", &format!("/{name}"));
                let listing = identity::Listing { limit: 1, ..identity::Listing::default() };
                untagged(
                    found(self.directory().group(account.clone(), name, listing).await)?
                        .map_or(missing, |(group, _)| group.arn),
                )
            }
            Subject::GroupsBelow => untagged(below("group")),
            Subject::NewRole => untagged(named("role", required("RoleName")?)),
            Subject::Role => {
                let name = required("RoleName")?.to_owned();
                let missing = arn("role", &format!("/{name}"));
                let role = found(self.directory().role(account.clone(), name).await)?;
                role.map_or_else(|| untagged(missing), |role| (role.arn, role.tags))
            }
            Subject::RolesBelow => untagged(below("role")),
            Subject::NewPolicy => untagged(named("policy", required("PolicyName")?)),
            Subject::Policy => untagged(required("PolicyArn")?.to_owned()),
            Subject::PoliciesBelow => untagged(below("policy")),
            Subject::NewProvider => {
                let url = required("Url")?;
                let address = url.split_once("://").map_or(url, |(_, address)| address);
                untagged(arn("oidc-provider/", address))
            }
            Subject::Provider => untagged(required("OpenIDConnectProviderArn")?.to_owned()),
        })
    }

    async fn user(&self, name: Option<String>) -> Result<(String, BTreeMap<String, String>)> {
        let account = self.account();
        let Some(name) = name else { return Ok((format!("arn:aws:iam::{account}:root"), BTreeMap::new())) };
        let missing = format!("arn:aws:iam::{account}:user/{name}");
        let user = found(self.directory().user(account, name).await)?;
        Ok(user.map_or_else(|| (missing, BTreeMap::new()), |user| (user.arn, user.tags)))
    }
}

/// What is there, if it is.
fn found<T>(result: identity::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(identity::Error::NoSuchEntity { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A call as policies see it, but for its sender.
pub(super) struct CallContext<'a> {
    call: &'a Call<'a>,
    tags: &'a BTreeMap<String, String>,
    now: UnixMillis,
}

impl Context for CallContext<'_> {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        use ConditionKey as Key;
        let Call { parameters, headers, remote, frontend, caller, .. } = self.call;
        let header = |name| Values::of_text(headers.get(name).and_then(|value| value.to_str().ok()));
        let one = |value| Values::One(value);
        let millis = i64::try_from(self.now.0).unwrap_or(i64::MAX);
        let named = |tags: &'_ BTreeMap<String, String>, name: &str| {
            let found = tags.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
            found.map(|(_, value)| Values::One(Value::Text(value.clone().into()))).unwrap_or(Values::Missing)
        };
        match key {
            Key::SourceIp => remote.map_or(Values::Missing, |remote| one(Value::Address(remote.ip()))),
            Key::CurrentTime => one(Value::Time(millis)),
            Key::EpochTime => one(Value::Number(millis / 1000)),
            Key::SecureTransport => one(Value::Flag(false)),
            Key::RequestedRegion => Values::of_text(Some(&frontend.config.region)),
            Key::UserAgent => header(USER_AGENT),
            Key::Referer => header(REFERER),
            Key::AccountOfResource => Values::of_text(Some(caller.account.account_id())),
            Key::PolicyArn => Values::of_text(parameters.optional("PolicyArn")),
            Key::PermissionsBoundary => Values::of_text(parameters.optional("PermissionsBoundary")),
            Key::RoleSessionName => Values::of_text(parameters.optional("RoleSessionName")),
            Key::ExternalId => Values::of_text(parameters.optional("ExternalId")),
            Key::RequestTag(name) => named(&parameters.tags().unwrap_or_default(), name),
            Key::ResourceTag(name) => named(self.tags, name),
            Key::TagKeys => {
                let keys = parameters.members("Tags", "Key").into_iter().chain(parameters.list("TagKeys"));
                Values::Many(keys.map(|key| Value::Text(key.into())).collect())
            }
            Key::TransitiveTagKeys => {
                let keys = parameters.list("TransitiveTagKeys").into_iter();
                Values::Many(keys.map(|key| Value::Text(key.into())).collect())
            }
            _ => Values::Missing,
        }
    }
}
