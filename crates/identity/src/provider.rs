//! Identity providers: issuers of OpenID Connect tokens whose users may take roles.

use std::collections::BTreeMap;

use env::UnixMillis;

use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::name::Listing;
use crate::record::ProviderRecord;
use crate::tags;
use crate::transaction::{Transaction, check_room};

const WHAT: &str = "OpenIDConnect Provider";
const PROVIDERS_MAX: usize = 100;
const CLIENT_IDS_MAX: usize = 100;
const THUMBPRINTS_MAX: usize = 5;
/// The document of a provider is called by it.
const URL_LENGTH_MAX: usize = 200;

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// What policies call it.
    pub arn: String,
    /// The issuer as tokens name it.
    pub url: String,
    /// When it was made.
    pub created: UnixMillis,
    /// For whom tokens must be (`aud`).
    pub client_ids: Vec<String>,
    /// SHA-1 of certificates, kept for clients; certificates are checked as others on the web are.
    pub thumbprints: Vec<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

impl Provider {
    fn of(account: &str, record: ProviderRecord) -> Self {
        let arn = format!("arn:aws:iam::{account}:oidc-provider/{}", address(&record.url));
        let ProviderRecord { url, created, client_ids, thumbprints, tags } = record;
        Self { arn, url, created: UnixMillis(created), client_ids, thumbprints, tags }
    }
}

/// An issuer without its scheme, as ARNs and condition keys have it.
pub(crate) fn address(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/')
}

fn check_url(url: &str) -> Result<()> {
    let scheme = url.starts_with("https://") || url.starts_with("http://");
    let characters = address(url).bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/:%".contains(&byte));
    if scheme && characters && !address(url).is_empty() && url.len() <= URL_LENGTH_MAX {
        return Ok(());
    }
    Err(Error::Validation("Invalid Open ID Connect Provider URL".to_owned()))
}

