//! Managed policies and their versions.

use std::collections::BTreeMap;

use env::UnixMillis;
use iam::{Policy, PolicyLimit};

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::grants::HolderKind;
use crate::holder::check_bare;
use crate::managed::{self, Builtin};
use crate::name::{self, Listing, fold};
use crate::record::{GroupRecord, PolicyRecord, RoleRecord, UserRecord, VersionRecord};
use crate::transaction::{Page, Transaction, check_room};
use crate::{arn, tags};

const WHAT: &str = "policy";
const NAME_LENGTH_MAX: usize = 128;
const POLICIES_MAX: usize = 1500;
const VERSIONS_MAX: usize = 5;

/// A managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// As it was first written.
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// Unique for all time, `ANPA...`.
    pub id: String,
    /// What others call it.
    pub arn: String,
    /// When it was made.
    pub created: UnixMillis,
    /// When the version that counts last changed.
    pub updated: UnixMillis,
    /// For people.
    pub description: Option<String>,
    /// The number of the version that counts.
    pub default_version: u32,
    /// How many users, groups and roles it is attached to.
    pub attachments: u32,
    /// How many it is the boundary of.
    pub boundaries: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number.
    pub number: u32,
    /// Whether it is the one that counts.
    pub is_default: bool,
    /// When it was made.
    pub created: UnixMillis,
    /// What it says.
    pub document: String,
}

/// Whose managed policies a listing is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyScope {
    /// Both.
    All,
    /// Those of the server.
    Server,
    /// Those of the account.
    Account,
}

/// How a managed policy is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Attached,
    Boundary,
}

impl ManagedPolicy {
    fn of(account: &str, record: PolicyRecord) -> Self {
        let arn = arn::of(account, WHAT, &record.path, &record.name);
        let PolicyRecord { name, path, id, created, updated, description, tags, .. } = record;
        Self {
            name,
            path,
            id,
            arn,
            created: UnixMillis(created),
            updated: UnixMillis(updated),
            description,
            default_version: record.default,
            attachments: record.attachments,
            boundaries: record.boundaries,
            tags,
        }
    }

    /// One of the server's; how often an account uses it is not counted.
    fn of_builtin(builtin: &Builtin) -> Self {
        Self {
            name: builtin.name.to_owned(),
            path: "/".to_owned(),
            id: builtin.id.to_owned(),
            arn: managed::arn(builtin),
            created: UnixMillis(managed::CREATED),
            updated: UnixMillis(managed::CREATED),
            description: Some(builtin.description.to_owned()),
            default_version: 1,
            attachments: 0,
            boundaries: 0,
            tags: BTreeMap::new(),
        }
    }
}

