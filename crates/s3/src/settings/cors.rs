//! Which pages of other origins may ask (Fetch standard, "CORS protocol"; S3 user guide, "Elements of a CORS
//! configuration").

use http::Method;

use crate::error::{Error, ErrorCode, Result};
use crate::settings::Document;
use crate::xml::{Element, Writer};

/// Most rules of a bucket.
const RULES_MAX: usize = 100;

/// Longest id of a rule, in characters.
const ID_LENGTH_MAX: usize = 255;

/// The methods that a rule may allow.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// The CORS configuration of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    id: Option<String>,
    methods: Vec<String>,
    /// With one star at most.
    origins: Vec<String>,
    /// With one star at most.
    headers: Vec<String>,
    exposed: Vec<String>,
    max_age_seconds: Option<u32>,
}

/// A request that comes from a page of another origin.
pub(crate) struct Crossing<'a> {
    /// `Origin`.
    pub(crate) origin: &'a str,
    /// Its method, or the one that a preflight asks for.
    pub(crate) method: &'a str,
    /// The headers that a preflight asks for.
    pub(crate) headers: Vec<&'a str>,
}

/// What the first fitting rule allows.
pub(crate) struct Allowed {
    /// `Access-Control-Allow-Origin`.
    pub(crate) origin: String,
    /// `Access-Control-Allow-Methods`.
    pub(crate) methods: String,
    /// `Access-Control-Expose-Headers`, if any.
    pub(crate) exposed: Option<String>,
    /// `Access-Control-Max-Age`.
    pub(crate) max_age_seconds: Option<u32>,
}

impl Cors {
    /// What the first rule that fits allows; `None` when no rule does.
    pub(crate) fn allow(&self, crossing: &Crossing<'_>) -> Option<Allowed> {
        self.rules.iter().find_map(|rule| rule.allow(crossing))
    }
}

