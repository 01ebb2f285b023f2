//! Whether a bucket takes the log of another one.

use env::UnixMillis;
use iam::condition::{ConditionKey, Context, Value, Values};
use iam::{AccessRequest, Account, Action, Decision, IdentityPolicies, Principal, Resource, evaluate};

use crate::access::BucketAccess;
use crate::error::{Error, ErrorCode, Result};

/// Who delivers, as policies name it.
const SERVICE: &str = "logging.s3.amazonaws.com";

/// Whether lines about the requests for the bucket `source`, a name and the canonical id of its owner, may be put into
/// `target` under `key`: its policy lets the service, or its list the log delivery group.
///
/// # Errors
///
/// `AccessDenied`; `InvalidTargetBucketForLogging` for the bucket of another account, unless its policy asks whose requests
/// these are: who lets the service in without asking cannot have meant strangers.
pub(crate) fn check_target(source: (&str, &str), target: &BucketAccess, key: &str, now: UnixMillis) -> Result<()> {
    let (name, owner) = source;
    let source = Source { arn: format!("arn:aws:s3:::{name}"), owner };
    if !is_let_in(Some(&source), target, key, now) {
        return Err(ErrorCode::AccessDenied.into());
    }
    if owner != target.bucket.owner && is_let_in(None, target, key, now) {
        let message = "The owner for the bucket to be logged and the target bucket must be the same.";
        return Err(Error::with_message(ErrorCode::InvalidTargetBucketForLogging, message));
    }
    Ok(())
}

fn is_let_in(source: Option<&Source<'_>>, target: &BucketAccess, key: &str, now: UnixMillis) -> bool {
    let resource = format!("{}/{key}", target.bucket.name);
    let context = Delivery { source, target_owner: &target.bucket.owner, now };
    let asked = AccessRequest {
        principal: &Principal::service(SERVICE),
        action: Action::PutObject,
        resource: Resource::S3(&resource),
        context: &context,
    };
    matches!(evaluate(&asked, &IdentityPolicies::default(), Some(&target.policies())), Decision::Allowed(_))
}

/// The bucket whose requests a log is about.
struct Source<'a> {
    arn: String,
    owner: &'a str,
}

/// A delivery as policies see it.
struct Delivery<'a> {
    /// `None` asks whether the target cares.
    source: Option<&'a Source<'a>>,
    target_owner: &'a str,
    now: UnixMillis,
}

impl Context for Delivery<'_> {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        use ConditionKey as Key;
        let text = |text: String| Value::Text(text.into());
        match key {
            Key::SourceArn => Values::of_text(self.source.map(|source| source.arn.as_str())),
            // An account has two ids, and policies that were written elsewhere name it by either.
            Key::SourceAccount => self.source.map_or(Values::Missing, |source| {
                let digits = Account::account_id_of(source.owner);
                Values::Many(digits.into_iter().chain([source.owner.to_owned()]).map(text).collect())
            }),
            Key::ResourceAccount | Key::AccountOfResource => {
                Account::account_id_of(self.target_owner).map_or(Values::Missing, |account| Values::One(text(account)))
            }
            Key::CurrentTime => Values::One(Value::Time(i64::try_from(self.now.0).unwrap_or(i64::MAX))),
            Key::EpochTime => Values::One(Value::Number(i64::try_from(self.now.0 / 1000).unwrap_or(i64::MAX))),
            // Nothing of it leaves the cluster, whose nodes talk by TLS.
            Key::SecureTransport => Values::One(Value::Flag(true)),
            _ => Values::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use iam::ObjectOwnership;
    use iam::acl::CannedAcl;
    use store::bucket::{Bucket, BucketId, Hlc};

    use super::*;
    use crate::settings::{BucketPolicy, Document, Settings};

    fn target(policy: Option<&str>, shared: bool, ownership: ObjectOwnership) -> BucketAccess {
        let root = Account::root();
        let policy = policy.map(|condition| {
            let text = format!(
                r#"{{"Statement": {{"Effect": "Allow", "Principal": {{"Service": "logging.s3.amazonaws.com"}},
                    "Action": "s3:PutObject", "Resource": "arn:aws:s3:::logs/log/*", "Condition": {condition}}}}}"#
            );
            BucketPolicy::parse(text.as_bytes(), "logs").unwrap()
        });
        let acl = shared.then(|| CannedAcl::LogDeliveryWrite.acl(root.canonical_id(), root.canonical_id()));
        let settings = Settings { policy, acl, ownership: Some(ownership), ..Settings::default() };
        let bucket = Bucket {
            id: BucketId(1),
            name: "logs".to_owned(),
            created: UnixMillis(0),
            region: None,
            owner: root.canonical_id().to_owned(),
            configured: Hlc::ZERO,
            versioning: None,
            found_at: 0,
            lock: None,
            quota: None,
        };
        BucketAccess { bucket, settings: Arc::new(settings) }
    }

    #[test]
    fn the_target_decides_who_may_log_into_it() {
        use ErrorCode::{AccessDenied, InvalidTargetBucketForLogging};
        use ObjectOwnership::{BucketOwnerEnforced, ObjectWriter};
        let (root, other) = (Account::root(), Account::named("other"));
        let by = |operator: &str, key: &str, value: &str| format!(r#"{{"{operator}": {{"aws:{key}": "{value}"}}}}"#);
        let arn = by("ArnLike", "SourceArn", "arn:aws:s3:::source");
        let digits = by("StringEquals", "SourceAccount", root.account_id());
        let canonical = by("StringEquals", "SourceAccount", other.canonical_id());
        let (own, foreign) = (("source", root.canonical_id()), ("source", other.canonical_id()));
        for (source, policy, shared, ownership, expected) in [
            (own, None, false, ObjectWriter, Err(AccessDenied)),
            (own, None, true, ObjectWriter, Ok(())),
            (own, None, true, BucketOwnerEnforced, Err(AccessDenied)),
            (foreign, None, true, ObjectWriter, Err(InvalidTargetBucketForLogging)),
            (own, Some("{}"), false, BucketOwnerEnforced, Ok(())),
            (foreign, Some("{}"), false, BucketOwnerEnforced, Err(InvalidTargetBucketForLogging)),
            (own, Some(arn.as_str()), false, BucketOwnerEnforced, Ok(())),
            (foreign, Some(arn.as_str()), false, BucketOwnerEnforced, Ok(())),
            (("else", root.canonical_id()), Some(arn.as_str()), false, BucketOwnerEnforced, Err(AccessDenied)),
            (own, Some(digits.as_str()), false, BucketOwnerEnforced, Ok(())),
            (foreign, Some(digits.as_str()), false, BucketOwnerEnforced, Err(AccessDenied)),
            (foreign, Some(canonical.as_str()), false, BucketOwnerEnforced, Ok(())),
        ] {
            let target = target(policy, shared, ownership);
            let found = check_target(source, &target, "log/1", UnixMillis(0)).map_err(|error| error.code());
            assert_eq!(found, expected, "{source:?} {policy:?} {shared} {ownership:?}");
        }
        let elsewhere = check_target(own, &target(Some("{}"), false, BucketOwnerEnforced), "1", UnixMillis(0));
        assert_eq!(elsewhere.unwrap_err().code(), AccessDenied);
    }
}
