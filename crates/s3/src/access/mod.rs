//! Whether a request may happen: its action, what it acts on, and what `iam` says about both.
//!
//! [`Frontend::enter`] runs before every operation. It reads the bucket's record and settings, once for the whole
//! request, and asks for the action that the operation names, and for those that single headers add. DeleteObjects asks
//! for each of its keys itself, copies ask for their source, and the few operations whose body policies may depend on ask
//! once they have read it.

mod context;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use iam::acl::Acl;
use iam::condition::ConditionKey;
use iam::{AccessRequest, Action, Allowed, Decision, Resource, ResourcePolicies, evaluate};
use store::VersionName;
use store::bucket::{Bucket, Hlc};
use store::copy::CopySource;
use store::multipart::UploadId;

use crate::error::{Error, ErrorCode, Result};
use crate::frontend::Frontend;
use crate::header::{acl, single};
use crate::operation::Operation;
use crate::request::Request;
use crate::settings::{self, Acceleration, Payer, Settings};
use context::RequestContext;

/// The bucket that a request is about, as it was when the request came in.
pub(crate) struct BucketAccess {
    /// Its record.
    pub(crate) bucket: Bucket,
    /// What is configured for it.
    pub(crate) settings: Arc<Settings>,
}

impl BucketAccess {
    /// What its owner says about who may do what.
    pub(crate) fn policies(&self) -> ResourcePolicies<'_> {
        let Self { bucket, settings } = self;
        ResourcePolicies {
            owner: &bucket.owner,
            policy: settings.policy.as_ref().map(|document| document.policy()),
            acl: settings.acl.as_ref(),
            object_acl: None,
            ownership: settings.ownership(),
            block: settings.public_access.unwrap_or_default(),
        }
    }
}

/// What let a request in, as far as logs tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LetIn {
    /// A list, and nothing else would have.
    ByAcl,
    Otherwise,
}

/// What decides about an object besides its bucket.
struct ObjectFacts {
    /// Its list, unless it is the bucket's owner's alone.
    acl: Option<Acl>,
    tags: BTreeMap<String, String>,
}

/// What a request is about, as far as it is there and matters.
#[derive(Clone, Copy, Default)]
struct Scene<'a> {
    access: Option<&'a BucketAccess>,
    object: Option<&'a ObjectFacts>,
}

/// What deciding about a request has shown besides that it may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Whether the sender may know which keys there are. Who may not is told that access is denied where there is none.
    pub(crate) may_list: bool,
    /// Whether the sender pays.
    pub(crate) charged: bool,
}

/// Headers that need a permission of their own, and that permission.
const HEADER_ACTIONS: [(&str, Action); 3] = [
    ("x-amz-tagging", Action::PutObjectTagging),
    ("x-amz-object-lock-mode", Action::PutObjectRetention),
    ("x-amz-object-lock-legal-hold", Action::PutObjectLegalHold),
];

impl Frontend {
    /// The bucket called `name` with its settings.
    ///
    /// # Errors
    ///
    /// `NoSuchBucket`.
    pub(crate) async fn bucket_access(&self, name: &str) -> Result<BucketAccess> {
        self.with_settings(self.store.head_bucket(name).await?).await
    }

    /// As [`Frontend::bucket_access`], in a state not older than `seen_at` for a request that has read that one.
    async fn bucket_access_since(&self, name: &str, seen_at: Option<u64>) -> Result<BucketAccess> {
        let Some(index) = seen_at else { return self.bucket_access(name).await };
        self.with_settings(self.store.head_bucket_since(name, index).await?).await
    }

    async fn with_settings(&self, bucket: Bucket) -> Result<BucketAccess> {
        let settings = self.settings.settings(&self.store, &bucket).await?;
        Ok(BucketAccess { bucket, settings })
    }

