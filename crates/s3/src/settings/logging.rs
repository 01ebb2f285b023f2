//! Where the log of a bucket's requests goes.

use std::sync::Arc;

use iam::acl::{GRANTS_MAX, Grant, Permission};

use crate::error::{Error, ErrorCode, Result};
use crate::settings::{Document, acl};
use crate::xml::{Element, Writer};

/// Longest prefix: what is put behind it must fit into a key.
const PREFIX_SIZE_MAX: usize = 800;

/// Where lines about the requests for a bucket are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logging {
    /// Name of the bucket that gets them.
    pub(crate) target: String,
    /// What the keys of its objects begin with.
    pub(crate) prefix: String,
    /// Who may do what with these objects, besides the owner of that bucket.
    pub(crate) grants: Vec<Grant>,
    /// What follows the prefix.
    pub(crate) key_format: KeyFormat,
}

/// What follows the prefix in the keys of log objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFormat {
    /// When they were delivered.
    Simple,
    /// Whose requests, where, and on which day they came.
    PartitionedByEvent,
    /// The same, and on which day they were delivered.
    PartitionedByDelivery,
}

/// Whether the requests for a bucket are logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoggingStatus(pub(crate) Option<Arc<Logging>>);

impl KeyFormat {
    fn parse(element: &Element) -> Result<Self> {
        match (element.child("SimplePrefix")?, element.child("PartitionedPrefix")?) {
            (Some(_), None) => Ok(Self::Simple),
            (None, Some(partitioned)) => match partitioned.child_text("PartitionDateSource")?.map(str::trim) {
                Some("EventTime") => Ok(Self::PartitionedByEvent),
                None | Some("DeliveryTime") => Ok(Self::PartitionedByDelivery),
                Some(_) => Err(ErrorCode::MalformedXml.into()),
            },
            _ => Err(ErrorCode::MalformedXml.into()),
        }
    }

    fn write(self, document: &mut Writer) {
        document.open("TargetObjectKeyFormat");
        let date_source = match self {
            Self::Simple => None,
            Self::PartitionedByEvent => Some("EventTime"),
            Self::PartitionedByDelivery => Some("DeliveryTime"),
        };
        document.open(if date_source.is_some() { "PartitionedPrefix" } else { "SimplePrefix" });
        if let Some(date_source) = date_source {
            document.text("PartitionDateSource", date_source);
        }
        document.close();
        document.close();
    }
}

impl Document for LoggingStatus {
    const KIND: u8 = 24;
    // A hundred grants.
    const SIZE_MAX: usize = 64 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "BucketLoggingStatus")?;
        let enabled = document.child("LoggingEnabled")?;
        Ok(Self(enabled.map(parse).transpose()?.map(Arc::new)))
    }

    fn write(&self) -> String {
        let mut document = Writer::new("BucketLoggingStatus");
        let Some(logging) = &self.0 else { return document.finish() };
        document.open("LoggingEnabled");
        document.text("TargetBucket", &logging.target);
        if !logging.grants.is_empty() {
            document.open("TargetGrants");
            for grant in &logging.grants {
                acl::write_grant(&mut document, grant, |_| None);
            }
            document.close();
        }
        document.text("TargetPrefix", &logging.prefix);
        logging.key_format.write(&mut document);
        document.finish()
    }
}

fn parse(enabled: &Element) -> Result<Logging> {
    let malformed = || Error::new(ErrorCode::MalformedXml);
    let target = enabled.child_text("TargetBucket")?.map(str::trim).filter(|name| !name.is_empty());
    let prefix = enabled.child_text("TargetPrefix")?.ok_or_else(malformed)?;
    if PREFIX_SIZE_MAX < prefix.len() {
        return Err(Error::invalid_argument("The target prefix is too long", "TargetPrefix", prefix));
    }
    let grants = match enabled.child("TargetGrants")? {
        Some(grants) => grants.children("Grant").map(parse_grant).collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    if GRANTS_MAX < grants.len() {
        return Err(malformed());
    }
    let key_format = enabled.child("TargetObjectKeyFormat")?.map_or(Ok(KeyFormat::Simple), KeyFormat::parse)?;
    Ok(Logging { target: target.ok_or_else(malformed)?.to_owned(), prefix: prefix.to_owned(), grants, key_format })
}

/// As in access control lists, but that nothing here is about lists themselves.
fn parse_grant(grant: &Element) -> Result<Grant> {
    let malformed = || Error::new(ErrorCode::MalformedXml);
    let grant = acl::parse_grant(grant).map_err(|error| match error.code() {
        ErrorCode::MalformedAcl => malformed(),
        _ => error,
    })?;
    match grant.permission {
        Permission::FullControl | Permission::Read | Permission::Write => Ok(grant),
        Permission::ReadAcp | Permission::WriteAcp => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;
    use iam::acl::{Grantee, Group};

    fn check(inside: &str) -> Result<LoggingStatus, ErrorCode> {
        let body = format!("<BucketLoggingStatus>{inside}</BucketLoggingStatus>");
        LoggingStatus::parse(body.as_bytes(), "bucket").map_err(|error| error.code())
    }

    #[test]
    fn targets_are_read_back() {
        check_round_trip(&LoggingStatus::default());
        for key_format in [KeyFormat::Simple, KeyFormat::PartitionedByEvent, KeyFormat::PartitionedByDelivery] {
            let grant = |grantee, permission| Grant { grantee, permission };
            let grants = vec![
                grant(Grantee::Account("ab".repeat(32)), Permission::FullControl),
                grant(Grantee::Group(Group::AuthenticatedUsers), Permission::Read),
            ];
            let logging = Logging { target: "logs".to_owned(), prefix: "a/".to_owned(), grants, key_format };
            check_round_trip(&LoggingStatus(Some(Arc::new(logging))));
        }
    }

    #[test]
    fn a_target_needs_a_bucket_and_a_prefix() {
        let target = "<TargetBucket>logs</TargetBucket>";
        let with = |more: &str| check(&format!("<LoggingEnabled>{target}{more}</LoggingEnabled>"));
        assert_eq!(check(""), Ok(LoggingStatus(None)));
        let plain = with("<TargetPrefix/>").unwrap().0.unwrap();
        assert_eq!((plain.prefix.as_str(), plain.key_format), ("", KeyFormat::Simple));
        let grant = |permission: &str| {
            format!(
                "<TargetPrefix/><TargetGrants><Grant><Grantee><ID>1</ID></Grantee><Permission>{permission}</Permission></Grant></TargetGrants>"
            )
        };
        assert_eq!(with(&grant("READ")).unwrap().0.unwrap().grants.len(), 1);
        let format = |inside: &str| format!("<TargetPrefix/><TargetObjectKeyFormat>{inside}</TargetObjectKeyFormat>");
        for more in [
            String::new(),
            grant("READ_ACP"),
            grant("EAT"),
            format(""),
            format("<SimplePrefix/><PartitionedPrefix/>"),
            format("<PartitionedPrefix><PartitionDateSource>kaboom</PartitionDateSource></PartitionedPrefix>"),
        ] {
            assert_eq!(with(&more), Err(ErrorCode::MalformedXml), "{more}");
        }
        assert_eq!(check("<LoggingEnabled><TargetPrefix/></LoggingEnabled>"), Err(ErrorCode::MalformedXml));
        let long = format!("<TargetPrefix>{}</TargetPrefix>", "p".repeat(PREFIX_SIZE_MAX + 1));
        assert_eq!(with(&long), Err(ErrorCode::InvalidArgument));
    }
}
