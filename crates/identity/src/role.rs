//! Roles: identities that others take for a while.

use std::collections::BTreeMap;

use env::UnixMillis;
use iam::Policy;

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::grants::set_boundary;
use crate::holder::{self, Holder, require};
use crate::name::{self, Listing, fold};
use crate::record::RoleRecord;
use crate::transaction::Page;
use crate::{arn, tags};

const NAME_LENGTH_MAX: usize = 64;

/// How long a session of a role may be if nothing else is said.
const SESSION_SECONDS: u32 = 3600;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// As it was first written.
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// Unique for all time, `AROA...`.
    pub id: String,
    /// What policies call it.
    pub arn: String,
    /// When it was made.
    pub created: UnixMillis,
    /// The policy that says who may take it.
    pub trust: String,
    /// For people.
    pub description: Option<String>,
    /// Longest session.
    pub session_seconds_max: u32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
}

/// A role to be made.
#[derive(Clone, Debug, Default)]
pub struct NewRole {
    /// Its name.
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// The policy that says who may take it.
    pub trust: String,
    /// For people.
    pub description: Option<String>,
    /// Longest session; an hour if it is not said.
    pub session_seconds_max: Option<u32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
}

/// What is to become different about a role.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// The policy that says who may take it.
    pub trust: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Longest session.
    pub session_seconds_max: Option<u32>,
}

impl Role {
    fn of(account: &str, record: RoleRecord) -> Self {
        let arn = arn::of(account, RoleRecord::WHAT, &record.path, &record.name);
        let RoleRecord { name, path, id, created, trust, description, session_seconds_max, tags, boundary, .. } =
            record;
        let created = UnixMillis(created);
        Self { name, path, id, arn, created, trust, description, session_seconds_max, tags, boundary }
    }
}

fn check_session(seconds: u32) -> Result<()> {
    if (3600..=43_200).contains(&seconds) {
        return Ok(());
    }
    Err(Error::Validation("The specified value for maxSessionDuration must be between 3600 and 43200".to_owned()))
}

impl Directory {
    /// Makes a role.
    ///
    /// # Errors
    ///
    /// [`Error::EntityAlreadyExists`], [`Error::Validation`], [`Error::MalformedPolicy`], [`Error::LimitExceeded`].
    pub async fn create_role(&self, account: String, role: NewRole) -> Result<Role> {
        name::check("roleName", &role.name, NAME_LENGTH_MAX)?;
        name::check_path(&role.path)?;
        role.description.as_deref().map(name::check_description).transpose()?;
        role.session_seconds_max.map(check_session).transpose()?;
        tags::check(&role.tags)?;
        Policy::of_role(&role.trust)?;
        let (id, created) = (self.random_id("AROA"), self.now());
        self.change(move |transaction| {
            let NewRole { name, path, trust, description, session_seconds_max, tags, boundary } = role.clone();
            let mut record = RoleRecord {
                name,
                path,
                id: id.clone(),
                created,
                trust,
                description,
                session_seconds_max: session_seconds_max.unwrap_or(SESSION_SECONDS),
                tags,
                grants: Default::default(),
                boundary: None,
            };
            set_boundary(transaction, &account, &mut record.boundary, boundary.as_deref())?;
            holder::add(transaction, &account, &record)?;
            Ok(Role::of(&account, record))
        })
        .await
    }

    /// A role.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn role(&self, account: String, name: String) -> Result<Role> {
        self.view(move |transaction| Ok(Role::of(&account, require(transaction, &account, &name)?))).await
    }

    /// Changes a role.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::Validation`], [`Error::MalformedPolicy`].
    pub async fn update_role(&self, account: String, name: String, change: RoleChange) -> Result<Role> {
        change.description.as_deref().map(name::check_description).transpose()?;
        change.session_seconds_max.map(check_session).transpose()?;
        change.trust.as_deref().map(Policy::of_role).transpose()?;
        self.change(move |transaction| {
            let mut role: RoleRecord = require(transaction, &account, &name)?;
            let RoleChange { trust, description, session_seconds_max } = change.clone();
            role.trust = trust.unwrap_or(role.trust);
            role.description = description.or(role.description);
            role.session_seconds_max = session_seconds_max.unwrap_or(role.session_seconds_max);
            holder::save(transaction, &account, &role);
            Ok(Role::of(&account, role))
        })
        .await
    }

    /// Removes a role without policies. Its sessions end with it.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::DeleteConflict`].
    pub async fn delete_role(&self, account: String, name: String) -> Result<()> {
        self.change(move |transaction| {
            let mut role: RoleRecord = require(transaction, &account, &name)?;
            holder::check_bare(holder::policies_left(&role.grants))?;
            set_boundary(transaction, &account, &mut role.boundary, None)?;
            transaction.remove::<RoleRecord>(&account, &fold(&name));
            Ok(())
        })
        .await
    }

    /// A page of the roles of an account, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn roles(&self, account: String, listing: Listing) -> Result<Page<Role>> {
        self.view(move |transaction| {
            let inside = |role: &RoleRecord| role.path.starts_with(&listing.path_prefix);
            Ok(transaction.page(&account, &listing, inside)?.map(|role| Role::of(&account, role)))
        })
        .await
    }

    /// Sets tags of a role, or takes those with the keys `gone` away.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], and as tags are checked.
    pub async fn tag_role(
        &self,
        account: String,
        name: String,
        more: BTreeMap<String, String>,
        gone: Vec<String>,
    ) -> Result<()> {
        self.tag::<RoleRecord>(account, name, more, gone).await
    }

    /// Sets the permissions boundary of a role, or takes it away.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn set_role_boundary(&self, account: String, name: String, boundary: Option<String>) -> Result<()> {
        self.bound::<RoleRecord>(account, name, boundary).await
    }
}
