//! Headers about encryption where objects are stored.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encryption::{CustomerKey, KeyUse, MANAGED_KEY, Method, Protection};
use http::{HeaderMap, HeaderName};

use crate::error::{Error, ErrorCode, Result};
use crate::header::single;
use crate::response;

const ALGORITHM: &str = "x-amz-server-side-encryption";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// The three headers with which clients send a key of their own.
struct CustomerHeaders {
    algorithm: &'static str,
    key: &'static str,
    md5: &'static str,
}

const CUSTOMER: CustomerHeaders = CustomerHeaders {
    algorithm: "x-amz-server-side-encryption-customer-algorithm",
    key: "x-amz-server-side-encryption-customer-key",
    md5: "x-amz-server-side-encryption-customer-key-md5",
};

/// The same for the source of a copy.
const CUSTOMER_OF_SOURCE: CustomerHeaders = CustomerHeaders {
    algorithm: "x-amz-copy-source-server-side-encryption-customer-algorithm",
    key: "x-amz-copy-source-server-side-encryption-customer-key",
    md5: "x-amz-copy-source-server-side-encryption-customer-key-md5",
};

/// How SSE-S3 is called in headers and documents.
pub(crate) const S3_NAME: &str = "AES256";

/// How SSE-KMS is.
pub(crate) const KMS_NAME: &str = "aws:kms";

/// How DSSE-KMS is.
pub(crate) const DUAL_NAME: &str = "aws:kms:dsse";

/// What a request says about the encryption of what it stores.
#[derive(Clone, Debug)]
pub(crate) enum Requested {
    /// Nothing: it is the bucket's to say.
    Default,
    /// SSE-S3.
    S3,
    /// SSE-KMS or DSSE-KMS.
    Kms(KmsRequest),
    /// SSE-C.
    Customer(CustomerKey),
}

/// How a named key is to be used.
#[derive(Clone, Debug)]
pub(crate) struct KmsRequest {
    is_dual: bool,
    key_id: Option<String>,
    context: Option<String>,
    bucket_key: Option<bool>,
}

/// Whether a request says anything about the encryption of what it stores.
pub(crate) fn is_requested(headers: &HeaderMap) -> bool {
    headers.contains_key(ALGORITHM) || headers.contains_key(CUSTOMER.algorithm)
}

/// Reads what a request says about the encryption of what it stores.
///
/// # Errors
///
/// `InvalidArgument` for what contradicts itself, and what [`customer_key`] fails with.
pub(crate) fn requested(headers: &HeaderMap) -> Result<Requested> {
    let algorithm = single(headers, ALGORITHM)?;
    let customer = customer_key(headers)?;
    if let (Some(algorithm), Some(_)) = (algorithm, &customer) {
        let message =
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified";
        return Err(Error::invalid_argument(message, ALGORITHM, algorithm));
    }
    if let Some(name) = [KEY_ID, CONTEXT].into_iter().find(|name| headers.contains_key(*name))
        && !matches!(algorithm, Some(KMS_NAME | DUAL_NAME))
    {
        let message = "Server Side Encryption with AWS KMS managed key requires HTTP header \
                       x-amz-server-side-encryption : aws:kms";
        return Err(Error::invalid_argument(message, name, ""));
    }
    match algorithm {
        None => Ok(customer.map_or(Requested::Default, Requested::Customer)),
        Some(S3_NAME) => Ok(Requested::S3),
        Some(name @ (KMS_NAME | DUAL_NAME)) => Ok(Requested::Kms(KmsRequest {
            is_dual: name == DUAL_NAME,
            key_id: single(headers, KEY_ID)?.map(str::to_owned),
            context: single(headers, CONTEXT)?.map(context).transpose()?,
            bucket_key: single(headers, BUCKET_KEY)?.map(flag).transpose()?,
        })),
        Some(other) => {
            Err(Error::invalid_argument("The encryption method specified is not supported", ALGORITHM, other))
        }
    }
}

