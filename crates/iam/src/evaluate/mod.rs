//! The one evaluator: whether a request may happen (IAM user guide, "Policy evaluation logic"; S3 user guide, "How
//! Amazon S3 authorizes a request").
//!
//! A denial anywhere wins. Otherwise the account of the caller and the owner of the resource both have their say: within
//! one account either is enough, between accounts both must agree. Boundaries and session policies only take away.

mod decision;

pub use decision::{Allowed, Decision, Denied, PolicySource};

use std::sync::Arc;

use crate::Action;
use crate::acl::{Acl, AclNaming, Holder, IgnoredGrants};
use crate::condition::{ConditionKey, Context, Values};
use crate::ownership::{ObjectOwnership, PublicAccessBlock};
use crate::policy::{Asked, Naming, Policy, Resource};
use crate::principal::Principal;

/// A request, as far as it decides about itself.
#[derive(Clone, Copy)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// For what.
    pub action: Action,
    /// On what.
    pub resource: Resource<'a>,
    /// The values of condition keys that are not about the caller.
    pub context: &'a dyn Context,
}

/// What the account of the caller says. Root needs none of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityPolicies<'a> {
    /// Policies of the user and its groups, or of the role.
    pub granted: &'a [Arc<Policy>],
    /// The permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// The policies given to STS with the session, if any were.
    pub session: Option<&'a [Arc<Policy>]>,
}

/// What the owner of the resource says.
#[derive(Clone, Copy, Debug)]
pub struct ResourcePolicies<'a> {
    /// Canonical id of the account that owns the bucket, or the role.
    pub owner: &'a str,
    /// The policy of the bucket, or of the role.
    pub policy: Option<&'a Policy>,
    /// The list of the bucket; `None` when only its owner may do anything with it.
    pub acl: Option<&'a Acl>,
    /// The list of the object, or of the one that an upload is to become, when there is one. It names its owner.
    pub object_acl: Option<&'a Acl>,
    /// Whether the lists mean anything.
    pub ownership: ObjectOwnership,
    /// What the public may not.
    pub block: PublicAccessBlock,
}

impl<'a> ResourcePolicies<'a> {
    /// Those of something that has a policy but no lists: a role.
    pub fn of_role(owner: &'a str, policy: &'a Policy) -> Self {
        Self {
            owner,
            policy: Some(policy),
            acl: None,
            object_acl: None,
            ownership: ObjectOwnership::BucketOwnerEnforced,
            block: PublicAccessBlock::default(),
        }
    }
}

/// Decides about `request`. `resource` is `None` where nothing exists yet that could have an owner.
pub fn evaluate<'a>(
    request: &AccessRequest<'a>,
    identity: &IdentityPolicies<'a>,
    resource: Option<&ResourcePolicies<'a>>,
) -> Decision<'a> {
    let caller = WithPrincipal { principal: request.principal, context: request.context };
    let asked =
        Asked { principal: request.principal, action: request.action, resource: request.resource, context: &caller };
    if let Some(denied) = find_denial(&asked, identity, resource) {
        return Decision::Denied(denied);
    }
    let own = ask_identity(&asked, identity);
    match resource {
        None => own.map_or_else(Decision::Denied, Decision::Allowed),
        Some(resource) => combine(&asked, own, identity, resource),
    }
}

/// Values of the request together with those that are about the caller.
struct WithPrincipal<'a> {
    principal: &'a Principal,
    context: &'a dyn Context,
}

impl Context for WithPrincipal<'_> {
    fn values(&self, key: &ConditionKey) -> Values<'_> {
        self.principal.values(key).unwrap_or_else(|| self.context.values(key))
    }
}

/// The first statement that denies, wherever it stands.
fn find_denial<'a>(
    asked: &Asked<'_>,
    identity: &IdentityPolicies<'a>,
    resource: Option<&ResourcePolicies<'a>>,
) -> Option<Denied<'a>> {
    let in_policy = |source: PolicySource, policy: &'a Policy| {
        policy.denies(asked).map(|statement| Denied::Explicitly { source, sid: statement.sid() })
    };
    let granted = identity.granted.iter().find_map(|policy| in_policy(PolicySource::Identity, policy));
    let boundary = || identity.boundary.and_then(|policy| in_policy(PolicySource::Boundary, policy));
    let session = || {
        let policies = identity.session.unwrap_or_default();
        policies.iter().find_map(|policy| in_policy(PolicySource::Session, policy))
    };
    let of_resource = || {
        let resource = resource.filter(|resource| !may_repair(asked, resource))?;
        in_policy(PolicySource::Resource, resource.policy?)
    };
    granted.or_else(boundary).or_else(session).or_else(of_resource)
}

/// Nobody can lock an account out of its own bucket: its root can always read, replace and delete the policy.
fn may_repair(asked: &Asked<'_>, resource: &ResourcePolicies<'_>) -> bool {
    let on_policy =
        matches!(asked.action, Action::GetBucketPolicy | Action::PutBucketPolicy | Action::DeleteBucketPolicy);
    on_policy && asked.principal.is_root() && asked.principal.canonical_id() == Some(resource.owner)
}

/// What the caller's own account allows.
fn ask_identity<'a>(asked: &Asked<'_>, identity: &IdentityPolicies<'a>) -> Result<Allowed<'a>, Denied<'a>> {
    let granted = if asked.principal.is_root() {
        Some(Allowed::Root)
    } else {
        identity.granted.iter().find_map(|policy| {
            policy
                .allows(asked)
                .map(|(_, statement)| Allowed::Policy { source: PolicySource::Identity, sid: statement.sid() })
        })
    };
    let granted = granted.ok_or(Denied::Unmentioned(PolicySource::Identity))?;
    check_limits(asked, identity)?;
    Ok(granted)
}