    /// Decides whether `request` may happen, and notes the bucket it is about.
    ///
    /// # Errors
    ///
    /// `AccessDenied`, `NoSuchBucket`.
    pub(crate) async fn enter(&self, request: &mut Request) -> Result<Admission> {
        let operation = request.operation;
        let action = operation.action(&request.query);
        let (Some(name), false) = (request.target.bucket(), operation == Operation::CreateBucket) else {
            if request.is_accelerated {
                Acceleration::check(operation, None)?;
            }
            // Only its body says what tags a new bucket is to have, by which policies may decide.
            if operation == Operation::CreateBucket {
                return Ok(Admission { may_list: true, charged: false });
            }
            let name = request.target.bucket().unwrap_or("*").to_owned();
            self.check(request, Scene::default(), action, &name)?;
            return Ok(Admission { may_list: true, charged: false });
        };
        let access = self.bucket_access_since(name, request.seen_at).await?;
        request.notes.bucket(&access);
        check_owner(&request.headers, "x-amz-expected-bucket-owner", &access)?;
        if request.is_accelerated {
            Acceleration::check(operation, access.settings.acceleration)?;
        }
        let charged = check_payer(request, &access)?;
        request.access = Some(access);
        let object = self.object_facts(request, action).await?;
        let scene = Scene { access: Some(request.access()), object: object.as_ref() };
        let may_list = self.decide(request, scene, Action::ListBucket, request.bucket()).is_ok();
        if let Err(denied) = self.check_all(request, scene, action) {
            let hidden = !may_list || !operation.reads_object();
            return Err(if hidden { denied } else { self.denied_or_missing(request, denied).await });
        }
        Ok(Admission { may_list, charged })
    }

    /// Whether `request` may create its bucket, now that its body is read.
    ///
    /// # Errors
    ///
    /// `AccessDenied`.
    pub(crate) fn check_creation(&self, request: &Request) -> Result<()> {
        let actions = std::iter::once(Action::CreateBucket).chain(creation_actions(request));
        actions.into_iter().try_for_each(|action| self.check(request, Scene::default(), action, request.bucket()))
    }

    /// Whether `request` may do `action`, now that it tells what its body says.
    ///
    /// # Errors
    ///
    /// `AccessDenied`.
    pub(crate) async fn check_described(&self, request: &mut Request, action: Action) -> Result<()> {
        let object = self.object_facts(request, action).await?;
        let scene = Scene { access: Some(request.access()), object: object.as_ref() };
        self.check(request, scene, action, &resource_name(request.bucket(), request.target.key()))
    }

    /// Whether `request` may do everything that its operation and its headers ask for.
    fn check_all(&self, request: &Request, scene: Scene<'_>, action: Action) -> Result<()> {
        if request.operation == Operation::DeleteObjects || request.operation.is_described_by_body() {
            return Ok(());
        }
        let resource = resource_name(request.bucket(), request.target.key());
        let actions = std::iter::once(action).chain(more_actions(request));
        actions.into_iter().try_for_each(|action| self.check(request, scene, action, &resource))
    }

    /// Who may list, but not read, is told of a key that is not there as those are who may do both.
    async fn denied_or_missing(&self, request: &mut Request, denied: Error) -> Error {
        let (bucket, key) = (request.found().clone(), request.key().to_owned());
        match self.store.head_object(&bucket, &key, None).await {
            Err(store::Error::NoSuchKey | store::Error::KeyDeleted(_)) => ErrorCode::NoSuchKey.into(),
            _ => denied,
        }
    }

    /// Whether `request` may read the source of a copy, which is in the bucket that this returns.
    ///
    /// # Errors
    ///
    /// `AccessDenied`, `NoSuchBucket`.
    pub(crate) async fn enter_source(
        &self,
        request: &mut Request,
        bucket: &str,
        key: &str,
        version: Option<VersionName>,
    ) -> Result<Bucket> {
        let access = self.bucket_access_since(bucket, Some(request.found().found_at)).await?;
        request.notes.source(&access, key, version.map(|version| version.to_string()));
        check_owner(&request.headers, "x-amz-source-expected-bucket-owner", &access)?;
        check_payer(request, &access)?;
        let action = if version.is_some() { Action::GetObjectVersion } else { Action::GetObject };
        let object = self.facts_if_needed(request, &access, action, key, version).await?;
        let scene = Scene { access: Some(&access), object: object.as_ref() };
        self.check(request, scene, action, &resource_name(bucket, Some(key)))?;
        Ok(access.bucket)
    }

    /// Whether `request` may take the annotations of the source of its copy along.
    ///
    /// # Errors
    ///
    /// `AccessDenied`, `NoSuchBucket`.
    pub(crate) async fn check_annotations(&self, request: &mut Request, source: &CopySource) -> Result<()> {
        let CopySource { bucket, key, version, .. } = source;
        let access = self.bucket_access(&bucket.name).await?;
        let of_version = version.is_some();
        let action = if of_version { Action::GetObjectVersionAnnotation } else { Action::GetObjectAnnotation };
        let object = self.facts_if_needed(request, &access, action, key, *version).await?;
        let scene = Scene { access: Some(&access), object: object.as_ref() };
        self.check(request, scene, action, &resource_name(&bucket.name, Some(key)))?;
        self.check_object(request, Action::PutObjectAnnotation, request.key())
    }

