//! [`Directory`]: identities of the whole cluster, as this node sees them.

use std::sync::Arc;

use env::{Env, UnixMillis};
use iam::{AccessKey, Account, Credential, Policy, PolicyLimit, Principal, SecretKey, Session};
use meta::command::{DocumentState, SetDocument};
use meta::{Command, Consensus, InMemory, Refusal, View};
use parking_lot::Mutex;

use crate::cache::Cache;
use crate::error::{Error, LookUpError, Result};
use crate::known::{Known, Policies};
use crate::last_use::Uses;
use crate::record::{
    AccountRecord, Grants, GroupRecord, KeyOwner, KeyRecord, RoleRecord, SEAL, UserRecord, decode, encode,
};
use crate::seal::{SealRecord, Seals};
use crate::session::{SessionRecord, Subject};
use crate::transaction::Transaction;
use crate::{access_key, account, policy, session};

/// Somebody else changing identities again and again is no way of life.
const ATTEMPTS_MAX: usize = 16;

/// Whose an access key is.
pub struct Found {
    /// Its holder.
    pub known: Arc<Known>,
    /// Index of the state that says so, which was read for it; `None` where there was no need to.
    pub found_at: Option<u64>,
}

/// Identities, found and changed in the metadata.
pub struct Directory {
    pub(crate) env: Env,
    pub(crate) consensus: Arc<dyn Consensus>,
    pub(crate) uses: Uses,
    root: Arc<Known>,
    seals: Mutex<Option<Arc<Seals>>>,
    cache: Cache,
}

impl Directory {
    /// The directory whose secrets `root` has sealed, or `previous`: then they are sealed anew.
    ///
    /// # Errors
    ///
    /// [`Error::OtherRootSecret`] when neither has; [`Error::Meta`].
    pub async fn open(
        env: Env,
        consensus: Arc<dyn Consensus>,
        root: Credential,
        previous: Option<&SecretKey>,
    ) -> Result<Self> {
        let root = Arc::new(Known::root(root));
        let (uses, seals, cache) = (Uses::default(), Mutex::new(None), Cache::default());
        let directory = Self { env, consensus, uses, root, seals, cache };
        match directory.load_seals().await {
            Err(Error::OtherRootSecret) => directory.rewrap(previous.ok_or(Error::OtherRootSecret)?).await?,
            loaded => drop(loaded?),
        }
        Ok(directory)
    }

    /// The root user of the cluster's own account.
    pub fn root(&self) -> Arc<Known> {
        self.root.clone()
    }

    /// Whose access key it is, with everything that decides what it may. A temporary one counts only with its token.
    ///
    /// Access keys are public, so the look-up need not run in constant time; comparing what a secret signs must.
    ///
    /// # Errors
    ///
    /// [`LookUpError`] says what the client can do.
    pub async fn find(&self, access_key: &str, token: Option<&str>) -> std::result::Result<Found, LookUpError> {
        if access_key == self.root.credential.access_key.as_str() {
            let found = Found { known: self.root.clone(), found_at: None };
            return if token.is_none() { Ok(found) } else { Err(LookUpError::BadToken) };
        }
        let reading = self.consensus.read().await?;
        let found_at = Some(reading.index);
        let stamp = match Transaction::new(&InMemory(reading.view.as_ref())).stamp() {
            Err(Error::Meta(meta::Error::NotInMemory)) => None,
            stamp => Some(stamp?),
        };
        let cached = stamp.and_then(|stamp| self.cache.find(stamp, access_key, token));
        let known = match cached {
            Some(known) => known,
            None => self.load(reading.view, access_key, token).await?,
        };
        match known.expires {
            Some(expires) if expires <= self.env.clock.now() => {
                Err(if known.temporary { LookUpError::Expired } else { LookUpError::UnknownKey })
            }
            _ => Ok(Found { known, found_at }),
        }
    }

