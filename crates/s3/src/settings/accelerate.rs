//! Transfer acceleration of a bucket.

use crate::error::{Error, ErrorCode, Result};
use crate::operation::Operation;
use crate::settings::Document;
use crate::xml::{Element, Writer};

/// Whether a bucket may be asked for by its accelerated host; without any it never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceleration {
    /// It may.
    Enabled,
    /// It may not any more.
    Suspended,
}

impl Acceleration {
    /// Whether a bucket of which `configured` is set may be asked for `operation` by its accelerated host.
    ///
    /// # Errors
    ///
    /// `InvalidRequest`.
    pub(crate) fn check(operation: Operation, configured: Option<Self>) -> Result<()> {
        let message = match (operation, configured) {
            (Operation::ListBuckets | Operation::CreateBucket | Operation::DeleteBucket, _) => {
                "S3 Transfer Acceleration does not support this operation"
            }
            (_, Some(Self::Enabled)) => return Ok(()),
            (_, Some(Self::Suspended)) => "S3 Transfer Acceleration is disabled on this bucket",
            (_, None) => "S3 Transfer Acceleration is not configured on this bucket",
        };
        Err(Error::with_message(ErrorCode::InvalidRequest, message))
    }
}

impl Document for Acceleration {
    const KIND: u8 = 26;
    const SIZE_MAX: usize = 4 * 1024;

    fn parse(body: &[u8], bucket: &str) -> Result<Self> {
        let document = Element::parse(body, "AccelerateConfiguration")?;
        let acceleration = match document.child_text("Status")?.map(str::trim) {
            Some("Enabled") => Self::Enabled,
            Some("Suspended") => Self::Suspended,
            _ => return Err(ErrorCode::MalformedXml.into()),
        };
        if bucket.contains('.') {
            let message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names";
            return Err(Error::with_message(ErrorCode::InvalidRequest, message));
        }
        Ok(acceleration)
    }

    fn write(&self) -> String {
        let mut document = Writer::new("AccelerateConfiguration");
        document.text("Status", if *self == Self::Enabled { "Enabled" } else { "Suspended" });
        document.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    #[test]
    fn buckets_are_accelerated_or_not_any_more() {
        check_round_trip(&Acceleration::Enabled);
        check_round_trip(&Acceleration::Suspended);
        let code = |body: &str, bucket: &str| Acceleration::parse(body.as_bytes(), bucket).unwrap_err().code();
        for inside in ["", "<Status/>", "<Status>Disabled</Status>"] {
            let body = format!("<AccelerateConfiguration>{inside}</AccelerateConfiguration>");
            assert_eq!(code(&body, "bucket"), ErrorCode::MalformedXml, "{inside}");
        }
        assert_eq!(code(&Acceleration::Enabled.write(), "my.bucket"), ErrorCode::InvalidRequest);
    }

    #[test]
    fn accelerated_hosts_serve_what_is_in_buckets_where_it_is_enabled() {
        for (operation, configured, serves) in [
            (Operation::GetObject, Some(Acceleration::Enabled), true),
            (Operation::ListObjectsV2, Some(Acceleration::Enabled), true),
            (Operation::GetObject, Some(Acceleration::Suspended), false),
            (Operation::GetObject, None, false),
            (Operation::DeleteBucket, Some(Acceleration::Enabled), false),
            (Operation::CreateBucket, None, false),
            (Operation::ListBuckets, None, false),
        ] {
            assert_eq!(Acceleration::check(operation, configured).is_ok(), serves, "{operation:?} {configured:?}");
        }
    }
}
