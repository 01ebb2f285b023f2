//! Accounts: each owns buckets, and has a root user who may do everything in it.

use env::UnixMillis;
use iam::{AccessKey, Account, SecretKey};

use crate::directory::{Directory, root_record};
use crate::error::{Error, Result};
use crate::record::{
    AccountRecord, GroupRecord, KeyOwner, PolicyRecord, ProviderRecord, Record, RoleRecord, UserRecord,
};
use crate::transaction::{Transaction, check_room};
use crate::{access_key, name};

/// Most accounts besides the cluster's own.
const ACCOUNTS_MAX: usize = 1000;

/// An account as operators see it.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// Its ids and its name.
    pub account: Account,
    /// Its mail address, by which access control lists may name it.
    pub email: Option<String>,
    /// When it was made.
    pub created: UnixMillis,
}

impl AccountEntry {
    fn of(record: &AccountRecord) -> Self {
        let AccountRecord { email, created, .. } = record.clone();
        Self { account: account_of(record), email, created: UnixMillis(created) }
    }
}

/// An account that was made just now, with the keys of its root user.
#[derive(Clone)]
pub struct NewAccount {
    /// The account.
    pub entry: AccountEntry,
    /// The key of its root user.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
}

/// How much of everything an account has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Users.
    pub users: usize,
    /// Groups.
    pub groups: usize,
    /// Roles.
    pub roles: usize,
    /// Managed policies.
    pub policies: usize,
    /// Identity providers.
    pub providers: usize,
    /// Keys of the root user.
    pub root_keys: usize,
}

/// The account with these twelve digits. The cluster's own is always there.
pub(crate) fn load(transaction: &Transaction<'_>, account: &str) -> Result<Option<AccountRecord>> {
    let found = transaction.read(&AccountRecord::document_name(account))?;
    Ok(found.or_else(|| Some(root_record()).filter(|_| account == Account::root().account_id())))
}

/// The account that a record is about.
pub(crate) fn account_of(record: &AccountRecord) -> Account {
    Account::new(&record.canonical_id, &record.name)
}

fn all(transaction: &Transaction<'_>) -> Result<Vec<AccountRecord>> {
    let mut records = Vec::new();
    transaction.scan(AccountRecord::PREFIX, None, |_, record: AccountRecord| {
        records.push(record);
        true
    })?;
    let root = Account::root();
    if !records.iter().any(|record| record.canonical_id == root.canonical_id()) {
        records.push(root_record());
    }
    records.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(records)
}

fn same_email(record: &AccountRecord, email: &str) -> bool {
    record.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(email))
}

impl Directory {
    /// Makes an account. The keys of its root user are `keys`, or random ones.
    ///
    /// # Errors
    ///
    /// [`Error::EntityAlreadyExists`], [`Error::Validation`], [`Error::LimitExceeded`].
    pub async fn create_account(
        &self,
        name: String,
        email: Option<String>,
        keys: Option<(AccessKey, SecretKey)>,
    ) -> Result<NewAccount> {
        name::check("accountName", &name, 64)?;
        let email_valid = email.as_deref().is_none_or(|email| (3..=254).contains(&email.len()) && email.contains('@'));
        if !email_valid {
            return Err(Error::Validation("The specified mail address is invalid.".to_owned()));
        }
        let seals = self.seals().await?;
        let entropy = self.env.entropy.as_ref();
        let mut random = [0; 32];
        entropy.fill(&mut random);
        let (access_key, secret_key) = match keys {
            Some((access_key, secret_key)) => (access_key.as_str().to_owned(), secret_key.expose().to_owned()),
            None => (self.random_id("AKIA"), access_key::random_secret(entropy)),
        };
        if access_key == self.root().credential.access_key.as_str() {
            return Err(Error::exists("Access key", &access_key));
        }
        let created = self.now();
        let root_key = access_key::seal(&seals, entropy, &access_key, &secret_key, created);
        let record = AccountRecord { canonical_id: hex::encode(random), name, email, created, keys: vec![root_key] };
        let entry = AccountEntry::of(&record);
        let id = entry.account.account_id().to_owned();
        self.change(move |transaction| {
            let accounts = all(transaction)?;
            check_room(accounts.len(), ACCOUNTS_MAX, "Accounts")?;
            for other in &accounts {
                if other.name == record.name || account_of(other).account_id() == id {
                    return Err(Error::exists("Account", &record.name));
                }
                if let Some(email) = record.email.as_deref().filter(|email| same_email(other, email)) {
                    return Err(Error::exists("Account", email));
                }
            }
            let key_name = KeyOwner::document_name(&record.keys[0].id);
            if transaction.read::<KeyOwner>(&key_name)?.is_some() {
                return Err(Error::exists("Access key", &record.keys[0].id));
            }
            transaction.write(key_name, &KeyOwner { account: id.clone(), user: None });
            transaction.write(AccountRecord::document_name(&id), &record);
            Ok(())
        })
        .await?;
        Ok(NewAccount { entry, access_key, secret_key })
    }

    /// Removes an account that has nothing any more but its root user. Whether it owns buckets, the caller must know.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::DeleteConflict`].
    pub async fn delete_account(&self, name: String) -> Result<()> {
        self.change(move |transaction| {
            let found = all(transaction)?.into_iter().find(|record| record.name == name);
            let record = found.ok_or_else(|| Error::no_such("account", &name))?;
            let account = account_of(&record);
            if account == Account::root() {
                return Err(Error::InvalidInput("The account of the cluster itself stays.".to_owned()));
            }
            let Summary { users, groups, roles, policies, providers, .. } = summary(transaction, account.account_id())?;
            if 0 < users + groups + roles + policies + providers {
                return Err(Error::DeleteConflict("delete its users, groups, roles, policies and identity providers"));
            }
            for key in &record.keys {
                access_key::erase(transaction, &key.id);
            }
            transaction.erase(AccountRecord::document_name(account.account_id()));
            Ok(())
        })
        .await
    }

    /// All accounts, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn accounts(&self) -> Result<Vec<AccountEntry>> {
        self.view(|transaction| Ok(all(transaction)?.iter().map(AccountEntry::of).collect())).await
    }

    /// The account with this canonical id.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn account(&self, canonical_id: &str) -> Result<Option<Account>> {
        let Some(id) = Account::account_id_of(canonical_id) else { return Ok(None) };
        let canonical_id = canonical_id.to_owned();
        self.view(move |transaction| {
            let found = load(transaction, &id)?.filter(|record| record.canonical_id == canonical_id);
            Ok(found.as_ref().map(account_of))
        })
        .await
    }

    /// The account with this mail address.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>> {
        let email = email.to_owned();
        self.view(move |transaction| {
            let found = all(transaction)?.into_iter().find(|record| same_email(record, &email));
            Ok(found.as_ref().map(account_of))
        })
        .await
    }

    /// How much of everything an account has.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn account_summary(&self, account: String) -> Result<Summary> {
        self.view(move |transaction| summary(transaction, &account)).await
    }
}

fn summary(transaction: &Transaction<'_>, account: &str) -> Result<Summary> {
    fn count<R: Record>(transaction: &Transaction<'_>, account: &str) -> Result<usize> {
        transaction.count::<R>(account)
    }
    Ok(Summary {
        users: count::<UserRecord>(transaction, account)?,
        groups: count::<GroupRecord>(transaction, account)?,
        roles: count::<RoleRecord>(transaction, account)?,
        policies: count::<PolicyRecord>(transaction, account)?,
        providers: count::<ProviderRecord>(transaction, account)?,
        root_keys: load(transaction, account)?.map_or(0, |record| record.keys.len()),
    })
}
