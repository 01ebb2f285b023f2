//! Writes a response document.

use std::fmt::{Display, Write};

use crate::xml::NAMESPACE;

/// A document being written. Elements appear in the order of the calls.
pub(crate) struct Writer {
    text: String,
    open: Vec<&'static str>,
}

impl Writer {
    /// Starts a document whose root is called `root`, in the S3 namespace.
    pub(crate) fn new(root: &'static str) -> Self {
        Self::start(format!("<{root} xmlns=\"{NAMESPACE}\">"), root)
    }

    /// Starts a document whose root is called `root`, in another namespace.
    pub(crate) fn in_namespace(root: &'static str, namespace: &str) -> Self {
        Self::start(format!("<{root} xmlns=\"{namespace}\">"), root)
    }

    /// A document of one element that holds text.
    pub(crate) fn leaf(root: &'static str, text: &str) -> Self {
        let mut document = Self::new(root);
        document.escaped(text);
        document
    }

    /// Starts a document whose root is called `root`, without a namespace: errors have none.
    pub(crate) fn without_namespace(root: &'static str) -> Self {
        Self::start(format!("<{root}>"), root)
    }

    fn start(tag: String, root: &'static str) -> Self {
        Self { text: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{tag}"), open: vec![root] }
    }

    /// Opens an element.
    pub(crate) fn open(&mut self, name: &'static str) {
        self.tag("<", name);
        self.open.push(name);
    }

    /// Opens an element that says which kind of grantee it is.
    pub(crate) fn open_typed(&mut self, name: &'static str, kind: &'static str) {
        let schema = "http://www.w3.org/2001/XMLSchema-instance";
        self.raw(format_args!("<{name} xmlns:xsi=\"{schema}\" xsi:type=\"{kind}\">"));
        self.open.push(name);
    }

    /// Closes the innermost open element.
    ///
    /// # Panics
    ///
    /// Panics when none is open.
    pub(crate) fn close(&mut self) {
        let name = self.open.pop().expect("every close belongs to an open");
        self.tag("</", name);
    }

    /// Writes an element that holds text.
    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        self.tag("<", name);
        self.escaped(text);
        self.tag("</", name);
    }

    /// Writes an element that holds a number or another value without special characters.
    pub(crate) fn value(&mut self, name: &'static str, value: impl Display) {
        self.tag("<", name);
        self.raw(format_args!("{value}"));
        self.tag("</", name);
    }

    /// Closes what is open and returns the document.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn raw(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("writing to a string cannot fail");
    }

    fn tag(&mut self, start: &str, name: &str) {
        self.text.push_str(start);
        self.text.push_str(name);
        self.text.push('>');
    }

    /// Escapes markup, and control characters as references. XML 1.0 has no way to say most of these at all; AWS writes
    /// references too, and `encoding-type=url` is the way for clients whose parsers refuse them.
    fn escaped(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(is_special) {
            let (plain, special) = rest.split_at(at);
            self.text.push_str(plain);
            let mut characters = special.chars();
            match characters.next() {
                Some('<') => self.text.push_str("&lt;"),
                Some('>') => self.text.push_str("&gt;"),
                Some('&') => self.text.push_str("&amp;"),
                Some('"') => self.text.push_str("&quot;"),
                Some(control) => self.raw(format_args!("&#x{:x};", u32::from(control))),
                None => {}
            }
            rest = characters.as_str();
        }
        self.text.push_str(rest);
    }
}

/// Whether XML gives the character a meaning, or has no way to write it.
fn is_special(character: char) -> bool {
    match character {
        '<' | '>' | '&' | '"' => true,
        _ => !is_writable(character),
    }
}

/// Whether XML 1.0 can hold the character as it is, apart from markup.
pub(crate) fn is_writable(character: char) -> bool {
    match character {
        '\t' | '\n' => true,
        _ => !character.is_ascii_control() && !matches!(character, '\u{fffe}' | '\u{ffff}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Element;
    use proptest::prelude::*;

    #[test]
    fn documents_look_as_aws_writes_them() {
        let mut writer = Writer::new("ListBucketResult");
        writer.text("Name", "bucket");
        writer.open("Contents");
        writer.text("Key", "a<b>&\"c\"\u{1}\r'");
        writer.value("Size", 5);
        assert_eq!(
            writer.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name><Contents><Key>a&lt;b&gt;&amp;\
             &quot;c&quot;&#x1;&#xd;'</Key><Size>5</Size></Contents></ListBucketResult>"
        );
    }

    proptest! {
        #[test]
        fn text_survives_writing_and_reading(text in "[^\u{0}]{0,40}") {
            let mut writer = Writer::without_namespace("A");
            writer.text("B", &text);
            let document = writer.finish();
            let element = Element::parse(document.as_bytes(), "A").unwrap();
            prop_assert_eq!(element.child_text("B").unwrap(), Some(text.as_str()));
        }
    }
}