    /// Whether `request` may do `action` to an object of its bucket.
    ///
    /// # Errors
    ///
    /// `AccessDenied`.
    pub(crate) fn check_object(&self, request: &Request, action: Action, key: &str) -> Result<()> {
        let scene = Scene { access: Some(request.access()), object: None };
        self.check(request, scene, action, &resource_name(request.bucket(), Some(key)))
    }

    /// What decides about the object that `request` is about, if that can matter.
    async fn object_facts(&self, request: &mut Request, action: Action) -> Result<Option<ObjectFacts>> {
        if matches!(request.operation, Operation::AbortMultipartUpload | Operation::ListParts) {
            return self.upload_facts(request).await;
        }
        if !request.operation.needs_object() {
            return Ok(None);
        }
        let access = request.access();
        let access = BucketAccess { bucket: access.bucket.clone(), settings: access.settings.clone() };
        let (key, version) = (request.key().to_owned(), request.version()?);
        self.facts_if_needed(request, &access, action, &key, version).await
    }

    /// What decides about an upload that another account than the bucket's owner asks for: whether it is its own.
    async fn upload_facts(&self, request: &mut Request) -> Result<Option<ObjectFacts>> {
        let bucket = request.access().bucket.clone();
        if request.caller.account.canonical_id() == bucket.owner {
            return Ok(None);
        }
        let upload = UploadId {
            key: request.key().to_owned(),
            token: request.query.get("uploadId").unwrap_or_default().to_owned(),
        };
        let acl = match self.store.list_parts(&bucket, &upload, 0, 1).await {
            Ok(page) => page.upload.acl.as_deref().map(settings::acl::of_object).transpose()?,
            // The operation itself will say that it is not there, to who may ask.
            Err(store::Error::NoSuchUpload) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(acl.map(|acl| ObjectFacts { acl: Some(acl), tags: BTreeMap::new() }))
    }

    /// What decides about the object `key` of a bucket, if it is there and that can matter.
    async fn facts_if_needed(
        &self,
        request: &mut Request,
        access: &BucketAccess,
        action: Action,
        key: &str,
        version: Option<VersionName>,
    ) -> Result<Option<ObjectFacts>> {
        let BucketAccess { bucket, settings } = access;
        // Nobody else has ever been let into a bucket that was never configured: its objects are all its owner's.
        let untouched = bucket.configured == Hlc::ZERO && request.caller.account.canonical_id() == bucket.owner;
        let by_tags = |key: &ConditionKey| matches!(key, ConditionKey::ExistingObjectTag(_));
        let tags_count = settings.policy.as_ref().is_some_and(|document| document.policy().needs(action, by_tags));
        if !tags_count && (untouched || !settings.ownership().has_acls()) {
            return Ok(None);
        }
        let object = match self.store.head_object(bucket, key, version).await {
            Ok(object) => object,
            // The operation itself will say what is wrong with it.
            Err(
                store::Error::NoSuchKey
                | store::Error::KeyDeleted(_)
                | store::Error::NoSuchVersion(_)
                | store::Error::IsDeleteMarker(_),
            ) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let acl = object.acl.as_deref().map(settings::acl::of_object).transpose()?;
        Ok(Some(ObjectFacts { acl, tags: object.tags }))
    }

    /// Refuses what is not permitted, and tells why those who may know.
    fn check(&self, request: &Request, scene: Scene<'_>, action: Action, resource: &str) -> Result<()> {
        let let_in = self.decide(request, scene, action, resource);
        if let_in == Ok(LetIn::ByAcl) {
            request.notes.acl();
        }
        let_in.map(|_| ()).map_err(|reason| {
            let principal = &request.caller.principal;
            tracing::debug!(action = action.name(), caller = principal.caller_arn(), reason, "denied");
            let at_home = scene.access.is_none_or(|access| principal.canonical_id() == Some(&access.bucket.owner));
            match principal.caller_arn().filter(|_| at_home) {
                // Only the own account is told why: others must not learn how a bucket is guarded.
                Some(arn) => {
                    let (action, resource) = (action.name(), Resource::S3(resource).arn());
                    let message = format!(
                        "User: {arn} is not authorized to perform: {action} on resource: \"{resource}\" {reason}"
                    );
                    Error::with_message(ErrorCode::AccessDenied, message)
                }
                None => ErrorCode::AccessDenied.into(),
            }
        })
    }

    /// Asks the evaluator. The error is its reason, in words.
    fn decide(&self, request: &Request, scene: Scene<'_>, action: Action, resource: &str) -> Result<LetIn, String> {
        let Scene { access, object } = scene;
        let context = RequestContext {
            request,
            region: &self.config.region,
            now: self.env.clock.now(),
            prefix: request.target.key().filter(|_| action == Action::ListBucket),
            owner: access.map(|access| access.bucket.owner.as_str()),
            object_tags: object.map(|object| &object.tags),
            bucket_tags: access.and_then(|access| access.settings.deciding_tags()),
        };
        let principal = &request.caller.principal;
        let asked = AccessRequest { principal, action, resource: Resource::S3(resource), context: &context };
        let policies = access.map(|access| ResourcePolicies {
            object_acl: object.and_then(|object| object.acl.as_ref()),
            ..access.policies()
        });
        match evaluate(&asked, &request.caller.policies(), policies.as_ref()) {
            Decision::Allowed(Allowed::Acl) => Ok(LetIn::ByAcl),
            Decision::Allowed(_) => Ok(LetIn::Otherwise),
            Decision::Denied(denied) => Err(denied.explain(action)),
        }
    }
}

/// What policies call the bucket, or an object in it.
fn resource_name(bucket: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{bucket}/{key}"),
        None => bucket.to_owned(),
    }
}

/// The actions that the headers of `request` add to that of its operation.
fn more_actions(request: &Request) -> Vec<Action> {
    match request.operation {
        Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
            let named = HEADER_ACTIONS.iter().filter(|(name, _)| request.headers.contains_key(*name));
            // Who will own an object may share it; others need to be told so.
            let own = request.caller.account.canonical_id() != request.access().bucket.owner;
            let shares = acl::is_requested(&request.headers) && !own;
            named.map(|(_, action)| *action).chain(shares.then_some(Action::PutObjectAcl)).collect()
        }
        Operation::GetObjectAttributes if request.query.has("versionId") => vec![Action::GetObjectVersion],
        Operation::GetObjectAttributes => vec![Action::GetObject],
        _ => Vec::new(),
    }
}

