//! Policies of users, groups and roles: inline ones, and managed ones that are attached.

use iam::{Policy, PolicyError, PolicyLimit};

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::holder::{Holder, require, save};
use crate::name::{self, Listing};
use crate::policy;
use crate::record::{Grants, GroupRecord, RoleRecord, UserRecord};
use crate::transaction::{Page, Transaction, check_room};

const POLICY_NAME_LENGTH_MAX: usize = 128;
const ATTACHED_MAX: usize = 10;

/// What has policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HolderKind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
}

/// A managed policy that is attached to something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

impl HolderKind {
    fn limit(self) -> PolicyLimit {
        match self {
            Self::User => PolicyLimit::InUser,
            Self::Group => PolicyLimit::InGroup,
            Self::Role => PolicyLimit::InRole,
        }
    }
}

/// The record of something that has policies, of a kind that the request says.
enum AnyHolder {
    User(UserRecord),
    Group(GroupRecord),
    Role(RoleRecord),
}

impl AnyHolder {
    fn load(transaction: &Transaction<'_>, account: &str, kind: HolderKind, name: &str) -> Result<Self> {
        Ok(match kind {
            HolderKind::User => Self::User(require(transaction, account, name)?),
            HolderKind::Group => Self::Group(require(transaction, account, name)?),
            HolderKind::Role => Self::Role(require(transaction, account, name)?),
        })
    }

    fn grants(&mut self) -> &mut Grants {
        match self {
            Self::User(record) => record.grants(),
            Self::Group(record) => record.grants(),
            Self::Role(record) => record.grants(),
        }
    }

    fn save(&self, transaction: &mut Transaction<'_>, account: &str) {
        match self {
            Self::User(record) => save(transaction, account, record),
            Self::Group(record) => save(transaction, account, record),
            Self::Role(record) => save(transaction, account, record),
        }
    }
}

/// All inline policies of one holder together have one limit.
fn check_whole_length(grants: &Grants, limit: PolicyLimit) -> Result<()> {
    let length = |text: &String| text.chars().filter(|character| !character.is_whitespace()).count();
    let whole: usize = grants.inline.values().map(length).sum();
    if whole <= limit.length_max() { Ok(()) } else { Err(PolicyError::TooLong.into()) }
}

impl Directory {
    /// Sets an inline policy.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::MalformedPolicy`], [`Error::Validation`].
    pub async fn put_inline_policy(
        &self,
        account: String,
        holder: (HolderKind, String),
        policy: String,
        document: String,
    ) -> Result<()> {
        name::check("policyName", &policy, POLICY_NAME_LENGTH_MAX)?;
        let (kind, name) = holder;
        Policy::of_identity(&document, kind.limit())?;
        self.change(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            holder.grants().inline.insert(policy.clone(), document.clone());
            check_whole_length(holder.grants(), kind.limit())?;
            holder.save(transaction, &account);
            Ok(())
        })
        .await
    }

    /// An inline policy.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn inline_policy(&self, account: String, holder: (HolderKind, String), policy: String) -> Result<String> {
        let (kind, name) = holder;
        self.view(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            holder.grants().inline.remove(&policy).ok_or_else(|| Error::no_such("policy", &policy))
        })
        .await
    }

    /// Removes an inline policy.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn delete_inline_policy(
        &self,
        account: String,
        holder: (HolderKind, String),
        policy: String,
    ) -> Result<()> {
        let (kind, name) = holder;
        self.change(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            holder.grants().inline.remove(&policy).ok_or_else(|| Error::no_such("policy", &policy))?;
            holder.save(transaction, &account);
            Ok(())
        })
        .await
    }

    /// A page of the names of inline policies.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn inline_policies(
        &self,
        account: String,
        holder: (HolderKind, String),
        listing: Listing,
    ) -> Result<Page<String>> {
        let (kind, name) = holder;
        self.view(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            let names = holder.grants().inline.keys().map(|name| (name.clone(), name.clone()));
            Ok(Page::of(names, &listing))
        })
        .await
    }

    /// Attaches a managed policy, which may be attached already.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::LimitExceeded`].
    pub async fn attach_policy(&self, account: String, holder: (HolderKind, String), policy: String) -> Result<()> {
        let (kind, name) = holder;
        self.change(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            if holder.grants().attached.contains(&policy) {
                return Ok(());
            }
            check_room(holder.grants().attached.len(), ATTACHED_MAX, "PoliciesAttached")?;
            policy::count_use(transaction, &account, &policy, policy::Use::Attached, 1)?;
            holder.grants().attached.insert(policy.clone());
            holder.save(transaction, &account);
            Ok(())
        })
        .await
    }

    /// Detaches a managed policy.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], also when it is not attached.
    pub async fn detach_policy(&self, account: String, holder: (HolderKind, String), policy: String) -> Result<()> {
        let (kind, name) = holder;
        self.change(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            if !holder.grants().attached.remove(&policy) {
                return Err(Error::no_such("attached policy", &policy));
            }
            policy::count_use(transaction, &account, &policy, policy::Use::Attached, -1)?;
            holder.save(transaction, &account);
            Ok(())
        })
        .await
    }

    /// A page of the managed policies that are attached.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn attached_policies(
        &self,
        account: String,
        holder: (HolderKind, String),
        listing: Listing,
    ) -> Result<Page<Attached>> {
        let (kind, name) = holder;
        self.view(move |transaction| {
            let mut holder = AnyHolder::load(transaction, &account, kind, &name)?;
            let grants = holder.grants();
            let inside = grants.attached.iter().filter(|arn| policy::path_of(arn).starts_with(&listing.path_prefix));
            let entries = inside.map(|arn| (arn.clone(), Attached { name: policy::name_of(arn), arn: arn.clone() }));
            Ok(Page::of(entries, &listing))
        })
        .await
    }
}

/// Puts a permissions boundary in the place of another, and counts its uses.
///
/// # Errors
///
/// [`Error::NoSuchEntity`].
pub(crate) fn set_boundary(
    transaction: &mut Transaction<'_>,
    account: &str,
    boundary: &mut Option<String>,
    new: Option<&str>,
) -> Result<()> {
    if let Some(arn) = boundary.take() {
        policy::count_use(transaction, account, &arn, policy::Use::Boundary, -1)?;
    }
    if let Some(arn) = new {
        policy::count_use(transaction, account, arn, policy::Use::Boundary, 1)?;
        *boundary = Some(arn.to_owned());
    }
    Ok(())
}
