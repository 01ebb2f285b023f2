//! Buckets as websites: `GET http://BUCKET.WEBSITE-DOMAIN/PATH` by browsers, which sign nothing and read HTML (S3 user
//! guide, "Hosting a static website using Amazon S3").

mod page;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use http::header::{HOST, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::access_log::AccessLog;
use crate::auth::Payload;
use crate::caller::Caller;
use crate::error::{Error, ErrorCode, Result};
use crate::frontend::{Frontend, check_head};
use crate::header::metadata::REDIRECT_LOCATION;
use crate::operation::Operation;
use crate::request::{Origin, Request};
use crate::response::{self, Response};
use crate::settings::{Elsewhere, Pages, Website};
use crate::target::{Target, check_key};
use crate::uri;
use page::ErrorPage;

/// A request of a browser.
struct Visit<'a> {
    bucket: &'a str,
    head: &'a Parts,
    origin: Origin,
}

impl Visit<'_> {
    /// What the browser has asked for, whatever it will get.
    fn target(&self) -> Target {
        let path = self.head.uri.path();
        let key = uri::decode(path.strip_prefix('/').unwrap_or(path)).unwrap_or_default();
        let bucket = self.bucket.to_owned();
        if key.is_empty() { Target::Bucket(bucket) } else { Target::Object { bucket, key } }
    }
}

/// Why there is no page, and why not even the page for that, if there should be one.
struct Failed {
    error: Error,
    error_page: Option<Error>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, error_page: None }
    }
}

impl Frontend {
    /// Answers a browser that visits the website of `bucket`. Always answers: what goes wrong becomes a page.
    pub(crate) async fn visit(
        &self,
        bucket: &str,
        head: &Parts,
        remote: Option<SocketAddr>,
        request_id: &str,
        log: &mut AccessLog,
    ) -> Response {
        let origin = Origin { remote, is_accelerated: false, notes: log.notes(), seen_at: None };
        let mut visit = Visit { bucket, head, origin };
        log.set_website(visit.target());
        match self.find_page(&mut visit).await {
            Ok(page) => page,
            Err(Failed { error, error_page }) => {
                log.set_error(&error);
                let ids = [("RequestId", request_id), ("HostId", self.host_id.as_str())];
                ErrorPage { error: &error, nested: error_page.as_ref(), ids }.answer(&head.method)
            }
        }
    }

    async fn find_page(&self, visit: &mut Visit<'_>) -> Result<Response, Failed> {
        check_head(visit.head)?;
        let method = &visit.head.method;
        if *method != Method::GET && *method != Method::HEAD {
            let refused = Error::new(ErrorCode::MethodNotAllowed).detail("Method", method.as_str());
            return Err(refused.detail("ResourceType", "OBJECT").header(http::header::ALLOW, "HEAD, GET").into());
        }
        let access = self.bucket_access(visit.bucket).await?;
        visit.origin.notes.bucket(&access);
        visit.origin.seen_at = Some(access.bucket.found_at);
        let missing = || Error::new(ErrorCode::NoSuchWebsiteConfiguration).detail("BucketName", visit.bucket);
        let website = access.settings.website.as_ref().ok_or_else(missing)?;
        let path = visit.head.uri.path();
        let key = uri::decode(path.strip_prefix('/').unwrap_or(path))?;
        let pages = match website {
            Website::Here(pages) => pages,
            Website::Elsewhere { host, protocol } => {
                let (protocol, host) = (*protocol, Some(host.clone()));
                let elsewhere = Elsewhere { protocol, host, key, status: StatusCode::MOVED_PERMANENTLY };
                return Ok(redirect(visit, &elsewhere)?);
            }
        };
        if let Some(elsewhere) = pages.redirect(&key, None) {
            return Ok(redirect(visit, &elsewhere)?);
        }
        let is_folder = key.is_empty() || key.ends_with('/');
        let wanted = if is_folder { format!("{key}{}", pages.index) } else { key.clone() };
        match self.fetch(visit, method, &wanted, conditions(&visit.head.headers)).await {
            Ok(page) => Ok(moved(page)),
            Err(error) => self.instead(visit, pages, &key, error).await,
        }
    }

    /// What is answered where `key` is no page: the folder of that name, where the rules send such requests, the page for
    /// errors.
    async fn instead(&self, visit: &Visit<'_>, pages: &Pages, key: &str, error: Error) -> Result<Response, Failed> {
        let status = error.code().status();
        let is_missing = status == StatusCode::NOT_FOUND || status == StatusCode::FORBIDDEN;
        if is_missing && !key.is_empty() && !key.ends_with('/') {
            let index = format!("{key}/{}", pages.index);
            if self.fetch(visit, &Method::HEAD, &index, HeaderMap::new()).await.is_ok() {
                return Ok(to(StatusCode::FOUND, &format!("/{}/", uri::encode_path(key)))?);
            }
        }
        if let Some(elsewhere) = pages.redirect(key, Some(status)) {
            return Ok(redirect(visit, &elsewhere)?);
        }
        let Some(error_key) = pages.error.as_ref().filter(|_| status.is_client_error()) else {
            return Err(error.into());
        };
        match self.fetch(visit, &visit.head.method, error_key, HeaderMap::new()).await {
            Ok(mut page) => {
                *page.status_mut() = status;
                Ok(page)
            }
            Err(nested) => Err(Failed { error, error_page: Some(nested) }),
        }
    }

    /// Reads an object as anybody may.
    async fn fetch(&self, visit: &Visit<'_>, method: &Method, key: &str, headers: HeaderMap) -> Result<Response> {
        check_key(key)?;
        let operation = if *method == Method::HEAD { Operation::HeadObject } else { Operation::GetObject };
        let body = self.body(Body::empty(), Payload::Unsigned, &headers, Arc::default())?;
        let target = Target::Object { bucket: visit.bucket.to_owned(), key: key.to_owned() };
        let request = Request::new(operation, target, body, Caller::of(None), visit.origin.clone());
        self.perform(Request { headers, ..request }).await
    }
}

/// The headers of a browser that decide what of a page it needs. None that mean something to S3 alone.
fn conditions(sent: &HeaderMap) -> HeaderMap {
    use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};
    let names = [IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE];
    names.into_iter().filter_map(|name| sent.get(&name).map(|value| (name, value.clone()))).collect()
}

/// A page, or where its object says that it has moved to.
fn moved(page: Response) -> Response {
    let Some(location) = page.headers().get(REDIRECT_LOCATION).cloned() else { return page };
    let mut moved = response::empty(StatusCode::MOVED_PERMANENTLY);
    moved.headers_mut().insert(LOCATION, location);
    moved
}

fn redirect(visit: &Visit<'_>, elsewhere: &Elsewhere) -> Result<Response> {
    let sent = visit.head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Elsewhere { protocol, host, key, status } = elsewhere;
    // TLS ends in front of this server.
    let protocol = protocol.map_or("http", |protocol| protocol.as_str());
    let host = host.as_deref().unwrap_or(sent);
    to(*status, &format!("{protocol}://{host}/{}", uri::encode_path(key)))
}

fn to(status: StatusCode, location: &str) -> Result<Response> {
    let location = HeaderValue::try_from(location).map_err(|_| ErrorCode::InvalidUri)?;
    let mut answer = response::empty(status);
    answer.headers_mut().insert(LOCATION, location);
    Ok(answer)
}
