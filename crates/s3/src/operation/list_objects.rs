//! ListObjects and ListObjectsV2.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iam::Account;
use store::list::{ListPage, ListRequest, ListedObject};

use crate::error::{Error, Result};
use crate::frontend::Frontend;
use crate::header::{checksum, metadata};
use crate::operation::acl::write_owner;
use crate::request::Request;
use crate::response::{self, Response};
use crate::timestamp;
use crate::uri;
use crate::xml::{self, Writer};

/// Most entries in one answer.
pub(super) const KEYS_MAX: u16 = 1000;

/// What every kind of listing takes.
pub(super) struct Listing<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) limit: u16,
    encodes_keys: bool,
}

impl<'a> Listing<'a> {
    /// Reads prefix, delimiter, encoding and the limit, which is called `limit_name`.
    pub(super) fn decode(request: &'a Request, limit_name: &'static str) -> Result<Self> {
        Ok(Self {
            prefix: request.query.get("prefix").unwrap_or_default(),
            delimiter: request.query.get_non_empty("delimiter"),
            limit: request.limit(limit_name, KEYS_MAX)?,
            encodes_keys: request.encodes_keys()?,
        })
    }

    pub(super) fn request(&self, after: &str) -> ListRequest {
        ListRequest {
            prefix: self.prefix.to_owned(),
            delimiter: self.delimiter.map(str::to_owned),
            after: after.to_owned(),
            limit: usize::from(self.limit),
        }
    }

    /// A key, prefix or delimiter as this listing writes it.
    pub(super) fn name<'k>(&self, name: &'k str) -> Cow<'k, str> {
        if self.encodes_keys { Cow::Owned(uri::encode_path(name).to_string()) } else { Cow::Borrowed(name) }
    }

    /// The prefix that was asked for. In this older listing botocore does not decode it, while others do; so it is
    /// encoded only where XML cannot hold it or where decoding would change it.
    fn own_prefix(&self) -> Cow<'a, str> {
        let needs_code = |character: char| matches!(character, '%' | '+') || !xml::is_writable(character);
        if self.prefix.contains(needs_code) { self.name(self.prefix) } else { Cow::Borrowed(self.prefix) }
    }

    /// Writes what the client asked for.
    pub(super) fn write_request(&self, document: &mut Writer, limit_name: &'static str) {
        document.value(limit_name, self.limit);
        if let Some(delimiter) = self.delimiter {
            document.text("Delimiter", &self.name(delimiter));
        }
        if self.encodes_keys {
            document.text("EncodingType", "url");
        }
    }

    /// Writes the common prefixes, which come last.
    pub(super) fn write_common_prefixes(&self, document: &mut Writer, prefixes: &[String]) {
        for prefix in prefixes {
            document.open("CommonPrefixes");
            document.text("Prefix", &self.name(prefix));
            document.close();
        }
    }

    /// Writes what a listing says of an object, between its key and its end.
    pub(super) fn write_object(&self, document: &mut Writer, object: &ListedObject, owner: Option<&Account>) {
        document.value("LastModified", timestamp::iso_8601(object.modified));
        document.text("ETag", &response::quoted(&object.etag));
        if let Some((algorithm, kind)) = object.checksum {
            document.text("ChecksumAlgorithm", checksum::name(algorithm));
            document.text("ChecksumType", checksum::kind_name(kind));
        }
        document.value("Size", object.size);
        if let Some(owner) = owner {
            write_owner(document, "Owner", owner);
        }
        document.text("StorageClass", metadata::storage_class_name(object.storage_class.as_deref()));
    }

    fn write_page(&self, document: &mut Writer, page: &ListPage, owner: Option<&Account>) {
        for object in &page.objects {
            document.open("Contents");
            document.text("Key", &self.name(&object.key));
            self.write_object(document, object, owner);
            document.close();
        }
        self.write_common_prefixes(document, &page.common_prefixes);
    }
}

/// ListObjects.
pub(super) async fn list_objects(frontend: &Frontend, request: Request) -> Result<Response> {
    let listing = Listing::decode(&request, "max-keys")?;
    let marker = request.query.get("marker").unwrap_or_default();

    let page = frontend.store.list_objects(request.found(), &listing.request(marker)).await?;

    let owner = frontend.account(&request.access().bucket.owner).await?;
    let mut document = Writer::new("ListBucketResult");
    document.text("Name", request.bucket());
    document.text("Prefix", &listing.own_prefix());
    document.text("Marker", &listing.name(marker));
    // Without a delimiter the last key is the marker, and AWS leaves it at that.
    if let Some(next) = page.next.as_ref().filter(|_| listing.delimiter.is_some()) {
        document.text("NextMarker", &listing.name(next));
    }
    listing.write_request(&mut document, "MaxKeys");
    document.value("IsTruncated", page.next.is_some());
    listing.write_page(&mut document, &page, Some(&owner));
    Ok(response::xml(document))
}

/// ListObjectsV2.
pub(super) async fn list_objects_v2(frontend: &Frontend, request: Request) -> Result<Response> {
    let listing = Listing::decode(&request, "max-keys")?;
    let start_after = request.query.get("start-after");
    let token = request.query.get("continuation-token");
    let after = match token.filter(|token| !token.is_empty()) {
        Some(token) => decode_token(token)?,
        None => start_after.unwrap_or_default().to_owned(),
    };
    let fetches_owner = request.query.get("fetch-owner").is_some_and(|value| value.eq_ignore_ascii_case("true"));

    let page = frontend.store.list_objects(request.found(), &listing.request(&after)).await?;

    let owner = match fetches_owner {
        true => Some(frontend.account(&request.access().bucket.owner).await?),
        false => None,
    };
    let mut document = Writer::new("ListBucketResult");
    document.text("Name", request.bucket());
    document.text("Prefix", &listing.name(listing.prefix));
    if let Some(token) = token {
        document.text("ContinuationToken", token);
    }
    if let Some(next) = &page.next {
        document.text("NextContinuationToken", &encode_token(next));
    }
    if let Some(start_after) = start_after {
        document.text("StartAfter", &listing.name(start_after));
    }
    document.value("KeyCount", page.objects.len() + page.common_prefixes.len());
    listing.write_request(&mut document, "MaxKeys");
    document.value("IsTruncated", page.next.is_some());
    listing.write_page(&mut document, &page, owner.as_ref());
    Ok(response::xml(document))
}

/// A continuation token is what the next page comes behind, in a form that fits into XML and URLs.
pub(super) fn encode_token(after: &str) -> String {
    URL_SAFE_NO_PAD.encode(after)
}

pub(super) fn decode_token(token: &str) -> Result<String> {
    let after = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let message = "The continuation token provided is incorrect";
    after.ok_or_else(|| Error::invalid_argument(message, "continuation-token", token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use proptest::prelude::*;

    #[test]
    fn tokens_that_cannot_have_been_given_are_refused() {
        for token in ["!", "a", "a b", &URL_SAFE_NO_PAD.encode(b"\xff")] {
            assert_eq!(decode_token(token).unwrap_err().code(), ErrorCode::InvalidArgument, "{token:?}");
        }
    }

    proptest! {
        #[test]
        fn tokens_survive_a_round_trip(after in any::<String>()) {
            prop_assert_eq!(decode_token(&encode_token(&after)).unwrap(), after);
        }
    }
}
