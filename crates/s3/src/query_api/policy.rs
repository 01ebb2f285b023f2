//! Managed policies and their versions.

use identity::{HolderKind, ManagedPolicy, Page, PolicyScope, PolicyVersion};

use super::answer::{write_page, write_policy, write_tags, write_time};
use super::call::Call;
use super::error::{CallError, Result};
use crate::xml::Writer;

/// CreatePolicy.
pub(super) async fn create_policy(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let parameters = &call.parameters;
    let name = (parameters.required("PolicyName")?.to_owned(), parameters.path());
    let (text, description) = (parameters.required("PolicyDocument")?.to_owned(), parameters.owned("Description"));
    let policy = call.directory().create_policy(call.account(), name, text, description, parameters.tags()?).await?;
    document.open("Policy");
    write(document, &policy);
    document.close();
    Ok(())
}

/// GetPolicy.
pub(super) async fn get_policy(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let policy = call.directory().policy(call.account(), arn(call)?).await?;
    document.open("Policy");
    write(document, &policy);
    document.close();
    Ok(())
}

/// DeletePolicy.
pub(super) async fn delete_policy(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    Ok(call.directory().delete_policy(call.account(), arn(call)?).await?)
}

/// ListPolicies.
pub(super) async fn list_policies(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let scope = match call.parameters.optional("Scope") {
        None | Some("All") => PolicyScope::All,
        Some("AWS") => PolicyScope::Server,
        Some("Local") => PolicyScope::Account,
        Some(other) => return Err(CallError::validation(format!("Scope must be All, AWS or Local, not {other}"))),
    };
    let only_attached = call.parameters.is_true("OnlyAttached");
    let page = call.directory().policies(call.account(), scope, only_attached, call.parameters.listing()?).await?;
    write_page(document, "Policies", &page, write);
    Ok(())
}

/// CreatePolicyVersion.
pub(super) async fn create_policy_version(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let text = call.parameters.required("PolicyDocument")?.to_owned();
    let becomes_default = call.parameters.is_true("SetAsDefault");
    let version = call.directory().create_policy_version(call.account(), arn(call)?, text, becomes_default).await?;
    document.open("PolicyVersion");
    write_version(document, &version);
    document.close();
    Ok(())
}

/// GetPolicyVersion.
pub(super) async fn get_policy_version(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let number = version_number(call)?;
    let versions = call.directory().policy_versions(call.account(), arn(call)?).await?;
    let version = versions.into_iter().find(|version| version.number == number);
    let version = version.ok_or_else(|| {
        CallError::from(identity::Error::NoSuchEntity { what: "policy version", name: format!("v{number}") })
    })?;
    document.open("PolicyVersion");
    write_policy(document, "Document", &version.document);
    write_version(document, &version);
    document.close();
    Ok(())
}

/// ListPolicyVersions: there are five at most.
pub(super) async fn list_policy_versions(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let entries = call.directory().policy_versions(call.account(), arn(call)?).await?;
    write_page(document, "Versions", &Page { entries, marker: None }, write_version);
    Ok(())
}

/// DeletePolicyVersion.
pub(super) async fn delete_policy_version(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    Ok(call.directory().delete_policy_version(call.account(), arn(call)?, version_number(call)?).await?)
}

/// SetDefaultPolicyVersion.
pub(super) async fn set_default_policy_version(call: &Call<'_>, _: &mut Writer) -> Result<()> {
    Ok(call.directory().set_default_policy_version(call.account(), arn(call)?, version_number(call)?).await?)
}

/// ListEntitiesForPolicy: all of them on one page.
pub(super) async fn list_entities_for_policy(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let holders = call.directory().policy_holders(call.account(), arn(call)?).await?;
    for (list, kind, name_element, id_element) in [
        ("PolicyGroups", HolderKind::Group, "GroupName", "GroupId"),
        ("PolicyUsers", HolderKind::User, "UserName", "UserId"),
        ("PolicyRoles", HolderKind::Role, "RoleName", "RoleId"),
    ] {
        document.open(list);
        for (_, name, id) in holders.iter().filter(|(own, _, _)| *own == kind) {
            document.open("member");
            document.text(name_element, name);
            document.text(id_element, id);
            document.close();
        }
        document.close();
    }
    document.value("IsTruncated", false);
    Ok(())
}

fn arn(call: &Call<'_>) -> Result<String> {
    Ok(call.parameters.required("PolicyArn")?.to_owned())
}

fn version_number(call: &Call<'_>) -> Result<u32> {
    let text = call.parameters.required("VersionId")?;
    let number = text.strip_prefix('v').and_then(|number| number.parse().ok());
    number.ok_or_else(|| CallError::validation(format!("VersionId must look like v1, not {text}")))
}

fn write(document: &mut Writer, policy: &ManagedPolicy) {
    document.text("PolicyName", &policy.name);
    document.text("PolicyId", &policy.id);
    document.text("Arn", &policy.arn);
    document.text("Path", &policy.path);
    document.value("DefaultVersionId", format_args!("v{}", policy.default_version));
    document.value("AttachmentCount", policy.attachments);
    document.value("PermissionsBoundaryUsageCount", policy.boundaries);
    document.value("IsAttachable", true);
    if let Some(description) = &policy.description {
        document.text("Description", description);
    }
    write_time(document, "CreateDate", policy.created);
    write_time(document, "UpdateDate", policy.updated);
    write_tags(document, &policy.tags);
}

fn write_version(document: &mut Writer, version: &PolicyVersion) {
    document.value("VersionId", format_args!("v{}", version.number));
    document.value("IsDefaultVersion", version.is_default);
    write_time(document, "CreateDate", version.created);
}
