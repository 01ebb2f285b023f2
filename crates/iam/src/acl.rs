//! Access control lists: what the owner of a bucket or object grants to accounts and to everybody.

use crate::action::Action;
use crate::principal::Principal;

/// Most grants in one list (S3 user guide, "Access control list overview").
pub const GRANTS_MAX: usize = 100;

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// An account, by its canonical id.
    Account(String),
    /// The account with this mail address: somebody still has to find out which one that is, until then it is nobody.
    Mail(String),
    /// A predefined group.
    Group(Group),
}

/// The groups that AWS has predefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Everybody, signed or not.
    AllUsers,
    /// Everybody who has signed, from whichever account.
    AuthenticatedUsers,
    /// The service that writes access logs.
    LogDelivery,
}

/// What a grant permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// All of the others.
    FullControl,
    /// Listing a bucket, reading an object.
    Read,
    /// Creating, overwriting and deleting objects of a bucket.
    Write,
    /// Reading the list itself.
    ReadAcp,
    /// Changing the list itself.
    WriteAcp,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whom it is for.
    pub grantee: Grantee,
    /// What it permits.
    pub permission: Permission,
}

/// An access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// Canonical id of the account that owns the bucket or object.
    pub owner: String,
    /// What it grants. The owner can always change the list, whatever stands here.
    pub grants: Vec<Grant>,
}

/// Lists that have a name (S3 user guide, "Canned ACL").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the S3 reference")]
pub enum CannedAcl {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    AwsExecRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
    LogDeliveryWrite,
}

/// What a list is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Bucket,
    Object,
}

impl Group {
    const NAMES: [(Self, &'static str); 3] = [
        (Self::AllUsers, "http://acs.amazonaws.com/groups/global/AllUsers"),
        (Self::AuthenticatedUsers, "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
        (Self::LogDelivery, "http://acs.amazonaws.com/groups/s3/LogDelivery"),
    ];

    /// Reads the URI of a group.
    pub fn parse(uri: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, name)| *name == uri).map(|(group, _)| *group)
    }

    /// Its URI.
    pub fn uri(self) -> &'static str {
        Self::NAMES.iter().find(|(group, _)| *group == self).map(|(_, name)| *name).expect("every group has a name")
    }
}

impl Permission {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::FullControl, "FULL_CONTROL"),
        (Self::Read, "READ"),
        (Self::Write, "WRITE"),
        (Self::ReadAcp, "READ_ACP"),
        (Self::WriteAcp, "WRITE_ACP"),
    ];

    /// Reads the name of a permission.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, own)| *own == name).map(|(permission, _)| *permission)
    }

    /// Its name in XML.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(own, _)| *own == self).map(|(_, name)| *name).expect("every permission has a name")
    }

    /// The permission, besides full control, that a list must grant for `action` (S3 user guide, "Mapping of ACL
    /// permissions and access policy permissions").
    fn needed(holder: Holder, action: Action) -> Option<Self> {
        use Action as A;
        match (holder, action) {
            (Holder::Bucket, A::ListBucket | A::ListBucketVersions | A::ListBucketMultipartUploads) => Some(Self::Read),
            (Holder::Bucket, A::PutObject | A::DeleteObject | A::DeleteObjectVersion) => Some(Self::Write),
            (Holder::Bucket, A::GetBucketAcl) => Some(Self::ReadAcp),
            (Holder::Bucket, A::PutBucketAcl) => Some(Self::WriteAcp),
            (Holder::Object, A::GetObject | A::GetObjectVersion | A::GetObjectTorrent | A::GetObjectVersionTorrent) => {
                Some(Self::Read)
            }
            (Holder::Object, A::GetObjectAttributes | A::GetObjectVersionAttributes) => Some(Self::Read),
            (Holder::Object, A::GetObjectAcl | A::GetObjectVersionAcl) => Some(Self::ReadAcp),
            (Holder::Object, A::PutObjectAcl | A::PutObjectVersionAcl) => Some(Self::WriteAcp),
            _ => None,
        }
    }
}