impl KmsRequest {
    /// What it comes to in a bucket that uses bucket keys, or not, where a request does not say.
    pub(crate) fn protection(self, bucket_key: bool) -> Protection {
        let key_use = KeyUse {
            key_id: self.key_id.unwrap_or_else(|| MANAGED_KEY.to_owned()),
            context: self.context,
            // DSSE-KMS knows no bucket keys.
            bucket_key: self.bucket_key.unwrap_or(bucket_key) && !self.is_dual,
        };
        if self.is_dual { Protection::Dual(key_use) } else { Protection::Kms(key_use) }
    }
}

/// The key that the client keeps, if it sends one.
///
/// # Errors
///
/// `InvalidArgument` when one of its headers is missing or wrong, `InvalidEncryptionAlgorithmError`.
pub(crate) fn customer_key(headers: &HeaderMap) -> Result<Option<CustomerKey>> {
    read_customer_key(headers, &CUSTOMER)
}

/// The key of the source of a copy, if the client sends one.
///
/// # Errors
///
/// As [`customer_key`].
pub(crate) fn customer_key_of_source(headers: &HeaderMap) -> Result<Option<CustomerKey>> {
    read_customer_key(headers, &CUSTOMER_OF_SOURCE)
}

fn read_customer_key(headers: &HeaderMap, names: &CustomerHeaders) -> Result<Option<CustomerKey>> {
    let CustomerHeaders { algorithm, key, md5 } = *names;
    let missing = |what: &str, name| {
        let start = "Requests specifying Server Side Encryption with Customer provided keys must provide";
        Error::invalid_argument(format!("{start} {what}."), name, "")
    };
    match (single(headers, algorithm)?, single(headers, key)?, single(headers, md5)?) {
        (None, None, None) => Ok(None),
        (None, ..) => Err(missing("a valid encryption algorithm", algorithm)),
        (Some(name), ..) if name != S3_NAME => Err(ErrorCode::InvalidEncryptionAlgorithm.into()),
        (_, None, _) => Err(missing("an appropriate secret key", key)),
        (_, _, None) => Err(missing("the client calculated MD5 of the secret key", md5)),
        (_, Some(text), Some(digest)) => {
            let message = "The secret key was invalid for the specified algorithm.";
            let parsed = CustomerKey::parse(text).ok_or_else(|| Error::invalid_argument(message, key, ""))?;
            let message = "The calculated MD5 hash of the key did not match the hash that was provided.";
            if parsed.has_md5(digest) { Ok(Some(parsed)) } else { Err(Error::invalid_argument(message, md5, digest)) }
        }
    }
}

/// Refuses headers that only writes may have: how an object is encrypted is not a reader's to say.
///
/// # Errors
///
/// `InvalidArgument`.
pub(crate) fn check_reader(headers: &HeaderMap) -> Result<()> {
    match [ALGORITHM, KEY_ID, CONTEXT, BUCKET_KEY].into_iter().find(|name| headers.contains_key(*name)) {
        Some(name) => {
            Err(Error::invalid_argument(format!("{name} header is not supported for this operation."), name, ""))
        }
        None => Ok(()),
    }
}

/// Reads an encryption context: a JSON object of strings in Base64. Its names are put in order.
fn context(text: &str) -> Result<String> {
    let message = "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON \
                   which represents a string-string map";
    let map =
        STANDARD.decode(text).ok().and_then(|json| serde_json::from_slice::<BTreeMap<String, String>>(&json).ok());
    let map = map.ok_or_else(|| Error::invalid_argument(message, CONTEXT, text))?;
    Ok(serde_json::to_string(&map).expect("a map of strings is JSON"))
}

fn flag(text: &str) -> Result<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(Error::invalid_argument("The value is neither true nor false", BUCKET_KEY, text)),
    }
}

