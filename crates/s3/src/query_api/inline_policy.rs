//! Inline policies of users, groups and roles.

use identity::HolderKind;

use super::answer::{write_end, write_policy, write_texts};
use super::call::Call;
use super::error::Result;
use crate::xml::Writer;

/// PutUserPolicy.
pub(super) async fn put_user_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    put(call, HolderKind::User, "UserName").await
}

/// GetUserPolicy.
pub(super) async fn get_user_policy(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    get(call, HolderKind::User, "UserName", document).await
}

/// DeleteUserPolicy.
pub(super) async fn delete_user_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    delete(call, HolderKind::User, "UserName").await
}

/// ListUserPolicies.
pub(super) async fn list_user_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    list(call, HolderKind::User, "UserName", document).await
}

/// PutGroupPolicy.
pub(super) async fn put_group_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    put(call, HolderKind::Group, "GroupName").await
}

/// GetGroupPolicy.
pub(super) async fn get_group_policy(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    get(call, HolderKind::Group, "GroupName", document).await
}

/// DeleteGroupPolicy.
pub(super) async fn delete_group_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    delete(call, HolderKind::Group, "GroupName").await
}

/// ListGroupPolicies.
pub(super) async fn list_group_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    list(call, HolderKind::Group, "GroupName", document).await
}

/// PutRolePolicy.
pub(super) async fn put_role_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    put(call, HolderKind::Role, "RoleName").await
}

/// GetRolePolicy.
pub(super) async fn get_role_policy(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    get(call, HolderKind::Role, "RoleName", document).await
}

/// DeleteRolePolicy.
pub(super) async fn delete_role_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    delete(call, HolderKind::Role, "RoleName").await
}

/// ListRolePolicies.
pub(super) async fn list_role_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    list(call, HolderKind::Role, "RoleName", document).await
}

async fn put(call: &Call<'_>, kind: HolderKind, parameter: &str) -> Result<()> {
    let parameters = &call.parameters;
    let holder = (kind, parameters.required(parameter)?.to_owned());
    let policy = parameters.required("PolicyName")?.to_owned();
    let text = parameters.required("PolicyDocument")?.to_owned();
    Ok(call.directory().put_inline_policy(call.account(), holder, policy, text).await?)
}

async fn get(call: &Call<'_>, kind: HolderKind, parameter: &'static str, document: &mut Writer) -> Result<()> {
    let (name, policy) = (call.parameters.required(parameter)?, call.parameters.required("PolicyName")?);
    let holder = (kind, name.to_owned());
    let text = call.directory().inline_policy(call.account(), holder, policy.to_owned()).await?;
    document.text(parameter, name);
    document.text("PolicyName", policy);
    write_policy(document, "PolicyDocument", &text);
    Ok(())
}

async fn delete(call: &Call<'_>, kind: HolderKind, parameter: &str) -> Result<()> {
    let holder = (kind, call.parameters.required(parameter)?.to_owned());
    let policy = call.parameters.required("PolicyName")?.to_owned();
    Ok(call.directory().delete_inline_policy(call.account(), holder, policy).await?)
}

async fn list(call: &Call<'_>, kind: HolderKind, parameter: &str, document: &mut Writer) -> Result<()> {
    let holder = (kind, call.parameters.required(parameter)?.to_owned());
    let page = call.directory().inline_policies(call.account(), holder, call.parameters.listing()?).await?;
    write_texts(document, "PolicyNames", &page.entries);
    write_end(document, &page);
    Ok(())
}