impl Acl {
    /// The list of something that belongs to `owner` alone.
    pub fn private(owner: &str) -> Self {
        CannedAcl::Private.acl(owner, owner)
    }

    /// Whether it grants something to anybody but its owner.
    pub fn shares(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee != Grantee::Account(self.owner.clone()))
    }

    /// Whether it grants something to everybody, or to everybody who has signed.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(Grant::is_public)
    }

    /// How it grants `action` to `caller`: to its account, or to all. Grants to the public count only when
    /// `public_counts`.
    pub(crate) fn allows(
        &self,
        holder: Holder,
        action: Action,
        caller: &Principal,
        ignored: IgnoredGrants,
    ) -> Option<AclNaming> {
        let needed = Permission::needed(holder, action)?;
        let permits = |grant: &&Grant| grant.permission == needed || grant.permission == Permission::FullControl;
        let counts = |grant: &&Grant| ignored == IgnoredGrants::None || !grant.is_public();
        let namings =
            self.grants.iter().filter(permits).filter(counts).filter_map(|grant| grant.grantee.naming(caller));
        namings.max()
    }
}

/// Which grants of a list do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IgnoredGrants {
    None,
    Public,
}

/// How a list names a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AclNaming {
    /// Its account, which still has to pass the permission on.
    Account,
    /// As one of everybody.
    Everyone,
}

impl Grant {
    fn is_public(&self) -> bool {
        matches!(self.grantee, Grantee::Group(Group::AllUsers | Group::AuthenticatedUsers))
    }
}

impl Grantee {
    fn naming(&self, caller: &Principal) -> Option<AclNaming> {
        match self {
            Self::Account(id) => (caller.canonical_id() == Some(id)).then_some(AclNaming::Account),
            Self::Mail(_) => None,
            Self::Group(Group::AllUsers) => Some(AclNaming::Everyone),
            Self::Group(Group::AuthenticatedUsers) => caller.canonical_id().map(|_| AclNaming::Everyone),
            Self::Group(Group::LogDelivery) => {
                (caller.service_name() == Some("logging.s3.amazonaws.com")).then_some(AclNaming::Everyone)
            }
        }
    }
}

