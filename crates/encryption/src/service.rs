//! What keeps keys that have names.

use std::pin::Pin;

use crate::data_key::DataKey;
use crate::error::Result;
use crate::key_name::KeyName;

/// What the methods of [`KeyService`] return, so that it can be used as `dyn`.
pub type KeyFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Keeps keys that have names and never leave it; wraps other keys under them.
pub trait KeyService: Send + Sync + 'static {
    /// Wraps `key` under the key `name`. Only with the same `context` it can be unwrapped.
    ///
    /// Fails with [`NoSuchKey`](crate::Error::NoSuchKey), [`KeyRefused`](crate::Error::KeyRefused) and
    /// [`ServiceUnavailable`](crate::Error::ServiceUnavailable).
    fn wrap<'a>(&'a self, name: &'a KeyName, key: &'a DataKey, context: &'a [u8]) -> KeyFuture<'a, Vec<u8>>;

    /// Unwraps what [`KeyService::wrap`] gave.
    ///
    /// Fails as that does, and with [`Damaged`](crate::Error::Damaged).
    fn unwrap<'a>(&'a self, name: &'a KeyName, wrapped: &'a [u8], context: &'a [u8]) -> KeyFuture<'a, DataKey>;

    /// Whether asking is so much work that answers are worth keeping for a while.
    fn is_remote(&self) -> bool;
}