/// The name that ends an ARN.
pub(crate) fn name_of(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The path within an ARN.
pub(crate) fn path_of(arn: &str) -> &str {
    let start = arn.find('/').unwrap_or(0);
    let end = arn.rfind('/').map_or(0, |slash| slash + 1);
    arn.get(start..end).unwrap_or_default()
}

/// The policy with this ARN, if it is one of the account, with its folded name.
fn find(transaction: &Transaction<'_>, account: &str, wanted: &str) -> Result<Option<(String, PolicyRecord)>> {
    let Some((own, name)) = arn::parse(wanted, WHAT).filter(|(own, _)| *own == account) else { return Ok(None) };
    let folded = fold(name);
    let found: Option<PolicyRecord> = transaction.find(own, &folded)?;
    let found = found.filter(|record| arn::of(account, WHAT, &record.path, &record.name) == wanted);
    Ok(found.map(|record| (folded, record)))
}

/// As [`find`], for a policy that is to be changed.
fn require(transaction: &Transaction<'_>, account: &str, wanted: &str) -> Result<(String, PolicyRecord)> {
    if managed::find(wanted).is_some() {
        return Err(Error::Unmodifiable(wanted.to_owned()));
    }
    find(transaction, account, wanted)?.ok_or_else(|| Error::no_such(WHAT, wanted))
}

/// What counts of the policy with this ARN.
pub(crate) fn effective_document(transaction: &Transaction<'_>, account: &str, wanted: &str) -> Result<Option<String>> {
    if let Some(builtin) = managed::find(wanted) {
        return Ok(Some(builtin.document.to_owned()));
    }
    let found = find(transaction, account, wanted)?;
    Ok(found.and_then(|(_, mut record)| record.versions.remove(&record.default)).map(|version| version.document))
}

/// Notes that a policy is used once more, or once less.
///
/// # Errors
///
/// [`Error::NoSuchEntity`].
pub(crate) fn count_use(
    transaction: &mut Transaction<'_>,
    account: &str,
    wanted: &str,
    how: Use,
    difference: i32,
) -> Result<()> {
    if managed::find(wanted).is_some() {
        return Ok(());
    }
    let (folded, mut record) = require(transaction, account, wanted)?;
    let counter = if how == Use::Attached { &mut record.attachments } else { &mut record.boundaries };
    *counter = counter.saturating_add_signed(difference);
    transaction.put(account, &folded, &record);
    Ok(())
}

impl Directory {
    /// Makes a managed policy, with its first version.
    ///
    /// # Errors
    ///
    /// [`Error::EntityAlreadyExists`], [`Error::Validation`], [`Error::MalformedPolicy`], [`Error::LimitExceeded`].
    pub async fn create_policy(
        &self,
        account: String,
        (name, path): (String, String),
        document: String,
        description: Option<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<ManagedPolicy> {
        name::check("policyName", &name, NAME_LENGTH_MAX)?;
        name::check_path(&path)?;
        description.as_deref().map(name::check_description).transpose()?;
        tags::check(&tags)?;
        Policy::of_identity(&document, PolicyLimit::Managed)?;
        let created = self.now();
        let record = PolicyRecord {
            name,
            path,
            id: self.random_id("ANPA"),
            created,
            updated: created,
            description,
            tags,
            versions: BTreeMap::from([(1, VersionRecord { created, document })]),
            default: 1,
            newest: 1,
            attachments: 0,
            boundaries: 0,
        };
        self.change(move |transaction| {
            let folded = fold(&record.name);
            if transaction.find::<PolicyRecord>(&account, &folded)?.is_some() {
                return Err(Error::exists("A policy called", &record.name));
            }
            check_room(transaction.count::<PolicyRecord>(&account)?, POLICIES_MAX, "PoliciesPerAccount")?;
            transaction.put(&account, &folded, &record);
            Ok(ManagedPolicy::of(&account, record.clone()))
        })
        .await
    }

    /// A managed policy.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn policy(&self, account: String, wanted: String) -> Result<ManagedPolicy> {
        if let Some(builtin) = managed::find(&wanted) {
            return Ok(ManagedPolicy::of_builtin(builtin));
        }
        self.view(move |transaction| Ok(ManagedPolicy::of(&account, require(transaction, &account, &wanted)?.1))).await
    }

    /// Removes a managed policy that nothing uses and of which one version is left.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::DeleteConflict`], [`Error::Unmodifiable`].
    pub async fn delete_policy(&self, account: String, wanted: String) -> Result<()> {
        self.change(move |transaction| {
            let (folded, record) = require(transaction, &account, &wanted)?;
            check_bare([
                (0 < record.attachments + record.boundaries, "detach the policy from all users, groups and roles"),
                (1 < record.versions.len(), "delete all versions of the policy but the default one"),
            ])?;
            transaction.remove::<PolicyRecord>(&account, &folded);
            Ok(())
        })
        .await
    }

    /// A page of managed policies, those of the server first.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn policies(
        &self,
        account: String,
        scope: PolicyScope,
        only_attached: bool,
        listing: Listing,
    ) -> Result<Page<ManagedPolicy>> {
        self.view(move |transaction| {
            // Markers of the account's begin with a letter above all of the others.
            let mut all: Vec<(String, ManagedPolicy)> = Vec::new();
            if scope != PolicyScope::Account && !only_attached {
                all.extend(managed::ALL.iter().map(|own| (format!("a{}", own.name), ManagedPolicy::of_builtin(own))));
            }
            if scope != PolicyScope::Server {
                let whole = Listing { limit: usize::MAX, ..Listing::default() };
                let own = transaction
                    .page(&account, &whole, |record: &PolicyRecord| !only_attached || 0 < record.attachments)?;
                let own = own.entries.into_iter().map(|record| ManagedPolicy::of(&account, record));
                all.extend(own.map(|policy| (format!("b{}", fold(&policy.name)), policy)));
            }
            all.retain(|(_, policy)| policy.path.starts_with(&listing.path_prefix));
            Ok(Page::of(all, &listing))
        })
        .await
    }

    /// Adds a version to a managed policy, and has it count if `becomes_default`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::MalformedPolicy`], [`Error::LimitExceeded`], [`Error::Unmodifiable`].
    pub async fn create_policy_version(
        &self,
        account: String,
        wanted: String,
        document: String,
        becomes_default: bool,
    ) -> Result<PolicyVersion> {
        Policy::of_identity(&document, PolicyLimit::Managed)?;
        let created = self.now();
        self.change(move |transaction| {
            let (folded, mut record) = require(transaction, &account, &wanted)?;
            check_room(record.versions.len(), VERSIONS_MAX, "VersionsPerPolicy")?;
            record.newest += 1;
            let number = record.newest;
            record.versions.insert(number, VersionRecord { created, document: document.clone() });
            if becomes_default {
                record.default = number;
                record.updated = created;
            }
            transaction.put(&account, &folded, &record);
            let (created, document) = (UnixMillis(created), document.clone());
            Ok(PolicyVersion { number, is_default: becomes_default, created, document })
        })
        .await
    }

    /// All versions of a managed policy, the newest first.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn policy_versions(&self, account: String, wanted: String) -> Result<Vec<PolicyVersion>> {
        if let Some(builtin) = managed::find(&wanted) {
            let document = builtin.document.to_owned();
            return Ok(vec![PolicyVersion {
                number: 1,
                is_default: true,
                created: UnixMillis(managed::CREATED),
                document,
            }]);
        }
        self.view(move |transaction| {
            let (_, record) = require(transaction, &account, &wanted)?;
            let default = record.default;
            let version = |(number, version): (u32, VersionRecord)| PolicyVersion {
                number,
                is_default: number == default,
                created: UnixMillis(version.created),
                document: version.document,
            };
            Ok(record.versions.into_iter().rev().map(version).collect())
        })
        .await
    }

    /// Has a version of a managed policy count.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::Unmodifiable`].
    pub async fn set_default_policy_version(&self, account: String, wanted: String, number: u32) -> Result<()> {
        let now = self.now();
        self.change(move |transaction| {
            let (folded, mut record) = require(transaction, &account, &wanted)?;
            check_version(&record, number)?;
            record.default = number;
            record.updated = now;
            transaction.put(&account, &folded, &record);
            Ok(())
        })
        .await
    }

    /// Removes a version that does not count.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::DeleteConflict`], [`Error::Unmodifiable`].
    pub async fn delete_policy_version(&self, account: String, wanted: String, number: u32) -> Result<()> {
        self.change(move |transaction| {
            let (folded, mut record) = require(transaction, &account, &wanted)?;
            check_version(&record, number)?;
            if record.default == number {
                return Err(Error::DeleteConflict("make another version of the policy the default one"));
            }
            record.versions.remove(&number);
            transaction.put(&account, &folded, &record);
            Ok(())
        })
        .await
    }

    /// The names and ids of everything that a managed policy is attached to.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn policy_holders(&self, account: String, wanted: String) -> Result<Vec<(HolderKind, String, String)>> {
        self.view(move |transaction| {
            if managed::find(&wanted).is_none() {
                require(transaction, &account, &wanted)?;
            }
            let whole = Listing { limit: usize::MAX, ..Listing::default() };
            let users =
                transaction.page(&account, &whole, |record: &UserRecord| record.grants.attached.contains(&wanted))?;
            let groups =
                transaction.page(&account, &whole, |record: &GroupRecord| record.grants.attached.contains(&wanted))?;
            let roles =
                transaction.page(&account, &whole, |record: &RoleRecord| record.grants.attached.contains(&wanted))?;
            let users = users.entries.into_iter().map(|user| (HolderKind::User, user.name, user.id));
            let groups = groups.entries.into_iter().map(|group| (HolderKind::Group, group.name, group.id));
            let roles = roles.entries.into_iter().map(|role| (HolderKind::Role, role.name, role.id));
            Ok(users.chain(groups).chain(roles).collect())
        })
        .await
    }
}

fn check_version(record: &PolicyRecord, number: u32) -> Result<()> {
    if record.versions.contains_key(&number) {
        return Ok(());
    }
    Err(Error::no_such("policy version", &format!("v{number}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_are_found_in_arns() {
        let arn = "arn:aws:iam::123456789012:policy/a/b/Read";
        assert_eq!((path_of(arn), name_of(arn).as_str()), ("/a/b/", "Read"));
        let arn = "arn:aws:iam::aws:policy/Read";
        assert_eq!((path_of(arn), name_of(arn).as_str()), ("/", "Read"));
        assert_eq!(path_of("nonsense"), "");
    }
}