impl CannedAcl {
    const NAMES: [(Self, &'static str); 8] = [
        (Self::Private, "private"),
        (Self::PublicRead, "public-read"),
        (Self::PublicReadWrite, "public-read-write"),
        (Self::AuthenticatedRead, "authenticated-read"),
        (Self::AwsExecRead, "aws-exec-read"),
        (Self::BucketOwnerRead, "bucket-owner-read"),
        (Self::BucketOwnerFullControl, "bucket-owner-full-control"),
        (Self::LogDeliveryWrite, "log-delivery-write"),
    ];

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, own)| *own == name).map(|(acl, _)| *acl)
    }

    /// The list it stands for on something of `owner` that is, or lies in, a bucket of `bucket_owner`.
    pub fn acl(self, owner: &str, bucket_owner: &str) -> Acl {
        let to_group = |group, permission| Grant { grantee: Grantee::Group(group), permission };
        let to_bucket_owner = |permission| Grant { grantee: Grantee::Account(bucket_owner.to_owned()), permission };
        let mut grants = Vec::new();
        match self {
            // The group that `aws-exec-read` is for does not exist outside of AWS.
            Self::Private | Self::AwsExecRead => {}
            Self::PublicRead => grants.push(to_group(Group::AllUsers, Permission::Read)),
            Self::PublicReadWrite => {
                grants.push(to_group(Group::AllUsers, Permission::Read));
                grants.push(to_group(Group::AllUsers, Permission::Write));
            }
            Self::AuthenticatedRead => grants.push(to_group(Group::AuthenticatedUsers, Permission::Read)),
            Self::BucketOwnerRead if bucket_owner != owner => grants.push(to_bucket_owner(Permission::Read)),
            Self::BucketOwnerFullControl if bucket_owner != owner => {
                grants.push(to_bucket_owner(Permission::FullControl));
            }
            Self::BucketOwnerRead | Self::BucketOwnerFullControl => {}
            Self::LogDeliveryWrite => {
                grants.push(to_group(Group::LogDelivery, Permission::Write));
                grants.push(to_group(Group::LogDelivery, Permission::ReadAcp));
            }
        }
        // Behind the others, where clients have learned to look for it.
        grants.push(Grant { grantee: Grantee::Account(owner.to_owned()), permission: Permission::FullControl });
        Acl { owner: owner.to_owned(), grants }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Account;

    #[test]
    fn names_are_read_back() {
        for (canned, name) in CannedAcl::NAMES {
            assert_eq!(CannedAcl::parse(name), Some(canned));
        }
        for (permission, name) in Permission::NAMES {
            assert_eq!((Permission::parse(name), permission.name()), (Some(permission), name));
        }
        for (group, uri) in Group::NAMES {
            assert_eq!((Group::parse(uri), group.uri()), (Some(group), uri));
        }
        assert_eq!(CannedAcl::parse("Private"), None);
        assert_eq!(Group::parse("http://acs.amazonaws.com/groups/global/allusers"), None);
    }

    #[test]
    fn permissions_of_acls_stand_for_actions() {
        use Permission::{Read, ReadAcp, Write, WriteAcp};
        let account = Account::root();
        let caller = Principal::root(&account);
        for (holder, permission, action, expected) in [
            (Holder::Bucket, Read, Action::ListBucket, true),
            (Holder::Bucket, Read, Action::ListBucketVersions, true),
            (Holder::Bucket, Read, Action::GetObject, false),
            (Holder::Bucket, Write, Action::PutObject, true),
            (Holder::Bucket, Write, Action::DeleteObject, true),
            (Holder::Bucket, Write, Action::ListBucket, false),
            (Holder::Bucket, ReadAcp, Action::GetBucketAcl, true),
            (Holder::Bucket, WriteAcp, Action::PutBucketAcl, true),
            (Holder::Bucket, WriteAcp, Action::PutBucketPolicy, false),
            (Holder::Object, Read, Action::GetObject, true),
            (Holder::Object, Read, Action::GetObjectVersion, true),
            (Holder::Object, Write, Action::PutObject, false),
            (Holder::Object, ReadAcp, Action::GetObjectAcl, true),
            (Holder::Object, WriteAcp, Action::PutObjectAcl, true),
            (Holder::Object, WriteAcp, Action::GetObjectTagging, false),
        ] {
            let grantee = Grantee::Account(account.canonical_id().to_owned());
            for (permission, expected) in
                [(permission, expected), (Permission::FullControl, Permission::needed(holder, action).is_some())]
            {
                let acl = Acl { owner: "other".into(), grants: vec![Grant { grantee: grantee.clone(), permission }] };
                let found = acl.allows(holder, action, &caller, IgnoredGrants::None);
                assert_eq!(found.is_some(), expected, "{holder:?} {permission:?} {action:?}");
            }
        }
    }

    #[test]
    fn canned_lists_grant_what_their_names_say() {
        let count = |canned: CannedAcl, bucket_owner: &str| canned.acl("owner", bucket_owner).grants.len();
        for (canned, own, of_other, public) in [
            (CannedAcl::Private, 1, 1, false),
            (CannedAcl::PublicRead, 2, 2, true),
            (CannedAcl::PublicReadWrite, 3, 3, true),
            (CannedAcl::AuthenticatedRead, 2, 2, true),
            (CannedAcl::AwsExecRead, 1, 1, false),
            (CannedAcl::BucketOwnerRead, 1, 2, false),
            (CannedAcl::BucketOwnerFullControl, 1, 2, false),
            (CannedAcl::LogDeliveryWrite, 3, 3, false),
        ] {
            assert_eq!((count(canned, "owner"), count(canned, "other")), (own, of_other), "{canned:?}");
            assert_eq!(canned.acl("owner", "other").is_public(), public, "{canned:?}");
        }
    }
}
