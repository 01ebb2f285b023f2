//! Users.

use std::collections::BTreeMap;

use env::UnixMillis;

use crate::directory::Directory;
use crate::error::Result;
use crate::grants::set_boundary;
use crate::holder::{self, Holder, require};
use crate::name::{self, Listing, fold};
use crate::record::{GroupRecord, KeyOwner, UserRecord};
use crate::transaction::{Page, Transaction};
use crate::{arn, tags};

const NAME_LENGTH_MAX: usize = 64;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it was first written.
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// Unique for all time, `AIDA...`.
    pub id: String,
    /// What policies call it.
    pub arn: String,
    /// When it was made.
    pub created: UnixMillis,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The ARN of its permissions boundary.
    pub boundary: Option<String>,
}

impl User {
    pub(crate) fn of(account: &str, record: UserRecord) -> Self {
        let arn = arn::of(account, UserRecord::WHAT, &record.path, &record.name);
        let UserRecord { name, path, id, created, tags, boundary, .. } = record;
        Self { name, path, id, arn, created: UnixMillis(created), tags, boundary }
    }
}

impl Directory {
    /// Makes a user.
    ///
    /// # Errors
    ///
    /// [`crate::Error::EntityAlreadyExists`], [`crate::Error::Validation`], [`crate::Error::LimitExceeded`], [`crate::Error::NoSuchEntity`] for its
    /// boundary.
    pub async fn create_user(
        &self,
        account: String,
        name: String,
        path: String,
        tags: BTreeMap<String, String>,
        boundary: Option<String>,
    ) -> Result<User> {
        name::check("userName", &name, NAME_LENGTH_MAX)?;
        name::check_path(&path)?;
        tags::check(&tags)?;
        let (id, created) = (self.random_id("AIDA"), self.now());
        let record = UserRecord {
            name,
            path,
            id,
            created,
            tags,
            groups: Default::default(),
            grants: Default::default(),
            boundary: None,
            keys: Vec::new(),
        };
        self.change(move |transaction| {
            let mut record = record.clone();
            set_boundary(transaction, &account, &mut record.boundary, boundary.as_deref())?;
            holder::add(transaction, &account, &record)?;
            Ok(User::of(&account, record))
        })
        .await
    }

    /// A user.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchEntity`].
    pub async fn user(&self, account: String, name: String) -> Result<User> {
        self.view(move |transaction| Ok(User::of(&account, require(transaction, &account, &name)?))).await
    }

    /// Renames or moves a user, who keeps everything else.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchEntity`], [`crate::Error::EntityAlreadyExists`], [`crate::Error::Validation`].
    pub async fn update_user(
        &self,
        account: String,
        name: String,
        new_name: Option<String>,
        new_path: Option<String>,
    ) -> Result<()> {
        new_name.as_deref().map(|name| name::check("newUserName", name, NAME_LENGTH_MAX)).transpose()?;
        new_path.as_deref().map(name::check_path).transpose()?;
        self.change(move |transaction| {
            let mut user: UserRecord = require(transaction, &account, &name)?;
            let before = fold(&name);
            user.path = new_path.clone().unwrap_or(user.path);
            user.name = new_name.clone().unwrap_or(user.name);
            let after = fold(&user.name);
            if after != before {
                holder::check_free::<UserRecord>(transaction, &account, &user.name)?;
                rename(transaction, &account, &user, &before, &after)?;
            }
            holder::save(transaction, &account, &user);
            Ok(())
        })
        .await
    }

    /// Removes a user that has nothing any more.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchEntity`], [`crate::Error::DeleteConflict`].
    pub async fn delete_user(&self, account: String, name: String) -> Result<()> {
        self.change(move |transaction| {
            let mut user: UserRecord = require(transaction, &account, &name)?;
            let [inline, attached] = holder::policies_left(&user.grants);
            let keys = (!user.keys.is_empty(), "delete access keys");
            holder::check_bare([keys, inline, attached, (!user.groups.is_empty(), "remove users from group")])?;
            set_boundary(transaction, &account, &mut user.boundary, None)?;
            transaction.remove::<UserRecord>(&account, &fold(&name));
            Ok(())
        })
        .await
    }

    /// A page of the users of an account, by name.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Meta`], [`crate::Error::Damaged`].
    pub async fn users(&self, account: String, listing: Listing) -> Result<Page<User>> {
        self.view(move |transaction| {
            let inside = |user: &UserRecord| user.path.starts_with(&listing.path_prefix);
            Ok(transaction.page(&account, &listing, inside)?.map(|user| User::of(&account, user)))
        })
        .await
    }

    /// Sets tags of a user, or takes those with the keys `gone` away.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchEntity`], and as tags are checked.
    pub async fn tag_user(
        &self,
        account: String,
        name: String,
        more: BTreeMap<String, String>,
        gone: Vec<String>,
    ) -> Result<()> {
        self.tag::<UserRecord>(account, name, more, gone).await
    }

    /// Sets the permissions boundary of a user, or takes it away.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NoSuchEntity`].
    pub async fn set_user_boundary(&self, account: String, name: String, boundary: Option<String>) -> Result<()> {
        self.bound::<UserRecord>(account, name, boundary).await
    }
}

/// Has everything that names the user name it anew.
fn rename(
    transaction: &mut Transaction<'_>,
    account: &str,
    user: &UserRecord,
    before: &str,
    after: &str,
) -> Result<()> {
    for group in &user.groups {
        if let Some(mut record) = transaction.find::<GroupRecord>(account, group)? {
            record.members.remove(before);
            record.members.insert(after.to_owned());
            transaction.put(account, group, &record);
        }
    }
    for key in &user.keys {
        let owner = KeyOwner { account: account.to_owned(), user: Some(after.to_owned()) };
        transaction.write(KeyOwner::document_name(&key.id), &owner);
    }
    transaction.remove::<UserRecord>(account, before);
    Ok(())
}
