//! Groups of users.

use env::UnixMillis;

use crate::arn;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::holder::{self, Holder, require};
use crate::name::{self, Listing, fold};
use crate::record::{GroupRecord, UserRecord};
use crate::transaction::{Page, check_room};
use crate::user::User;

const NAME_LENGTH_MAX: usize = 128;
const GROUPS_PER_USER_MAX: usize = 10;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As it was first written.
    pub name: String,
    /// Begins and ends with a slash.
    pub path: String,
    /// Unique for all time, `AGPA...`.
    pub id: String,
    /// What policies call it.
    pub arn: String,
    /// When it was made.
    pub created: UnixMillis,
}

impl Group {
    fn of(account: &str, record: GroupRecord) -> Self {
        let arn = arn::of(account, GroupRecord::WHAT, &record.path, &record.name);
        let GroupRecord { name, path, id, created, .. } = record;
        Self { name, path, id, arn, created: UnixMillis(created) }
    }
}

impl Directory {
    /// Makes a group.
    ///
    /// # Errors
    ///
    /// [`Error::EntityAlreadyExists`], [`Error::Validation`], [`Error::LimitExceeded`].
    pub async fn create_group(&self, account: String, name: String, path: String) -> Result<Group> {
        name::check("groupName", &name, NAME_LENGTH_MAX)?;
        name::check_path(&path)?;
        let (id, created) = (self.random_id("AGPA"), self.now());
        let record = GroupRecord { name, path, id, created, members: Default::default(), grants: Default::default() };
        self.change(move |transaction| {
            holder::add(transaction, &account, &record)?;
            Ok(Group::of(&account, record.clone()))
        })
        .await
    }

    /// A group and a page of its users.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn group(&self, account: String, name: String, listing: Listing) -> Result<(Group, Page<User>)> {
        self.view(move |transaction| {
            let group: GroupRecord = require(transaction, &account, &name)?;
            let members = group.members.iter().map(|member| (member.clone(), member.clone()));
            let page = Page::of(members, &listing);
            let mut users = Vec::with_capacity(page.entries.len());
            for member in &page.entries {
                users.push(User::of(&account, require(transaction, &account, member)?));
            }
            Ok((Group::of(&account, group), Page { entries: users, marker: page.marker }))
        })
        .await
    }

    /// Renames or moves a group, which keeps everything else.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::EntityAlreadyExists`], [`Error::Validation`].
    pub async fn update_group(
        &self,
        account: String,
        name: String,
        new_name: Option<String>,
        new_path: Option<String>,
    ) -> Result<()> {
        new_name.as_deref().map(|name| name::check("newGroupName", name, NAME_LENGTH_MAX)).transpose()?;
        new_path.as_deref().map(name::check_path).transpose()?;
        self.change(move |transaction| {
            let mut group: GroupRecord = require(transaction, &account, &name)?;
            let before = fold(&name);
            group.path = new_path.clone().unwrap_or(group.path);
            group.name = new_name.clone().unwrap_or(group.name);
            let after = fold(&group.name);
            if after != before {
                holder::check_free::<GroupRecord>(transaction, &account, &group.name)?;
                for member in &group.members {
                    let mut user: UserRecord = require(transaction, &account, member)?;
                    user.groups.remove(&before);
                    user.groups.insert(after.clone());
                    transaction.put(&account, member, &user);
                }
                transaction.remove::<GroupRecord>(&account, &before);
            }
            holder::save(transaction, &account, &group);
            Ok(())
        })
        .await
    }

    /// Removes a group without members and policies.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::DeleteConflict`].
    pub async fn delete_group(&self, account: String, name: String) -> Result<()> {
        self.change(move |transaction| {
            let group: GroupRecord = require(transaction, &account, &name)?;
            let [inline, attached] = holder::policies_left(&group.grants);
            holder::check_bare([(!group.members.is_empty(), "remove users from group"), inline, attached])?;
            transaction.remove::<GroupRecord>(&account, &fold(&name));
            Ok(())
        })
        .await
    }

    /// A page of the groups of an account, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn groups(&self, account: String, listing: Listing) -> Result<Page<Group>> {
        self.view(move |transaction| {
            let inside = |group: &GroupRecord| group.path.starts_with(&listing.path_prefix);
            Ok(transaction.page(&account, &listing, inside)?.map(|group| Group::of(&account, group)))
        })
        .await
    }

    /// A page of the groups that a user is in, by name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn groups_of_user(&self, account: String, name: String, listing: Listing) -> Result<Page<Group>> {
        self.view(move |transaction| {
            let user: UserRecord = require(transaction, &account, &name)?;
            let page = Page::of(user.groups.iter().map(|group| (group.clone(), group.clone())), &listing);
            let mut groups = Vec::with_capacity(page.entries.len());
            for group in &page.entries {
                groups.push(Group::of(&account, require(transaction, &account, group)?));
            }
            Ok(Page { entries: groups, marker: page.marker })
        })
        .await
    }

    /// Puts a user into a group, who may be in it already.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::LimitExceeded`].
    pub async fn add_user_to_group(&self, account: String, group: String, user: String) -> Result<()> {
        self.change(move |transaction| {
            let mut group_record: GroupRecord = require(transaction, &account, &group)?;
            let mut user_record: UserRecord = require(transaction, &account, &user)?;
            let (group, user) = (fold(&group), fold(&user));
            if !user_record.groups.contains(&group) {
                check_room(user_record.groups.len(), GROUPS_PER_USER_MAX, "GroupsPerUser")?;
            }
            group_record.members.insert(user.clone());
            user_record.groups.insert(group.clone());
            transaction.put(&account, &group, &group_record);
            transaction.put(&account, &user, &user_record);
            Ok(())
        })
        .await
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], also when the user is not in it.
    pub async fn remove_user_from_group(&self, account: String, group: String, user: String) -> Result<()> {
        self.change(move |transaction| {
            let mut group_record: GroupRecord = require(transaction, &account, &group)?;
            let mut user_record: UserRecord = require(transaction, &account, &user)?;
            let (folded_group, folded_user) = (fold(&group), fold(&user));
            if !group_record.members.remove(&folded_user) {
                return Err(Error::no_such("user in the group", &user));
            }
            user_record.groups.remove(&folded_group);
            transaction.put(&account, &folded_group, &group_record);
            transaction.put(&account, &folded_user, &user_record);
            Ok(())
        })
        .await
    }
}
