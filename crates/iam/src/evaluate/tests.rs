//! Tables of decisions, and the properties that hold for every policy.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Account;
use crate::acl::{CannedAcl, Grant, Grantee, Permission};
use crate::condition::{NoContext, Value};
use crate::policy::PolicyLimit;

/// The account that owns the bucket `photos`.
fn home() -> Account {
    Account::named("home")
}

/// Another account.
fn abroad() -> Account {
    Account::named("abroad")
}

fn user(account: &Account) -> Principal {
    Principal::user(account, "/", "ann", "AIDAANN")
}

fn session(account: &Account) -> Principal {
    Principal::assumed_role(
        account,
        &format!("arn:aws:iam::{}:role/backup", account.account_id()),
        "AROABACKUP",
        "nightly",
    )
}

/// The principal of a bucket's statement that names `name` of `account`.
fn named(account: &Account, name: &str) -> String {
    let id = account.account_id();
    match name {
        "*" => r#""*""#.to_owned(),
        "root" => format!(r#"{{"AWS": "{id}"}}"#),
        "canonical" => format!(r#"{{"CanonicalUser": "{}"}}"#, account.canonical_id()),
        "session" => format!(r#"{{"AWS": "arn:aws:sts::{id}:assumed-role/backup/nightly"}}"#),
        name => format!(r#"{{"AWS": "arn:aws:iam::{id}:{name}"}}"#),
    }
}

fn of_bucket(effect: &str, principal: &str, action: &str) -> Policy {
    let resources = r#"["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]"#;
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Sid": "bucket", "Effect": "{effect}", "Principal": {principal}, "Action": "{action}", "Resource": {resources}}}}}"#
    );
    Policy::of_bucket(&text, "photos").unwrap()
}

fn of_identity(effect: &str, action: &str) -> Arc<Policy> {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Sid": "own", "Effect": "{effect}", "Action": "{action}", "Resource": "*"}}}}"#
    );
    Arc::new(Policy::of_identity(&text, PolicyLimit::Managed).unwrap())
}

/// What decides about one `GetObject` unless a test says otherwise.
struct Case {
    principal: Principal,
    action: Action,
    granted: Vec<Arc<Policy>>,
    boundary: Option<Arc<Policy>>,
    session: Option<Vec<Arc<Policy>>>,
    policy: Option<Policy>,
    acl: Option<Acl>,
    object_acl: Option<Acl>,
    ownership: ObjectOwnership,
    block: PublicAccessBlock,
}

impl Case {
    fn of(principal: Principal) -> Self {
        Self {
            principal,
            action: Action::GetObject,
            granted: Vec::new(),
            boundary: None,
            session: None,
            policy: None,
            acl: None,
            object_acl: None,
            ownership: ObjectOwnership::BucketOwnerEnforced,
            block: PublicAccessBlock::default(),
        }
    }

    fn decide<T>(&self, see: impl FnOnce(Decision<'_>) -> T) -> T {
        let request = AccessRequest {
            principal: &self.principal,
            action: self.action,
            resource: Resource::S3("photos/cat.jpg"),
            context: &NoContext,
        };
        let identity = IdentityPolicies {
            granted: &self.granted,
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
        };
        let owner = home();
        let resource = ResourcePolicies {
            owner: owner.canonical_id(),
            policy: self.policy.as_ref(),
            acl: self.acl.as_ref(),
            object_acl: self.object_acl.as_ref(),
            ownership: self.ownership,
            block: self.block,
        };
        see(evaluate(&request, &identity, Some(&resource)))
    }

    fn is_allowed(&self) -> bool {
        self.decide(|decision| decision.is_allowed())
    }
}

#[test]
fn one_account_needs_one_word_and_two_accounts_need_both() {
    let (home, abroad) = (home(), abroad());
    // Who asks; does its own account allow it; whom the bucket's policy names; the outcome.
    for (principal, own, names, expected) in [
        (Principal::root(&home), false, None, true),
        (user(&home), false, None, false),
        (user(&home), true, None, true),
        (user(&home), false, Some(named(&home, "user/ann")), true),
        (user(&home), false, Some(named(&home, "user/bob")), false),
        (user(&home), false, Some(named(&home, "*")), true),
        (user(&home), false, Some(named(&home, "root")), false),
        (user(&home), true, Some(named(&home, "root")), true),
        (session(&home), false, Some(named(&home, "role/backup")), true),
        (session(&home), false, Some(named(&home, "session")), true),
        (Principal::root(&abroad), false, None, false),
        (Principal::root(&abroad), false, Some(named(&abroad, "root")), true),
        (Principal::root(&abroad), false, Some(named(&abroad, "canonical")), true),
        (Principal::root(&abroad), false, Some(named(&home, "root")), false),
        (user(&abroad), true, None, false),
        (user(&abroad), false, Some(named(&abroad, "user/ann")), false),
        (user(&abroad), true, Some(named(&abroad, "user/ann")), true),
        (user(&abroad), true, Some(named(&abroad, "root")), true),
        (user(&abroad), true, Some(named(&abroad, "user/bob")), false),
        (user(&abroad), false, Some(named(&abroad, "*")), false),
        (user(&abroad), true, Some(named(&abroad, "*")), true),
        (Principal::anonymous(), false, None, false),
        (Principal::anonymous(), false, Some(named(&abroad, "*")), true),
        (Principal::anonymous(), false, Some(named(&abroad, "root")), false),
    ] {
        let case = Case {
            granted: own.then(|| of_identity("Allow", "s3:GetObject")).into_iter().collect(),
            policy: names.as_ref().map(|names| of_bucket("Allow", names, "s3:GetObject")),
            ..Case::of(principal)
        };
        assert_eq!(case.is_allowed(), expected, "{:?} own: {own} bucket: {names:?}", case.principal);
    }
}

#[test]
fn a_denial_wins_wherever_it_stands() {
    let home = home();
    let everyone = named(&home, "*");
    let deny = || of_identity("Deny", "s3:Get*");
    let allowed = || Case {
        granted: vec![of_identity("Allow", "s3:*")],
        boundary: Some(of_identity("Allow", "s3:*")),
        session: Some(vec![of_identity("Allow", "s3:*")]),
        policy: Some(of_bucket("Allow", &everyone, "s3:GetObject")),
        ..Case::of(user(&home))
    };
    assert!(allowed().is_allowed());
    for (source, case) in [
        (PolicySource::Identity, Case { granted: vec![of_identity("Allow", "s3:*"), deny()], ..allowed() }),
        (PolicySource::Boundary, Case { boundary: Some(deny()), ..allowed() }),
        (PolicySource::Session, Case { session: Some(vec![of_identity("Allow", "s3:*"), deny()]), ..allowed() }),
        (PolicySource::Resource, Case { policy: Some(of_bucket("Deny", &everyone, "s3:Get*")), ..allowed() }),
    ] {
        case.decide(|decision| {
            let Decision::Denied(Denied::Explicitly { source: found, sid }) = decision else {
                panic!("{source:?}: {decision:?}")
            };
            assert_eq!((found, sid), (source, Some(if source == PolicySource::Resource { "bucket" } else { "own" })));
        });
    }
    let of_root = Case { policy: Some(of_bucket("Deny", &everyone, "s3:*")), ..Case::of(Principal::root(&home)) };
    assert!(!of_root.is_allowed(), "root is denied its objects");
}

#[test]
fn an_account_cannot_be_locked_out_of_the_policy_of_its_bucket() {
    let (home, abroad) = (home(), abroad());
    let policy = || Some(of_bucket("Deny", &named(&home, "*"), "s3:*"));
    let actions = [Action::GetBucketPolicy, Action::PutBucketPolicy, Action::DeleteBucketPolicy, Action::GetBucketAcl];
    for (principal, expected) in [
        (Principal::root(&home), [true, true, true, false]),
        (user(&home), [false; 4]),
        (Principal::root(&abroad), [false; 4]),
    ] {
        for (action, expected) in actions.into_iter().zip(expected) {
            let granted = vec![of_identity("Allow", "s3:*")];
            let case = Case { action, policy: policy(), granted, ..Case::of(principal.clone()) };
            assert_eq!(case.is_allowed(), expected, "{:?} {action:?}", case.principal);
        }
    }
}

#[test]
fn boundaries_and_sessions_only_take_away() {
    let home = home();
    let (all, puts) = (|| of_identity("Allow", "s3:*"), || of_identity("Allow", "s3:Put*"));
    let by_name = |principal: &str| Some(of_bucket("Allow", &named(&home, principal), "s3:GetObject"));
    for (principal, granted, boundary, session_policies, policy, expected) in [
        (user(&home), vec![all()], Some(all()), None, None, Ok(())),
        (user(&home), vec![], Some(all()), None, None, Err(PolicySource::Identity)),
        (user(&home), vec![all()], Some(puts()), None, None, Err(PolicySource::Boundary)),
        (session(&home), vec![all()], None, Some(vec![all()]), None, Ok(())),
        (session(&home), vec![all()], None, Some(vec![puts()]), None, Err(PolicySource::Session)),
        (session(&home), vec![all()], None, Some(vec![]), None, Err(PolicySource::Session)),
        (session(&home), vec![puts()], None, Some(vec![all()]), None, Err(PolicySource::Identity)),
        // Named in person, a caller is beyond the limits that its account has set.
        (user(&home), vec![], Some(puts()), None, by_name("user/ann"), Ok(())),
        (session(&home), vec![], None, Some(vec![puts()]), by_name("session"), Ok(())),
        // Named as one of many, it is not.
        (user(&home), vec![], Some(puts()), None, by_name("*"), Err(PolicySource::Boundary)),
        (session(&home), vec![], None, Some(vec![puts()]), by_name("role/backup"), Err(PolicySource::Session)),
    ] {
        let case = Case { granted, boundary, session: session_policies, policy, ..Case::of(principal) };
        let expected_decision = expected.err().map(Denied::Unmentioned);
        case.decide(|decision| match decision {
            Decision::Allowed(_) => assert_eq!(expected_decision, None, "{:?}", case.principal),
            Decision::Denied(denied) => assert_eq!(Some(denied), expected_decision, "{:?}", case.principal),
        });
    }
}

#[test]
fn exceptions_from_a_denial_name_the_caller_and_its_account() {
    let home = home();
    let id = home.account_id();
    let except = |names: &str| {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Deny", "NotPrincipal": {{"AWS": {names}}}, "Action": "s3:*", "Resource": "arn:aws:s3:::photos/*"}}}}"#
        );
        Some(Policy::of_bucket(&text, "photos").unwrap())
    };
    let (both, account) = (format!(r#"["{id}", "arn:aws:iam::{id}:user/ann"]"#), format!(r#""{id}""#));
    let session_arn = format!(r#""arn:aws:sts::{id}:assumed-role/backup/nightly""#);
    for (principal, names, expected) in [
        (user(&home), &both, true),
        (Principal::root(&home), &both, true),
        (session(&home), &both, false),
        (session(&home), &session_arn, true),
        (user(&home), &account, false),
        (Principal::root(&home), &account, true),
        (Principal::user(&home, "/", "bob", "AIDABOB"), &both, false),
    ] {
        let case = Case { granted: vec![of_identity("Allow", "s3:*")], policy: except(names), ..Case::of(principal) };
        assert_eq!(case.is_allowed(), expected, "{:?} {names}", case.principal);
    }
}

#[test]
fn lists_grant_when_ownership_lets_them() {
    let (home, abroad) = (home(), abroad());
    let canned = |acl: CannedAcl| Some(acl.acl(home.canonical_id(), home.canonical_id()));
    let granted_abroad = Acl {
        owner: home.canonical_id().to_owned(),
        grants: vec![Grant {
            grantee: Grantee::Account(abroad.canonical_id().to_owned()),
            permission: Permission::Read,
        }],
    };
    let (read, anonymous) = (Action::GetObject, Principal::anonymous);
    for (principal, action, acl, object_acl, expected) in [
        (anonymous(), read, None, canned(CannedAcl::Private), false),
        (anonymous(), read, None, canned(CannedAcl::PublicRead), true),
        (anonymous(), read, None, canned(CannedAcl::AuthenticatedRead), false),
        (anonymous(), read, canned(CannedAcl::PublicReadWrite), canned(CannedAcl::Private), false),
        (anonymous(), Action::ListBucket, canned(CannedAcl::PublicRead), None, true),
        (anonymous(), Action::PutObject, canned(CannedAcl::PublicRead), None, false),
        (anonymous(), Action::PutObject, canned(CannedAcl::PublicReadWrite), None, true),
        (anonymous(), Action::DeleteObject, canned(CannedAcl::PublicReadWrite), None, true),
        (anonymous(), Action::GetBucketAcl, canned(CannedAcl::PublicReadWrite), None, false),
        (Principal::root(&abroad), read, None, canned(CannedAcl::AuthenticatedRead), true),
        (Principal::root(&abroad), read, None, Some(granted_abroad.clone()), true),
        (Principal::root(&abroad), Action::GetObjectAcl, None, Some(granted_abroad.clone()), false),
        (user(&abroad), read, None, Some(granted_abroad), false),
    ] {
        let case = Case { action, acl, object_acl, ownership: ObjectOwnership::ObjectWriter, ..Case::of(principal) };
        assert_eq!(case.is_allowed(), expected, "{:?} {action:?}", case.principal);
        let enforced = Case { ownership: ObjectOwnership::BucketOwnerEnforced, ..case };
        assert!(!enforced.is_allowed(), "no list counts where they are off");
    }
}

#[test]
fn objects_of_others_are_beyond_the_word_of_the_buckets_owner() {
    let (home, abroad) = (home(), abroad());
    let object_acl = || Some(Acl::private(abroad.canonical_id()));
    let policy = || Some(of_bucket("Allow", &named(&home, "*"), "s3:GetObject"));
    let writer = ObjectOwnership::ObjectWriter;
    let of = |principal: Principal| Case { object_acl: object_acl(), ownership: writer, ..Case::of(principal) };
    assert!(!of(Principal::root(&home)).is_allowed(), "the bucket's owner may not read it");
    assert!(of(Principal::root(&abroad)).is_allowed(), "its own owner may");
    assert!(!Case { policy: policy(), ..of(Principal::anonymous()) }.is_allowed(), "a policy cannot give it away");
    let deletion = Case { action: Action::DeleteObject, ..of(Principal::root(&home)) };
    assert!(deletion.is_allowed(), "the bucket's owner may delete it");
    let denial = Some(of_bucket("Deny", &named(&home, "*"), "s3:GetObject"));
    assert!(!Case { policy: denial, ..of(Principal::root(&abroad)) }.is_allowed(), "but its denials hold");
    let enforced = ObjectOwnership::BucketOwnerEnforced;
    assert!(Case { ownership: enforced, ..of(Principal::root(&home)) }.is_allowed());
    assert!(!Case { ownership: enforced, ..of(Principal::root(&abroad)) }.is_allowed());
}

#[test]
fn who_has_begun_an_upload_may_end_it() {
    let (home, abroad) = (home(), abroad());
    let object_acl = || Some(Acl::private(abroad.canonical_id()));
    for action in [Action::AbortMultipartUpload, Action::ListMultipartUploadParts] {
        let of = |principal: Principal| Case { action, object_acl: object_acl(), ..Case::of(principal) };
        assert!(of(Principal::root(&abroad)).is_allowed() && of(Principal::root(&home)).is_allowed());
        assert!(!of(user(&abroad)).is_allowed(), "its account has to pass it on");
        assert!(!of(Principal::anonymous()).is_allowed());
        assert!(!Case { object_acl: None, ..of(Principal::root(&abroad)) }.is_allowed(), "another's upload");
        let denial = Some(of_bucket("Deny", &named(&abroad, "*"), action.name()));
        assert!(!Case { policy: denial, ..of(Principal::root(&abroad)) }.is_allowed());
    }
    let begin = Case { action: Action::PutObject, object_acl: object_acl(), ..Case::of(Principal::root(&abroad)) };
    assert!(!begin.is_allowed());
}

#[test]
fn the_public_access_block_takes_back_what_is_public() {
    let (home, abroad) = (home(), abroad());
    let canned = CannedAcl::PublicRead.acl(home.canonical_id(), home.canonical_id());
    let by_acl = |block: PublicAccessBlock| Case {
        object_acl: Some(canned.clone()),
        ownership: ObjectOwnership::ObjectWriter,
        block,
        ..Case::of(Principal::anonymous())
    };
    let by_policy = |principal: Principal, names: &str, block: PublicAccessBlock| Case {
        policy: Some(of_bucket("Allow", names, "s3:GetObject")),
        block,
        ..Case::of(principal)
    };
    let none = PublicAccessBlock::default();
    let ignore = PublicAccessBlock { ignore_public_acls: true, ..none };
    let restrict = PublicAccessBlock { restrict_public_buckets: true, ..none };
    // The other two refuse what is new, not what is there.
    let refuse = PublicAccessBlock { block_public_acls: true, block_public_policy: true, ..none };
    let (everyone, other) = (named(&home, "*"), named(&abroad, "root"));
    for (case, expected) in [
        (by_acl(none), true),
        (by_acl(refuse), true),
        (by_acl(restrict), true),
        (by_acl(ignore), false),
        (by_policy(Principal::anonymous(), &everyone, refuse), true),
        (by_policy(Principal::anonymous(), &everyone, ignore), true),
        (by_policy(Principal::anonymous(), &everyone, restrict), false),
        (by_policy(Principal::root(&abroad), &everyone, restrict), false),
        (by_policy(Principal::root(&abroad), &other, restrict), true),
        (by_policy(user(&home), &everyone, restrict), true),
    ] {
        assert_eq!(case.is_allowed(), expected, "{:?} {:?}", case.principal, case.block);
    }
}

#[test]
fn what_exists_nowhere_yet_is_decided_by_the_callers_account() {
    let home = home();
    let decide = |principal: &Principal, granted: &[Arc<Policy>]| {
        let resource = Resource::S3("*");
        let request = AccessRequest { principal, action: Action::ListAllMyBuckets, resource, context: &NoContext };
        evaluate(&request, &IdentityPolicies { granted, ..IdentityPolicies::default() }, None).is_allowed()
    };
    assert!(decide(&Principal::root(&home), &[]));
    assert!(decide(&user(&home), &[of_identity("Allow", "s3:List*")]));
    assert!(!decide(&user(&home), &[]));
    assert!(!decide(&Principal::anonymous(), &[]));
}

#[test]
fn roles_are_taken_by_whom_their_policy_trusts() {
    let (home, abroad) = (home(), abroad());
    let role_arn = format!("arn:aws:iam::{}:role/backup", home.account_id());
    let decide = |principal: &Principal, trusted: &str, own: bool| {
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {trusted}, "Action": "sts:AssumeRole*"}}}}"#
        );
        let policy = Policy::of_role(&text).unwrap();
        let granted: Vec<_> = own.then(|| of_identity("Allow", "sts:AssumeRole")).into_iter().collect();
        let action = if principal.is_anonymous() || principal.account_id().is_none() {
            Action::AssumeRoleWithWebIdentity
        } else {
            Action::AssumeRole
        };
        let request = AccessRequest { principal, action, resource: Resource::Arn(&role_arn), context: &NoContext };
        let identity = IdentityPolicies { granted: &granted, ..IdentityPolicies::default() };
        evaluate(&request, &identity, Some(&ResourcePolicies::of_role(home.canonical_id(), &policy))).is_allowed()
    };
    let provider = r#"{"Federated": "login.example.com"}"#;
    assert!(decide(&user(&home), &named(&home, "user/ann"), false));
    assert!(!decide(&user(&home), &named(&home, "root"), false));
    assert!(decide(&user(&home), &named(&home, "root"), true));
    assert!(!decide(&user(&abroad), &named(&abroad, "user/ann"), false));
    assert!(decide(&user(&abroad), &named(&abroad, "user/ann"), true));
    assert!(decide(&Principal::federated("login.example.com", "ann"), provider, false));
    assert!(!decide(&Principal::federated("elsewhere.example.com", "ann"), provider, false));
}

/// A request from an address, with tags and a prefix.
struct Listing(BTreeMap<ConditionKey, Value<'static>>);

impl Context for Listing {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        self.0.get(key).map_or(Values::Missing, |value| Values::One(value.clone()))
    }
}

#[test]
fn conditions_see_the_request_and_the_caller() {
    let home = home();
    let text = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::photos",
         "Condition": {"StringLike": {"s3:prefix": "home/${aws:username}/*"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/home/${aws:username}/*"}]}"#;
    let granted = [Arc::new(Policy::of_identity(text, PolicyLimit::Managed).unwrap())];
    let decide = |action: Action, resource: &str, prefix: &'static str, address: [u8; 4]| {
        let context = Listing(BTreeMap::from([
            (ConditionKey::Prefix, Value::text(prefix)),
            (ConditionKey::SourceIp, Value::Address(address.into())),
        ]));
        let principal = user(&home);
        let request =
            AccessRequest { principal: &principal, action, resource: Resource::S3(resource), context: &context };
        evaluate(&request, &IdentityPolicies { granted: &granted, ..IdentityPolicies::default() }, None).is_allowed()
    };
    assert!(decide(Action::ListBucket, "photos", "home/ann/2024", [10, 0, 0, 1]));
    assert!(!decide(Action::ListBucket, "photos", "home/bob/2024", [10, 0, 0, 1]));
    assert!(!decide(Action::ListBucket, "photos", "home/ann/2024", [11, 0, 0, 1]));
    assert!(decide(Action::GetObject, "photos/home/ann/cat.jpg", "", [11, 0, 0, 1]));
    assert!(!decide(Action::GetObject, "photos/home/bob/cat.jpg", "", [10, 0, 0, 1]));
}

#[test]
fn denials_are_explained_in_the_words_of_aws() {
    let explicit = Denied::Explicitly { source: PolicySource::Resource, sid: None };
    assert_eq!(explicit.explain(Action::GetObject), "with an explicit deny in a resource-based policy");
    let implicit = Denied::Unmentioned(PolicySource::Identity);
    assert_eq!(implicit.explain(Action::GetObject), "because no identity-based policy allows the s3:GetObject action");
}

/// Statements of an identity's policy.
fn any_statement(effect: &'static str) -> impl Strategy<Value = String> {
    let action = prop_oneof![Just("*"), Just("s3:*"), Just("s3:Get*"), Just("s3:GetObject"), Just("s3:PutObject")];
    let resource = prop_oneof![
        Just("*"),
        Just("arn:aws:s3:::photos/*"),
        Just("arn:aws:s3:::photos/cat.jpg"),
        Just("arn:aws:s3:::photos"),
        Just("arn:aws:s3:::*/d*"),
    ];
    let condition = prop_oneof![
        Just("{}"),
        Just(r#"{"StringEquals": {"aws:username": "ann"}}"#),
        Just(r#"{"StringNotEquals": {"aws:UserAgent": "x"}}"#),
        Just(r#"{"Null": {"aws:Referer": "false"}}"#),
    ];
    (action, resource, condition).prop_map(move |(action, resource, condition)| {
        format!(r#"{{"Effect": "{effect}", "Action": "{action}", "Resource": "{resource}", "Condition": {condition}}}"#)
    })
}

fn allowed_by(statements: &[String]) -> bool {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "));
    let policy = Arc::new(Policy::of_identity(&text, PolicyLimit::Managed).unwrap());
    Case { granted: vec![policy], ..Case::of(user(&home())) }.is_allowed()
}

proptest! {
    #[test]
    fn another_denial_never_allows_more(
        statements in proptest::collection::vec(prop_oneof![any_statement("Allow"), any_statement("Deny")], 1..6),
        denial in any_statement("Deny"),
    ) {
        let before = allowed_by(&statements);
        let after = allowed_by(&[statements, vec![denial]].concat());
        prop_assert!(before || !after);
    }

    #[test]
    fn another_permission_never_allows_less(
        statements in proptest::collection::vec(prop_oneof![any_statement("Allow"), any_statement("Deny")], 1..6),
        permission in any_statement("Allow"),
    ) {
        let before = allowed_by(&statements);
        let after = allowed_by(&[statements, vec![permission]].concat());
        prop_assert!(!before || after);
    }

    #[test]
    fn the_order_of_statements_means_nothing(
        mut statements in proptest::collection::vec(prop_oneof![any_statement("Allow"), any_statement("Deny")], 1..6),
    ) {
        let before = allowed_by(&statements);
        statements.reverse();
        prop_assert_eq!(allowed_by(&statements), before);
    }

    #[test]
    fn documents_of_any_bytes_end_in_a_policy_or_an_error(text in "[{}\\[\\]\":,a-zA-Z0-9 *$]{0,80}") {
        let _ = Policy::of_bucket(&text, "photos");
        let _ = Policy::of_identity(&text, PolicyLimit::Session);
    }
}

#[test]
fn services_are_let_in_by_name_only() {
    let owner = Account::root();
    let service = Principal::service("logging.s3.amazonaws.com");
    for (effect, principal, expected) in [
        ("Allow", r#"{"Service": "logging.s3.amazonaws.com"}"#, true),
        ("Allow", r#"{"Service": ["other.amazonaws.com", "logging.s3.amazonaws.com"], "AWS": "*"}"#, true),
        ("Allow", r#"{"Service": "other.amazonaws.com"}"#, false),
        ("Allow", r#"{"AWS": "*"}"#, false),
        ("Allow", r#""*""#, false),
        ("Deny", r#""*""#, false),
    ] {
        let text = format!(
            r#"{{"Statement": [{{"Effect": "{effect}", "Principal": {principal}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/*"}}]}}"#
        );
        let policy = Policy::of_bucket(&text, "bucket").unwrap();
        let asked = AccessRequest {
            principal: &service,
            action: Action::PutObject,
            resource: Resource::S3("bucket/key"),
            context: &NoContext,
        };
        let resource = ResourcePolicies::of_role(owner.canonical_id(), &policy);
        let decision = evaluate(&asked, &IdentityPolicies::default(), Some(&resource));
        assert_eq!(decision.is_allowed(), expected, "{effect} {principal}");
    }
}
