//! Answers of the Query protocol.

use std::collections::BTreeMap;

use env::UnixMillis;
use identity::Page;

use crate::response::{self, Response};
use crate::timestamp;
use crate::uri;
use crate::xml::Writer;

/// The namespace of IAM's answers.
pub(super) const IAM_NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// The namespace of STS's answers.
pub(super) const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Ends a document, which is in its root element.
pub(super) fn finish(mut document: Writer, request_id: &str) -> String {
    document.open("ResponseMetadata");
    document.text("RequestId", request_id);
    document.close();
    document.finish()
}

/// The answer with a document.
pub(super) fn respond(document: String) -> Response {
    let mut answer = response::xml_text(document);
    response::set(answer.headers_mut(), http::header::CONTENT_TYPE, "text/xml");
    answer
}

/// Writes a moment: IAM knows no parts of seconds.
pub(super) fn write_time(document: &mut Writer, name: &'static str, moment: UnixMillis) {
    document.value(name, timestamp::iso_8601_seconds(moment));
}

/// Writes the document of a policy, percent-encoded as IAM does.
pub(super) fn write_policy(document: &mut Writer, name: &'static str, policy: &str) {
    document.value(name, uri::encode(policy));
}

/// Writes tags; none of them as nothing.
pub(super) fn write_tags(document: &mut Writer, tags: &BTreeMap<String, String>) {
    if tags.is_empty() {
        return;
    }
    document.open("Tags");
    for (key, value) in tags {
        document.open("member");
        document.text("Key", key);
        document.text("Value", value);
        document.close();
    }
    document.close();
}

/// Writes a list of texts.
pub(super) fn write_texts(document: &mut Writer, name: &'static str, texts: &[String]) {
    document.open(name);
    for text in texts {
        document.text("member", text);
    }
    document.close();
}

/// Writes the permissions boundary of a user or role.
pub(super) fn write_boundary(document: &mut Writer, boundary: Option<&str>) {
    if let Some(arn) = boundary {
        document.open("PermissionsBoundary");
        document.text("PermissionsBoundaryType", "Policy");
        document.text("PermissionsBoundaryArn", arn);
        document.close();
    }
}

/// Writes a page: its entries under `name`, and whether there are more.
pub(super) fn write_page<T>(
    document: &mut Writer,
    name: &'static str,
    page: &Page<T>,
    write: impl Fn(&mut Writer, &T),
) {
    document.open(name);
    for entry in &page.entries {
        document.open("member");
        write(document, entry);
        document.close();
    }
    document.close();
    write_end(document, page);
}

/// Writes whether there are more pages.
pub(super) fn write_end<T>(document: &mut Writer, page: &Page<T>) {
    document.value("IsTruncated", page.marker.is_some());
    if let Some(marker) = &page.marker {
        document.text("Marker", marker);
    }
}
