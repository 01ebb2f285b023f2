//! Identities on the metadata of a real node: what is found for keys, and when it no longer is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, ClusterConfig};
use env::{Env, ManualClock, UnixMillis};
use iam::condition::NoContext;
use iam::{AccessKey, AccessRequest, Account, Action, Credential, Resource, SecretKey, evaluate};
use identity::{
    Directory, Error, HolderKind, KeyHolder, Known, Listing, LookUpError, NewRole, SessionOrder, SessionSubject,
};
use tempfile::TempDir;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}]}"#;

fn allow(action: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#)
}

fn root(secret_key: &str) -> Credential {
    let access_key = AccessKey::parse("root").unwrap();
    Credential { access_key, secret_key: SecretKey::parse(secret_key).unwrap(), account: Account::root() }
}

fn account() -> String {
    Account::root().account_id().to_owned()
}

/// One node, and directories on it whose time stands still until it is moved.
struct World {
    env: Env,
    clock: Arc<ManualClock>,
    cluster: Cluster,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut env = Env::real();
        let cluster = Cluster::open(&env, ClusterConfig::new(vec![folder.path().join("disk")])).await.unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        env.clock = clock.clone();
        Self { env, clock, cluster, _folder: folder }
    }

    async fn open(&self, secret: &str, previous: Option<&str>) -> identity::Result<Directory> {
        let previous = previous.map(|secret| SecretKey::parse(secret).unwrap());
        Directory::open(self.env.clone(), self.cluster.consensus(), root(secret), previous.as_ref()).await
    }
}

fn holder(user: &str) -> KeyHolder {
    KeyHolder { account: account(), user: Some(user.to_owned()) }
}

async fn user(directory: &Directory, name: &str) -> String {
    let (name, path) = (name.to_owned(), "/".to_owned());
    directory.create_user(account(), name.clone(), path, BTreeMap::new(), None).await.unwrap();
    directory.create_access_key(holder(&name), None).await.unwrap().entry.id
}

