//! Temporary credentials: all about them travels in the session token, sealed, so that every node knows them at once and
//! none has to write anything.

use std::collections::BTreeMap;
use std::time::Duration;

use env::UnixMillis;
use iam::{Policy, PolicyLimit};
use serde::{Deserialize, Serialize};

use crate::access_key;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::known::Known;
use crate::name::fold;
use crate::policy;
use crate::record::{RoleRecord, UserRecord};
use crate::seal::Seals;
use crate::tags;

/// Most managed policies that may come with a session.
const POLICY_ARNS_MAX: usize = 10;

/// What a session token holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) secret: String,
    /// Twelve digits.
    pub(crate) account: String,
    pub(crate) subject: Subject,
    /// Milliseconds since 1970.
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policy_arns: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<String>,
}

/// Who has a session. The unique id tells a user or role from a later one of the same name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Subject {
    Root,
    User { name: String, id: String },
    Role { name: String, id: String, session_name: String },
}

/// Who is to have a session.
#[derive(Clone, Debug)]
pub enum SessionSubject {
    /// The holder of a lasting key, itself: the root user of its account, or the user of this name.
    Own {
        /// Twelve digits of the account.
        account: String,
        /// `None` for the root user.
        user: Option<String>,
    },
    /// Whoever takes a role.
    Role {
        /// Twelve digits of the account.
        account: String,
        /// The role's name.
        name: String,
        /// What the session is called.
        session_name: String,
    },
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct SessionOrder {
    /// Whose.
    pub subject: SessionSubject,
    /// For how long.
    pub duration: Duration,
    /// A policy that limits it.
    pub policy: Option<String>,
    /// Managed policies that limit it.
    pub policy_arns: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The name that the first caller of a chain of roles has given.
    pub source_identity: Option<String>,
    /// The identity provider that vouched.
    pub provider: Option<String>,
}

/// What a session signs with.
#[derive(Clone)]
pub struct TemporaryCredential {
    /// Names it.
    pub access_key: String,
    /// Proves the name.
    pub secret_key: String,
    /// Says all about it; sent with each request.
    pub token: String,
    /// When it ends.
    pub expires: UnixMillis,
}

impl Directory {
    /// Makes temporary credentials.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::MalformedPolicy`], [`Error::Validation`].
    pub async fn begin_session(&self, order: SessionOrder) -> Result<TemporaryCredential> {
        tags::check(&order.tags)?;
        if let Some(policy) = &order.policy {
            Policy::of_identity(policy, PolicyLimit::Session)?;
        }
        if POLICY_ARNS_MAX < order.policy_arns.len() {
            return Err(Error::LimitExceeded { what: "SessionPolicyArns", limit: POLICY_ARNS_MAX });
        }
        let seals = self.seals().await?;
        let (wanted, arns) = (order.subject, order.policy_arns.clone());
        let (account, subject) = self
            .view(move |transaction| {
                let (account, subject) = match wanted {
                    SessionSubject::Own { account, user: None } => (account, Subject::Root),
                    SessionSubject::Own { account, user: Some(name) } => {
                        let found: Option<UserRecord> = transaction.find(&account, &fold(&name))?;
                        let user = found.ok_or_else(|| Error::no_such("user", &name))?;
                        (account, Subject::User { name: fold(&name), id: user.id })
                    }
                    SessionSubject::Role { account, name, session_name } => {
                        let found: Option<RoleRecord> = transaction.find(&account, &fold(&name))?;
                        let role = found.ok_or_else(|| Error::no_such("role", &name))?;
                        (account, Subject::Role { name: fold(&name), id: role.id, session_name })
                    }
                };
                for arn in &arns {
                    let found = policy::effective_document(transaction, &account, arn)?;
                    found.ok_or_else(|| Error::no_such("policy", arn))?;
                }
                Ok((account, subject))
            })
            .await?;
        let issued = self.now();
        let expires = issued.saturating_add(u64::try_from(order.duration.as_millis()).unwrap_or(u64::MAX));
        let record = SessionRecord {
            secret: access_key::random_secret(self.env.entropy.as_ref()),
            account,
            subject,
            issued,
            expires,
            policy: order.policy,
            policy_arns: order.policy_arns,
            tags: order.tags,
            source_identity: order.source_identity,
            provider: order.provider,
        };
        let access_key = self.random_id("ASIA");
        let plain = serde_json::to_vec(&record).expect("sessions have text for keys");
        let token = seals.sessions.seal_text(&plain, access_key.as_bytes(), self.env.entropy.as_ref());
        Ok(TemporaryCredential { access_key, secret_key: record.secret, token, expires: UnixMillis(expires) })
    }

    /// The order for a session of `known` itself.
    pub fn own_session(known: &Known, duration: Duration) -> SessionOrder {
        let account = known.credential.account.account_id().to_owned();
        let user = known.principal.user_name().map(str::to_owned);
        SessionOrder {
            subject: SessionSubject::Own { account, user },
            duration,
            policy: None,
            policy_arns: Vec::new(),
            tags: BTreeMap::new(),
            source_identity: None,
            provider: None,
        }
    }
}

/// What the token of `access_key` says; `None` when it was not made here for this key.
pub(crate) fn open(seals: &Seals, access_key: &str, token: &str) -> Option<SessionRecord> {
    let plain = seals.sessions.open_text(token, access_key.as_bytes())?;
    serde_json::from_slice(&plain).ok()
}
