//! Signatures of forms: what is signed is the policy, as the form holds it.

use std::sync::Arc;

use iam::Credential;

use super::scope::{self, Scope};
use super::{Authenticator, Location, authorization, version_2};
use crate::error::{Error, ErrorCode, Result};

/// How the policy of a form is signed, and by whom it claims to be.
pub(crate) enum FormSignature<'a> {
    /// HMAC-SHA256 with a key for a day, a region and a service.
    Version4 {
        /// `X-Amz-Algorithm`.
        algorithm: &'a str,
        /// `X-Amz-Credential`.
        credential: &'a str,
        /// `X-Amz-Date`.
        date: &'a str,
        /// `X-Amz-Signature`, hexadecimal.
        signature: &'a str,
    },
    /// HMAC-SHA1 with the secret itself, where the server allows it.
    Version2 {
        /// `AWSAccessKeyId`.
        access_key: &'a str,
        /// `Signature`, base64.
        signature: &'a str,
    },
}

impl Authenticator {
    /// Finds out who signed `policy`, which is still in base64.
    ///
    /// # Errors
    ///
    /// `InvalidAccessKeyId`, `SignatureDoesNotMatch`, `InvalidArgument` for a malformed claim.
    pub(crate) fn authenticate_form(&self, policy: &str, claim: &FormSignature<'_>) -> Result<Arc<Credential>> {
        let (credential, matches) = match *claim {
            FormSignature::Version4 { algorithm, credential, date, signature } => {
                let scope = self.form_scope(algorithm, credential, date)?;
                let credential = self.find(&scope.access_key)?;
                let matches = self.signing_keys.derive(&credential, &scope).verify(policy.as_bytes(), signature);
                (credential, matches)
            }
            FormSignature::Version2 { access_key, signature } => {
                self.require_version_2()?;
                let credential = self.find(access_key)?;
                let matches = version_2::verify(&credential.secret_key, policy.as_bytes(), signature);
                (credential, matches)
            }
        };
        if matches { Ok(credential) } else { Err(ErrorCode::SignatureDoesNotMatch.into()) }
    }

    fn form_scope(&self, algorithm: &str, credential: &str, date: &str) -> Result<Scope> {
        if algorithm != authorization::ALGORITHM {
            return Err(Error::invalid_argument(
                "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
                "X-Amz-Algorithm",
                algorithm,
            ));
        }
        let malformed = || {
            scope::refuse(
                Location::Header,
                "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            )
        };
        let scope = Scope::parse(credential).ok_or_else(malformed)?;
        scope.check_names(&self.region, Location::Header)?;
        if !date.starts_with(&scope.date) {
            return Err(Error::invalid_argument(
                "X-Amz-Date is of another day than X-Amz-Credential",
                "X-Amz-Date",
                date,
            ));
        }
        Ok(scope)
    }
}