/// Tells how an object is encrypted, whose customer has sent this key if it is his.
pub(crate) fn write(headers: &mut HeaderMap, method: Option<&Method>, customer: Option<&CustomerKey>) {
    let mut set = |name, value: &str| response::set(headers, HeaderName::from_static(name), value);
    match method {
        None => {}
        Some(Method::S3) => set(ALGORITHM, S3_NAME),
        Some(Method::Kms(key_use) | Method::Dual(key_use)) => {
            set(ALGORITHM, if matches!(method, Some(Method::Dual(_))) { DUAL_NAME } else { KMS_NAME });
            set(KEY_ID, &key_use.key_id);
            if key_use.bucket_key {
                set(BUCKET_KEY, "true");
            }
        }
        Some(Method::Customer) => {
            set(CUSTOMER.algorithm, S3_NAME);
            if let Some(customer) = customer {
                set(CUSTOMER.md5, &customer.md5());
            }
        }
    }
}

/// Tells the client of a write the encryption context that it has given.
pub(crate) fn write_context(headers: &mut HeaderMap, method: Option<&Method>) {
    if let Some(Method::Kms(key_use) | Method::Dual(key_use)) = method
        && let Some(context) = &key_use.context
    {
        response::set(headers, HeaderName::from_static(CONTEXT), &STANDARD.encode(context));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(header).collect()
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        use ErrorCode::{InvalidArgument, InvalidEncryptionAlgorithm};
        let own = [(CUSTOMER.algorithm, "AES256"), (CUSTOMER.key, KEY), (CUSTOMER.md5, MD5)];
        let both = [own.as_slice(), &[(ALGORITHM, "AES256")]].concat();
        for (pairs, expected) in [
            (vec![], None),
            (own.to_vec(), None),
            (vec![(ALGORITHM, "AES256")], None),
            (vec![(ALGORITHM, "aws:kms"), (KEY_ID, "a"), (CONTEXT, "eyJhIjoiYiJ9")], None),
            (vec![(ALGORITHM, "aws:kms:dsse")], None),
            (both, Some(InvalidArgument)),
            (vec![(ALGORITHM, "aes:kms")], Some(InvalidArgument)),
            (vec![(ALGORITHM, "AES256"), (KEY_ID, "a")], Some(InvalidArgument)),
            (vec![(KEY_ID, "a")], Some(InvalidArgument)),
            (vec![(ALGORITHM, "aws:kms"), (CONTEXT, "eyJhIjoxfQ==")], Some(InvalidArgument)),
            (vec![(ALGORITHM, "aws:kms"), (CONTEXT, "?")], Some(InvalidArgument)),
            (vec![(ALGORITHM, "aws:kms"), (BUCKET_KEY, "yes")], Some(InvalidArgument)),
            (own[1..].to_vec(), Some(InvalidArgument)),
            (own[..2].to_vec(), Some(InvalidArgument)),
            (vec![own[0], own[2]], Some(InvalidArgument)),
            (vec![own[0], (CUSTOMER.key, "c2hvcnQ="), own[2]], Some(InvalidArgument)),
            (vec![own[0], own[1], (CUSTOMER.md5, "AAAAAAAAAAAAAAAAAAAAAA==")], Some(InvalidArgument)),
            (vec![(CUSTOMER.algorithm, "AES"), own[1], own[2]], Some(InvalidEncryptionAlgorithm)),
        ] {
            let found = requested(&headers(&pairs)).err().map(|error| error.code());
            assert_eq!(found, expected, "{pairs:?}");
        }
    }

    #[test]
    fn contexts_have_one_form() {
        let encode = |text: &str| context(&STANDARD.encode(text)).ok();
        assert_eq!(encode(r#"{ "b": "2", "a": "1" }"#).as_deref(), Some(r#"{"a":"1","b":"2"}"#));
        assert_eq!((encode("[]"), encode(r#"{"a":{}}"#)), (None, None));
    }

    #[test]
    fn readers_say_nothing_of_encryption_but_their_key() {
        for (name, allowed) in [(ALGORITHM, false), (KEY_ID, false), (CUSTOMER.key, true)] {
            assert_eq!(check_reader(&headers(&[(name, "x")])).is_ok(), allowed, "{name}");
        }
    }
}
