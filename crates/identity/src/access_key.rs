//! Access keys: made, switched off, listed, removed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use env::{Entropy, UnixMillis};

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::name::fold;
use crate::record::{AccountRecord, KeyOwner, KeyRecord, UseRecord, UserRecord};
use crate::seal::Seals;
use crate::transaction::{Transaction, check_room};
use crate::{account, name};

/// Most keys of one user or root user.
const KEYS_MAX: usize = 20;

/// Whose keys are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// Twelve digits of the account.
    pub account: String,
    /// `None` for its root user.
    pub user: Option<String>,
}

/// A key that was made just now: nobody can ask for its secret again.
#[derive(Clone)]
pub struct NewAccessKey {
    /// What can be asked for later.
    pub entry: AccessKeyEntry,
    /// The secret.
    pub secret_key: String,
}

/// What can be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeyEntry {
    /// The key.
    pub id: String,
    /// Its user; `None` for the root user.
    pub user: Option<String>,
    /// Whether it counts.
    pub active: bool,
    /// When it was made.
    pub created: UnixMillis,
    /// When it ends, if it does.
    pub expires: Option<UnixMillis>,
}

impl AccessKeyEntry {
    fn of(key: &KeyRecord, user: Option<&str>) -> Self {
        Self {
            id: key.id.clone(),
            user: user.map(str::to_owned),
            active: key.active,
            created: UnixMillis(key.created),
            expires: key.expires.map(UnixMillis),
        }
    }
}

/// 40 characters, 240 random bits.
pub(crate) fn random_secret(entropy: &dyn Entropy) -> String {
    let mut random = [0; 30];
    entropy.fill(&mut random);
    STANDARD.encode(random)
}

/// Seals a secret into the record of a key.
pub(crate) fn seal(seals: &Seals, entropy: &dyn Entropy, id: &str, secret: &str, created: u64) -> KeyRecord {
    let sealed = STANDARD.encode(seals.keys.seal(secret.as_bytes(), id.as_bytes(), entropy));
    KeyRecord { id: id.to_owned(), sealed, active: true, created, expires: None }
}

/// The secret of a key.
pub(crate) fn open(seals: &Seals, key: &KeyRecord) -> Option<zeroize::Zeroizing<String>> {
    let opened = seals.keys.open(&STANDARD.decode(&key.sealed).ok()?, key.id.as_bytes())?;
    Some(zeroize::Zeroizing::new(std::str::from_utf8(&opened).ok()?.to_owned()))
}

/// What holds keys: a root user or a user.
enum Holder {
    Root(AccountRecord),
    User(UserRecord),
}

impl Holder {
    fn load(transaction: &Transaction<'_>, holder: &KeyHolder) -> Result<Self> {
        match &holder.user {
            Some(user) => {
                let found = transaction.find(&holder.account, &fold(user))?;
                found.map(Self::User).ok_or_else(|| Error::no_such("user", user))
            }
            None => {
                let found = account::load(transaction, &holder.account)?;
                found.map(Self::Root).ok_or_else(|| Error::no_such("account", &holder.account))
            }
        }
    }

    fn keys(&mut self) -> &mut Vec<KeyRecord> {
        match self {
            Self::Root(account) => &mut account.keys,
            Self::User(user) => &mut user.keys,
        }
    }

    fn user(&self) -> Option<String> {
        match self {
            Self::Root(_) => None,
            Self::User(user) => Some(user.name.clone()),
        }
    }

    fn save(&self, transaction: &mut Transaction<'_>, holder: &KeyHolder) {
        match self {
            Self::Root(account) => transaction.write(AccountRecord::document_name(&holder.account), account),
            Self::User(user) => transaction.put(&holder.account, &fold(&user.name), user),
        }
    }
}

impl Directory {
    /// Makes a key, which ends at `expires` if that is given.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::LimitExceeded`], [`Error::Validation`] for an end that is over already.
    pub async fn create_access_key(&self, holder: KeyHolder, expires: Option<UnixMillis>) -> Result<NewAccessKey> {
        let now = self.now();
        if expires.is_some_and(|expires| expires.0 <= now) {
            return Err(Error::Validation("The key would end before it begins.".to_owned()));
        }
        let seals = self.seals().await?;
        let secret_key = random_secret(self.env.entropy.as_ref());
        let mut record = seal(&seals, self.env.entropy.as_ref(), &self.random_id("AKIA"), &secret_key, now);
        record.expires = expires.map(|expires| expires.0);
        let user = self
            .change({
                let record = record.clone();
                move |transaction| {
                    let mut owner = Holder::load(transaction, &holder)?;
                    check_room(owner.keys().len(), KEYS_MAX, "AccessKeysPerUser")?;
                    owner.keys().push(record.clone());
                    owner.save(transaction, &holder);
                    let user = holder.user.as_deref().map(fold);
                    let named = KeyOwner { account: holder.account.clone(), user };
                    transaction.write(KeyOwner::document_name(&record.id), &named);
                    Ok(owner.user())
                }
            })
            .await?;
        Ok(NewAccessKey { entry: AccessKeyEntry::of(&record, user.as_deref()), secret_key })
    }

    /// Switches a key on or off.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn set_access_key_active(&self, holder: KeyHolder, id: String, active: bool) -> Result<()> {
        self.change(move |transaction| {
            let mut owner = Holder::load(transaction, &holder)?;
            let key = owner.keys().iter_mut().find(|key| key.id == id);
            let key = key.ok_or_else(|| Error::no_such("Access Key", &id))?;
            key.active = active;
            owner.save(transaction, &holder);
            Ok(())
        })
        .await
    }

    /// Removes a key for good.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn delete_access_key(&self, holder: KeyHolder, id: String) -> Result<()> {
        self.change(move |transaction| {
            let mut owner = Holder::load(transaction, &holder)?;
            let before = owner.keys().len();
            owner.keys().retain(|key| key.id != id);
            if owner.keys().len() == before {
                return Err(Error::no_such("Access Key", &id));
            }
            owner.save(transaction, &holder);
            erase(transaction, &id);
            Ok(())
        })
        .await
    }

    /// The keys of a user or root user, in the order in which they were made.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn access_keys(&self, holder: KeyHolder) -> Result<Vec<AccessKeyEntry>> {
        self.view(move |transaction| {
            let mut owner = Holder::load(transaction, &holder)?;
            let user = owner.user();
            Ok(owner.keys().iter().map(|key| AccessKeyEntry::of(key, user.as_deref())).collect())
        })
        .await
    }

    /// Whose key it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn access_key_holder(&self, id: String) -> Result<KeyHolder> {
        self.view(move |transaction| {
            let unknown = || Error::no_such("Access Key", &id);
            name::check("accessKeyId", &id, 128)?;
            let owner: KeyOwner = transaction.read(&KeyOwner::document_name(&id))?.ok_or_else(unknown)?;
            let user = match &owner.user {
                Some(user) => Some(transaction.find::<UserRecord>(&owner.account, user)?.ok_or_else(unknown)?.name),
                None => None,
            };
            Ok(KeyHolder { account: owner.account, user })
        })
        .await
    }
}

/// Removes what is called by the key.
pub(crate) fn erase(transaction: &mut Transaction<'_>, id: &str) {
    transaction.erase(KeyOwner::document_name(id));
    transaction.erase(UseRecord::document_name(id));
}
