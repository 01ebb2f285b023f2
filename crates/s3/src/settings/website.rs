//! The website of a bucket (S3 user guide, "Hosting a static website using Amazon S3"; WebsiteConfiguration in the API
//! reference).

use http::StatusCode;

use crate::error::{Error, ErrorCode, Result};
use crate::settings::Document;
use crate::xml::{Element, Writer};

/// Most routing rules of a website.
const RULES_MAX: usize = 50;

/// The website configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Website {
    /// Every request is sent to another host.
    Elsewhere {
        /// Which.
        host: String,
        /// `http` or `https`; `None` as the request came.
        protocol: Option<Protocol>,
    },
    /// The objects are the pages.
    Here(Pages),
}

/// How the objects of a bucket are pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// What stands for a folder: appended to keys that are empty or end in a slash.
    pub(crate) index: String,
    /// The key of the page that tells of errors.
    pub(crate) error: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Https,
}

/// One routing rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    has_condition: bool,
    prefix: Option<String>,
    status: Option<StatusCode>,
    redirect: Redirect,
}

/// Where a rule sends a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Redirect {
    protocol: Option<Protocol>,
    host: Option<String>,
    key: Option<NewKey>,
    status: Option<StatusCode>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum NewKey {
    /// This one.
    Whole(String),
    /// The old one with this in place of the rule's prefix.
    Prefix(String),
}

/// Where a request is sent instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    /// `None`: as the request came.
    pub(crate) protocol: Option<Protocol>,
    /// `None`: the host of the request.
    pub(crate) host: Option<String>,
    pub(crate) key: String,
    /// 3xx.
    pub(crate) status: StatusCode,
}

impl Protocol {
    fn parse(text: &str) -> Result<Self> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => {
                let message = "Invalid protocol, protocol can be http or https. If not defined the protocol will be \
                               selected automatically.";
                Err(Error::with_message(ErrorCode::InvalidRequest, message))
            }
        }
    }

    /// As URLs begin.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Pages {
    /// Where the first fitting rule sends a request for `key`; `failed` is the status it would be answered with, `None`
    /// before that is known. Rules about errors wait for one, the others do not.
    pub(crate) fn redirect(&self, key: &str, failed: Option<StatusCode>) -> Option<Elsewhere> {
        let rule = self.rules.iter().find(|rule| rule.status == failed && key.starts_with(rule.prefix()))?;
        let Redirect { protocol, host, key: new_key, status } = rule.redirect.clone();
        let key = match new_key {
            None => key.to_owned(),
            Some(NewKey::Whole(whole)) => whole,
            Some(NewKey::Prefix(prefix)) => prefix + &key[rule.prefix().len()..],
        };
        Some(Elsewhere { protocol, host, key, status: status.unwrap_or(StatusCode::MOVED_PERMANENTLY) })
    }
}

impl Rule {
    fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or_default()
    }

    fn parse(rule: &Element) -> Result<Self> {
        let condition = rule.child("Condition")?;
        let (mut prefix, mut status) = (None, None);
        if let Some(condition) = condition {
            prefix = condition.child_text("KeyPrefixEquals")?.map(str::to_owned);
            status = condition.child_text("HttpErrorCodeReturnedEquals")?.map(error_status).transpose()?;
            if prefix.is_none() && status.is_none() {
                let message = "Condition cannot be empty. To redirect all requests without a condition, the condition \
                               element shouldn't be present.";
                return Err(Error::with_message(ErrorCode::InvalidRequest, message));
            }
        }
        let redirect = rule.child("Redirect")?.ok_or(ErrorCode::MalformedXml)?;
        let redirect = Redirect::parse(redirect)?;
        Ok(Self { has_condition: condition.is_some(), prefix, status, redirect })
    }

    fn write(&self, document: &mut Writer) {
        document.open("RoutingRule");
        if self.has_condition {
            document.open("Condition");
            write_option(document, "KeyPrefixEquals", self.prefix.as_deref());
            write_option(document, "HttpErrorCodeReturnedEquals", self.status.as_ref().map(StatusCode::as_str));
            document.close();
        }
        self.redirect.write(document);
        document.close();
    }
}