    async fn load(
        &self,
        view: Arc<dyn View>,
        access_key: &str,
        token: Option<&str>,
    ) -> std::result::Result<Arc<Known>, LookUpError> {
        // Somebody must have sealed something before there can be a key or a session.
        let seals = match self.seals_of(view.clone()).await? {
            Some(seals) => seals,
            None if token.is_some() => return Err(LookUpError::BadToken),
            None => return Err(LookUpError::UnknownKey),
        };
        let (own_key, own_token) = (access_key.to_owned(), token.map(str::to_owned));
        let (stamp, known) = self
            .env
            .blocking(move || {
                let transaction = Transaction::new(view.as_ref());
                let known = match own_token {
                    Some(token) => load_session(&transaction, &seals, &own_key, &token)?,
                    None => load_key(&transaction, &seals, &own_key)?,
                };
                Ok::<_, LookUpError>((transaction.stamp()?, Arc::new(known)))
            })
            .await?;
        self.cache.keep(stamp, access_key, token, known.clone());
        Ok(known)
    }

    /// What seals secrets, if anything was sealed yet.
    async fn load_seals(&self) -> Result<Option<Arc<Seals>>> {
        let reading = self.consensus.read().await?;
        self.seals_of(reading.view).await
    }

    async fn seals_of(&self, view: Arc<dyn View>) -> Result<Option<Arc<Seals>>> {
        if let Some(seals) = self.seals.lock().clone() {
            return Ok(Some(seals));
        }
        let found = self.env.blocking(move || meta::query::document(view.as_ref(), SEAL)).await?;
        let Some(found) = found else { return Ok(None) };
        let record: SealRecord = decode(SEAL, &found.value)?;
        let seals = Arc::new(Seals::unwrap(&record, &self.root.credential.secret_key)?);
        *self.seals.lock() = Some(seals.clone());
        Ok(Some(seals))
    }

    /// What seals secrets, from now on at the latest.
    pub(crate) async fn seals(&self) -> Result<Arc<Seals>> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some(seals) = self.load_seals().await? {
                return Ok(seals);
            }
            let record = Seals::generate(self.env.entropy.as_ref())
                .wrap(&self.root.credential.secret_key, self.env.entropy.as_ref());
            self.set_seal(DocumentState::Absent, &record).await?;
        }
        Err(Error::Contended)
    }

    /// Seals under the root secret what was sealed under the previous one.
    async fn rewrap(&self, previous: &SecretKey) -> Result<()> {
        let reading = self.consensus.read().await?;
        let found = meta::query::document(reading.view.as_ref(), SEAL)?;
        let found = found.ok_or_else(|| Error::Damaged { name: SEAL.to_owned() })?;
        let seals = Seals::unwrap(&decode(SEAL, &found.value)?, previous)?;
        let record = seals.wrap(&self.root.credential.secret_key, self.env.entropy.as_ref());
        self.set_seal(DocumentState::Version(found.version), &record).await?;
        // Another node may have been faster, under the same new secret.
        self.load_seals().await?;
        tracing::info!("secrets of users are sealed under the new root secret");
        Ok(())
    }

    async fn set_seal(&self, expected: DocumentState, record: &SealRecord) -> Result<()> {
        let set = SetDocument { name: SEAL.to_owned(), expected, value: Some(encode(record)) };
        // Refused means that another node was faster: what it has set is read next.
        drop(self.consensus.propose(Command::SetDocument(set)).await?);
        Ok(())
    }

    /// Asks the newest identities.
    pub(crate) async fn view<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let reading = self.consensus.read().await?;
        self.env.blocking(move || question(&Transaction::new(reading.view.as_ref()))).await
    }

    /// Makes `change` in the newest identities. Durable on return, and seen by every look-up that begins then. `change` is
    /// asked again when others were changed meanwhile.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl Fn(&mut Transaction<'_>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let change = Arc::new(change);
        for _ in 0..ATTEMPTS_MAX {
            let reading = self.consensus.read().await?;
            let attempt = change.clone();
            let (result, command) = self
                .env
                .blocking(move || {
                    let mut transaction = Transaction::new(reading.view.as_ref());
                    let result = attempt(&mut transaction)?;
                    Ok::<_, Error>((result, transaction.into_command()?))
                })
                .await?;
            let Some(command) = command else { return Ok(result) };
            match self.consensus.propose(Command::SetDocuments(command)).await? {
                Ok(_) => return Ok(result),
                Err(Refusal::VersionChanged { .. }) => {}
                Err(refusal) => {
                    tracing::error!(?refusal, "a change of identities was refused");
                    return Err(Error::Meta(meta::Error::Inconsistent("a document of an identity cannot be set")));
                }
            }
        }
        Err(Error::Contended)
    }

    pub(crate) fn now(&self) -> u64 {
        self.env.clock.now().0
    }

    /// `prefix` and random letters and digits, 20 characters as AWS's ids have.
    pub(crate) fn random_id(&self, prefix: &str) -> String {
        const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut random = [0; 20];
        self.env.entropy.fill(&mut random);
        let rest = random.iter().skip(prefix.len());
        prefix.chars().chain(rest.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))).collect()
    }
}

