//! Managed policies attached to users, groups and roles.

use identity::HolderKind;

use super::answer::write_page;
use super::call::Call;
use super::error::Result;
use crate::xml::Writer;

/// AttachUserPolicy.
pub(super) async fn attach_user_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    attach(call, HolderKind::User, "UserName").await
}

/// DetachUserPolicy.
pub(super) async fn detach_user_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    detach(call, HolderKind::User, "UserName").await
}

/// ListAttachedUserPolicies.
pub(super) async fn list_attached_user_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    list(call, HolderKind::User, "UserName", document).await
}

/// AttachGroupPolicy.
pub(super) async fn attach_group_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    attach(call, HolderKind::Group, "GroupName").await
}

/// DetachGroupPolicy.
pub(super) async fn detach_group_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    detach(call, HolderKind::Group, "GroupName").await
}

/// ListAttachedGroupPolicies.
pub(super) async fn list_attached_group_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    list(call, HolderKind::Group, "GroupName", document).await
}

/// AttachRolePolicy.
pub(super) async fn attach_role_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    attach(call, HolderKind::Role, "RoleName").await
}

/// DetachRolePolicy.
pub(super) async fn detach_role_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    detach(call, HolderKind::Role, "RoleName").await
}

/// ListAttachedRolePolicies.
pub(super) async fn list_attached_role_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    list(call, HolderKind::Role, "RoleName", document).await
}

async fn attach(call: &Call<'_>, kind: HolderKind, parameter: &str) -> Result<()> {
    let name = call.parameters.required(parameter)?.to_owned();
    let policy = call.parameters.required("PolicyArn")?.to_owned();
    Ok(call.directory().attach_policy(call.account(), (kind, name), policy).await?)
}

async fn detach(call: &Call<'_>, kind: HolderKind, parameter: &str) -> Result<()> {
    let name = call.parameters.required(parameter)?.to_owned();
    let policy = call.parameters.required("PolicyArn")?.to_owned();
    Ok(call.directory().detach_policy(call.account(), (kind, name), policy).await?)
}

async fn list(call: &Call<'_>, kind: HolderKind, parameter: &str, document: &mut Writer) -> Result<()> {
    let name = call.parameters.required(parameter)?.to_owned();
    let page = call.directory().attached_policies(call.account(), (kind, name), call.parameters.listing()?).await?;
    write_page(document, "AttachedPolicies", &page, |document, attached| {
        document.text("PolicyName", &attached.name);
        document.text("PolicyArn", &attached.arn);
    });
    Ok(())
}