impl Redirect {
    fn parse(redirect: &Element) -> Result<Self> {
        let text = |name| Ok::<_, Error>(redirect.child_text(name)?.map(str::to_owned));
        let key = match (text("ReplaceKeyWith")?, text("ReplaceKeyPrefixWith")?) {
            (Some(_), Some(_)) => {
                let message = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
                return Err(Error::with_message(ErrorCode::InvalidRequest, message));
            }
            (Some(key), None) => Some(NewKey::Whole(key)),
            (None, Some(prefix)) => Some(NewKey::Prefix(prefix)),
            (None, None) => None,
        };
        let redirect = Self {
            protocol: text("Protocol")?.as_deref().map(Protocol::parse).transpose()?,
            host: text("HostName")?,
            key,
            status: text("HttpRedirectCode")?.as_deref().map(redirect_status).transpose()?,
        };
        if redirect == Self::default() { Err(ErrorCode::MalformedXml.into()) } else { Ok(redirect) }
    }

    fn write(&self, document: &mut Writer) {
        document.open("Redirect");
        write_option(document, "Protocol", self.protocol.map(Protocol::as_str));
        write_option(document, "HostName", self.host.as_deref());
        match &self.key {
            None => {}
            Some(NewKey::Whole(key)) => document.text("ReplaceKeyWith", key),
            Some(NewKey::Prefix(prefix)) => document.text("ReplaceKeyPrefixWith", prefix),
        }
        write_option(document, "HttpRedirectCode", self.status.as_ref().map(StatusCode::as_str));
        document.close();
    }
}

fn write_option(document: &mut Writer, name: &'static str, text: Option<&str>) {
    if let Some(text) = text {
        document.text(name, text);
    }
}

fn error_status(text: &str) -> Result<StatusCode> {
    let status = StatusCode::try_from(text).ok().filter(|status| status.is_client_error() || status.is_server_error());
    status.ok_or_else(|| {
        let message = "The provided HTTP error code is not valid. Valid codes are 4XX or 5XX.";
        Error::with_message(ErrorCode::InvalidRequest, message).detail("ProvidedCode", text)
    })
}

fn redirect_status(text: &str) -> Result<StatusCode> {
    // 300 and 304 are no redirects.
    const NO_REDIRECTS: [StatusCode; 2] = [StatusCode::MULTIPLE_CHOICES, StatusCode::NOT_MODIFIED];
    let status = StatusCode::try_from(text).ok();
    let status = status.filter(|status| status.is_redirection() && !NO_REDIRECTS.contains(status));
    status.ok_or_else(|| {
        let message = "The provided HTTP redirect code is not valid. Valid codes are 3XX except 300 and 304.";
        Error::with_message(ErrorCode::InvalidRequest, message).detail("ProvidedCode", text)
    })
}

/// The text of a child, which must say something.
fn required(element: &Element, name: &'static str) -> Result<String> {
    match element.child_text(name)? {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(ErrorCode::MalformedXml.into()),
    }
}

