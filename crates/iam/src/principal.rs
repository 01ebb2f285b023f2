//! Who sends a request, as policies see it.

use std::collections::BTreeMap;

use crate::Account;
use crate::condition::{ConditionKey, Value, Values};

/// A sender whose signature has been verified, or one without a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    kind: Kind,
    /// Empty for those who have no account.
    account_id: String,
    canonical_id: String,
    /// Of the user, or of the role whose session it is.
    arn: Option<String>,
    /// What `aws:userid` is.
    user_id: String,
    tags: BTreeMap<String, String>,
    session: Session,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Anonymous,
    Root,
    User {
        name: String,
    },
    AssumedRole {
        session_arn: String,
    },
    /// Known only to an identity provider: who asks for a role with its token.
    Federated {
        provider: String,
    },
    /// A service of this server itself.
    Service {
        name: String,
    },
}

/// How somebody has signed in for a while.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// When the temporary credentials were issued, in milliseconds since 1970; `None` for lasting ones.
    pub token_issued: Option<i64>,
    /// How many seconds ago a second factor was shown.
    pub multi_factor_age: Option<i64>,
    /// The name that the first caller of a chain of roles has given.
    pub source_identity: Option<String>,
    /// The identity provider that vouched.
    pub federated_provider: Option<String>,
}

impl Principal {
    /// Somebody without a signature.
    pub fn anonymous() -> Self {
        Self::new(Kind::Anonymous, None, "anonymous")
    }

    /// The owner of an account.
    pub fn root(account: &Account) -> Self {
        let arn = format!("arn:aws:iam::{}:root", account.account_id());
        Self { arn: Some(arn), ..Self::new(Kind::Root, Some(account), account.account_id()) }
    }

    /// A user of an account. `path` begins and ends with a slash; `user_id` is the unique `AIDA...`.
    pub fn user(account: &Account, path: &str, name: &str, user_id: &str) -> Self {
        let arn = format!("arn:aws:iam::{}:user{path}{name}", account.account_id());
        Self { arn: Some(arn), ..Self::new(Kind::User { name: name.to_owned() }, Some(account), user_id) }
    }

    /// A session of the role with the ARN `role_arn`, which lies in `account`; `role_id` is the unique `AROA...`.
    pub fn assumed_role(account: &Account, role_arn: &str, role_id: &str, session_name: &str) -> Self {
        let role = role_arn.rsplit('/').next().unwrap_or_default();
        let session_arn = format!("arn:aws:sts::{}:assumed-role/{role}/{session_name}", account.account_id());
        let user_id = format!("{role_id}:{session_name}");
        Self { arn: Some(role_arn.to_owned()), ..Self::new(Kind::AssumedRole { session_arn }, Some(account), &user_id) }
    }

    /// Somebody whom the identity provider `provider` knows by the name `subject`.
    pub fn federated(provider: &str, subject: &str) -> Self {
        Self::new(Kind::Federated { provider: provider.to_owned() }, None, subject)
    }

    /// A service of this server, such as `logging.s3.amazonaws.com`.
    pub fn service(name: &str) -> Self {
        Self::new(Kind::Service { name: name.to_owned() }, None, name)
    }

    fn new(kind: Kind, account: Option<&Account>, user_id: &str) -> Self {
        Self {
            kind,
            account_id: account.map(|account| account.account_id().to_owned()).unwrap_or_default(),
            canonical_id: account.map(|account| account.canonical_id().to_owned()).unwrap_or_default(),
            arn: None,
            user_id: user_id.to_owned(),
            tags: BTreeMap::new(),
            session: Session::default(),
        }
    }

    /// The same with the tags of its user, role or session.
    #[must_use]
    pub fn with_tags(self, tags: BTreeMap<String, String>) -> Self {
        Self { tags, ..self }
    }

    /// The same signed in for a while.
    #[must_use]
    pub fn with_session(self, session: Session) -> Self {
        Self { session, ..self }
    }

    /// The ARN that `GetCallerIdentity` shows and errors name: that of the session where there is one.
    pub fn caller_arn(&self) -> Option<&str> {
        self.session_arn().or(self.arn())
    }

