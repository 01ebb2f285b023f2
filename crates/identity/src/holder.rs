//! What users, groups and roles have in common: names, policies, and, of those who act, tags and a boundary.

use std::collections::BTreeMap;

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::grants::set_boundary;
use crate::name::fold;
use crate::record::{Grants, GroupRecord, Record, RoleRecord, UserRecord};
use crate::tags;
use crate::transaction::{Transaction, check_room};

/// The record of something that has policies.
pub(crate) trait Holder: Record + 'static {
    /// What it is.
    const WHAT: &'static str;

    /// The same at the beginning of a sentence.
    const TITLE: &'static str;

    /// How many an account may have, and what that quota is called.
    const QUOTA: (usize, &'static str);

    /// Its name, as it was first written.
    fn name(&self) -> &str;

    /// Its policies.
    fn grants(&mut self) -> &mut Grants;
}

/// The record of a holder that acts.
pub(crate) trait Actor: Holder {
    /// What it lacks when it has no permissions boundary.
    const BOUNDARY: &'static str;

    /// Its tags.
    fn tags(&mut self) -> &mut BTreeMap<String, String>;

    /// The ARN of its permissions boundary.
    fn boundary(&mut self) -> &mut Option<String>;
}

macro_rules! holders {
    ($($record:ident $what:literal $title:literal $quota:expr;)*) => {
        $(impl Holder for $record {
            const WHAT: &'static str = $what;
            const TITLE: &'static str = $title;
            const QUOTA: (usize, &'static str) = $quota;

            fn name(&self) -> &str {
                &self.name
            }

            fn grants(&mut self) -> &mut Grants {
                &mut self.grants
            }
        })*
    };
}

macro_rules! actors {
    ($($record:ident $what:literal;)*) => {
        $(impl Actor for $record {
            const BOUNDARY: &'static str = concat!("permissions boundary of ", $what);

            fn tags(&mut self) -> &mut BTreeMap<String, String> {
                &mut self.tags
            }

            fn boundary(&mut self) -> &mut Option<String> {
                &mut self.boundary
            }
        })*
    };
}

holders! {
    UserRecord "user" "User" (5000, "UsersPerAccount");
    GroupRecord "group" "Group" (300, "GroupsPerAccount");
    RoleRecord "role" "Role" (1000, "RolesPerAccount");
}

actors! {
    UserRecord "user";
    RoleRecord "role";
}

/// The record of this name.
///
/// # Errors
///
/// [`Error::NoSuchEntity`].
pub(crate) fn require<H: Holder>(transaction: &Transaction<'_>, account: &str, name: &str) -> Result<H> {
    transaction.find(account, &fold(name))?.ok_or_else(|| Error::no_such(H::WHAT, name))
}

/// Refuses a name that is taken.
///
/// # Errors
///
/// [`Error::EntityAlreadyExists`].
pub(crate) fn check_free<H: Holder>(transaction: &Transaction<'_>, account: &str, name: &str) -> Result<()> {
    let taken = transaction.find::<H>(account, &fold(name))?.is_some();
    if taken { Err(Error::exists(H::TITLE, name)) } else { Ok(()) }
}

/// Adds a record under a name of its own.
///
/// # Errors
///
/// [`Error::EntityAlreadyExists`], [`Error::LimitExceeded`].
pub(crate) fn add<H: Holder>(transaction: &mut Transaction<'_>, account: &str, record: &H) -> Result<()> {
    check_free::<H>(transaction, account, record.name())?;
    let (limit, what) = H::QUOTA;
    check_room(transaction.count::<H>(account)?, limit, what)?;
    save(transaction, account, record);
    Ok(())
}

/// Sets a record under its name.
pub(crate) fn save<H: Holder>(transaction: &mut Transaction<'_>, account: &str, record: &H) {
    transaction.put(account, &fold(record.name()), record);
}

/// What stands against deleting something with these policies.
pub(crate) fn policies_left(grants: &Grants) -> [(bool, &'static str); 2] {
    [(!grants.inline.is_empty(), "delete policies"), (!grants.attached.is_empty(), "detach all policies")]
}

/// Refuses to delete what has something of these left.
///
/// # Errors
///
/// [`Error::DeleteConflict`].
pub(crate) fn check_bare(conflicts: impl IntoIterator<Item = (bool, &'static str)>) -> Result<()> {
    match conflicts.into_iter().find(|(conflict, _)| *conflict) {
        Some((_, first)) => Err(Error::DeleteConflict(first)),
        None => Ok(()),
    }
}

impl Directory {
    /// Sets tags, or takes those with the keys `gone` away.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], and as tags are checked.
    pub(crate) async fn tag<A: Actor>(
        &self,
        account: String,
        name: String,
        more: BTreeMap<String, String>,
        gone: Vec<String>,
    ) -> Result<()> {
        self.change(move |transaction| {
            let mut actor: A = require(transaction, &account, &name)?;
            tags::remove(actor.tags(), &gone);
            tags::merge(actor.tags(), &more)?;
            save(transaction, &account, &actor);
            Ok(())
        })
        .await
    }

    /// Sets the permissions boundary, or takes it away.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub(crate) async fn bound<A: Actor>(&self, account: String, name: String, boundary: Option<String>) -> Result<()> {
        self.change(move |transaction| {
            let mut actor: A = require(transaction, &account, &name)?;
            if boundary.is_none() && actor.boundary().is_none() {
                return Err(Error::no_such(A::BOUNDARY, &name));
            }
            set_boundary(transaction, &account, actor.boundary(), boundary.as_deref())?;
            save(transaction, &account, &actor);
            Ok(())
        })
        .await
    }
}
