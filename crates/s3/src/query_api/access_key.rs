//! Access keys.

use std::time::Duration;

use env::UnixMillis;
use identity::{AccessKeyEntry, KeyHolder, Page};

use super::answer::{write_page, write_time};
use super::call::Call;
use super::error::{CallError, Result};
use crate::xml::Writer;

/// CreateAccessKey. `DurationSeconds`, which AWS does not have, lets the key end on its own.
pub(super) async fn create_access_key(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let expires = call.parameters.number("DurationSeconds")?.map(|seconds| {
        let duration = Duration::from_secs(seconds.into());
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        UnixMillis(call.frontend.env.clock.now().0.saturating_add(millis))
    });
    let created = call.directory().create_access_key(call.key_holder()?, expires).await?;
    document.open("AccessKey");
    write(document, &created.entry, &call.account());
    document.text("SecretAccessKey", &created.secret_key);
    document.close();
    Ok(())
}

/// UpdateAccessKey.
pub(super) async fn update_access_key(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let id = call.parameters.required("AccessKeyId")?.to_owned();
    let active = match call.parameters.required("Status")? {
        "Active" => true,
        "Inactive" => false,
        other => return Err(CallError::validation(format!("Status must be Active or Inactive, not {other}"))),
    };
    Ok(call.directory().set_access_key_active(call.key_holder()?, id, active).await?)
}

/// DeleteAccessKey.
pub(super) async fn delete_access_key(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let id = call.parameters.required("AccessKeyId")?.to_owned();
    Ok(call.directory().delete_access_key(call.key_holder()?, id).await?)
}

/// ListAccessKeys.
pub(super) async fn list_access_keys(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let (holder, listing) = (call.key_holder()?, call.parameters.listing()?);
    let all = call.directory().access_keys(holder).await?;
    let skipped = match &listing.marker {
        Some(marker) => all.iter().position(|key| key.id == *marker).map_or(all.len(), |position| position + 1),
        None => 0,
    };
    let entries: Vec<AccessKeyEntry> = all.iter().skip(skipped).take(listing.limit).cloned().collect();
    let more = skipped + entries.len() < all.len();
    let marker = entries.last().map(|key| key.id.clone()).filter(|_| more);
    let account = call.account();
    write_page(document, "AccessKeyMetadata", &Page { entries, marker }, |document, key| {
        write(document, key, &account)
    });
    Ok(())
}

/// GetAccessKeyLastUsed: as far as this node knows, some minutes ago at worst.
pub(super) async fn get_access_key_last_used(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let id = call.parameters.required("AccessKeyId")?.to_owned();
    let KeyHolder { account, user } = call.directory().access_key_holder(id.clone()).await?;
    if account != call.account() {
        return Err(identity::Error::NoSuchEntity { what: "Access Key", name: id }.into());
    }
    document.text("UserName", user.as_deref().unwrap_or(&account));
    document.open("AccessKeyLastUsed");
    let last = call.directory().last_use(&id).await?;
    if let Some(last) = &last {
        write_time(document, "LastUsedDate", last.at);
    }
    document.text("ServiceName", last.as_ref().map_or("N/A", |last| &last.service));
    document.text("Region", last.as_ref().map_or("N/A", |last| &last.region));
    document.close();
    Ok(())
}

fn write(document: &mut Writer, key: &AccessKeyEntry, account: &str) {
    // AWS calls the root user by its account.
    document.text("UserName", key.user.as_deref().unwrap_or(account));
    document.text("AccessKeyId", &key.id);
    document.text("Status", if key.active { "Active" } else { "Inactive" });
    write_time(document, "CreateDate", key.created);
    if let Some(expires) = key.expires {
        write_time(document, "ExpirationDate", expires);
    }
}
