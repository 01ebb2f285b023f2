//! The account as a whole.

use super::call::Call;
use super::error::Result;
use crate::xml::Writer;

/// GetAccountSummary.
pub(super) async fn get_account_summary(call: &Call<'_>, document: &mut Writer) -> Result<()> {
    let summary = call.directory().account_summary(call.account()).await?;
    let entries = [
        ("Users", summary.users),
        ("UsersQuota", 5000),
        ("Groups", summary.groups),
        ("GroupsQuota", 300),
        ("GroupsPerUserQuota", 10),
        ("Roles", summary.roles),
        ("RolesQuota", 1000),
        ("Policies", summary.policies),
        ("PoliciesQuota", 1500),
        ("PolicySizeQuota", 6144),
        ("VersionsPerPolicyQuota", 5),
        ("Providers", summary.providers),
        ("AccessKeysPerUserQuota", 20),
        ("AccountAccessKeysPresent", usize::from(0 < summary.root_keys)),
        ("AccountMFAEnabled", 0),
        ("AttachedPoliciesPerUserQuota", 10),
        ("AttachedPoliciesPerGroupQuota", 10),
        ("AttachedPoliciesPerRoleQuota", 10),
        ("UserPolicySizeQuota", 2048),
        ("GroupPolicySizeQuota", 5120),
        ("AssumeRolePolicySizeQuota", 2048),
    ];
    document.open("SummaryMap");
    for (key, value) in entries {
        document.open("entry");
        document.text("key", key);
        document.value("value", value);
        document.close();
    }
    document.close();
    Ok(())
}
