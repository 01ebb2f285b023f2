//! A front door with its store, and a client that signs as SDKs do.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use axum::body::{Body, Bytes, to_bytes};
use cluster::{Cluster, ClusterConfig};
use env::Env;
use http::{HeaderMap, Request, StatusCode};
use iam::{AccessKey, Account, Credential, SecretKey};
use identity::Directory;
use s3::{Config, Frontend};
use store::{Store, StoreConfig};
use tempfile::TempDir;

pub const ACCESS_KEY: &str = "front-door";
pub const SECRET_KEY: &str = "front-door-secret";
/// The keys of an account that owns nothing here.
pub const OTHER_ACCESS_KEY: &str = "back-door";
pub const OTHER_SECRET_KEY: &str = "back-door-secret";
pub const HOST: &str = "localhost:9000";
pub const DOMAIN: &str = "s3.example.com";

/// A front door on fresh directories, with the bucket `bucket`.
pub struct Door {
    pub env: Env,
    frontend: Frontend,
    /// The account of the other keys.
    other: Account,
    _directory: TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The text of the first element called `name`.
    pub fn element(&self, name: &str) -> Option<&str> {
        self.elements(name).first().copied()
    }

    /// The texts of all elements called `name`.
    pub fn elements(&self, name: &str) -> Vec<&str> {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        self.text().split(&start).skip(1).map(|rest| rest.split(&end).next().unwrap()).collect()
    }

    /// The status and the S3 error code.
    pub fn error(&self) -> (u16, &str) {
        (self.status.as_u16(), self.element("Code").unwrap_or_default())
    }
}

/// How a request proves who sends it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Proof {
    Header,
    Presigned,
    None,
}

/// A request to be sent.
pub struct Call<'a> {
    door: &'a Door,
    method: &'static str,
    uri: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    proof: Proof,
    access_key: &'static str,
    secret_key: &'static str,
}

impl Door {
    pub async fn open() -> Self {
        let env = Env::real();
        let folder = TempDir::new().unwrap();
        let disks = (1..=2).map(|number| folder.path().join(format!("disk{number}"))).collect();
        let cluster = Arc::new(Cluster::open(&env, ClusterConfig::new(disks)).await.unwrap());
        let (store, _queues) = Store::open(env.clone(), cluster.clone(), StoreConfig::default()).await.unwrap();
        let pair =
            |access_key, secret_key| (AccessKey::parse(access_key).unwrap(), SecretKey::parse(secret_key).unwrap());
        let (access_key, secret_key) = pair(ACCESS_KEY, SECRET_KEY);
        let root = Credential { access_key, secret_key, account: Account::root() };
        let directory = Directory::open(env.clone(), cluster.consensus(), root, None).await.unwrap();
        let keys = pair(OTHER_ACCESS_KEY, OTHER_SECRET_KEY);
        let other = directory.create_account("other".to_owned(), None, Some(keys)).await.unwrap().entry.account;
        let config = Config { domains: vec![DOMAIN.to_owned()], ..Config::default() };
        let frontend = Frontend::new(env.clone(), store, Arc::new(directory), config);
        let door = Self { env, frontend, other, _directory: folder };
        door.put("/bucket").send().await;
        door
    }

    pub fn other_account(&self) -> &Account {
        &self.other
    }

    fn call(&self, method: &'static str, uri: &str) -> Call<'_> {
        let headers = vec![("host".to_owned(), HOST.to_owned())];
        let (uri, body) = (uri.to_owned(), Bytes::new());
        Call {
            door: self,
            method,
            uri,
            headers,
            body,
            proof: Proof::Header,
            access_key: ACCESS_KEY,
            secret_key: SECRET_KEY,
        }
    }

    pub fn get(&self, uri: &str) -> Call<'_> {
        self.call("GET", uri)
    }

    pub fn head(&self, uri: &str) -> Call<'_> {
        self.call("HEAD", uri)
    }

    pub fn put(&self, uri: &str) -> Call<'_> {
        self.call("PUT", uri)
    }

    pub fn post(&self, uri: &str) -> Call<'_> {
        self.call("POST", uri)
    }

    pub fn delete(&self, uri: &str) -> Call<'_> {
        self.call("DELETE", uri)
    }

    pub fn options(&self, uri: &str) -> Call<'_> {
        self.call("OPTIONS", uri)
    }

    /// Stores `content` under `key` of the bucket `bucket`.
    pub async fn store(&self, key: &str, content: &str) {
        let stored = self.put(&format!("/bucket/{key}")).body(content.to_owned()).send().await;
        assert_eq!(stored.status, StatusCode::OK, "{}", stored.text());
    }

    /// The keys of the bucket `bucket`.
    pub async fn keys(&self) -> Vec<String> {
        let listed = self.get("/bucket?list-type=2").send().await;
        listed.elements("Key").into_iter().map(str::to_owned).collect()
    }
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "host" {
            self.headers.clear();
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    pub fn secret_key(mut self, secret_key: &'static str) -> Self {
        self.secret_key = secret_key;
        self
    }

    /// Signs for the other account.
    pub fn by_other(mut self) -> Self {
        (self.access_key, self.secret_key) = (OTHER_ACCESS_KEY, OTHER_SECRET_KEY);
        self
    }

    /// Does not sign.
    pub fn anonymously(self) -> Self {
        self.proof(Proof::None)
    }

    /// The request, signed.
    pub fn sign(self) -> Request<Body> {
        let url = format!("http://{HOST}{}", self.uri);
        let mut request = Request::builder().method(self.method).uri(&url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut request = request.header("content-length", self.body.len()).body(()).unwrap();
        if self.proof != Proof::None {
            self.apply_signature(&url, &mut request);
        }
        // Servers see the target without the host.
        *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        request.map(|()| Body::from(self.body))
    }

    fn apply_signature(&self, url: &str, request: &mut Request<()>) {
        let identity = Credentials::new(self.access_key, self.secret_key, None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let presigned = self.proof == Proof::Presigned;
        settings.expires_in = presigned.then_some(Duration::from_secs(60));
        settings.signature_location =
            if presigned { SignatureLocation::QueryParams } else { SignatureLocation::Headers };
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_millis(self.door.env.clock.now().0))
            .settings(settings)
            .build()
            .unwrap();
        let declared = self.headers.iter().find(|(name, _)| name == "x-amz-content-sha256");
        let body = match declared {
            Some((_, declared)) => SignableBody::Precomputed(declared.clone()),
            None if presigned => SignableBody::UnsignedPayload,
            None => SignableBody::Bytes(&self.body),
        };
        let headers = self.headers.iter().filter(|(name, _)| name != "x-amz-content-sha256");
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(self.method, url, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }

    pub async fn send(self) -> Answer {
        let door = self.door;
        door.answer(self.sign()).await
    }
}

impl Door {
    /// Answers a request as it stands.
    pub async fn answer(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.frontend.handle(None, request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status, headers: head.headers, body }
    }
}
