//! Pages that tell of errors.

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use quick_xml::escape::escape;

use crate::error::Error;
use crate::response::{self, Response};

/// The page about an error, in the form that Amazon S3 gives it.
pub(super) struct ErrorPage<'a> {
    pub(super) error: &'a Error,
    /// Why the page that the website has for errors cannot be shown.
    pub(super) nested: Option<&'a Error>,
    /// What support asks for.
    pub(super) ids: [(&'static str, &'a str); 2],
}

impl ErrorPage<'_> {
    /// The answer to a request with `method`.
    pub(super) fn answer(&self, method: &Method) -> Response {
        let status = self.error.code().status();
        let mut answer = response::empty(status);
        for (name, value) in self.error.headers() {
            response::set(answer.headers_mut(), name.clone(), value);
        }
        response::set(answer.headers_mut(), CONTENT_TYPE, "text/html; charset=utf-8");
        if *method != Method::HEAD {
            *answer.body_mut() = Body::from(self.text(status));
        }
        answer
    }

    fn text(&self, status: StatusCode) -> String {
        let title = format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default());
        let ids = self.ids.iter().map(|(name, value)| item(name, value)).collect::<String>();
        let nested = self.nested.map_or_else(String::new, |error| {
            let items = described(error);
            format!(
                "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n{items}</ul>\n"
            )
        });
        let items = described(self.error);
        format!(
            "<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n{items}{ids}</ul>\n{nested}\
             <hr/>\n</body>\n</html>\n"
        )
    }
}

fn described(error: &Error) -> String {
    let known = [("Code", error.code().as_str()), ("Message", error.message())];
    let details = error.details().iter().map(|(name, value)| (*name, value.as_str()));
    known.into_iter().chain(details).map(|(name, value)| item(name, value)).collect()
}

fn item(name: &str, value: &str) -> String {
    format!("<li>{name}: {}</li>\n", escape(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn what_visitors_sent_is_text_on_the_page() {
        let error = Error::new(ErrorCode::NoSuchKey).detail("Key", "<script>alert('1')</script>");
        let nested = Error::new(ErrorCode::AccessDenied);
        let page = ErrorPage { error: &error, nested: Some(&nested), ids: [("RequestId", "7"), ("HostId", "h")] };
        let text = page.text(StatusCode::NOT_FOUND);
        assert!(text.contains("<title>404 Not Found</title>") && text.contains("<li>Code: NoSuchKey</li>"), "{text}");
        assert!(text.contains("Custom Error Document") && text.contains("<li>Code: AccessDenied</li>"), "{text}");
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"), "{text}");
    }
}