/// Whether the boundary and the session policies leave what is asked.
fn check_limits<'a>(asked: &Asked<'_>, identity: &IdentityPolicies<'a>) -> Result<(), Denied<'a>> {
    if identity.boundary.is_some_and(|policy| policy.allows(asked).is_none()) {
        return Err(Denied::Unmentioned(PolicySource::Boundary));
    }
    let leaves = |policies: &[Arc<Policy>]| policies.iter().any(|policy| policy.allows(asked).is_some());
    match identity.session {
        Some(policies) if !leaves(policies) => Err(Denied::Unmentioned(PolicySource::Session)),
        _ => Ok(()),
    }
}

/// Joins what the caller's account says with what the owner of the resource says.
fn combine<'a>(
    asked: &Asked<'_>,
    own: Result<Allowed<'a>, Denied<'a>>,
    identity: &IdentityPolicies<'a>,
    resource: &ResourcePolicies<'a>,
) -> Decision<'a> {
    let offered = ask_owner(asked, resource);
    let owns = asked.principal.canonical_id() == Some(responsible(asked, resource));
    let limits = check_limits(asked, identity);
    match (own, offered) {
        (Ok(allowed), _) if owns || began(asked, resource) => Decision::Allowed(allowed),
        // Between accounts, and for an account's users, the account passes on what it was offered.
        (Ok(_), Some((_, allowed))) => Decision::Allowed(allowed),
        (Ok(_), None) => Decision::Denied(Denied::Unmentioned(PolicySource::Resource)),
        // Who is named in person needs nobody to pass anything on, and no limit of its account reaches that far.
        (Err(_), Some((Naming::Direct, allowed))) if owns || is_alone(asked.principal) => Decision::Allowed(allowed),
        (Err(_), Some((Naming::Role, allowed))) if owns || is_alone(asked.principal) => match limits {
            Ok(()) => Decision::Allowed(allowed),
            Err(denied) => Decision::Denied(denied),
        },
        (Err(_), None) if is_alone(asked.principal) => Decision::Denied(Denied::Unmentioned(PolicySource::Resource)),
        (Err(denied), _) => Decision::Denied(denied),
    }
}

/// Whether no account stands behind the caller that would have a say.
fn is_alone(principal: &Principal) -> bool {
    principal.account_id().is_none()
}

/// The account whose own word counts: that of the bucket, but for an object that somebody else still owns.
fn responsible<'a>(asked: &Asked<'_>, resource: &ResourcePolicies<'a>) -> &'a str {
    match resource.object_acl {
        Some(acl) if resource.ownership.has_acls() && !overrules(asked.action) => &acl.owner,
        _ => resource.owner,
    }
}

/// Actions in which the owner of a bucket overrules the owners of its objects: it may always clean up.
fn overrules(action: Action) -> bool {
    matches!(
        action,
        Action::PutObject
            | Action::DeleteObject
            | Action::DeleteObjectVersion
            | Action::AbortMultipartUpload
            | Action::ListMultipartUploadParts
    )
}

/// Whether what is asked is about an upload that the account of the caller has begun: it may see and end its own.
fn began(asked: &Asked<'_>, resource: &ResourcePolicies<'_>) -> bool {
    let on_upload = matches!(asked.action, Action::AbortMultipartUpload | Action::ListMultipartUploadParts);
    let owner = resource.object_acl.map(|acl| acl.owner.as_str());
    on_upload && owner.is_some() && asked.principal.canonical_id() == owner
}

/// What the owner of the resource offers, and how it names the caller.
fn ask_owner<'a>(asked: &Asked<'_>, resource: &ResourcePolicies<'a>) -> Option<(Naming, Allowed<'a>)> {
    let by_policy = resource.policy.filter(|policy| policy_counts(asked, resource, policy)).and_then(|policy| {
        let (naming, statement) = policy.allows(asked)?;
        // Who lets everybody in has not thought of services, which act for others.
        let named = !asked.principal.is_service() || naming == Naming::Direct;
        named.then_some((naming, Allowed::Policy { source: PolicySource::Resource, sid: statement.sid() }))
    });
    [by_policy, ask_acls(asked, resource)].into_iter().flatten().max_by_key(|(naming, _)| *naming)
}

/// A bucket's policy gives away only what belongs to the bucket's owner, and a public one not to strangers when that is
/// restricted.
fn policy_counts(asked: &Asked<'_>, resource: &ResourcePolicies<'_>, policy: &Policy) -> bool {
    let owns_object = responsible(asked, resource) == resource.owner;
    let at_home = asked.principal.canonical_id() == Some(resource.owner) || asked.principal.is_service();
    let restricted = resource.block.restrict_public_buckets && !at_home && policy.is_public();
    owns_object && !restricted
}

fn ask_acls<'a>(asked: &Asked<'_>, resource: &ResourcePolicies<'a>) -> Option<(Naming, Allowed<'a>)> {
    if !resource.ownership.has_acls() {
        return None;
    }
    let ignored = if resource.block.ignore_public_acls { IgnoredGrants::Public } else { IgnoredGrants::None };
    let of_bucket = resource.acl.and_then(|acl| acl.allows(Holder::Bucket, asked.action, asked.principal, ignored));
    let of_object =
        resource.object_acl.and_then(|acl| acl.allows(Holder::Object, asked.action, asked.principal, ignored));
    let naming = match of_bucket.max(of_object)? {
        AclNaming::Account => Naming::Account,
        AclNaming::Everyone => Naming::Role,
    };
    Some((naming, Allowed::Acl))
}

#[cfg(test)]
mod tests;