    /// The name of the user that it is.
    pub fn user_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::User { name } => Some(name),
            _ => None,
        }
    }

    /// Whether it is a session of a role.
    pub fn is_assumed_role(&self) -> bool {
        self.session_arn().is_some()
    }

    /// The unique id, `aws:userid`.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The twelve digits of its account, if it has one.
    pub fn account_id(&self) -> Option<&str> {
        Some(self.account_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The id of its account in ACLs, if it has one.
    pub fn canonical_id(&self) -> Option<&str> {
        Some(self.canonical_id.as_str()).filter(|id| !id.is_empty())
    }

    /// Whether nobody has signed.
    pub fn is_anonymous(&self) -> bool {
        self.kind == Kind::Anonymous
    }

    /// Whether it owns its account.
    pub fn is_root(&self) -> bool {
        self.kind == Kind::Root
    }

    /// Whether it is a service of this server.
    pub(crate) fn is_service(&self) -> bool {
        self.service_name().is_some()
    }

    pub(crate) fn arn(&self) -> Option<&str> {
        self.arn.as_deref()
    }

    pub(crate) fn session_arn(&self) -> Option<&str> {
        match &self.kind {
            Kind::AssumedRole { session_arn } => Some(session_arn),
            _ => None,
        }
    }

    pub(crate) fn service_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Service { name } => Some(name),
            _ => None,
        }
    }

    pub(crate) fn federated_provider(&self) -> Option<&str> {
        match &self.kind {
            Kind::Federated { provider } => Some(provider),
            _ => None,
        }
    }

    fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Anonymous => "Anonymous",
            Kind::Root => "Account",
            Kind::User { .. } => "User",
            Kind::AssumedRole { .. } => "AssumedRole",
            Kind::Federated { .. } => "FederatedUser",
            Kind::Service { .. } => "Service",
        }
    }

    /// The values of the condition keys that are about the caller; `None` for keys that are not.
    pub(crate) fn values(&self, key: &ConditionKey) -> Option<Values<'_>> {
        use ConditionKey as Key;
        let text = Values::of_text;
        let one = Values::One;
        let found = match key {
            Key::Username => match &self.kind {
                Kind::User { name } => text(Some(name)),
                _ => Values::Missing,
            },
            Key::UserId => text(Some(&self.user_id)),
            Key::PrincipalArn => text(self.arn()),
            Key::PrincipalAccount => text(self.account_id()),
            Key::PrincipalType => text(Some(self.kind_name())),
            Key::PrincipalIsAwsService => one(Value::Flag(self.is_service())),
            Key::PrincipalServiceName => text(self.service_name()),
            Key::PrincipalTag(tag) => {
                let found = self.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
                text(found.map(|(_, value)| value.as_str()))
            }
            Key::TokenIssueTime => self.session.token_issued.map_or(Values::Missing, |at| one(Value::Time(at))),
            // Lasting credentials never show a second factor, and AWS leaves the keys out for them.
            Key::MultiFactorAuthPresent => match self.session.token_issued {
                Some(_) => one(Value::Flag(self.session.multi_factor_age.is_some())),
                None => Values::Missing,
            },
            Key::MultiFactorAuthAge => {
                self.session.multi_factor_age.map_or(Values::Missing, |age| one(Value::Number(age)))
            }
            Key::SourceIdentity => text(self.session.source_identity.as_deref()),
            Key::FederatedProvider => text(self.federated_provider().or(self.session.federated_provider.as_deref())),
            Key::ViaAwsService => one(Value::Flag(false)),
            _ => return None,
        };
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_have_the_forms_of_aws() {
        let account = Account::root();
        let id = account.account_id();
        let user = Principal::user(&account, "/team/", "ann", "AIDAANN");
        assert_eq!(user.caller_arn(), Some(format!("arn:aws:iam::{id}:user/team/ann").as_str()));
        let role_arn = format!("arn:aws:iam::{id}:role/team/backup");
        let session = Principal::assumed_role(&account, &role_arn, "AROABACKUP", "nightly");
        assert_eq!(session.arn(), Some(role_arn.as_str()));
        assert_eq!(session.caller_arn(), Some(format!("arn:aws:sts::{id}:assumed-role/backup/nightly").as_str()));
        assert_eq!(session.user_id(), "AROABACKUP:nightly");
        assert_eq!(Principal::anonymous().caller_arn(), None);
        assert_eq!(Principal::anonymous().account_id(), None);
    }

    #[test]
    fn tags_of_principals_are_found_in_any_case() {
        let tags = BTreeMap::from([("Team".to_owned(), "red".to_owned())]);
        let user = Principal::user(&Account::root(), "/", "ann", "AIDAANN").with_tags(tags);
        let value = |name: &str| user.values(&ConditionKey::parse(name));
        assert_eq!(value("aws:PrincipalTag/team"), Some(Values::of_text(Some("red"))));
        assert_eq!(value("aws:PrincipalTag/color"), Some(Values::Missing));
        assert_eq!(value("aws:SourceIp"), None);
    }
}
