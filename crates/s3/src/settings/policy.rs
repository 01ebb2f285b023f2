//! The policy of a bucket.

use iam::{Policy, PolicyError};

use crate::error::{Error, ErrorCode, Result};
use crate::settings::Document;

/// A policy and the text it was read from, which a GET gives back letter by letter.
#[derive(Debug, PartialEq)]
pub(crate) struct BucketPolicy {
    text: String,
    policy: Policy,
}

impl BucketPolicy {
    /// The policy.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Document for BucketPolicy {
    const KIND: u8 = 1;
    // What is longer than a policy may be is refused by its length, not by that of the request.
    const SIZE_MAX: usize = 64 * 1024;

    fn parse(body: &[u8], bucket: &str) -> Result<Self> {
        let text = std::str::from_utf8(body).map_err(|_| malformed(&PolicyError::InvalidJson))?;
        let policy = Policy::of_bucket(text, bucket).map_err(|error| malformed(&error))?;
        Ok(Self { text: text.to_owned(), policy })
    }

    fn write(&self) -> String {
        self.text.clone()
    }
}

fn malformed(error: &PolicyError) -> Error {
    Error::with_message(ErrorCode::MalformedPolicy, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    #[test]
    fn policies_keep_their_text() {
        let text = br#"{ "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket"} }"#;
        let policy = BucketPolicy::parse(text, "bucket").unwrap();
        check_round_trip(&policy);
        assert_eq!(policy.write().as_bytes(), text);
        let error = BucketPolicy::parse(text, "other").unwrap_err();
        assert_eq!((error.code(), error.message()), (ErrorCode::MalformedPolicy, "Policy has invalid resource"));
        assert_eq!(BucketPolicy::parse(b"{\xff}", "bucket").unwrap_err().code(), ErrorCode::MalformedPolicy);
    }
}
