//! Any policy, against what must hold whatever it says, and any pattern, against one that is matched by trying everything.

use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::{Pattern, Policy, PolicyError, PolicyLimit, Resource};
use crate::condition::{ConditionKey, Context, NoContext, Value, Values};
use crate::{
    AccessRequest, Account, Action, IdentityPolicies, ObjectOwnership, Principal, PublicAccessBlock, ResourcePolicies,
    evaluate,
};

/// What policies are asked for: an action and on what.
const ASKED: [(Action, Resource<'static>); 5] = [
    (Action::GetObject, Resource::S3("photos/team/ann/a.jpg")),
    (Action::PutObject, Resource::S3("photos/a")),
    (Action::ListBucket, Resource::S3("photos")),
    (Action::PutBucketPolicy, Resource::S3("photos")),
    (Action::AssumeRole, Resource::Arn("arn:aws:iam::123456789012:role/r")),
];

/// A request that has a value for most keys.
struct Rich {
    /// What the tags of the object are, if it has any.
    tag: Option<&'static str>,
}

impl Context for Rich {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        match key {
            ConditionKey::SourceIp => Values::One(Value::Address(IpAddr::from([10, 1, 2, 3]))),
            ConditionKey::CurrentTime => Values::One(Value::Time(1_700_000_000_000)),
            ConditionKey::SecureTransport => Values::One(Value::Flag(true)),
            ConditionKey::MaxKeys => Values::One(Value::Number(100)),
            ConditionKey::UserAgent => Values::of_text(Some("aws-cli/2.17")),
            ConditionKey::Prefix => Values::of_text(Some("team/")),
            ConditionKey::RequestObjectTagKeys => Values::Many(vec![Value::text("a"), Value::text("b")]),
            ConditionKey::ExistingObjectTag(_) => Values::of_text(self.tag),
            _ => Values::Missing,
        }
    }
}

/// Where a policy belongs.
#[derive(Clone, Copy)]
enum Home {
    Bucket,
    Identity,
    Role,
}

impl Home {
    fn parse(self, text: &str) -> Result<Policy, PolicyError> {
        match self {
            Self::Bucket => Policy::of_bucket(text, "photos"),
            Self::Identity => Policy::of_identity(text, PolicyLimit::InRole),
            Self::Role => Policy::of_role(text),
        }
    }

