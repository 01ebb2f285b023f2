//! What documents of identities say (`docs/formats/identities.md`).

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The format of all these documents.
const VERSION: u8 = 1;

/// Changed whenever any of the others is, by the same command.
pub(crate) const STAMP: &str = "iam/stamp";

/// The sealed key under which secrets are sealed.
pub(crate) const SEAL: &str = "iam/seal";

/// A document of one kind.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// What its name has behind `iam/`.
    const KIND: &'static str;
}

/// The name of a document: of the record `name` of an account.
pub(crate) fn document_name<R: Record>(account: &str, name: &str) -> String {
    format!("iam/{}/{account}/{name}", R::KIND)
}

/// Writes a record.
pub(crate) fn encode(record: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, record).expect("records have text for keys");
    bytes
}

/// Reads the record in the document `name`.
///
/// # Errors
///
/// [`Error::Damaged`], also for one that newer software wrote.
pub(crate) fn decode<R: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<R> {
    let record = match bytes {
        [VERSION, json @ ..] => serde_json::from_slice(json).ok(),
        _ => None,
    };
    record.ok_or_else(|| Error::Damaged { name: name.to_owned() })
}

/// An access key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub(crate) id: String,
    /// The secret under the sealing key, with the id as associated data; base64.
    pub(crate) sealed: String,
    pub(crate) active: bool,
    /// Milliseconds since 1970, as all times here.
    pub(crate) created: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<u64>,
}

/// Whose access key it is: the document is called by the key alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyOwner {
    /// Twelve digits.
    pub(crate) account: String,
    /// Folded name; none for the root user of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

impl KeyOwner {
    pub(crate) fn document_name(access_key: &str) -> String {
        format!("iam/key/{access_key}")
    }
}

/// An account. The document is called by its twelve digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    pub(crate) canonical_id: String,
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    pub(crate) created: u64,
    /// Those of its root user.
    #[serde(default)]
    pub(crate) keys: Vec<KeyRecord>,
}

impl AccountRecord {
    pub(crate) const PREFIX: &'static str = "iam/account/";

    pub(crate) fn document_name(account: &str) -> String {
        format!("{}{account}", Self::PREFIX)
    }
}

/// The policies of a user, group or role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Documents by name.
    #[serde(default)]
    pub(crate) inline: BTreeMap<String, String>,
    /// ARNs of managed policies.
    #[serde(default)]
    pub(crate) attached: BTreeSet<String>,
}

/// A user. The document is called by its folded name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: u64,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// Folded names.
    #[serde(default)]
    pub(crate) groups: BTreeSet<String>,
    #[serde(default)]
    pub(crate) grants: Grants,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boundary: Option<String>,
    #[serde(default)]
    pub(crate) keys: Vec<KeyRecord>,
}

/// A group. The document is called by its folded name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GroupRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: u64,
    /// Folded names of users, each of which names the group too.
    #[serde(default)]
    pub(crate) members: BTreeSet<String>,
    #[serde(default)]
    pub(crate) grants: Grants,
}

/// A role. The document is called by its folded name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoleRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: u64,
    /// Who may take it.
    pub(crate) trust: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) session_seconds_max: u32,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) grants: Grants,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) boundary: Option<String>,
}

/// A managed policy. The document is called by its folded name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PolicyRecord {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
    /// By number.
    pub(crate) versions: BTreeMap<u32, VersionRecord>,
    /// The one that counts.
    pub(crate) default: u32,
    /// The number of the last one that was made.
    pub(crate) newest: u32,
    /// How many users, groups and roles it is attached to.
    #[serde(default)]
    pub(crate) attachments: u32,
    /// How many it is the boundary of.
    #[serde(default)]
    pub(crate) boundaries: u32,
}

/// One version of a managed policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) created: u64,
    pub(crate) document: String,
}

/// An identity provider. The document is called by its address without the scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProviderRecord {
    pub(crate) url: String,
    pub(crate) created: u64,
    #[serde(default)]
    pub(crate) client_ids: Vec<String>,
    #[serde(default)]
    pub(crate) thumbprints: Vec<String>,
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// When and for what a key was last used. The document is called by the key alone and does not change the stamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UseRecord {
    pub(crate) at: u64,
    pub(crate) service: String,
    pub(crate) region: String,
}

impl UseRecord {
    pub(crate) fn document_name(access_key: &str) -> String {
        format!("iam/used/{access_key}")
    }
}

macro_rules! kinds {
    ($($record:ident $kind:literal;)*) => {
        $(impl Record for $record { const KIND: &'static str = $kind; })*
    };
}

kinds! {
    UserRecord "user";
    GroupRecord "group";
    RoleRecord "role";
    PolicyRecord "policy";
    ProviderRecord "provider";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_another_format_are_refused() {
        let owner = KeyOwner { account: "123456789012".to_owned(), user: None };
        let mut bytes = encode(&owner);
        assert_eq!(decode::<KeyOwner>("iam/key/k", &bytes).unwrap(), owner);
        bytes[0] = 2;
        assert!(matches!(decode::<KeyOwner>("iam/key/k", &bytes), Err(Error::Damaged { name }) if name == "iam/key/k"));
        assert!(decode::<KeyOwner>("iam/key/k", b"").is_err());
    }
}
