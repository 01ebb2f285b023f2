//! The default encryption of a bucket.

use encryption::{KeyUse, MANAGED_KEY, Protection};
use http::HeaderMap;

use crate::error::{Error, ErrorCode, Result};
use crate::header::encryption::{DUAL_NAME, KMS_NAME, Requested, S3_NAME, requested};
use crate::settings::{Document, Settings};
use crate::xml::{Element, Writer};

/// How new objects of a bucket are encrypted where their requests do not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketEncryption {
    /// `None` where only `blocked` or `bucket_key` is said: they are not encrypted.
    default: Option<DefaultEncryption>,
    /// Whether SSE-KMS puts a key of the bucket in between where a request does not say.
    bucket_key: Option<bool>,
    /// What must not be asked for.
    blocked: Option<Blocked>,
}

/// What is done by default.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DefaultEncryption {
    S3,
    Kms { key_id: Option<String> },
    Dual { key_id: Option<String> },
}

/// What must not be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blocked {
    Nothing,
    CustomerKeys,
}

/// How to encrypt the object that a request with these headers makes in a bucket with these settings.
///
/// # Errors
///
/// `InvalidArgument`, `InvalidEncryptionAlgorithmError`; `AccessDenied` for what the bucket blocks.
pub(crate) fn protection(headers: &HeaderMap, settings: &Settings) -> Result<Option<Protection>> {
    let bucket = settings.encryption.as_ref();
    let bucket_key = bucket.and_then(|bucket| bucket.bucket_key).unwrap_or(false);
    Ok(match requested(headers)? {
        Requested::Default => bucket.and_then(BucketEncryption::protection),
        Requested::S3 => Some(Protection::S3),
        Requested::Kms(request) => Some(request.protection(bucket_key)),
        Requested::Customer(_) if bucket.is_some_and(|bucket| bucket.blocked == Some(Blocked::CustomerKeys)) => {
            let message = "Server-side encryption with customer-provided keys (SSE-C) is blocked for this bucket";
            return Err(Error::with_message(ErrorCode::AccessDenied, message));
        }
        Requested::Customer(key) => Some(Protection::Customer(key)),
    })
}

impl BucketEncryption {
    fn protection(&self) -> Option<Protection> {
        let key_use = |key_id: &Option<String>, bucket_key| KeyUse {
            key_id: key_id.clone().unwrap_or_else(|| MANAGED_KEY.to_owned()),
            context: None,
            bucket_key,
        };
        Some(match self.default.as_ref()? {
            DefaultEncryption::S3 => Protection::S3,
            DefaultEncryption::Kms { key_id } => Protection::Kms(key_use(key_id, self.bucket_key.unwrap_or(false))),
            DefaultEncryption::Dual { key_id } => Protection::Dual(key_use(key_id, false)),
        })
    }
}

impl Document for BucketEncryption {
    const KIND: u8 = 23;
    const SIZE_MAX: usize = 16 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "ServerSideEncryptionConfiguration")?;
        let rule = document.child("Rule")?.ok_or(ErrorCode::MalformedXml)?;
        let default = rule.child("ApplyServerSideEncryptionByDefault")?.map(parse_default).transpose()?;
        let bucket_key = match rule.child_text("BucketKeyEnabled")?.map(str::trim) {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(ErrorCode::MalformedXml.into()),
        };
        let blocked = rule.child("BlockedEncryptionTypes")?.map(parse_blocked).transpose()?;
        Ok(Self { default, bucket_key, blocked })
    }

    fn write(&self) -> String {
        let mut document = Writer::new("ServerSideEncryptionConfiguration");
        document.open("Rule");
        if let Some(default) = &self.default {
            let (name, key_id) = match default {
                DefaultEncryption::S3 => (S3_NAME, None),
                DefaultEncryption::Kms { key_id } => (KMS_NAME, key_id.as_deref()),
                DefaultEncryption::Dual { key_id } => (DUAL_NAME, key_id.as_deref()),
            };
            document.open("ApplyServerSideEncryptionByDefault");
            document.text("SSEAlgorithm", name);
            if let Some(key_id) = key_id {
                document.text("KMSMasterKeyID", key_id);
            }
            document.close();
        }
        if let Some(bucket_key) = self.bucket_key {
            document.value("BucketKeyEnabled", bucket_key);
        }
        if let Some(blocked) = self.blocked {
            document.open("BlockedEncryptionTypes");
            document.text("EncryptionType", if blocked == Blocked::CustomerKeys { "SSE-C" } else { "NONE" });
            document.close();
        }
        document.finish()
    }
}

