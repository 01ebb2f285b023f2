//! Identity providers.

use super::answer::{write_tags, write_texts, write_time};
use super::call::Call;
use super::error::Result;
use crate::xml::Writer;

/// CreateOpenIDConnectProvider.
pub(super) async fn create_provider(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let url = parameters.required("Url")?.to_owned();
    let (client_ids, thumbprints) = (parameters.list("ClientIDList"), parameters.list("ThumbprintList"));
    let tags = parameters.tags()?;
    let provider = call.directory().create_provider(call.account(), url, client_ids, thumbprints, tags).await?;
    document.text("OpenIDConnectProviderArn", &provider.arn);
    write_tags(document, &provider.tags);
    Ok(())
}

/// GetOpenIDConnectProvider.
pub(super) async fn get_provider(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let provider = call.directory().provider(call.account(), arn(call)?).await?;
    document.text("Url", &provider.url);
    write_texts(document, "ClientIDList", &provider.client_ids);
    write_texts(document, "ThumbprintList", &provider.thumbprints);
    write_time(document, "CreateDate", provider.created);
    write_tags(document, &provider.tags);
    Ok(())
}

/// ListOpenIDConnectProviders.
pub(super) async fn list_providers(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    document.open("OpenIDConnectProviderList");
    for provider in call.directory().providers(call.account()).await? {
        document.open("member");
        document.text("Arn", &provider.arn);
        document.close();
    }
    document.close();
    Ok(())
}

/// DeleteOpenIDConnectProvider.
pub(super) async fn delete_provider(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    Ok(call.directory().delete_provider(call.account(), arn(call)?).await?)
}

/// AddClientIDToOpenIDConnectProvider.
pub(super) async fn add_client_id(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let client_id = call.parameters.required("ClientID")?.to_owned();
    Ok(call.directory().add_provider_client(call.account(), arn(call)?, client_id).await?)
}

/// RemoveClientIDFromOpenIDConnectProvider.
pub(super) async fn remove_client_id(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let client_id = call.parameters.required("ClientID")?.to_owned();
    Ok(call.directory().remove_provider_client(call.account(), arn(call)?, client_id).await?)
}

/// UpdateOpenIDConnectProviderThumbprint.
pub(super) async fn update_thumbprint(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let thumbprints = call.parameters.list("ThumbprintList");
    Ok(call.directory().set_provider_thumbprints(call.account(), arn(call)?, thumbprints).await?)
}

fn arn(call: &Call<'_>) -> Result<String> {
    Ok(call.parameters.required("OpenIDConnectProviderArn")?.to_owned())
}
