//! Whom a request is from, with everything about them that decisions need.

use std::sync::Arc;

use env::UnixMillis;
use iam::{Credential, IdentityPolicies, Policy, Principal};

/// The holder of an access key.
#[derive(Clone, Debug)]
pub struct Known {
    /// The key, its secret, and the account it acts for.
    pub credential: Credential,
    /// Whom policies see.
    pub principal: Principal,
    /// What its account says about it.
    pub policies: Policies,
    /// When the key ends, if it does.
    pub(crate) expires: Option<UnixMillis>,
    /// Whose session it is, when it is a temporary one.
    pub(crate) temporary: bool,
}

impl Known {
    /// The root user of an account, to which no policies apply.
    pub fn root(credential: Credential) -> Self {
        let principal = Principal::root(&credential.account);
        Self { credential, principal, policies: Policies::default(), expires: None, temporary: false }
    }

    /// Whether it has signed in for a while only.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }
}

/// The policies that apply to the holder of an access key.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// Those of the user and its groups, or of the role.
    pub(crate) granted: Vec<Arc<Policy>>,
    /// The permissions boundary.
    pub(crate) boundary: Option<Arc<Policy>>,
    /// Those that came with the session, if any did.
    pub(crate) session: Option<Vec<Arc<Policy>>>,
}

impl Policies {
    /// As the evaluator takes them.
    pub fn as_identity(&self) -> IdentityPolicies<'_> {
        IdentityPolicies {
            granted: &self.granted,
            boundary: self.boundary.as_deref(),
            session: self.session.as_deref(),
        }
    }
}