fn parse_default(element: &Element) -> Result<DefaultEncryption> {
    let algorithm = element.child_text("SSEAlgorithm")?.map(str::trim);
    let key_id = element.child_text("KMSMasterKeyID")?.map(|text| text.trim().to_owned());
    let key_id = key_id.filter(|key_id| !key_id.is_empty());
    let visible = |text: &String| text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(key_id) = key_id.as_ref().filter(|key_id| !visible(key_id)) {
        return Err(Error::invalid_argument("The key id is not valid", "KMSMasterKeyID", key_id));
    }
    match (algorithm, key_id) {
        (Some(S3_NAME), None) => Ok(DefaultEncryption::S3),
        (Some(S3_NAME), Some(key_id)) => {
            let message =
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse";
            Err(Error::invalid_argument(message, "ApplyServerSideEncryptionByDefault", key_id))
        }
        (Some(KMS_NAME), key_id) => Ok(DefaultEncryption::Kms { key_id }),
        (Some(DUAL_NAME), key_id) => Ok(DefaultEncryption::Dual { key_id }),
        _ => Err(ErrorCode::MalformedXml.into()),
    }
}

fn parse_blocked(element: &Element) -> Result<Blocked> {
    let names: Vec<&str> = element.children("EncryptionType").map(|name| name.text().trim()).collect();
    match names.as_slice() {
        ["NONE"] => Ok(Blocked::Nothing),
        ["SSE-C"] => Ok(Blocked::CustomerKeys),
        _ => Err(ErrorCode::MalformedXml.into()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::settings::document::check_round_trip;

    fn parse(rule: &str) -> Result<BucketEncryption, ErrorCode> {
        let body = format!("<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>");
        BucketEncryption::parse(body.as_bytes(), "bucket").map_err(|error| error.code())
    }

    fn rule(inside: &str) -> String {
        format!("<Rule><ApplyServerSideEncryptionByDefault>{inside}</ApplyServerSideEncryptionByDefault></Rule>")
    }

    #[test]
    fn one_rule_names_the_default() {
        let kms = "<SSEAlgorithm>aws:kms</SSEAlgorithm>";
        for (text, expected) in [
            (rule("<SSEAlgorithm>AES256</SSEAlgorithm>"), None),
            (rule(&format!("{kms}<KMSMasterKeyID>a</KMSMasterKeyID>")), None),
            (rule("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>"), None),
            ("<Rule><BucketKeyEnabled>true</BucketKeyEnabled></Rule>".to_owned(), None),
            (
                "<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>"
                    .to_owned(),
                None,
            ),
            (
                rule("<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>a</KMSMasterKeyID>"),
                Some(ErrorCode::InvalidArgument),
            ),
            (rule(&format!("{kms}<KMSMasterKeyID>a b</KMSMasterKeyID>")), Some(ErrorCode::InvalidArgument)),
            (rule("<SSEAlgorithm>AES</SSEAlgorithm>"), Some(ErrorCode::MalformedXml)),
            (rule(""), Some(ErrorCode::MalformedXml)),
            (String::new(), Some(ErrorCode::MalformedXml)),
            (rule(kms).repeat(2), Some(ErrorCode::MalformedXml)),
            ("<Rule><BucketKeyEnabled>maybe</BucketKeyEnabled></Rule>".to_owned(), Some(ErrorCode::MalformedXml)),
        ] {
            let parsed = parse(&text);
            assert_eq!(parsed.as_ref().err(), expected.as_ref(), "{text}");
            parsed.iter().for_each(check_round_trip);
        }
    }

    #[test]
    fn requests_decide_before_the_default_does() {
        let settings = |text: &str| Settings { encryption: Some(parse(text).unwrap()), ..Settings::default() };
        let kms = settings(
            "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>a</KMSMasterKeyID>\
             </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>",
        );
        let sent = |value| {
            let name = HeaderName::from_static("x-amz-server-side-encryption");
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        let key_use = |key_id: &str, found: Option<Protection>| {
            let expected = KeyUse { key_id: key_id.to_owned(), context: None, bucket_key: true };
            matches!(found, Some(Protection::Kms(found)) if found == expected)
        };
        assert!(key_use("a", protection(&HeaderMap::new(), &kms).unwrap()));
        assert!(key_use(MANAGED_KEY, protection(&sent("aws:kms"), &kms).unwrap()));
        assert!(matches!(protection(&sent("AES256"), &kms), Ok(Some(Protection::S3))));
        assert!(matches!(protection(&HeaderMap::new(), &Settings::default()), Ok(None)));
    }

    #[test]
    fn customers_keys_can_be_blocked() {
        let blocked =
            "<Rule><BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule>";
        let settings = Settings { encryption: Some(parse(blocked).unwrap()), ..Settings::default() };
        let headers = [
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs="),
            ("x-amz-server-side-encryption-customer-key-md5", "DWygnHRtgiJ77HCm+1rvHw=="),
        ];
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers = HeaderMap::from_iter(headers);
        assert_eq!(protection(&headers, &settings).unwrap_err().code(), ErrorCode::AccessDenied);
        assert!(matches!(protection(&headers, &Settings::default()), Ok(Some(Protection::Customer(_)))));
    }
}