/// The actions that the headers and tags of a CreateBucket add to its own: what they set could be set later only with these.
fn creation_actions(request: &Request) -> Vec<Action> {
    let headers = &request.headers;
    let says = |name: &str, value: &str| {
        headers.get(name).is_some_and(|own| own.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    let shares = acl::is_requested(headers) && !says("x-amz-acl", "private");
    let locks =
        headers.contains_key("x-amz-bucket-object-lock-enabled") && !says("x-amz-bucket-object-lock-enabled", "false");
    let added = [
        (shares, Action::PutBucketAcl),
        (headers.contains_key("x-amz-object-ownership"), Action::PutBucketOwnershipControls),
        (locks, Action::PutBucketObjectLockConfiguration),
        (locks, Action::PutBucketVersioning),
        (request.bucket_tags.as_ref().is_some_and(|tags| !tags.is_empty()), Action::TagResource),
    ];
    added.into_iter().filter(|(needed, _)| *needed).map(|(_, action)| action).collect()
}

/// Compares the owner that the client expects with the one that the bucket has.
fn check_owner(headers: &HeaderMap, name: &'static str, access: &BucketAccess) -> Result<()> {
    let Some(expected) = single(headers, name)? else { return Ok(()) };
    let owner = iam::Account::account_id_of(&access.bucket.owner);
    if owner.as_deref() == Some(expected) { Ok(()) } else { Err(ErrorCode::AccessDenied.into()) }
}

/// Whether the sender pays, who must have said so.
fn check_payer(request: &Request, access: &BucketAccess) -> Result<bool> {
    let own = request.caller.account.canonical_id() == access.bucket.owner;
    if own || access.settings.payer != Some(Payer::Requester) {
        return Ok(false);
    }
    let agreed = single(&request.headers, "x-amz-request-payer")? == Some("requester");
    let known = !request.caller.principal.is_anonymous();
    if agreed && known { Ok(true) } else { Err(ErrorCode::AccessDenied.into()) }
}
