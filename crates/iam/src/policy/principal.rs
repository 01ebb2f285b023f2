//! Whom a statement of a resource's policy names.

use super::PolicyError;
use super::json::Json;
use crate::principal::Principal;

/// One entry of `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Everyone,
    /// An account, by id.
    Account(Box<str>),
    /// An account, by the id that ACLs use.
    Canonical(Box<str>),
    /// A user, role or session.
    Arn(Box<str>),
    Service(Box<str>),
    /// An identity provider.
    Federated(Box<str>),
}

/// How directly a statement names a caller, from not at all upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// Not at all.
    None,
    /// Its account, which still has to pass the permission on.
    Account,
    /// Everybody, or the role whose session it is: boundary and session policies still limit it.
    Role,
    /// The caller itself.
    Direct,
}

/// The principals of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principals {
    /// `Principal`.
    Only(Entries),
    /// `NotPrincipal`.
    AllBut(Entries),
}

/// The entries under `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entries(Vec<Entry>);

impl Principals {
    /// How the statement names `caller`.
    pub(crate) fn naming(&self, caller: &Principal) -> Naming {
        match self {
            Self::Only(Entries(entries)) => {
                entries.iter().map(|entry| entry.naming(caller)).max().unwrap_or(Naming::None)
            }
            // The account alone does not stand for its users here: whoever excepts a user lists both.
            Self::AllBut(Entries(entries)) => {
                let excepts = |entry: &Entry| match entry.naming(caller) {
                    Naming::None => false,
                    Naming::Account => caller.is_root(),
                    Naming::Role | Naming::Direct => true,
                };
                if entries.iter().any(excepts) { Naming::None } else { Naming::Role }
            }
        }
    }

    /// Whether it names only whom one can count.
    pub(crate) fn is_confined(&self) -> bool {
        match self {
            Self::Only(Entries(entries)) => !entries.contains(&Entry::Everyone),
            Self::AllBut(_) => false,
        }
    }
}

impl Entry {
    fn naming(&self, caller: &Principal) -> Naming {
        let when = |matches: bool, naming: Naming| if matches { naming } else { Naming::None };
        match self {
            Self::Everyone => Naming::Role,
            Self::Account(id) => when(caller.account_id() == Some(id), Naming::Account),
            Self::Canonical(id) => when(caller.canonical_id() == Some(id), Naming::Account),
            Self::Arn(arn) if caller.session_arn() == Some(arn) => Naming::Direct,
            Self::Arn(arn) if caller.arn() == Some(arn) => {
                when(true, if caller.session_arn().is_some() { Naming::Role } else { Naming::Direct })
            }
            Self::Arn(_) => Naming::None,
            Self::Service(name) => when(caller.service_name() == Some(name), Naming::Direct),
            Self::Federated(provider) => when(caller.federated_provider() == Some(provider), Naming::Direct),
        }
    }
}

/// Reads the value of `Principal` or `NotPrincipal`.
///
/// # Errors
///
/// [`PolicyError::BadPrincipal`].
pub(super) fn parse(json: &Json) -> Result<Entries, PolicyError> {
    if json.as_text() == Some("*") {
        return Ok(Entries(vec![Entry::Everyone]));
    }
    let kinds = json.as_object().filter(|kinds| !kinds.is_empty()).ok_or(PolicyError::BadPrincipal)?;
    let mut entries = Vec::new();
    for (kind, names) in kinds {
        let names = names.texts().filter(|names| !names.is_empty()).ok_or(PolicyError::BadPrincipal)?;
        for name in names {
            entries.push(parse_entry(kind, name).ok_or(PolicyError::BadPrincipal)?);
        }
    }
    Ok(Entries(entries))
}

fn parse_entry(kind: &str, name: &str) -> Option<Entry> {
    match kind {
        "AWS" if name == "*" => Some(Entry::Everyone),
        "AWS" if is_account(name) => Some(Entry::Account(name.into())),
        "AWS" if is_canonical(name) => Some(Entry::Canonical(name.into())),
        "AWS" => parse_arn(name),
        "CanonicalUser" => is_canonical(name).then(|| Entry::Canonical(name.into())),
        "Service" => is_service(name).then(|| Entry::Service(name.into())),
        "Federated" => (!name.is_empty() && !name.contains('*')).then(|| Entry::Federated(name.into())),
        _ => None,
    }
}

fn parse_arn(arn: &str) -> Option<Entry> {
    let mut sections = arn.splitn(6, ':');
    let head = (sections.next()?, sections.next()?, sections.next()?, sections.next()?);
    let (account, name) = (sections.next()?, sections.next()?);
    let known = matches!(head, ("arn", "aws", "iam" | "sts", ""));
    if !known || !is_account(account) || name.contains(['*', '?']) {
        return None;
    }
    if name == "root" && head.2 == "iam" {
        return Some(Entry::Account(account.into()));
    }
    let (kind, rest) = name.split_once('/')?;
    let named = match (head.2, kind) {
        ("iam", "user" | "role") | ("sts", "federated-user") => !rest.is_empty(),
        ("sts", "assumed-role") => {
            rest.split_once('/').is_some_and(|(role, session)| !role.is_empty() && !session.is_empty())
        }
        _ => false,
    };
    named.then(|| Entry::Arn(arn.into()))
}

/// AWS gives accounts twelve digits. Other stores name tenants, whose policies are understood and match nobody here.
fn is_account(text: &str) -> bool {
    let named = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    named && (1..=32).contains(&text.len())
}

fn is_canonical(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_service(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte));
    letters && text.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_the_forms_of_aws() {
        let canonical = "ab".repeat(32);
        for (text, valid) in [
            (r#""*""#.to_owned(), true),
            (r#"{"AWS": "*"}"#.to_owned(), true),
            (r#"{"AWS": "123456789012"}"#.to_owned(), true),
            (r#"{"AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:user/a/b"]}"#.to_owned(), true),
            (r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/role/session"}"#.to_owned(), true),
            (r#"{"AWS": "arn:aws:iam::tenant1:root"}"#.to_owned(), true),
            (r#"{"Service": "logging.s3.amazonaws.com", "AWS": "*"}"#.to_owned(), true),
            (r#"{"Federated": "cognito-identity.amazonaws.com"}"#.to_owned(), true),
            (format!(r#"{{"CanonicalUser": "{canonical}"}}"#), true),
            (r#""root""#.to_owned(), false),
            (r#"{}"#.to_owned(), false),
            (r#"[]"#.to_owned(), false),
            (r#"{"AWS": []}"#.to_owned(), false),
            (r#"{"AWS": 123456789012}"#.to_owned(), false),
            (r#"{"AWS": ""}"#.to_owned(), false),
            (r#"{"AWS": "arn:aws:iam::123456789012:user/*"}"#.to_owned(), false),
            (r#"{"AWS": "arn:aws:iam::123456789012:user/"}"#.to_owned(), false),
            (r#"{"AWS": "arn:aws:iam::123456789012:group/g"}"#.to_owned(), false),
            (r#"{"AWS": "arn:aws:s3:::bucket"}"#.to_owned(), false),
            (r#"{"AWS": "arn:aws:sts::123456789012:assumed-role/role"}"#.to_owned(), false),
            (r#"{"CanonicalUser": "123"}"#.to_owned(), false),
            (r#"{"Azure": "*"}"#.to_owned(), false),
        ] {
            assert_eq!(parse(&Json::parse(&text).unwrap()).is_ok(), valid, "{text}");
        }
    }
}