/// The holder of a lasting key.
fn load_key(transaction: &Transaction<'_>, seals: &Seals, access_key: &str) -> std::result::Result<Known, LookUpError> {
    let Ok(parsed) = AccessKey::parse(access_key) else { return Err(LookUpError::UnknownKey) };
    let owner: KeyOwner = transaction.read(&KeyOwner::document_name(access_key))?.ok_or(LookUpError::UnknownKey)?;
    let account = account::load(transaction, &owner.account)?.ok_or(LookUpError::UnknownKey)?;
    let named = account::account_of(&account);
    let (keys, principal, policies) = match &owner.user {
        None => (account.keys, Principal::root(&named), Policies::default()),
        Some(user) => {
            let user: UserRecord = transaction.find(&owner.account, user)?.ok_or(LookUpError::UnknownKey)?;
            let (principal, policies) = user_of(transaction, &named, &user)?;
            (user.keys, principal, policies)
        }
    };
    let key = keys.into_iter().find(|key| key.id == access_key && key.active).ok_or(LookUpError::UnknownKey)?;
    let secret_key = open_secret(seals, &key)?;
    let credential = Credential { access_key: parsed, secret_key, account: named };
    Ok(Known { credential, principal, policies, expires: key.expires.map(UnixMillis), temporary: false })
}

fn open_secret(seals: &Seals, key: &KeyRecord) -> Result<SecretKey> {
    let damaged = || Error::Damaged { name: KeyOwner::document_name(&key.id) };
    let opened = access_key::open(seals, key).ok_or_else(damaged)?;
    SecretKey::parse(&opened).map_err(|_| damaged())
}

/// The holder of a temporary key.
fn load_session(
    transaction: &Transaction<'_>,
    seals: &Seals,
    access_key: &str,
    token: &str,
) -> std::result::Result<Known, LookUpError> {
    let record = session::open(seals, access_key, token).ok_or(LookUpError::BadToken)?;
    let SessionRecord { account, issued, expires, .. } = &record;
    let account = account::load(transaction, account)?.ok_or(LookUpError::BadToken)?;
    let named = account::account_of(&account);
    let (principal, mut policies) = match &record.subject {
        Subject::Root => (Principal::root(&named), Policies::default()),
        Subject::User { name, id } => {
            let user: Option<UserRecord> = transaction.find(named.account_id(), name)?;
            let user = user.filter(|user| user.id == *id).ok_or(LookUpError::BadToken)?;
            user_of(transaction, &named, &user)?
        }
        Subject::Role { name, id, session_name } => {
            let role: Option<RoleRecord> = transaction.find(named.account_id(), name)?;
            let role = role.filter(|role| role.id == *id).ok_or(LookUpError::BadToken)?;
            role_of(transaction, &named, &role, session_name, &record)?
        }
    };
    policies.session = session_policies(transaction, &record)?;
    let session = Session {
        token_issued: i64::try_from(*issued).ok(),
        multi_factor_age: None,
        source_identity: record.source_identity.clone(),
        federated_provider: record.provider.clone(),
    };
    let parsed = AccessKey::parse(access_key).map_err(|_| LookUpError::BadToken)?;
    let secret_key = SecretKey::parse(&record.secret).map_err(|_| LookUpError::BadToken)?;
    let credential = Credential { access_key: parsed, secret_key, account: named };
    let principal = principal.with_session(session);
    Ok(Known { credential, principal, policies, expires: Some(UnixMillis(*expires)), temporary: true })
}

