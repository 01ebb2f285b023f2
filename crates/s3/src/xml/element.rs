//! A received document as a tree of elements.
//!
//! The caller bounds the size of the text; depth and number of elements are bounded here. Document types are refused and
//! no entity is expanded but XML's own five, so a small body cannot become a large one.

use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;

use crate::error::{ErrorCode, Result};

/// The deepest document of the S3 API has five levels.
pub(super) const DEPTH_MAX: usize = 8;

/// The largest document of the S3 API, CompleteMultipartUpload, has eight elements in each of 10 000 parts.
pub(super) const ELEMENTS_MAX: usize = 100_000;

/// One element: its name without namespace prefix, its children, its text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// Reads the document in `body` and checks that its root is called `root`.
    ///
    /// # Errors
    ///
    /// `MalformedXML` for everything else.
    pub(crate) fn parse(body: &[u8], root: &str) -> Result<Self> {
        let document = std::str::from_utf8(body).ok().and_then(parse_document);
        document.filter(|element| element.name == root).ok_or_else(|| ErrorCode::MalformedXml.into())
    }

    /// All children called `name`, in order.
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The only child called `name`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// `MalformedXML` when there are several.
    pub(crate) fn child<'a>(&'a self, name: &'a str) -> Result<Option<&'a Element>> {
        let mut found = self.children(name);
        let first = found.next();
        if found.next().is_some() { Err(ErrorCode::MalformedXml.into()) } else { Ok(first) }
    }

    /// The text of the only child called `name`, as it stands.
    ///
    /// # Errors
    ///
    /// `MalformedXML` when there are several.
    pub(crate) fn child_text<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>> {
        Ok(self.child(name)?.map(|child| child.text.as_str()))
    }

    /// Its own text, as it stands.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the element holds neither children nor text but white space.
    pub(crate) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.text.trim().is_empty()
    }

    /// Shows itself, which lies `depth` deep, and all that it holds.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn visit(&self, depth: usize, see: &mut dyn FnMut(usize, &Self)) {
        see(depth, self);
        self.children.iter().for_each(|child| child.visit(depth + 1, see));
    }
}

/// `None` for anything that is not one well-formed element, with comments and a declaration around it at most.
fn parse_document(text: &str) -> Option<Element> {
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0;
    loop {
        let event = reader.read_event().ok()?;
        let leaf = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                count += 1;
                let fits = open.len() < DEPTH_MAX && count <= ELEMENTS_MAX && root.is_none();
                fits.then_some(())?;
                let local_name = start.local_name();
                let name: &str = local_name.as_ref();
                open.push(Element { name: name.to_owned(), ..Element::default() });
                if leaf {
                    close(&mut open, &mut root)?;
                }
            }
            Event::End(_) => close(&mut open, &mut root)?,
            Event::Text(text) => append(&mut open, &text.xml10_content())?,
            Event::CData(text) => append(&mut open, &text.xml10_content())?,
            Event::GeneralRef(reference) => append(&mut open, resolve(&reference)?.encode_utf8(&mut [0; 4]))?,
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return None,
            Event::Eof => return root.filter(|_| open.is_empty()),
        }
    }
}

/// Ends the innermost open element.
fn close(open: &mut Vec<Element>, root: &mut Option<Element>) -> Option<()> {
    let element = open.pop()?;
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
    Some(())
}

/// Adds text to the innermost open element. Outside of the root only white space may stand. A NUL is refused: no document
/// can say it, so that what holds one could not be read back once it is written.
fn append(open: &mut [Element], text: &str) -> Option<()> {
    (!text.contains('\0')).then_some(())?;
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None => text.trim().is_empty().then_some(())?,
    }
    Some(())
}

/// A character reference, or one of the five entities that XML predefines.
fn resolve(reference: &BytesRef<'_>) -> Option<char> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character);
    }
    match reference.xml10_content().as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_found_by_their_local_name() {
        let body = br#"<?xml version="1.0"?><!-- c --><s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/">
            <s3:Object><Key>a &amp; b&#x1;&lt;</Key></s3:Object><Object><Key><![CDATA[<c>]]></Key></Object><Quiet/>
            </s3:Delete>"#;
        let delete = Element::parse(body, "Delete").unwrap();
        let keys: Vec<_> = delete.children("Object").map(|object| object.child_text("Key").unwrap()).collect();
        assert_eq!(keys, [Some("a & b\u{1}<"), Some("<c>")]);
        assert!(delete.child("Quiet").unwrap().unwrap().is_empty());
        assert_eq!(delete.child_text("Missing").unwrap(), None);
        assert!(delete.child("Object").is_err());
    }

    #[test]
    fn keys_keep_their_white_space() {
        let element = Element::parse(b"<D><Key> a\n b </Key></D>", "D").unwrap();
        assert_eq!(element.child_text("Key").unwrap(), Some(" a\n b "));
    }

    #[test]
    fn bombs_and_nonsense_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(DEPTH_MAX + 1), "</a>".repeat(DEPTH_MAX + 1));
        let wide = format!("<a>{}</a>", "<b/>".repeat(ELEMENTS_MAX));
        let cases = [
            "",
            "text",
            "<a>",
            "</a>",
            "<a></b>",
            "<b/>",
            "<a/><a/>",
            "<a/>text",
            "<a>&unknown;</a>",
            "<a>&#xd800;</a>",
            "<a>\0</a>",
            "<a><![CDATA[\0]]></a>",
            "<!DOCTYPE a [<!ENTITY b \"bomb\">]><a>&b;</a>",
            "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
            deep.as_str(),
            wide.as_str(),
        ];
        for body in cases {
            let error = Element::parse(body.as_bytes(), "a").unwrap_err();
            assert_eq!(error.code(), ErrorCode::MalformedXml, "{:.60}", body);
        }
        assert!(Element::parse(b"<a>\xff</a>", "a").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_ends_in_a_result(body in "[<>/a-c&;! \\[\\]\"=-]{0,80}") {
            let _ = Element::parse(body.as_bytes(), "a");
        }
    }
}
