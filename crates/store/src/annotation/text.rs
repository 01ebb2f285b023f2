//! Whether a body is text, found out while it passes.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use crate::body::{Body, BodyError};
use crate::checksum::Checksum;

/// Passes UTF-8 on, and fails where it is none.
pub(super) struct TextBody {
    inner: Box<dyn Body>,
    /// The beginning of a character whose rest has not come yet.
    begun: Vec<u8>,
    checked: Checked,
}

/// What was found of a body.
#[derive(Clone)]
pub(super) struct Checked(Arc<AtomicBool>);

impl Checked {
    /// Whether all that has passed is text.
    pub(super) fn is_text(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl TextBody {
    pub(super) fn new(inner: Box<dyn Body>) -> (Self, Checked) {
        let checked = Checked(Arc::new(AtomicBool::new(true)));
        (Self { inner, begun: Vec::new(), checked: checked.clone() }, checked)
    }

    /// Whether `chunk` goes on as text.
    fn accepts(&mut self, chunk: &[u8]) -> bool {
        let bytes = if self.begun.is_empty() { Cow::Borrowed(chunk) } else { [&self.begun[..], chunk].concat().into() };
        let rest = match std::str::from_utf8(&bytes) {
            Ok(_) => Vec::new(),
            Err(error) if error.error_len().is_none() => bytes[error.valid_up_to()..].to_vec(),
            Err(_) => return false,
        };
        self.begun = rest;
        true
    }

    fn fail(&self) -> BodyError {
        self.checked.0.store(false, Ordering::Release);
        BodyError::Malformed("it is not UTF-8")
    }
}

impl Body for TextBody {
    fn poll_chunk(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let chunk = ready!(Pin::new(&mut *self.inner).poll_chunk(context));
        Poll::Ready(match chunk {
            Some(Ok(chunk)) if !self.accepts(&chunk) => Some(Err(self.fail())),
            None if !self.begun.is_empty() => Some(Err(self.fail())),
            chunk => chunk,
        })
    }

    fn trailer(&mut self) -> Option<Checksum> {
        self.inner.trailer()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::stream;

    use super::*;
    use crate::body::StreamBody;

    /// Whether the chunks pass, and whether they are found to be text.
    fn check(chunks: &[&'static [u8]]) -> (bool, bool) {
        let chunks: Vec<_> = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk))).collect();
        let (mut body, checked) = TextBody::new(Box::new(StreamBody(stream::iter(chunks))));
        let passed = std::future::poll_fn(|context| {
            loop {
                match ready!(Pin::new(&mut body).poll_chunk(context)) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return Poll::Ready(false),
                    None => return Poll::Ready(true),
                }
            }
        });
        (passed.now_or_never().unwrap(), checked.is_text())
    }

    #[test]
    fn text_passes_wherever_it_is_cut_and_nothing_else_does() {
        let text = "aä€🦀".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(check(&chunks), (true, true), "cut at {first} and {second}");
            }
            let whole = std::str::from_utf8(&text[..first]).is_ok();
            assert_eq!(check(&[&text[..first]]), (whole, whole), "ends at {first}");
        }
        for bad in [&b"\xff"[..], b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
            assert_eq!(check(&[b"good", bad]), (false, false), "{bad:x?}");
            assert_eq!(check(&[&bad[..1], &bad[1..]]), (false, false), "{bad:x?} in two");
        }
    }
}
