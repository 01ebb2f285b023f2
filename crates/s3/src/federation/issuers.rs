//! [`Issuers`]: the keys of identity providers, asked for when they are needed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use env::Env;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::Error;
use super::fetch::{self, Reach};
use super::key_set::KeySet;
use super::token::Token;

/// How long keys are believed before they are asked for again.
const FRESH: Duration = Duration::from_secs(15 * 60);

/// How long an issuer is left in peace, however many tokens name keys that it does not have.
const PAUSE: Duration = Duration::from_secs(10);

/// Most issuers whose keys are remembered, and that are asked at once.
const ISSUERS_MAX: usize = 256;
const ASKED_MAX: usize = 8;

/// Keys of identity providers.
pub(crate) struct Issuers {
    env: Env,
    reach: Reach,
    /// By issuer, with the monotonic time at which they were asked for.
    known: Mutex<BTreeMap<String, (Duration, Arc<KeySet>)>>,
    asked: Semaphore,
}

/// What an issuer says about itself (OpenID Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Issuers {
    /// Issuers on the public internet, or anywhere if `private` ones are allowed too.
    pub(crate) fn new(env: Env, private: bool) -> Self {
        let reach = if private { Reach::Everywhere } else { Reach::Public };
        Self { env, reach, known: Mutex::default(), asked: Semaphore::new(ASKED_MAX) }
    }

    /// Checks that `issuer` has signed `token`.
    ///
    /// # Errors
    ///
    /// [`Error::BadToken`] when it has not, [`Error::Unreachable`] when nobody can say.
    pub(crate) async fn verify(&self, issuer: &str, token: &Token) -> Result<(), Error> {
        let keys = self.keys(issuer, token).await?;
        if keys.verifies(token) {
            Ok(())
        } else {
            Err(Error::BadToken("The token's signature is not that of its issuer."))
        }
    }

    /// The keys of an issuer: what is remembered, unless that is old or lacks the key that `token` names.
    async fn keys(&self, issuer: &str, token: &Token) -> Result<Arc<KeySet>, Error> {
        let _permit = match self.remembered(issuer, token) {
            Some(keys) => return Ok(keys),
            None => self.asked.acquire().await,
        };
        // Somebody else may have asked meanwhile.
        if let Some(keys) = self.remembered(issuer, token) {
            return Ok(keys);
        }
        let keys = Arc::new(self.ask(issuer).await?);
        let mut known = self.known.lock();
        if ISSUERS_MAX <= known.len() && !known.contains_key(issuer) {
            known.clear();
        }
        known.insert(issuer.to_owned(), (self.env.clock.monotonic(), keys.clone()));
        Ok(keys)
    }

    fn remembered(&self, issuer: &str, token: &Token) -> Option<Arc<KeySet>> {
        let known = self.known.lock();
        let (asked, keys) = known.get(issuer)?;
        let age = self.env.clock.monotonic().saturating_sub(*asked);
        let counts = age < PAUSE || age < FRESH && keys.knows_key_of(token);
        counts.then(|| keys.clone())
    }

    async fn ask(&self, issuer: &str) -> Result<KeySet, Error> {
        let broken = |what: &str| Error::Unreachable(format!("{what} of {issuer} cannot be understood"));
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document = fetch::get(&self.env, &address, self.reach).await?;
        let discovery: Discovery = serde_json::from_slice(&document).map_err(|_| broken("the configuration"))?;
        if discovery.issuer.trim_end_matches('/') != issuer.trim_end_matches('/') {
            return Err(Error::Unreachable(format!("{issuer} says that it is {}", discovery.issuer)));
        }
        let keys = fetch::get(&self.env, &discovery.jwks_uri, self.reach).await?;
        KeySet::parse(&keys).ok_or_else(|| broken("the key set"))
    }
}
