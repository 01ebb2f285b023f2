//! Access control lists as documents.

use iam::Account;
use iam::acl::{Acl, GRANTS_MAX, Grant, Grantee, Group, Permission};

use crate::error::{Error, ErrorCode, Result};
use crate::settings::Document;
use crate::xml::{Element, Writer};

impl Document for Acl {
    const KIND: u8 = 4;
    // A hundred grants.
    const SIZE_MAX: usize = 64 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorCode::MalformedAcl);
        let document = Element::parse(body, "AccessControlPolicy").map_err(|_| malformed())?;
        let owner = document.child("Owner")?.and_then(|owner| owner.child_text("ID").ok()?);
        let owner = owner.map(str::trim).filter(|id| !id.is_empty()).ok_or_else(malformed)?;
        let list = document.child("AccessControlList")?.ok_or_else(malformed)?;
        let grants: Vec<_> = list.children("Grant").map(parse_grant).collect::<Result<_>>()?;
        if GRANTS_MAX < grants.len() {
            return Err(malformed());
        }
        Ok(Self { owner: owner.to_owned(), grants })
    }

    fn write(&self) -> String {
        write(self, |_| None)
    }
}

/// Reads the list that was put with an object.
///
/// # Errors
///
/// `InternalError` for one that cannot be read, which lets nobody in.
pub(crate) fn of_object(stored: &str) -> Result<Acl> {
    Acl::parse(stored.as_bytes(), "").map_err(|error| {
        tracing::error!(%error, "the access control list of an object cannot be read");
        ErrorCode::InternalError.into()
    })
}

/// Reads a grant of a list, or of another configuration.
///
/// # Errors
///
/// `MalformedACLError`, `InvalidArgument` for a group that there is not.
pub(super) fn parse_grant(grant: &Element) -> Result<Grant> {
    let malformed = || Error::new(ErrorCode::MalformedAcl);
    let grantee = grant.child("Grantee")?.ok_or_else(malformed)?;
    let text = |name| Ok::<_, Error>(grantee.child_text(name)?.map(str::trim));
    let grantee = match (text("ID")?, text("URI")?, text("EmailAddress")?) {
        (Some(id), None, _) if !id.is_empty() => Grantee::Account(id.to_owned()),
        (None, Some(uri), None) => Group::parse(uri)
            .map(Grantee::Group)
            .ok_or_else(|| Error::invalid_argument("Invalid group uri", "Group/URI", uri))?,
        (None, None, Some(address)) if !address.is_empty() => Grantee::Mail(address.to_owned()),
        _ => return Err(malformed()),
    };
    let permission = grant.child_text("Permission")?.and_then(|name| Permission::parse(name.trim()));
    Ok(Grant { grantee, permission: permission.ok_or_else(malformed)? })
}

/// The document of `acl`, with the names of those accounts that `account` knows.
pub(crate) fn write<'a>(acl: &Acl, account: impl Fn(&str) -> Option<&'a Account>) -> String {
    let mut document = Writer::new("AccessControlPolicy");
    document.open("Owner");
    write_account(&mut document, &acl.owner, &account);
    document.close();
    document.open("AccessControlList");
    // Groups come first, as in the lists that have names.
    let (groups, accounts): (Vec<_>, Vec<_>) =
        acl.grants.iter().partition(|grant| matches!(grant.grantee, Grantee::Group(_)));
    for grant in groups.into_iter().chain(accounts) {
        write_grant(&mut document, grant, &account);
    }
    document.finish()
}

/// Writes a grant, with the name of its account if `account` knows it.
pub(super) fn write_grant<'a>(document: &mut Writer, grant: &Grant, account: impl Fn(&str) -> Option<&'a Account>) {
    document.open("Grant");
    match &grant.grantee {
        Grantee::Account(id) => {
            document.open_typed("Grantee", "CanonicalUser");
            write_account(document, id, account);
        }
        Grantee::Mail(address) => {
            document.open_typed("Grantee", "AmazonCustomerByEmail");
            document.text("EmailAddress", address);
        }
        Grantee::Group(group) => {
            document.open_typed("Grantee", "Group");
            document.text("URI", group.uri());
        }
    }
    document.close();
    document.text("Permission", grant.permission.name());
    document.close();
}

fn write_account<'a>(document: &mut Writer, id: &str, account: impl Fn(&str) -> Option<&'a Account>) {
    document.text("ID", id);
    if let Some(account) = account(id) {
        document.text("DisplayName", account.display_name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;
    use iam::acl::CannedAcl;

    fn code(inside: &str) -> Option<ErrorCode> {
        let body = format!("<AccessControlPolicy>{inside}</AccessControlPolicy>");
        Acl::parse(body.as_bytes(), "bucket").err().map(|error| error.code())
    }

    #[test]
    fn lists_are_read_back() {
        for canned in [CannedAcl::Private, CannedAcl::PublicReadWrite, CannedAcl::LogDeliveryWrite] {
            check_round_trip(&canned.acl("owner", "owner"));
        }
        let named = write(&Acl::private(Account::root().canonical_id()), |_| None);
        assert!(!named.contains("DisplayName"));
    }

    #[test]
    fn malformed_lists_are_refused() {
        let owner = "<Owner><ID>1</ID></Owner>";
        let with = |grantee: &str, permission: &str| {
            code(&format!(
                "{owner}<AccessControlList><Grant><Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant></AccessControlList>"
            ))
        };
        assert_eq!(with("<ID>1</ID>", "READ"), None);
        assert_eq!(with("<ID>1</ID>", "EAT"), Some(ErrorCode::MalformedAcl));
        assert_eq!(with("<URI>http://example.com</URI>", "READ"), Some(ErrorCode::InvalidArgument));
        assert_eq!(with("<EmailAddress>a@b.c</EmailAddress>", "READ"), None);
        assert_eq!(with("<EmailAddress/>", "READ"), Some(ErrorCode::MalformedAcl));
        assert_eq!(with("", "READ"), Some(ErrorCode::MalformedAcl));
        assert_eq!(code(&format!("{owner}<AccessControlList/>")), None);
        assert_eq!(code("<AccessControlList/>"), Some(ErrorCode::MalformedAcl));
        assert_eq!(code(owner), Some(ErrorCode::MalformedAcl));
        assert_eq!(Acl::parse(b"x", "bucket").unwrap_err().code(), ErrorCode::MalformedAcl);
    }
}