/// A user as policies see it, and what its account says about it.
fn user_of(transaction: &Transaction<'_>, account: &Account, user: &UserRecord) -> Result<(Principal, Policies)> {
    let mut granted = Vec::new();
    compile(transaction, account, &user.grants, PolicyLimit::InUser, &mut granted)?;
    for group in &user.groups {
        if let Some(group) = transaction.find::<GroupRecord>(account.account_id(), group)? {
            compile(transaction, account, &group.grants, PolicyLimit::InGroup, &mut granted)?;
        }
    }
    let boundary = boundary(transaction, account, user.boundary.as_deref())?;
    let principal = Principal::user(account, &user.path, &user.name, &user.id).with_tags(user.tags.clone());
    Ok((principal, Policies { granted, boundary, session: None }))
}

/// A session of a role as policies see it, and what the role's account says about the role.
fn role_of(
    transaction: &Transaction<'_>,
    account: &Account,
    role: &RoleRecord,
    session_name: &str,
    record: &SessionRecord,
) -> Result<(Principal, Policies)> {
    let mut granted = Vec::new();
    compile(transaction, account, &role.grants, PolicyLimit::InRole, &mut granted)?;
    let boundary = boundary(transaction, account, role.boundary.as_deref())?;
    let arn = crate::arn::of(account.account_id(), "role", &role.path, &role.name);
    // Tags of the session win over those of the role, whatever their letter case.
    let mut tags = record.tags.clone();
    let given = |name: &String| record.tags.keys().any(|own| own.eq_ignore_ascii_case(name));
    tags.extend(role.tags.iter().filter(|(name, _)| !given(name)).map(|(name, value)| (name.clone(), value.clone())));
    let principal = Principal::assumed_role(account, &arn, &role.id, session_name).with_tags(tags);
    Ok((principal, Policies { granted, boundary, session: None }))
}

/// Reads the policies of a user, group or role. One that cannot be read lets nobody do anything: it might deny.
fn compile(
    transaction: &Transaction<'_>,
    account: &Account,
    grants: &Grants,
    limit: PolicyLimit,
    granted: &mut Vec<Arc<Policy>>,
) -> Result<()> {
    for document in grants.inline.values() {
        granted.push(Arc::new(Policy::of_identity(document, limit)?));
    }
    for arn in &grants.attached {
        granted.push(managed(transaction, account, arn)?);
    }
    Ok(())
}

fn managed(transaction: &Transaction<'_>, account: &Account, arn: &str) -> Result<Arc<Policy>> {
    let document = policy::effective_document(transaction, account.account_id(), arn)?;
    let document = document.ok_or_else(|| Error::Damaged { name: arn.to_owned() })?;
    Ok(Arc::new(Policy::of_identity(&document, PolicyLimit::Managed)?))
}

fn boundary(transaction: &Transaction<'_>, account: &Account, arn: Option<&str>) -> Result<Option<Arc<Policy>>> {
    arn.map(|arn| managed(transaction, account, arn)).transpose()
}

/// The policies that came with a session, if any did. One that is gone meanwhile allows nothing.
fn session_policies(transaction: &Transaction<'_>, record: &SessionRecord) -> Result<Option<Vec<Arc<Policy>>>> {
    if record.policy.is_none() && record.policy_arns.is_empty() {
        return Ok(None);
    }
    let mut policies = Vec::new();
    if let Some(document) = &record.policy {
        policies.push(Arc::new(Policy::of_identity(document, PolicyLimit::Session)?));
    }
    for arn in &record.policy_arns {
        if let Some(document) = policy::effective_document(transaction, &record.account, arn)? {
            policies.push(Arc::new(Policy::of_identity(&document, PolicyLimit::Managed)?));
        }
    }
    Ok(Some(policies))
}

/// The record of an account as the keys that it has say; the cluster's own account needs none.
pub(crate) fn root_record() -> AccountRecord {
    let root = Account::root();
    AccountRecord {
        canonical_id: root.canonical_id().to_owned(),
        name: root.display_name().to_owned(),
        email: None,
        created: 0,
        keys: Vec::new(),
    }
}