fn check_client_ids(ids: &[String]) -> Result<()> {
    if CLIENT_IDS_MAX < ids.len() {
        return Err(Error::LimitExceeded { what: "ClientIdsPerOpenIdConnectProvider", limit: CLIENT_IDS_MAX });
    }
    let valid = ids.iter().all(|id| (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    if valid { Ok(()) } else { Err(Error::Validation("The specified value for clientID is invalid.".to_owned())) }
}

fn check_thumbprints(thumbprints: &[String]) -> Result<()> {
    if THUMBPRINTS_MAX < thumbprints.len() {
        return Err(Error::InvalidInput("Thumbprint list must contain fewer than 5 entries.".to_owned()));
    }
    let valid = |text: &String| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if thumbprints.iter().all(valid) {
        return Ok(());
    }
    Err(Error::Validation("Thumbprints must have 40 hexadecimal digits.".to_owned()))
}

/// The provider with this ARN, and the name of its record.
fn require(transaction: &Transaction<'_>, account: &str, wanted: &str) -> Result<(String, ProviderRecord)> {
    let prefix = format!("arn:aws:iam::{account}:oidc-provider/");
    let unknown = || Error::no_such(WHAT, wanted);
    let name = wanted.strip_prefix(&prefix).filter(|name| name.len() <= URL_LENGTH_MAX).ok_or_else(unknown)?;
    let record = transaction.find(account, name)?.ok_or_else(unknown)?;
    Ok((name.to_owned(), record))
}

impl Directory {
    /// Makes a provider.
    ///
    /// # Errors
    ///
    /// [`Error::EntityAlreadyExists`], [`Error::Validation`], [`Error::InvalidInput`], [`Error::LimitExceeded`].
    pub async fn create_provider(
        &self,
        account: String,
        url: String,
        client_ids: Vec<String>,
        thumbprints: Vec<String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Provider> {
        check_url(&url)?;
        check_client_ids(&client_ids)?;
        check_thumbprints(&thumbprints)?;
        tags::check(&tags)?;
        let record = ProviderRecord { url, created: self.now(), client_ids, thumbprints, tags };
        self.change(move |transaction| {
            let name = address(&record.url);
            if transaction.find::<ProviderRecord>(&account, name)?.is_some() {
                return Err(Error::exists("Provider", &record.url));
            }
            check_room(transaction.count::<ProviderRecord>(&account)?, PROVIDERS_MAX, "OpenIdConnectProviders")?;
            transaction.put(&account, name, &record);
            Ok(Provider::of(&account, record.clone()))
        })
        .await
    }

    /// A provider.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn provider(&self, account: String, wanted: String) -> Result<Provider> {
        self.view(move |transaction| Ok(Provider::of(&account, require(transaction, &account, &wanted)?.1))).await
    }

    /// All providers of an account.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Damaged`].
    pub async fn providers(&self, account: String) -> Result<Vec<Provider>> {
        self.view(move |transaction| {
            let whole = Listing { limit: usize::MAX, ..Listing::default() };
            let found = transaction.page(&account, &whole, |_: &ProviderRecord| true)?;
            Ok(found.map(|record| Provider::of(&account, record)).entries)
        })
        .await
    }

    /// The provider of an account whose tokens have this issuer.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn provider_of_issuer(&self, account: String, issuer: String) -> Result<Provider> {
        let wanted = format!("arn:aws:iam::{account}:oidc-provider/{}", address(&issuer));
        let provider = self.provider(account, wanted).await?;
        // Another scheme is another issuer.
        let same = provider.url.trim_end_matches('/') == issuer.trim_end_matches('/');
        if same { Ok(provider) } else { Err(Error::no_such(WHAT, &issuer)) }
    }

    /// Removes a provider.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`].
    pub async fn delete_provider(&self, account: String, wanted: String) -> Result<()> {
        self.change(move |transaction| {
            let (name, _) = require(transaction, &account, &wanted)?;
            transaction.remove::<ProviderRecord>(&account, &name);
            Ok(())
        })
        .await
    }

    /// Adds a client to those for whom a provider's tokens may be, unless it is one of them already.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::Validation`], [`Error::LimitExceeded`].
    pub async fn add_provider_client(&self, account: String, wanted: String, client_id: String) -> Result<()> {
        self.change(move |transaction| {
            let (name, mut record) = require(transaction, &account, &wanted)?;
            if !record.client_ids.contains(&client_id) {
                record.client_ids.push(client_id.clone());
                check_client_ids(&record.client_ids)?;
                transaction.put(&account, &name, &record);
            }
            Ok(())
        })
        .await
    }

    /// Removes a client of a provider; one that is none is no error.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`] for the provider.
    pub async fn remove_provider_client(&self, account: String, wanted: String, client_id: String) -> Result<()> {
        self.change(move |transaction| {
            let (name, mut record) = require(transaction, &account, &wanted)?;
            record.client_ids.retain(|own| *own != client_id);
            transaction.put(&account, &name, &record);
            Ok(())
        })
        .await
    }

    /// Replaces the thumbprints of a provider.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntity`], [`Error::Validation`], [`Error::InvalidInput`].
    pub async fn set_provider_thumbprints(
        &self,
        account: String,
        wanted: String,
        thumbprints: Vec<String>,
    ) -> Result<()> {
        check_thumbprints(&thumbprints)?;
        self.change(move |transaction| {
            let (name, mut record) = require(transaction, &account, &wanted)?;
            record.thumbprints.clone_from(&thumbprints);
            transaction.put(&account, &name, &record);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_addresses_of_the_web() {
        for (url, expected) in [
            ("https://example.com", "example.com"),
            ("https://example.com/realms/a/", "example.com/realms/a"),
            ("http://localhost:8080/x", "localhost:8080/x"),
        ] {
            assert!(check_url(url).is_ok(), "{url}");
            assert_eq!(address(url), expected);
        }
        for url in ["", "example.com", "ftp://example.com", "https://", "https://a b", "https://a?b=c"] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
