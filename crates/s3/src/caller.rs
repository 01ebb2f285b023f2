//! Who sends a request, and how that was proven.

use env::UnixMillis;
use iam::{AccessKey, Account, Principal};

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
        let Some(Signature { credential, presigned, signed_at }) = signature else {
            let (account, principal) = (Account::anonymous(), Principal::anonymous());
            return Self { account, principal, access_key: None, proof: Proof::None };
        };
        Self {
            account: credential.account.clone(),
            principal: Principal::root(&credential.account),
            access_key: Some(credential.access_key.clone()),
            proof: if *presigned { Proof::Query(*signed_at) } else { Proof::Header },
        }
    }
}
