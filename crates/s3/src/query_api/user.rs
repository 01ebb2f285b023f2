//! Users.

use std::collections::BTreeMap;

use identity::User;

use super::answer::{write_boundary, write_page, write_tags, write_time};
use super::call::Call;
use super::error::Result;
use crate::xml::Writer;

/// CreateUser.
pub(super) async fn create_user(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let (name, path) = (parameters.required("UserName")?.to_owned(), parameters.path());
    let boundary = parameters.owned("PermissionsBoundary");
    let user = call.directory().create_user(call.account(), name, path, parameters.tags()?, boundary).await?;
    document.open("User");
    write(document, &user);
    document.close();
    Ok(())
}

/// GetUser, also of the sender itself.
pub(super) async fn get_user(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    document.open("User");
    match call.user_name()? {
        Some(name) => write(document, &call.directory().user(call.account(), name).await?),
        None => {
            document.text("Path", "/");
            document.text("UserId", &call.account());
            document.value("Arn", format_args!("arn:aws:iam::{}:root", call.account()));
            let accounts = call.directory().accounts().await?;
            let own = accounts.iter().find(|entry| entry.account == call.caller.account);
            write_time(document, "CreateDate", own.map(|entry| entry.created).unwrap_or_default());
        }
    }
    document.close();
    Ok(())
}

/// UpdateUser, which needs the permission on what the user will be called, too.
pub(super) async fn update_user(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let name = parameters.required("UserName")?.to_owned();
    let (new_name, new_path) = (parameters.owned("NewUserName"), parameters.owned("NewPath"));
    let user = call.directory().user(call.account(), name.clone()).await?;
    let path = new_path.as_deref().unwrap_or(&user.path);
    let will_be = format!("arn:aws:iam::{}:user{path}{}", call.account(), new_name.as_deref().unwrap_or(&user.name));
    call.check(iam::Action::UpdateUser, &will_be, &user.tags)?;
    Ok(call.directory().update_user(call.account(), name, new_name, new_path).await?)
}

/// DeleteUser.
pub(super) async fn delete_user(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    Ok(call.directory().delete_user(call.account(), name).await?)
}

/// ListUsers.
pub(super) async fn list_users(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let page = call.directory().users(call.account(), call.parameters.listing()?).await?;
    write_page(document, "Users", &page, write_listed);
    Ok(())
}

/// TagUser.
pub(super) async fn tag_user(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    let tags = call.parameters.tags()?;
    Ok(call.directory().tag_user(call.account(), name, tags, Vec::new()).await?)
}

/// UntagUser.
pub(super) async fn untag_user(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    let keys = call.parameters.list("TagKeys");
    Ok(call.directory().tag_user(call.account(), name, BTreeMap::new(), keys).await?)
}

/// ListUserTags: all of them fit on one page.
pub(super) async fn list_user_tags(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    let user = call.directory().user(call.account(), name).await?;
    write_all_tags(document, &user.tags);
    Ok(())
}

/// PutUserPermissionsBoundary.
pub(super) async fn put_boundary(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    let boundary = call.parameters.required("PermissionsBoundary")?.to_owned();
    Ok(call.directory().set_user_boundary(call.account(), name, Some(boundary)).await?)
}

/// DeleteUserPermissionsBoundary.
pub(super) async fn delete_boundary(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    Ok(call.directory().set_user_boundary(call.account(), name, None).await?)
}

/// Writes tags that are all there are.
pub(super) fn write_all_tags(document: &mut Writer, tags: &BTreeMap<String, String>) {
    if tags.is_empty() {
        document.open("Tags");
        document.close();
    }
    write_tags(document, tags);
    document.value("IsTruncated", false);
}

/// Writes what listings show of a user.
pub(super) fn write_listed(document: &mut Writer, user: &User) {
    document.text("Path", &user.path);
    document.text("UserName", &user.name);
    document.text("UserId", &user.id);
    document.text("Arn", &user.arn);
    write_time(document, "CreateDate", user.created);
}

fn write(document: &mut Writer, user: &User) {
    write_listed(document, user);
    write_boundary(document, user.boundary.as_deref());
    write_tags(document, &user.tags);
}
