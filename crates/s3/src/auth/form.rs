//! Signatures of forms: what is signed is the policy, as the form holds it.

use iam::Credential;

use super::algorithm::Algorithm;
use super::scope::{self, Scope, Service};
use super::{Authenticator, Location, version_2};
use crate::error::{Error, ErrorCode, Result};

/// How the policy of a form is signed, and by whom it claims to be.
pub(crate) enum FormClaim<'a> {
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
    /// The access key that the signature of a form names.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a malformed claim; `InvalidRequest` for a version that is not allowed.
    pub(crate) fn form_access_key(&self, claim: &FormClaim<'_>) -> Result<String> {
        match *claim {
            FormClaim::Version4 { algorithm, credential, date, .. } => {
                Ok(self.form_scope(algorithm, credential, date)?.access_key)
            }
            FormClaim::Version2 { access_key, .. } => {
                self.require_version_2()?;
                Ok(access_key.to_owned())
            }
        }
    }

    /// Checks that `credential` signed `policy`, which is still in base64.
    ///
    /// # Errors
    ///
    /// `SignatureDoesNotMatch`, and as [`Authenticator::form_access_key`].
    pub(crate) fn verify_form(&self, policy: &str, claim: &FormClaim<'_>, credential: &Credential) -> Result<()> {
        let matches = match *claim {
            FormClaim::Version4 { algorithm, credential: claimed, date, signature } => {
                let scope = self.form_scope(algorithm, claimed, date)?;
                self.signing_keys.derive(credential, &scope).verify(policy.as_bytes(), signature)
            }
            FormClaim::Version2 { signature, .. } => {
                self.require_version_2()?;
                version_2::verify(&credential.secret_key, policy.as_bytes(), signature)
            }
        };
        if matches { Ok(()) } else { Err(ErrorCode::SignatureDoesNotMatch.into()) }
    }

    fn form_scope(&self, algorithm: &str, credential: &str, date: &str) -> Result<Scope> {
        if Algorithm::parse(algorithm) != Some(Algorithm::Hmac) {
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
        let scope = Scope::parse(Algorithm::Hmac, credential, None).ok_or_else(malformed)?;
        scope.check_names(&self.region, &[Service::S3], Location::Header)?;
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
