//! [`Notes`]: what is found out about a request while it is answered, and told in logs, or once it is answered.

use std::sync::Arc;

use parking_lot::Mutex;
use store::bucket::BucketId;

use crate::access::BucketAccess;
use crate::error::Error;
use crate::operation::Operation;
use crate::settings::{Logging, Settings};

/// A bucket whose requests are logged, as it was when one of them came.
#[derive(Clone, Debug)]
pub(crate) struct LoggedBucket {
    pub(crate) id: BucketId,
    pub(crate) name: String,
    /// Canonical id of its owner.
    pub(crate) owner: String,
    /// Where its lines go.
    pub(crate) logging: Arc<Logging>,
}

impl LoggedBucket {
    fn of(access: &BucketAccess) -> Option<Self> {
        let logging = access.settings.logging.clone()?;
        let bucket = &access.bucket;
        Some(Self { id: bucket.id, name: bucket.name.clone(), owner: bucket.owner.clone(), logging })
    }
}

/// One object that a request was about besides the one in its address.
#[derive(Debug)]
pub(super) struct OneOf {
    pub(super) key: String,
    pub(super) version: Option<String>,
    /// Status and code, unless it succeeded.
    pub(super) failure: Option<(u16, &'static str)>,
}

/// What was noted.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What it does, once that is about to be decided.
    pub(super) operation: Option<Operation>,
    /// What is configured for its bucket, if that was found.
    pub(super) settings: Option<Arc<Settings>>,
    /// That bucket, if its requests are logged.
    pub(super) bucket: Option<LoggedBucket>,
    /// What it copies, from a bucket whose requests are logged.
    pub(super) source: Option<(LoggedBucket, OneOf)>,
    /// What it deletes one by one.
    pub(super) deletions: Vec<OneOf>,
    /// Whether a list let it in.
    pub(super) is_let_in_by_acl: bool,
}

/// Where those who answer a request note what its log lines tell.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Noted>);

impl Notes {
    /// Notes what the request does.
    pub(crate) fn operation(&self, operation: Operation) {
        self.0.lock().operation = Some(operation);
    }

    /// Notes the bucket that it is about.
    pub(crate) fn bucket(&self, access: &BucketAccess) {
        let bucket = LoggedBucket::of(access);
        let mut noted = self.0.lock();
        noted.settings = Some(access.settings.clone());
        noted.bucket = bucket;
    }

    /// What is configured for the bucket that it is about, if that was found.
    pub(crate) fn settings(&self) -> Option<Arc<Settings>> {
        self.0.lock().settings.clone()
    }

    /// Notes what it copies.
    pub(crate) fn source(&self, access: &BucketAccess, key: &str, version: Option<String>) {
        let Some(bucket) = LoggedBucket::of(access) else { return };
        self.0.lock().source = Some((bucket, OneOf { key: key.to_owned(), version, failure: None }));
    }

    /// Notes what became of one of several objects that it deletes.
    pub(crate) fn deletion(&self, key: &str, version: Option<&str>, failure: Option<&Error>) {
        let mut noted = self.0.lock();
        if noted.bucket.is_some() {
            let failure = failure.map(|error| (error.code().status().as_u16(), error.code().as_str()));
            noted.deletions.push(OneOf { key: key.to_owned(), version: version.map(str::to_owned), failure });
        }
    }

    /// Notes that a list let it in.
    pub(crate) fn acl(&self) {
        self.0.lock().is_let_in_by_acl = true;
    }

    /// Whether it was refused before its bucket was looked up.
    pub(crate) fn lack_bucket(&self) -> bool {
        let noted = self.0.lock();
        noted.operation.is_none() && noted.settings.is_none()
    }

    /// What was noted.
    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut self.0.lock())
    }
}
