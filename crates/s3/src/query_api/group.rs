//! Groups and who is in them.

use identity::Group;

use super::answer::{write_end, write_page, write_time};
use super::call::Call;
use super::error::Result;
use super::user;
use crate::xml::Writer;

/// CreateGroup.
pub(super) async fn create_group(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let name = call.parameters.required("GroupName")?.to_owned();
    let group = call.directory().create_group(call.account(), name, call.parameters.path()).await?;
    document.open("Group");
    write(document, &group);
    document.close();
    Ok(())
}

/// GetGroup.
pub(super) async fn get_group(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let name = call.parameters.required("GroupName")?.to_owned();
    let (group, users) = call.directory().group(call.account(), name, call.parameters.listing()?).await?;
    document.open("Group");
    write(document, &group);
    document.close();
    document.open("Users");
    for user in &users.entries {
        document.open("member");
        user::write_listed(document, user);
        document.close();
    }
    document.close();
    write_end(document, &users);
    Ok(())
}

/// UpdateGroup, which needs the permission on what the group will be called, too.
pub(super) async fn update_group(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let name = parameters.required("GroupName")?.to_owned();
    let (new_name, new_path) = (parameters.owned("NewGroupName"), parameters.owned("NewPath"));
    let (group, _) = call.directory().group(call.account(), name.clone(), parameters.listing()?).await?;
    let path = new_path.as_deref().unwrap_or(&group.path);
    let will_be = format!("arn:aws:iam::{}:group{path}{}", call.account(), new_name.as_deref().unwrap_or(&group.name));
    call.check(iam::Action::UpdateGroup, &will_be, &Default::default())?;
    Ok(call.directory().update_group(call.account(), name, new_name, new_path).await?)
}

/// DeleteGroup.
pub(super) async fn delete_group(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let name = call.parameters.required("GroupName")?.to_owned();
    Ok(call.directory().delete_group(call.account(), name).await?)
}

/// ListGroups.
pub(super) async fn list_groups(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let page = call.directory().groups(call.account(), call.parameters.listing()?).await?;
    write_page(document, "Groups", &page, write);
    Ok(())
}

/// ListGroupsForUser.
pub(super) async fn list_groups_for_user(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let name = call.parameters.required("UserName")?.to_owned();
    let page = call.directory().groups_of_user(call.account(), name, call.parameters.listing()?).await?;
    write_page(document, "Groups", &page, write);
    Ok(())
}

/// AddUserToGroup.
pub(super) async fn add_user_to_group(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let (group, user) = (call.parameters.required("GroupName")?, call.parameters.required("UserName")?);
    Ok(call.directory().add_user_to_group(call.account(), group.to_owned(), user.to_owned()).await?)
}

/// RemoveUserFromGroup.
pub(super) async fn remove_user_from_group(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let (group, user) = (call.parameters.required("GroupName")?, call.parameters.required("UserName")?);
    Ok(call.directory().remove_user_from_group(call.account(), group.to_owned(), user.to_owned()).await?)
}

fn write(document: &mut Writer, group: &Group) {
    document.text("Path", &group.path);
    document.text("GroupName", &group.name);
    document.text("GroupId", &group.id);
    document.text("Arn", &group.arn);
    write_time(document, "CreateDate", group.created);
}