    /// Whether `policy`, and nothing else, lets `principal` do what is asked.
    fn allows(
        self,
        policy: &Policy,
        principal: &Principal,
        asked: (Action, Resource<'_>),
        context: &dyn Context,
    ) -> bool {
        let request = AccessRequest { principal, action: asked.0, resource: asked.1, context };
        let granted = [std::sync::Arc::new(policy.clone())];
        let owner = Account::root();
        let of_resource = ResourcePolicies {
            owner: owner.canonical_id(),
            policy: Some(policy),
            acl: None,
            object_acl: None,
            ownership: ObjectOwnership::BucketOwnerEnforced,
            block: PublicAccessBlock::default(),
        };
        match self {
            Self::Identity => {
                evaluate(&request, &IdentityPolicies { granted: &granted, ..IdentityPolicies::default() }, None)
            }
            Self::Bucket | Self::Role => evaluate(&request, &IdentityPolicies::default(), Some(&of_resource)),
        }
        .is_allowed()
    }
}

fn principals() -> [Principal; 3] {
    let account = Account::root();
    [Principal::anonymous(), Principal::user(&account, "/", "ann", "AIDAANN"), Principal::root(&account)]
}

/// A document, as the policy of a bucket, of an identity and of a role.
///
/// One that was read decides the same after it was written in another order; a denial of everything added to it leaves
/// nothing; without its denials it allows no less; one that is not public lets in nobody of whom nothing is known; and where
/// tags of the object matter, it says so.
pub fn policy(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for home in [Home::Bucket, Home::Identity, Home::Role] {
        if let Ok(policy) = home.parse(text) {
            check(home, &policy, text);
        }
    }
}

fn check(home: Home, policy: &Policy, text: &str) {
    let document: Json = serde_json::from_str(text).expect("a policy is JSON");
    let statements = document["Statement"].as_array().cloned().unwrap_or_else(|| vec![document["Statement"].clone()]);
    let with = |statements: Vec<Json>| {
        let mut document = document.clone();
        document["Statement"] = Json::Array(statements);
        // It may have become too long.
        home.parse(&document.to_string()).ok()
    };
    let reversed = with(statements.iter().rev().cloned().collect());
    let denied = with([statements.clone(), vec![denial(home)]].concat());
    let lenient = with(statements.into_iter().filter(|statement| statement["Effect"] == "Allow").collect());
    let contexts: [&dyn Context; 3] = [&NoContext, &Rich { tag: None }, &Rich { tag: Some("blue") }];
    for principal in &principals() {
        for asked in ASKED {
            let allows = |policy: &Policy| contexts.map(|context| home.allows(policy, principal, asked, context));
            let allowed = allows(policy);
            if let Some(reversed) = &reversed {
                assert_eq!(allows(reversed), allowed, "in another order: {asked:?} {text}");
            }
            let reached = match (home, asked) {
                (Home::Bucket, (action, Resource::S3(_))) => !principal.is_root() || action != Action::PutBucketPolicy,
                (Home::Role, (_, resource)) => matches!(resource, Resource::Arn(_)),
                (Home::Bucket, _) => false,
                (Home::Identity, _) => true,
            };
            if let Some(denied) = denied.as_ref().filter(|_| reached) {
                assert_eq!(allows(denied), [false; 3], "everything is denied: {asked:?} {text}");
            }
            if let Some(lenient) = &lenient {
                let less = allows(lenient).into_iter().zip(allowed).any(|(lenient, allowed)| allowed && !lenient);
                assert!(!less, "without denials: {asked:?} {text}");
            }
            // The policy of an identity is never that of nobody.
            let open = principal.is_anonymous() && !matches!(home, Home::Identity) && allowed[0];
            assert!(!open || policy.is_public(), "not public: {asked:?} {text}");
            let of_object = |key: &ConditionKey| matches!(key, ConditionKey::ExistingObjectTag(_));
            assert!(allowed[1] == allowed[2] || policy.needs(asked.0, of_object), "needs tags: {asked:?} {text}");
        }
    }
}

/// A statement that denies everything.
fn denial(home: Home) -> Json {
    match home {
        Home::Bucket => json!({
            "Effect": "Deny", "Principal": "*", "Action": "*",
            "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"],
        }),
        Home::Identity => json!({"Effect": "Deny", "Action": "*", "Resource": "*"}),
        Home::Role => json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*"}),
    }
}

/// A line with a pattern, then a text.
///
/// The text matches if and only if it does when every way of reading the stars is tried.
pub fn pattern(input: &[u8]) {
    let Some((pattern, text)) = std::str::from_utf8(input).ok().and_then(|input| input.split_once('\n')) else {
        return;
    };
    let expected = matches(pattern, text);
    assert_eq!(Pattern::glob(pattern).matches(text, &NoContext), expected, "{pattern:?} {text:?}");
    if !pattern.contains("${") {
        assert_eq!(Pattern::glob_with_variables(pattern).matches(text, &NoContext), expected, "{pattern:?} {text:?}");
    }
    assert_eq!(Pattern::literal(pattern).matches(text, &NoContext), pattern == text);
    let escaped = pattern.replace('$', "${$}").replace('*', "${*}").replace('?', "${?}");
    assert_eq!(
        Pattern::glob_with_variables(&escaped).matches(text, &NoContext),
        pattern == text,
        "{escaped:?} {text:?}"
    );
}

fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Whether the pattern so far matches the first so many characters.
    let mut fits: Vec<bool> = (0..=text.len()).map(|length| length == 0).collect();
    for letter in pattern.chars() {
        if letter == '*' {
            let mut any = false;
            for fits in &mut fits {
                any |= *fits;
                *fits = any;
            }
            continue;
        }
        for length in (1..fits.len()).rev() {
            fits[length] = fits[length - 1] && (letter == '?' || letter == text[length - 1]);
        }
        fits[0] = false;
    }
    fits[text.len()]
}