impl Rule {
    fn allow(&self, crossing: &Crossing<'_>) -> Option<Allowed> {
        let origin = self.origins.iter().find(|pattern| matches(pattern, crossing.origin))?;
        let method_fits = self.methods.iter().any(|method| method == crossing.method);
        let header_fits = |header: &&str| {
            let header = header.to_ascii_lowercase();
            self.headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &header))
        };
        if !method_fits || !crossing.headers.iter().all(header_fits) {
            return None;
        }
        Some(Allowed {
            origin: if origin == "*" { "*".to_owned() } else { crossing.origin.to_owned() },
            methods: self.methods.join(", "),
            exposed: Some(self.exposed.join(", ")).filter(|list| !list.is_empty()),
            max_age_seconds: self.max_age_seconds,
        })
    }

    fn parse(rule: &Element) -> Result<Self> {
        let texts =
            |name: &'static str| rule.children(name).map(|child| child.text().trim().to_owned()).collect::<Vec<_>>();
        let (methods, origins) = (texts("AllowedMethod"), texts("AllowedOrigin"));
        if methods.is_empty() || origins.is_empty() {
            return Err(ErrorCode::MalformedXml.into());
        }
        if let Some(method) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            return Err(refuse(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
        let headers = texts("AllowedHeader");
        for (name, pattern) in
            origins.iter().map(|text| ("AllowedOrigin", text)).chain(headers.iter().map(|text| ("AllowedHeader", text)))
        {
            if 1 < pattern.matches('*').count() {
                return Err(refuse(format!("{name} \"{pattern}\" can not have more than one wildcard.")));
            }
        }
        let exposed = texts("ExposeHeader");
        if let Some(pattern) = exposed.iter().find(|name| name.contains('*')) {
            return Err(refuse(format!(
                "ExposeHeader \"{pattern}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            )));
        }
        let is_header = |name: &String| http::HeaderName::try_from(name.as_str()).is_ok();
        if !exposed.iter().all(is_header) {
            return Err(ErrorCode::MalformedXml.into());
        }
        let max_age = rule.child_text("MaxAgeSeconds")?.map(|text| text.trim().parse());
        let id = rule.child_text("ID")?.map(str::to_owned);
        if id.as_ref().is_some_and(|id| ID_LENGTH_MAX < id.chars().count()) {
            return Err(ErrorCode::MalformedXml.into());
        }
        Ok(Self {
            id,
            methods,
            origins,
            headers,
            exposed,
            max_age_seconds: max_age.transpose().map_err(|_| ErrorCode::MalformedXml)?,
        })
    }
}

fn refuse(message: String) -> Error {
    Error::with_message(ErrorCode::InvalidRequest, message)
}

/// Whether `text` fits `pattern`, whose one star stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => start.len() + end.len() <= text.len() && text.starts_with(start) && text.ends_with(end),
    }
}

impl Document for Cors {
    const KIND: u8 = 6;
    const SIZE_MAX: usize = 64 * 1024;

    fn parse(body: &[u8], _: &str) -> Result<Self> {
        let document = Element::parse(body, "CORSConfiguration")?;
        let rules: Vec<_> = document.children("CORSRule").map(Rule::parse).collect::<Result<_>>()?;
        let count_valid = (1..=RULES_MAX).contains(&rules.len());
        if count_valid { Ok(Self { rules }) } else { Err(ErrorCode::MalformedXml.into()) }
    }

    fn write(&self) -> String {
        let mut document = Writer::new("CORSConfiguration");
        for rule in &self.rules {
            document.open("CORSRule");
            rule.id.iter().for_each(|id| document.text("ID", id));
            rule.methods.iter().for_each(|text| document.text("AllowedMethod", text));
            rule.origins.iter().for_each(|text| document.text("AllowedOrigin", text));
            rule.headers.iter().for_each(|text| document.text("AllowedHeader", text));
            rule.max_age_seconds.iter().for_each(|seconds| document.value("MaxAgeSeconds", seconds));
            rule.exposed.iter().for_each(|text| document.text("ExposeHeader", text));
            document.close();
        }
        document.finish()
    }
}

impl<'a> Crossing<'a> {
    /// Reads it from the headers of a request with this method; `None` when the request comes from nowhere else.
    pub(crate) fn of(headers: &'a http::HeaderMap, method: &'a Method) -> Option<Self> {
        let text = |name: http::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(http::header::ORIGIN)?;
        let asked = text(http::header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let asked = asked.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let method = text(http::header::ACCESS_CONTROL_REQUEST_METHOD).unwrap_or(method.as_str());
        Some(Self { origin, method, headers: asked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::check_round_trip;

    fn parse(rules: &str) -> Result<Cors, ErrorCode> {
        let body = format!("<CORSConfiguration>{rules}</CORSConfiguration>");
        Cors::parse(body.as_bytes(), "bucket").map_err(|error| error.code())
    }

    const RULES: &str = "<CORSRule><ID>a</ID><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
        <AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedHeader>x-amz-*</AllowedHeader>\
        <MaxAgeSeconds>60</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader></CORSRule>\
        <CORSRule><AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>";

    #[test]
    fn the_first_fitting_rule_answers() {
        let cors = parse(RULES).unwrap();
        check_round_trip(&cors);
        let allow = |origin, method, headers: &[&'static str]| {
            cors.allow(&Crossing { origin, method, headers: headers.to_vec() }).map(|allowed| allowed.origin)
        };
        let own = "https://www.example.com";
        assert_eq!(allow(own, "GET", &[]).as_deref(), Some(own));
        assert_eq!(allow(own, "PUT", &["X-Amz-Date"]).as_deref(), Some(own));
        assert_eq!(allow(own, "PUT", &["x-amz-date", "range"]), None);
        assert_eq!(allow("https://.example.com", "GET", &[]).as_deref(), Some("https://.example.com"));
        assert_eq!(allow("https://example.com", "GET", &[]), None);
        assert_eq!(allow("https://www.example.com.evil", "GET", &[]), None);
        assert_eq!(allow("http://anywhere", "HEAD", &[]).as_deref(), Some("*"));
        assert_eq!(allow("http://anywhere", "DELETE", &[]), None);
    }

    #[test]
    fn malformed_rules_are_refused() {
        let rule = |inside: &str| {
            format!("<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>{inside}</CORSRule>")
        };
        assert!(parse(&rule("").repeat(RULES_MAX)).is_ok());
        for (rules, code) in [
            (String::new(), ErrorCode::MalformedXml),
            (rule("").repeat(RULES_MAX + 1), ErrorCode::MalformedXml),
            ("<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>".to_owned(), ErrorCode::MalformedXml),
            ("<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>".to_owned(), ErrorCode::MalformedXml),
            (rule("<AllowedMethod>PATCH</AllowedMethod>"), ErrorCode::InvalidRequest),
            (rule("<AllowedOrigin>http://*.*</AllowedOrigin>"), ErrorCode::InvalidRequest),
            (rule("<AllowedHeader>**</AllowedHeader>"), ErrorCode::InvalidRequest),
            (rule("<ExposeHeader>x-*</ExposeHeader>"), ErrorCode::InvalidRequest),
            (rule("<ExposeHeader>no header</ExposeHeader>"), ErrorCode::MalformedXml),
            (rule("<MaxAgeSeconds>-1</MaxAgeSeconds>"), ErrorCode::MalformedXml),
        ] {
            assert_eq!(parse(&rules).unwrap_err(), code, "{rules}");
        }
    }
}
