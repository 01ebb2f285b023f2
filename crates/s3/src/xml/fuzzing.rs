//! Any document.

use iam::acl::Acl;
use iam::{ObjectOwnership, PublicAccessBlock};

use super::element::{DEPTH_MAX, ELEMENTS_MAX};
use super::{Element, Writer};
use crate::operation;
use crate::settings::{
    Abac, Acceleration, BucketEncryption, Cors, Document, Lifecycle, LoggingStatus, Payer, Tags, Website,
    check_round_trip, tags,
};

/// A body: read as each document that there is.
///
/// What is understood means the same after it was written and read back, and is written in one way only. A document in
/// memory is not larger than its text, and has no more elements and depth than it may.
pub fn xml(input: &[u8]) {
    document::<Abac>(input);
    document::<Acceleration>(input);
    document::<BucketEncryption>(input);
    document::<Cors>(input);
    document::<Lifecycle>(input);
    document::<LoggingStatus>(input);
    document::<ObjectOwnership>(input);
    document::<Payer>(input);
    document::<PublicAccessBlock>(input);
    document::<Tags>(input);
    document::<Website>(input);
    if let Ok(acl) = Acl::parse(input, "bucket") {
        let written = Acl::parse(acl.write().as_bytes(), "bucket").expect("what was written can be read");
        // Groups come first then.
        let same =
            acl.grants.len() == written.grants.len() && acl.grants.iter().all(|grant| written.grants.contains(grant));
        assert!(same && acl.owner == written.owner, "{acl:?}");
        check_round_trip(&written);
    }
    if let Ok(found) = tags::of_object(input) {
        assert_eq!(tags::of_header(&tags::to_header(&found)).expect("what was written can be read"), found);
    }
    operation::fuzzing::read(input);
    if let Some(element) = root(input).and_then(|root| Element::parse(input, root).ok()) {
        check(&element, input.len());
    }
}

fn document<D: Document + std::fmt::Debug + PartialEq>(body: &[u8]) {
    if let Ok(document) = D::parse(body, "bucket") {
        check_round_trip(&document);
    }
}

/// What the first element seems to be called.
fn root(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let tag = text.split('<').skip(1).find(|tag| !tag.starts_with(['?', '!']))?;
    let name = tag.split(|letter: char| letter.is_ascii_whitespace() || "/>".contains(letter)).next()?;
    Some(name.split_once(':').map_or(name, |(_, name)| name))
}

fn check(element: &Element, size: usize) {
    let (mut count, mut text_size) = (0, 0);
    element.visit(1, &mut |depth, element| {
        count += 1;
        text_size += element.text().len();
        assert!(depth <= DEPTH_MAX);
        let written = Writer::leaf("Text", element.text()).finish();
        let read = Element::parse(written.as_bytes(), "Text").expect("what was written can be read");
        assert_eq!(read.text(), element.text());
    });
    assert!(count <= ELEMENTS_MAX && text_size <= size);
}
