//! Roles.

use std::collections::BTreeMap;

use identity::{NewRole, Role, RoleChange};

use super::answer::{write_boundary, write_page, write_policy, write_tags, write_time};
use super::call::Call;
use super::error::Result;
use super::user::write_all_tags;
use crate::xml::Writer;

/// CreateRole.
pub(super) async fn create_role(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let role = NewRole {
        name: name(call)?,
        path: parameters.path(),
        trust: parameters.required("AssumeRolePolicyDocument")?.to_owned(),
        description: parameters.owned("Description"),
        session_seconds_max: parameters.number("MaxSessionDuration")?,
        tags: parameters.tags()?,
        boundary: parameters.owned("PermissionsBoundary"),
    };
    let role = call.directory().create_role(call.account(), role).await?;
    document.open("Role");
    write(document, &role);
    document.close();
    Ok(())
}

/// GetRole.
pub(super) async fn get_role(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let role = call.directory().role(call.account(), name(call)?).await?;
    document.open("Role");
    write(document, &role);
    document.close();
    Ok(())
}

/// UpdateRole.
pub(super) async fn update_role(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let change = RoleChange {
        trust: None,
        description: call.parameters.owned("Description"),
        session_seconds_max: call.parameters.number("MaxSessionDuration")?,
    };
    call.directory().update_role(call.account(), name(call)?, change).await?;
    Ok(())
}

/// UpdateRoleDescription.
pub(super) async fn update_role_description(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let description = Some(call.parameters.required("Description")?.to_owned());
    let change = RoleChange { description, ..RoleChange::default() };
    let role = call.directory().update_role(call.account(), name(call)?, change).await?;
    document.open("Role");
    write(document, &role);
    document.close();
    Ok(())
}

/// UpdateAssumeRolePolicy.
pub(super) async fn update_assume_role_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let trust = Some(call.parameters.required("PolicyDocument")?.to_owned());
    let change = RoleChange { trust, ..RoleChange::default() };
    call.directory().update_role(call.account(), name(call)?, change).await?;
    Ok(())
}

/// DeleteRole.
pub(super) async fn delete_role(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    Ok(call.directory().delete_role(call.account(), name(call)?).await?)
}

/// ListRoles.
pub(super) async fn list_roles(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let page = call.directory().roles(call.account(), call.parameters.listing()?).await?;
    write_page(document, "Roles", &page, write_listed);
    Ok(())
}

/// TagRole.
pub(super) async fn tag_role(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let tags = call.parameters.tags()?;
    Ok(call.directory().tag_role(call.account(), name(call)?, tags, Vec::new()).await?)
}

/// UntagRole.
pub(super) async fn untag_role(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let keys = call.parameters.list("TagKeys");
    Ok(call.directory().tag_role(call.account(), name(call)?, BTreeMap::new(), keys).await?)
}

/// ListRoleTags: all of them fit on one page.
pub(super) async fn list_role_tags(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let role = call.directory().role(call.account(), name(call)?).await?;
    write_all_tags(document, &role.tags);
    Ok(())
}

/// PutRolePermissionsBoundary.
pub(super) async fn put_boundary(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    let boundary = call.parameters.required("PermissionsBoundary")?.to_owned();
    Ok(call.directory().set_role_boundary(call.account(), name(call)?, Some(boundary)).await?)
}

/// DeleteRolePermissionsBoundary.
pub(super) async fn delete_boundary(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    Ok(call.directory().set_role_boundary(call.account(), name(call)?, None).await?)
}

fn name(call: &Call<'_>) -> Result<String> {
    Ok(call.parameters.required("RoleName")?.to_owned())
}

fn write_listed(document: &mut Writer, role: &Role) {
    document.text("Path", &role.path);
    document.text("RoleName", &role.name);
    document.text("RoleId", &role.id);
    document.text("Arn", &role.arn);
    write_time(document, "CreateDate", role.created);
    write_policy(document, "AssumeRolePolicyDocument", &role.trust);
    if let Some(description) = &role.description {
        document.text("Description", description);
    }
    document.value("MaxSessionDuration", role.session_seconds_max);
}

fn write(document: &mut Writer, role: &Role) {
    write_listed(document, role);
    write_boundary(document, role.boundary.as_deref());
    write_tags(document, &role.tags);
}
