//! Who sends a request, and how that was proven.

use std::sync::Arc;

use env::UnixMillis;
use iam::{AccessKey, Account, IdentityPolicies, Principal};
use identity::Known;

use crate::auth::Signature;

/// The sender of a request.
pub(crate) struct Caller {
    /// Owner of what the request creates.
    pub(crate) account: Account,
    /// Whom policies see.
    pub(crate) principal: Principal,
    /// The key that has signed; `None` when nobody has.
    pub(crate) access_key: Option<AccessKey>,
    /// How it has signed.
    pub(crate) proof: Proof,
    /// What is known about who has signed.
    known: Option<Arc<Known>>,
}

/// How a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Not at all.
    None,
    /// In the `Authorization` header.
    Header,
    /// In the query, at this time.
    Query(UnixMillis),
}

impl Caller {
    /// The sender of a request with this signature.
    pub(crate) fn of(signature: Option<&Signature>) -> Self {
        let Some(Signature { known, presigned, signed_at }) = signature else {
            let (account, principal) = (Account::anonymous(), Principal::anonymous());
            return Self { account, principal, access_key: None, proof: Proof::None, known: None };
        };
        Self {
            account: known.credential.account.clone(),
            principal: known.principal.clone(),
            access_key: Some(known.credential.access_key.clone()),
            proof: if *presigned { Proof::Query(*signed_at) } else { Proof::Header },
            known: Some(known.clone()),
        }
    }

    /// What its account says about what it may.
    pub(crate) fn policies(&self) -> IdentityPolicies<'_> {
        self.known.as_ref().map(|known| known.policies.as_identity()).unwrap_or_default()
    }
}