impl Document for Website {
    const KIND: u8 = 25;
    const SIZE_MAX: usize = 64 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "WebsiteConfiguration")?;
        let (index, error) = (document.child("IndexDocument")?, document.child("ErrorDocument")?);
        let rules = document.child("RoutingRules")?;
        if let Some(all) = document.child("RedirectAllRequestsTo")? {
            if index.is_some() || error.is_some() || rules.is_some() {
                let message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
                return Err(Error::with_message(ErrorCode::InvalidRequest, message));
            }
            let protocol = all.child_text("Protocol")?.map(Protocol::parse).transpose()?;
            return Ok(Self::Elsewhere { host: required(all, "HostName")?, protocol });
        }
        let missing = || {
            Error::invalid_argument(
                "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty",
                "IndexDocument",
                "null",
            )
        };
        let index = required(index.ok_or_else(missing)?, "Suffix")?;
        if index.contains('/') {
            return Err(Error::invalid_argument("The IndexDocument Suffix is not well formed", "IndexDocument", index));
        }
        let rules: Vec<Rule> = match rules {
            Some(rules) => rules.children("RoutingRule").map(Rule::parse).collect::<Result<_>>()?,
            None => Vec::new(),
        };
        if RULES_MAX < rules.len() {
            let message = format!(
                "The number of routing rules must not exceed {RULES_MAX}: {} routing rules provided",
                rules.len()
            );
            return Err(Error::with_message(ErrorCode::InvalidRequest, message));
        }
        let error = error.map(|error| required(error, "Key")).transpose()?;
        Ok(Self::Here(Pages { index, error, rules }))
    }

    fn write(&self) -> String {
        let mut document = Writer::new("WebsiteConfiguration");
        match self {
            Self::Elsewhere { host, protocol } => {
                document.open("RedirectAllRequestsTo");
                document.text("HostName", host);
                write_option(&mut document, "Protocol", protocol.map(Protocol::as_str));
                document.close();
            }
            Self::Here(Pages { index, error, rules }) => {
                document.open("IndexDocument");
                document.text("Suffix", index);
                document.close();
                if let Some(key) = error {
                    document.open("ErrorDocument");
                    document.text("Key", key);
                    document.close();
                }
                if !rules.is_empty() {
                    document.open("RoutingRules");
                    rules.iter().for_each(|rule| rule.write(&mut document));
                    document.close();
                }
            }
        }
        document.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    fn parse(inside: &str) -> Result<Website> {
        Website::parse(format!("<WebsiteConfiguration>{inside}</WebsiteConfiguration>").as_bytes(), "bucket")
    }

    fn pages(rules: &str) -> Pages {
        let index = "<IndexDocument><Suffix>index.html</Suffix></IndexDocument>";
        let Website::Here(pages) = parse(&format!("{index}<RoutingRules>{rules}</RoutingRules>")).unwrap() else {
            unreachable!("an index makes pages")
        };
        pages
    }

    fn rule(condition: &str, redirect: &str) -> String {
        format!("<RoutingRule>{condition}<Redirect>{redirect}</Redirect></RoutingRule>")
    }

    #[test]
    fn documents_are_read_back_as_they_were() {
        let all =
            "<RedirectAllRequestsTo><HostName>example.com</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>";
        check_round_trip(&parse(all).unwrap());
        let condition = "<Condition><KeyPrefixEquals>docs/</KeyPrefixEquals>\
                         <HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>";
        let rules = rule(condition, "<ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith>")
            + &rule("", "<HostName>other</HostName><HttpRedirectCode>307</HttpRedirectCode><Protocol>http</Protocol>");
        check_round_trip(&Website::Here(Pages { error: Some("error.html".to_owned()), ..pages(&rules) }));
    }

    #[test]
    fn the_first_fitting_rule_redirects() {
        let of_prefix = |prefix: &str| format!("<Condition><KeyPrefixEquals>{prefix}</KeyPrefixEquals></Condition>");
        let missing = "<Condition><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition>";
        let rules = rule(&of_prefix("docs/"), "<ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith>")
            + &rule(&of_prefix("d"), "<ReplaceKeyWith>d.html</ReplaceKeyWith><HttpRedirectCode>302</HttpRedirectCode>")
            + &rule(missing, "<HostName>archive.example.com</HostName><Protocol>https</Protocol>");
        let pages = pages(&rules);
        let found = pages.redirect("docs/a.html", None).unwrap();
        assert_eq!((found.key.as_str(), found.status.as_u16()), ("documents/a.html", 301));
        let found = pages.redirect("data", None).unwrap();
        assert_eq!((found.key.as_str(), found.status.as_u16()), ("d.html", 302));
        assert_eq!(pages.redirect("other", None), None);
        let found = pages.redirect("other", Some(StatusCode::NOT_FOUND)).unwrap();
        assert_eq!((found.host.as_deref(), found.key.as_str()), (Some("archive.example.com"), "other"));
        assert_eq!(pages.redirect("other", Some(StatusCode::FORBIDDEN)), None);
    }

    #[test]
    fn malformed_websites_are_refused() {
        use ErrorCode::{InvalidArgument, InvalidRequest, MalformedXml};
        let index = "<IndexDocument><Suffix>i</Suffix></IndexDocument>";
        let ruled = |redirect: &str| format!("{index}<RoutingRules>{}</RoutingRules>", rule("", redirect));
        let many = format!("{index}<RoutingRules>{}</RoutingRules>", rule("", "<HostName>h</HostName>").repeat(51));
        let cases = [
            ("", InvalidArgument),
            ("<IndexDocument><Suffix></Suffix></IndexDocument>", MalformedXml),
            ("<IndexDocument><Suffix>a/b</Suffix></IndexDocument>", InvalidArgument),
            ("<RedirectAllRequestsTo/>", MalformedXml),
            (&format!("{index}<RedirectAllRequestsTo><HostName>h</HostName></RedirectAllRequestsTo>"), InvalidRequest),
            (&format!("{index}<ErrorDocument/>"), MalformedXml),
            (&ruled(""), MalformedXml),
            (&ruled("<Protocol>ftp</Protocol>"), InvalidRequest),
            (&ruled("<HttpRedirectCode>200</HttpRedirectCode>"), InvalidRequest),
            (
                &ruled("<ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith>"),
                InvalidRequest,
            ),
            (&many, InvalidRequest),
        ];
        for (inside, code) in cases {
            assert_eq!(parse(inside).unwrap_err().code(), code, "{inside}");
        }
    }
}
