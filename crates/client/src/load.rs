//! Load: many requests of one kind over several connections, and how long each took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use env::Env;
use http::{HeaderValue, Method};
use md5::{Digest, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::{Connection, Endpoint, Error, Keep, Result};

/// What each request of a load does. Object `n` has the key `prefix/n`, zero-padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creates the bucket; one request.
    CreateBucket,
    /// Writes object `n`.
    Put,
    /// Reads object `n` whole.
    Get,
    /// Asks for the headers of object `n`.
    Head,
    /// Lists the next 1000 keys of the prefix; each connection starts over at the end.
    List,
    /// Deletes object `n`.
    Delete,
    /// Writes object `n` as a multipart upload.
    Multipart {
        /// Size of all parts but the last, in bytes.
        part_size: usize,
    },
}

/// A load to be put on an endpoint.
#[derive(Clone, Debug)]
pub struct Load {
    /// What to do.
    pub operation: Operation,
    /// Bucket that it is done in.
    pub bucket: String,
    /// First part of each key.
    pub prefix: String,
    /// Size of each object, in bytes.
    pub object_size: usize,
    /// Number of operations in all.
    pub count: u64,
    /// Connections that work side by side.
    pub concurrency: usize,
}

/// How a load went. Times are of whole operations, as the client sees them.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Operations done.
    pub operations: u64,
    /// Object bytes moved, in either direction.
    pub bytes: u64,
    /// Time from the first request to the last answer.
    pub seconds: f64,
    /// Half of the operations took at most this long.
    pub p50_milliseconds: f64,
    /// 99 of 100 operations took at most this long.
    pub p99_milliseconds: f64,
    /// Bytes that the answers' bodies held, for listings.
    pub answer_bytes: u64,
}

/// Puts `load` on `endpoint` and waits for its end.
///
/// # Errors
///
/// The first failure of any request ends the whole load.
pub async fn run(env: &Env, endpoint: &Endpoint, load: &Load) -> Result<Report> {
    let body = pseudorandom(body_size(load));
    let content_md5 = HeaderValue::try_from(STANDARD.encode(Md5::digest(&body))).expect("base64 is ASCII");
    let next = Arc::new(AtomicU64::new(0));
    let (sender, mut receiver) = mpsc::channel(load.concurrency);
    let started = env.clock.monotonic();
    for _ in 0..load.concurrency {
        let worker = Worker {
            env: env.clone(),
            connection: Connection::open(env, endpoint).await?,
            load: load.clone(),
            body: body.clone(),
            content_md5: content_md5.clone(),
            next: next.clone(),
            list_from: None,
        };
        let sender = sender.clone();
        env.spawn.task(
            "load-worker",
            Box::pin(async move {
                // The receiver goes away only when another worker failed first.
                let _ = sender.send(worker.run().await).await;
            }),
        );
    }
    drop(sender);
    let mut latencies = Vec::new();
    let mut answer_bytes = 0;
    while let Some(outcome) = receiver.recv().await {
        let done = outcome?;
        latencies.extend(done.latencies);
        answer_bytes += done.answer_bytes;
    }
    let seconds = (env.clock.monotonic() - started).as_secs_f64();
    Ok(report(load, latencies, seconds, answer_bytes))
}

fn report(load: &Load, mut latencies: Vec<Duration>, seconds: f64, answer_bytes: u64) -> Report {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let position = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(position).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    let operations = latencies.len() as u64;
    let bytes = match load.operation {
        Operation::Put | Operation::Multipart { .. } => operations * load.object_size as u64,
        Operation::Get => answer_bytes,
        Operation::CreateBucket | Operation::Head | Operation::List | Operation::Delete => 0,
    };
    Report { operations, bytes, seconds, p50_milliseconds: at(50), p99_milliseconds: at(99), answer_bytes }
}

/// Size of the longest body that one request of `load` sends, in bytes. Parts of an upload share their bytes, so that
/// objects larger than the memory can be loaded.
fn body_size(load: &Load) -> usize {
    match load.operation {
        Operation::Put => load.object_size,
        Operation::Multipart { part_size } => part_size.min(load.object_size),
        Operation::CreateBucket | Operation::Get | Operation::Head | Operation::List | Operation::Delete => 0,
    }
}

