//! Access control lists in headers: by name, or grant by grant.

use http::HeaderMap;
use iam::acl::{Acl, CannedAcl, Grant, Grantee, Group, Permission};

use crate::error::{Error, ErrorCode, Result};
use crate::header::single;

/// Headers that grant a permission, in the order in which lists have them.
const GRANTS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// Whether some header says what the list is to be.
pub(crate) fn is_requested(headers: &HeaderMap) -> bool {
    headers.contains_key("x-amz-acl") || GRANTS.iter().any(|(name, _)| headers.contains_key(*name))
}

/// The name of the list that is asked for.
///
/// # Errors
///
/// `InvalidArgument` for one that does not exist.
pub(crate) fn canned(headers: &HeaderMap) -> Result<Option<CannedAcl>> {
    let Some(name) = single(headers, "x-amz-acl")? else { return Ok(None) };
    CannedAcl::parse(name).map(Some).ok_or_else(|| Error::invalid_argument("", "x-amz-acl", name))
}

/// The list that the headers ask for, on something of `owner` in a bucket of `bucket_owner`; `None` when they do not.
///
/// # Errors
///
/// `InvalidArgument`, and `InvalidRequest` for both ways at once.
pub(crate) fn requested(headers: &HeaderMap, owner: &str, bucket_owner: &str) -> Result<Option<Acl>> {
    let canned = canned(headers)?;
    let mut grants = Vec::new();
    for (name, permission) in GRANTS {
        if let Some(list) = single(headers, name)? {
            for grantee in list.split(',') {
                grants.push(Grant { grantee: parse_grantee(name, grantee.trim())?, permission });
            }
        }
    }
    match canned {
        Some(_) if !grants.is_empty() => {
            let message = "Specifying both Canned ACLs and Header Grants is not allowed";
            Err(Error::with_message(ErrorCode::InvalidRequest, message))
        }
        Some(canned) => Ok(Some(canned.acl(owner, bucket_owner))),
        None if grants.is_empty() => Ok(None),
        None => Ok(Some(Acl { owner: owner.to_owned(), grants })),
    }
}

/// Reads `id="..."`, `uri="..."` or `emailAddress="..."`; quotes may be missing.
fn parse_grantee(name: &'static str, text: &str) -> Result<Grantee> {
    let invalid = || Error::invalid_argument("Argument format not recognized", name, text);
    let (kind, value) = text.split_once('=').ok_or_else(invalid)?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    match kind.trim() {
        "id" if !value.is_empty() => Ok(Grantee::Account(value.to_owned())),
        "uri" => {
            let group = Group::parse(value).map(Grantee::Group);
            group.ok_or_else(|| Error::invalid_argument("Invalid group uri", "uri", value))
        }
        "emailAddress" if !value.is_empty() => Ok(Grantee::Mail(value.to_owned())),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn requested(pairs: &[(&'static str, &'static str)]) -> Result<Option<Acl>, ErrorCode> {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers = pairs.iter().map(header).collect();
        super::requested(&headers, "owner", "owner").map_err(|error| error.code())
    }

    #[test]
    fn lists_are_asked_for_by_name_or_grant_by_grant() {
        assert_eq!(requested(&[]), Ok(None));
        let public = CannedAcl::PublicRead.acl("owner", "owner");
        assert_eq!(requested(&[("x-amz-acl", "public-read")]), Ok(Some(public)));
        let all_users = "http://acs.amazonaws.com/groups/global/AllUsers";
        assert_eq!(all_users, Group::AllUsers.uri());
        let granted = requested(&[
            ("x-amz-grant-read", "id=\"a\", uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""),
            ("x-amz-grant-write-acp", "id=b, emailAddress=\"a@b.c\""),
        ]);
        let grant = |grantee, permission| Grant { grantee, permission };
        let grants = vec![
            grant(Grantee::Account("a".to_owned()), Permission::Read),
            grant(Grantee::Group(Group::AllUsers), Permission::Read),
            grant(Grantee::Account("b".to_owned()), Permission::WriteAcp),
            grant(Grantee::Mail("a@b.c".to_owned()), Permission::WriteAcp),
        ];
        assert_eq!(granted, Ok(Some(Acl { owner: "owner".to_owned(), grants })));
    }

    #[test]
    fn other_wishes_are_refused() {
        for (pairs, code) in [
            ([("x-amz-acl", "public")].as_slice(), ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "a")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "id=\"\"")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "uri=\"http://example.com\"")], ErrorCode::InvalidArgument),
            (&[("x-amz-grant-read", "emailAddress=\"\"")], ErrorCode::InvalidArgument),
            (&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=a")], ErrorCode::InvalidRequest),
        ] {
            assert_eq!(requested(pairs), Err(code), "{pairs:?}");
        }
    }
}