fn may(known: &Known, action: Action) -> bool {
    let asked = AccessRequest {
        principal: &known.principal,
        action,
        resource: Resource::S3("bucket/key"),
        context: &NoContext,
    };
    evaluate(&asked, &known.policies.as_identity(), None).is_allowed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_through_one_node_counts_at_once_on_another() {
    let world = World::new().await;
    let (here, there) =
        (world.open("root-secret", None).await.unwrap(), world.open("root-secret", None).await.unwrap());
    let key = user(&here, "Ann").await;
    assert!(!may(&there.find(&key, None).await.unwrap().known, Action::GetObject));
    let holder_of_policy = (HolderKind::User, "ann".to_owned());
    here.put_inline_policy(account(), holder_of_policy, "p".to_owned(), allow("s3:GetObject")).await.unwrap();
    let known = there.find(&key, None).await.unwrap().known;
    assert!(may(&known, Action::GetObject) && !may(&known, Action::PutObject));
    assert_eq!(known.principal.user_name(), Some("Ann"));
    here.set_access_key_active(holder("ann"), key.clone(), false).await.unwrap();
    assert!(matches!(there.find(&key, None).await, Err(LookUpError::UnknownKey)));
    here.set_access_key_active(holder("ann"), key.clone(), true).await.unwrap();
    assert!(there.find(&key, None).await.is_ok());
    here.update_user(account(), "ann".to_owned(), Some("bob".to_owned()), None).await.unwrap();
    assert_eq!(there.find(&key, None).await.unwrap().known.principal.user_name(), Some("bob"));
    here.delete_access_key(holder("bob"), key.clone()).await.unwrap();
    assert!(matches!(there.find(&key, None).await, Err(LookUpError::UnknownKey)));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_sessions_end_when_their_time_is_over() {
    let world = World::new().await;
    let directory = world.open("root-secret", None).await.unwrap();
    let lasting = user(&directory, "ann").await;
    let expires = UnixMillis(NOW.0 + 5000);
    let short = directory.create_access_key(holder("ann"), Some(expires)).await.unwrap().entry.id;
    let past = directory.create_access_key(holder("ann"), Some(NOW)).await;
    assert!(matches!(past, Err(Error::Validation(_))));
    let known = directory.find(&lasting, None).await.unwrap().known;
    let session = directory.begin_session(Directory::own_session(&known, Duration::from_secs(10))).await.unwrap();
    let find = |key: String, token: Option<String>| {
        let directory = &directory;
        async move { directory.find(&key, token.as_deref()).await }
    };
    let (temporary, token) = (session.access_key.clone(), Some(session.token.clone()));
    assert!(find(short.clone(), None).await.is_ok() && find(temporary.clone(), token.clone()).await.is_ok());
    world.clock.advance(Duration::from_secs(5));
    assert!(matches!(find(short, None).await, Err(LookUpError::UnknownKey)));
    assert!(find(temporary.clone(), token.clone()).await.is_ok());
    world.clock.advance(Duration::from_secs(5));
    assert!(matches!(find(temporary.clone(), token.clone()).await, Err(LookUpError::Expired)));
    assert!(find(lasting.clone(), None).await.is_ok());
    // A token belongs to its key, and a key of this kind needs it.
    assert!(matches!(find(temporary, None).await, Err(LookUpError::UnknownKey)));
    assert!(matches!(find(lasting, token).await, Err(LookUpError::BadToken)));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_the_role_and_with_the_user() {
    let world = World::new().await;
    let directory = world.open("root-secret", None).await.unwrap();
    let role = NewRole { name: "Role".to_owned(), path: "/".to_owned(), trust: TRUST.to_owned(), ..NewRole::default() };
    directory.create_role(account(), role.clone()).await.unwrap();
    let holder_of_policy = (HolderKind::Role, "role".to_owned());
    let put = directory.put_inline_policy(account(), holder_of_policy.clone(), "p".to_owned(), allow("s3:*"));
    put.await.unwrap();
    let order = SessionOrder {
        subject: SessionSubject::Role { account: account(), name: "role".to_owned(), session_name: "s".to_owned() },
        duration: Duration::from_secs(900),
        policy: Some(allow("s3:GetObject")),
        policy_arns: Vec::new(),
        tags: BTreeMap::new(),
        source_identity: None,
        provider: None,
    };
    let session = directory.begin_session(order).await.unwrap();
    let known = directory.find(&session.access_key, Some(&session.token)).await.unwrap().known;
    assert!(may(&known, Action::GetObject) && !may(&known, Action::PutObject));
    directory.delete_inline_policy(account(), holder_of_policy, "p".to_owned()).await.unwrap();
    let known = directory.find(&session.access_key, Some(&session.token)).await.unwrap().known;
    assert!(!may(&known, Action::GetObject));
    directory.delete_role(account(), "ROLE".to_owned()).await.unwrap();
    directory.create_role(account(), role).await.unwrap();
    let found = directory.find(&session.access_key, Some(&session.token)).await;
    assert!(matches!(found, Err(LookUpError::BadToken)), "a role of the same name is another role");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_anew_when_the_root_secret_changes() {
    let world = World::new().await;
    let directory = world.open("first-secret", None).await.unwrap();
    let key = user(&directory, "ann").await;
    let before = directory.find(&key, None).await.unwrap().known.credential.secret_key.clone();
    assert!(matches!(world.open("other-secret", None).await, Err(Error::OtherRootSecret)));
    assert!(matches!(world.open("other-secret", Some("wrong-secret")).await, Err(Error::OtherRootSecret)));
    assert!(world.open("first-secret", None).await.is_ok(), "nothing has changed");
    let moved = world.open("other-secret", Some("first-secret")).await.unwrap();
    assert_eq!(moved.find(&key, None).await.unwrap().known.credential.secret_key, before);
    assert!(matches!(world.open("first-secret", None).await, Err(Error::OtherRootSecret)));
    assert!(world.open("other-secret", None).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_lose_nothing() {
    let world = World::new().await;
    let directory = Arc::new(world.open("root-secret", None).await.unwrap());
    directory.create_group(account(), "group".to_owned(), "/".to_owned()).await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..8 {
        let directory = directory.clone();
        let task = async move {
            let name = format!("user{number}");
            directory.create_user(account(), name.clone(), "/".to_owned(), BTreeMap::new(), None).await.unwrap();
            directory.add_user_to_group(account(), "group".to_owned(), name).await.unwrap();
        };
        tasks.push(world.env.spawn.task("a change of identities", Box::pin(task)));
    }
    for task in tasks {
        task.join().await.unwrap();
    }
    let listing = Listing { limit: 100, ..Listing::default() };
    let (_, members) = directory.group(account(), "group".to_owned(), listing).await.unwrap();
    assert_eq!(members.entries.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_cannot_be_removed() {
    let world = World::new().await;
    let directory = world.open("root-secret", None).await.unwrap();
    let key = user(&directory, "ann").await;
    let name = ("policy".to_owned(), "/".to_owned());
    let policy = directory.create_policy(account(), name, allow("s3:*"), None, BTreeMap::new()).await.unwrap();
    let ann = (HolderKind::User, "ann".to_owned());
    directory.attach_policy(account(), ann.clone(), policy.arn.clone()).await.unwrap();
    assert!(may(&directory.find(&key, None).await.unwrap().known, Action::PutObject));
    let refused = directory.delete_policy(account(), policy.arn.clone()).await;
    assert!(matches!(refused, Err(Error::DeleteConflict(_))));
    directory.detach_policy(account(), ann.clone(), policy.arn.clone()).await.unwrap();
    directory.delete_policy(account(), policy.arn.clone()).await.unwrap();
    let attached = directory.attach_policy(account(), ann, policy.arn).await;
    assert!(matches!(attached, Err(Error::NoSuchEntity { .. })));
    let refused = directory.delete_user(account(), "ann".to_owned()).await;
    assert!(matches!(refused, Err(Error::DeleteConflict(_))));
    directory.delete_access_key(holder("ann"), key).await.unwrap();
    directory.delete_user(account(), "ann".to_owned()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_of_a_key_is_written_down_and_goes_with_it() {
    let world = World::new().await;
    let (here, there) =
        (world.open("root-secret", None).await.unwrap(), world.open("root-secret", None).await.unwrap());
    let key = user(&here, "ann").await;
    assert_eq!(here.last_use(&key).await.unwrap(), None);
    here.note_use(&key, "s3", "us-east-1");
    assert_eq!(here.last_use(&key).await.unwrap().unwrap().service, "s3");
    assert_eq!(there.last_use(&key).await.unwrap(), None, "only this node knows yet");
    here.flush_uses().await;
    assert_eq!(there.last_use(&key).await.unwrap().unwrap().at, NOW);
    here.delete_access_key(holder("ann"), key.clone()).await.unwrap();
    here.note_use(&key, "s3", "us-east-1");
    here.flush_uses().await;
    assert_eq!(there.last_use(&key).await.unwrap(), None);
}