/// Bytes that no compression shrinks (an xorshift sequence; Marsaglia 2003).
fn pseudorandom(size: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

struct Worker {
    env: Env,
    connection: Connection,
    load: Load,
    body: Bytes,
    /// The digest of the body.
    content_md5: HeaderValue,
    next: Arc<AtomicU64>,
    /// Token of the next page; `None` at the start of a listing.
    list_from: Option<String>,
}

#[derive(Default)]
struct Done {
    latencies: Vec<Duration>,
    answer_bytes: u64,
}

impl Worker {
    async fn run(mut self) -> Result<Done> {
        let mut done = Done::default();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if self.load.count <= number {
                return Ok(done);
            }
            let started = self.env.clock.monotonic();
            done.answer_bytes += self.operate(number).await?;
            done.latencies.push(self.env.clock.monotonic() - started);
        }
    }

    /// Does operation `number` and returns the size of the answer's body, in bytes.
    async fn operate(&mut self, number: u64) -> Result<u64> {
        let Load { bucket, prefix, .. } = &self.load;
        let path = Endpoint::object_path(bucket, &format!("{prefix}/{number:08}"));
        let (method, path, body) = match self.load.operation {
            Operation::CreateBucket => (Method::PUT, format!("/{bucket}"), Bytes::new()),
            Operation::Put => {
                return Ok(self.connection.put(&path, self.body.clone(), &self.content_md5).await?.body_size);
            }
            Operation::Get => (Method::GET, path, Bytes::new()),
            Operation::Head => (Method::HEAD, path, Bytes::new()),
            Operation::List => return self.list().await,
            Operation::Delete => (Method::DELETE, path, Bytes::new()),
            Operation::Multipart { part_size } => return self.multipart(&path, part_size).await,
        };
        Ok(self.connection.send(method, &path, body, Keep::Nothing).await?.body_size)
    }

    async fn list(&mut self) -> Result<u64> {
        let Load { bucket, prefix, .. } = &self.load;
        let prefix = utf8_percent_encode(prefix, NON_ALPHANUMERIC);
        let mut path = format!("/{bucket}?list-type=2&max-keys=1000&prefix={prefix}%2F");
        if let Some(token) = self.list_from.take() {
            path.push_str(&format!("&continuation-token={}", utf8_percent_encode(&token, NON_ALPHANUMERIC)));
        }
        let answer = self.connection.send(Method::GET, &path, Bytes::new(), Keep::Body).await?;
        self.list_from = element(&answer.body, "NextContinuationToken");
        Ok(answer.body_size)
    }

    async fn multipart(&mut self, path: &str, part_size: usize) -> Result<u64> {
        let answer = self.connection.send(Method::POST, &format!("{path}?uploads"), Bytes::new(), Keep::Body).await?;
        let upload_id = element(&answer.body, "UploadId")
            .ok_or(Error::Answer { operation: "CreateMultipartUpload", what: "UploadId" })?;
        let mut listed = String::new();
        for (position, start) in (0..self.load.object_size).step_by(part_size).enumerate() {
            let part = self.body.slice(..part_size.min(self.load.object_size - start));
            let number = position + 1;
            let part_path = format!("{path}?partNumber={number}&uploadId={upload_id}");
            let answer = self.connection.send(Method::PUT, &part_path, part, Keep::Nothing).await?;
            let etag = answer.headers.get("etag").and_then(|etag| etag.to_str().ok());
            let etag = etag.ok_or(Error::Answer { operation: "UploadPart", what: "ETag" })?;
            listed.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        let complete = format!("{path}?uploadId={upload_id}");
        let answer = self.connection.send(Method::POST, &complete, document.into(), Keep::Body).await?;
        element(&answer.body, "ETag").ok_or(Error::Answer { operation: "CompleteMultipartUpload", what: "ETag" })?;
        Ok(answer.body_size)
    }
}

/// Text of the first element `name` of an answer. Enough for identifiers, which need no unescaping.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(operation: Operation, object_size: usize) -> Load {
        let (bucket, prefix) = ("bucket".to_owned(), "prefix".to_owned());
        Load { operation, bucket, prefix, object_size, count: 1, concurrency: 1 }
    }

    #[test]
    fn no_more_than_one_part_is_held_in_memory() {
        assert_eq!(body_size(&load(Operation::Multipart { part_size: 8 }, 20)), 8);
        assert_eq!(body_size(&load(Operation::Multipart { part_size: 8 }, 5)), 5);
        assert_eq!(body_size(&load(Operation::Put, 20)), 20);
        assert_eq!(body_size(&load(Operation::Get, 20)), 0);
    }

    #[test]
    fn downloaded_bytes_are_those_that_came() {
        let latencies = || vec![Duration::from_millis(1); 2];
        assert_eq!(report(&load(Operation::Get, 100), latencies(), 1.0, 150).bytes, 150);
        assert_eq!(report(&load(Operation::Put, 100), latencies(), 1.0, 0).bytes, 200);
    }
}
