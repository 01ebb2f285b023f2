//! Decisions about requests: what one costs when the bucket's policy has twenty statements.
//!
//! The policies are those that hurt: the statement that decides is the last one, patterns have several stars, and each
//! condition reads a value of the request.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use iam::condition::{ConditionKey, Context, Value, Values};
use iam::{
    AccessRequest, Account, Action, IdentityPolicies, ObjectOwnership, Policy, Principal, PublicAccessBlock, Resource,
    ResourcePolicies, evaluate,
};

const STATEMENTS: usize = 20;

/// What the request has for the keys of the conditions below.
struct Request {
    address: IpAddr,
}

impl Context for Request {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        match key {
            ConditionKey::SourceIp => Values::One(Value::Address(self.address)),
            ConditionKey::UserAgent => Values::of_text(Some("aws-cli/2.17 Python/3.12 Linux/6.8")),
            ConditionKey::SecureTransport => Values::One(Value::Flag(true)),
            _ => Values::Missing,
        }
    }
}

/// A policy whose statements all name the action, and of which only the last one fits the whole request.
fn policy(condition: &str) -> Policy {
    let statement = |number: usize| {
        let (team, last) = (number % 7, number + 1 == STATEMENTS);
        let key =
            if last { "team/*/${aws:username}/*.jpg".to_owned() } else { format!("team-{team}/*/{number}/*.raw") };
        format!(
            r#"{{"Sid": "s{number}", "Effect": "Allow", "Principal": "*", "Action": ["s3:Get*", "s3:PutObject"],
                "Resource": "arn:aws:s3:::photos/{key}", "Condition": {condition}}}"#
        )
    };
    let statements: Vec<_> = (0..STATEMENTS).map(statement).collect();
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","));
    Policy::of_bucket(&text, "photos").expect("the policy is well-formed")
}

fn policies(criterion: &mut Criterion) {
    let account = Account::root();
    let user = Principal::user(&account, "/", "ann", "AIDAANN");
    let context = Request { address: [10, 1, 2, 3].into() };
    let mut group = criterion.benchmark_group("policy, 20 statements");
    for (name, condition) in [
        ("resources alone", "{}"),
        (
            "three conditions each",
            r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringLike": {"aws:UserAgent": "aws-cli/*Linux*"}, "Bool": {"aws:SecureTransport": "true"}}"#,
        ),
    ] {
        let policy = policy(condition);
        let request = AccessRequest {
            principal: &user,
            action: Action::GetObject,
            resource: Resource::S3("photos/team/2024/summer/holiday/ann/a-rather-long-name-of-a-picture.jpg"),
            context: &context,
        };
        let resource = ResourcePolicies {
            owner: account.canonical_id(),
            policy: Some(&policy),
            acl: None,
            object_acl: None,
            ownership: ObjectOwnership::BucketOwnerEnforced,
            block: PublicAccessBlock::default(),
        };
        let decide = || evaluate(black_box(&request), &IdentityPolicies::default(), Some(black_box(&resource)));
        assert!(decide().is_allowed(), "the last statement allows it");
        group.bench_function(name, |bencher| bencher.iter(|| decide().is_allowed()));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = policies
}
criterion_main!(benches);
